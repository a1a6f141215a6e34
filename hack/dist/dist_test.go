// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const testImage = "registry.example.com/edge/operator:v9.9.9"

func TestTheInstallManifestsAreFoldersOfConfigWithTheImage(t *testing.T) {
	for name, folder := range installs {
		t.Run(name, func(t *testing.T) { expectInstallManifest(t, name, folder) })
	}
}

func expectInstallManifest(t *testing.T, name, folder string) {
	t.Helper()
	g := NewWithT(t)
	r := &release{root: "../..", out: t.TempDir(), version: "v9.9.9", image: testImage}
	g.Expect(r.installYAML(name, folder)).To(Succeed())
	content, err := os.ReadFile(filepath.Join(r.out, name))
	g.Expect(err).NotTo(HaveOccurred())
	want, err := manifests.Render(filepath.Join("../../config", folder))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(manifests.SetImage(want, testImage)).To(Succeed())

	about, rest, _ := strings.Cut(string(content), "---\n")
	g.Expect(about).To(And(ContainSubstring("v9.9.9"), HaveSuffix("-f "+name+"\n")))
	documents := strings.Split(rest, "\n---\n")
	g.Expect(documents).To(HaveLen(len(want)))
	for i, document := range documents {
		var object unstructured.Unstructured
		g.Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
		wanted, err := yaml.Marshal(want[i].Object)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.TrimSuffix(document, "\n")).To(Equal(strings.TrimSuffix(string(wanted), "\n")), "%s %s", object.GetKind(), object.GetName())
	}
	g.Expect(string(content)).To(ContainSubstring("image: " + testImage))
	g.Expect(string(content)).NotTo(ContainSubstring(manifests.Image))
}

func TestTheManifestForKrewHasEachArchive(t *testing.T) {
	g := NewWithT(t)
	r := &release{root: "../..", out: t.TempDir(), version: "1.2.3", url: "https://downloads.example.com/v1/"}
	platforms := []krewPlatform{{Selector: krewSelector{map[string]string{"os": "linux", "arch": "amd64"}}, URI: "u", SHA256: "s", Bin: pluginName}}
	g.Expect(r.krewManifest(platforms)).To(Succeed())
	text, err := os.ReadFile(filepath.Join(r.out, "edgereg.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var written struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct{ Name string }
		Spec       struct {
			Version, ShortDescription, Description, Homepage string
			Platforms                                        []krewPlatform
		}
	}
	g.Expect(yaml.Unmarshal(text, &written)).To(Succeed())
	g.Expect(written.APIVersion).To(Equal("krew.googlecontainertools.github.com/v1alpha2"))
	g.Expect(written.Metadata.Name).To(Equal("edgereg"))
	g.Expect(written.Spec.Version).To(Equal("v1.2.3"))
	g.Expect(len(written.Spec.ShortDescription)).To(BeNumerically("<=", 50), "krew's own limit of taste")
	g.Expect(written.Spec.Platforms).To(Equal(platforms))
}

func TestAnArchiveIsTheSameWhenItIsMadeAgain(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "program")
	g.Expect(os.WriteFile(file, []byte("program"), 0o600)).To(Succeed())
	var sums [][]byte
	for _, name := range []string{"a.tar.gz", "b.tar.gz"} {
		path := filepath.Join(folder, name)
		g.Expect(writeArchive(path, []string{pluginName}, map[string]string{pluginName: file})).To(Succeed())
		sum, err := sha256Of(path)
		g.Expect(err).NotTo(HaveOccurred())
		sums = append(sums, sum)
		g.Expect(os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0))).To(Succeed())
	}
	g.Expect(sums[0]).To(Equal(sums[1]))
	listed, err := exec.CommandContext(t.Context(), "tar", "-tvzf", filepath.Join(folder, "a.tar.gz")).Output()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(listed)).To(And(HavePrefix("-rwxr-xr-x"), HaveSuffix(pluginName+"\n")))
}

func TestAnImageThatIsNowhereIsAnError(t *testing.T) {
	NewWithT(t).Expect(manifests.SetImage(nil, testImage)).To(MatchError(ContainSubstring("no Deployment")))
}

func TestChecksumsAreWhatSha256sumReads(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	for name, content := range map[string]string{"b": "two", "a": "one"} {
		g.Expect(os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600)).To(Succeed())
	}
	g.Expect(checksums(folder)).To(Succeed())
	content, err := os.ReadFile(filepath.Join(folder, checksumFile))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(Equal(fmt.Sprintf("%x  a\n%x  b\n", sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two")))))
}

// TestTheBillListsWhatTheBinaryIsMadeOf reads the test's own binary.
func TestTheBillListsWhatTheBinaryIsMadeOf(t *testing.T) {
	g := NewWithT(t)
	binary, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	link := filepath.Join(t.TempDir(), "operator")
	g.Expect(os.Symlink(binary, link)).To(Succeed())
	g.Expect(writeBill(link, "v9.9.9")).To(Succeed())
	content, err := os.ReadFile(link + ".cdx.json")
	g.Expect(err).NotTo(HaveOccurred())
	var b bill
	g.Expect(json.Unmarshal(content, &b)).To(Succeed())

	g.Expect(b.Format + b.SpecVersion).To(Equal("CycloneDX1.6"))
	g.Expect(b.SerialNumber).To(MatchRegexp(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`))
	g.Expect(b.Metadata.Component.Version).To(Equal("v9.9.9"))
	g.Expect(b.Metadata.Component.Hashes).To(HaveLen(1))
	listed := map[string]string{}
	for _, c := range b.Components {
		g.Expect(c.Ref).To(Equal(c.PURL))
		listed[c.Name] = c.Version
	}
	g.Expect(listed).To(HaveLen(len(b.Components)), "each once")
	g.Expect(listed).To(HaveKey("stdlib"))
	info, ok := debug.ReadBuildInfo()
	g.Expect(ok).To(BeTrue())
	g.Expect(info.Deps).NotTo(BeEmpty())
	for _, dependency := range info.Deps {
		g.Expect(listed).To(HaveKeyWithValue(dependency.Path, dependency.Version))
	}
}

func TestABillNamesTheReplacementAndEscapesVersions(t *testing.T) {
	g := NewWithT(t)
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{
		{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v2.0.0+incompatible", Sum: "h1:x"}},
	}}
	sum := sha256.Sum256([]byte("binary"))
	b := newBill(info, "operator", "v9.9.9", sum[:])
	g.Expect(b.Components[0].PURL).To(Equal("pkg:golang/stdlib@1.26.8"))
	g.Expect(b.Components[1].PURL).To(Equal("pkg:golang/example.com/new@v2.0.0%2Bincompatible"))
	g.Expect(newBill(info, "operator", "v9.9.9", sum[:])).To(Equal(b), "the same binary has the same bill")
	other := sha256.Sum256([]byte("another"))
	g.Expect(newBill(info, "operator", "v9.9.9", other[:]).SerialNumber).NotTo(Equal(b.SerialNumber))
}
