// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var (
	// imageLine is a line that has an image run or built upon, in YAML, a container file, or a command in a document.
	imageLine = regexp.MustCompile(`(?m)^(?:[^#\n]*?[{ -]image: "?|[^#\n]*-image, value: "?|FROM (?:--platform=\S+ )?)([^\s"},]+)`)
	byDigest  = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	notPinned = regexp.MustCompile(`(?m)^\s*# (By tag|Yours): (\S+)$`)
)

// shipped are the files that name images: manifests, container files and documents. What is in bundle/ is made of config/.
func shipped(t *testing.T) []string {
	t.Helper()
	files := []string{"../Dockerfile", "../README.md"}
	for _, root := range []string{".", "../docs"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".md") || strings.HasSuffix(path, "file") && !entry.IsDir() {
				files = append(files, path)
			}
			return err
		})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	return files
}

// An image is named by its digest, or a comment says that it is not, and why: its digest was not known where the file was
// written, or the image is the reader's own.
func TestEachImageIsPinnedOrItIsSaidWhyNot(t *testing.T) {
	images := 0
	for _, file := range shipped(t) {
		g := NewWithT(t)
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		said := map[string]string{}
		for _, match := range notPinned.FindAllStringSubmatch(string(content), -1) {
			said[match[2]] = match[1]
		}
		for _, match := range imageLine.FindAllStringSubmatch(string(content), -1) {
			image := match[1]
			images++
			if byDigest.MatchString(image) || strings.HasPrefix(image, "$(") || image == "scratch" {
				continue
			}
			g.Expect(said).To(HaveKey(image), "%s names it neither by its digest nor says why not", file)
			own := strings.Contains(image, ".example.com/") || !strings.Contains(image, "/")
			g.Expect(said[image] == "Yours").To(Equal(own), "%s: %s", file, image)
		}
	}
	NewWithT(t).Expect(images).To(BeNumerically(">=", 14))
}

// What is fetched by a name that can be moved runs with the logins of a pipeline.
func TestEachActionIsNamedByItsCommit(t *testing.T) {
	content, err := os.ReadFile("consumers/github-actions.yaml")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	uses := regexp.MustCompile(`uses: (\S+)`).FindAllStringSubmatch(string(content), -1)
	g.Expect(uses).NotTo(BeEmpty())
	for _, action := range uses {
		g.Expect(action[1]).To(MatchRegexp(`^[\w/-]+@[0-9a-f]{40}$`))
	}
}

// pinned runs the script over a copy of the files, with a registry that has one digest for all.
func pinned(t *testing.T, root, digest string) (string, error) {
	t.Helper()
	crane := filepath.Join(t.TempDir(), "crane")
	NewWithT(t).Expect(os.WriteFile(crane, []byte("#!/bin/sh\n[ $1 = digest ] && echo '"+digest+"'\n"), 0o700)).To(Succeed())
	script, err := filepath.Abs("../hack/pin.sh")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	command := exec.CommandContext(t.Context(), script, root)
	command.Env = append(os.Environ(), "CRANE="+crane)
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestPinningPutsADigestBehindEachTagAndRenewsIt(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	files := []string{"Dockerfile", "config/consumers/Containerfile", "config/consumers/job.yaml", "config/scorecard/config.yaml"}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join("..", file))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o700)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(root, file), content, 0o600)).To(Succeed())
	}
	for _, digit := range []string{"a", "b"} {
		digest := "sha256:" + strings.Repeat(digit, 64)
		output, err := pinned(t, root, digest)
		g.Expect(err).NotTo(HaveOccurred(), output)
		var images []string
		for _, file := range files {
			before, err := os.ReadFile(filepath.Join("..", file))
			g.Expect(err).NotTo(HaveOccurred())
			after, err := os.ReadFile(filepath.Join(root, file))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(strings.ReplaceAll(string(after), "@"+digest, "")).To(Equal(string(before)), "%s: nothing else is changed", file)
			for _, match := range imageLine.FindAllStringSubmatch(string(after), -1) {
				images = append(images, match[1])
			}
		}
		own := slices.DeleteFunc(slices.Clone(images), func(image string) bool { return strings.HasSuffix(image, "@"+digest) })
		g.Expect(own).To(HaveEach("quay.example.com/edge/publish-tools:1"))
		g.Expect(len(images) - len(own)).To(Equal(9))
	}
}

func TestPinningRefusesWhatIsNoDigest(t *testing.T) {
	for _, digest := range []string{"", "sha256:abc", "latest|s/x/y/"} {
		g := NewWithT(t)
		root := t.TempDir()
		g.Expect(os.Mkdir(filepath.Join(root, "config"), 0o700)).To(Succeed())
		text := "# By tag: example.test/a:1\nFROM example.test/a:1\n"
		g.Expect(os.WriteFile(filepath.Join(root, "Dockerfile"), []byte(text), 0o600)).To(Succeed())
		output, err := pinned(t, root, digest)
		g.Expect(err).To(HaveOccurred())
		g.Expect(output).To(ContainSubstring("no digest of example.test/a:1"))
		content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(content)).To(Equal(text))
	}
}
