// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

const (
	login  = ".dockerconfigjson"
	denied = "unauthorized|denied|authentication required"
	// untrusted is what Go's TLS says of a certificate of a CA that it was not given.
	untrusted = "x509|certificate"
)

func reference(repository string) string {
	return string(publish.Data["IMAGE_PREFIX"]) + "/" + repository + ":1.0.0"
}

// archive makes an OCI layout with a small image in it, and tells its digest.
func archive(t *testing.T) (path, digest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "image")
	image := must(random.Image(256, 2))
	index := must(layout.Write(path, must(random.Index(256, 1, 0))))
	NewWithT(t).Expect(index.AppendImage(image)).To(Succeed())
	return path, must(image.Digest()).String()
}

func TestSkopeo(t *testing.T) {
	program(t, "skopeo", "Debian's package skopeo")
	pusher, puller := newMachine(t, publish), newMachine(t, pull)
	source, digest := archive(t)
	image := "docker://" + reference("by-skopeo")
	copied := func(m *machine, from, to, side string) []string {
		return []string{"copy", "--" + side + "-authfile", m.key(login), "--" + side + "-cert-dir", m.certs(), from, to}
	}
	pusher.do("skopeo", copied(pusher, "oci:"+source, image, "dest")...)
	puller.do("skopeo", copied(puller, image, "dir:"+puller.home+"/pulled", "src")...)
	NewWithT(t).Expect(puller.do("skopeo", "inspect", "--authfile", puller.key(login), "--cert-dir", puller.certs(),
		"--format", "{{.Digest}}", image)).To(Equal(digest + "\n"))
	puller.refused(denied, "skopeo", copied(puller, "oci:"+source, image, "dest")...)
	puller.refused(untrusted, "skopeo", "inspect", "--authfile", puller.key(login), image)
	puller.refused(denied, "skopeo", "inspect", "--no-creds", "--cert-dir", puller.certs(), image)
}

func TestPodmanAndBuildah(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			program(t, engine, "Debian's package "+engine)
			if os.Getuid() != 0 {
				t.Skip("without root it needs subordinate user ids")
			}
			pusher, puller := newMachine(t, publish), newMachine(t, pull)
			image := reference("by-" + engine)
			with := func(m *machine, verb string, args ...string) []string {
				return append([]string{verb, "--authfile", m.key(login), "--cert-dir", m.certs()}, args...)
			}
			pusher.do(engine, "build", "--tag", image, pusher.service())
			pusher.do(engine, with(pusher, "push", "--digestfile", pusher.home+"/digest", image)...)
			puller.do(engine, with(puller, "pull", image)...)
			pulled := puller.do(engine, "images", "--format", "{{.Digest}}")
			NewWithT(t).Expect(pulled).To(Equal(string(must(os.ReadFile(pusher.home+"/digest"))) + "\n"))
			puller.refused(denied, engine, with(puller, "push", image)...)
			puller.do(engine, "rmi", image) // An image that is here may not be asked for.
			puller.refused(untrusted, engine, "pull", "--authfile", puller.key(login), image)
		})
	}
}

func TestCrane(t *testing.T) {
	crane := filepath.Join(t.TempDir(), "crane")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", crane, "github.com/google/go-containerregistry/cmd/crane")
	build.Dir = env.RepoRoot()
	if output, err := build.CombinedOutput(); err != nil {
		t.Skipf("crane does not build from the module go-containerregistry here: %s", output)
	}
	pusher, puller := newMachine(t, publish), newMachine(t, pull)
	for _, m := range []*machine{pusher, puller} {
		m.write(filepath.Join(m.home, "docker/config.json"), string(must(os.ReadFile(m.key(login)))))
		m.env = append(m.env, "DOCKER_CONFIG="+m.home+"/docker")
	}
	image := reference("by-crane")
	source, digest := archive(t)
	puller.refused(untrusted, crane, "digest", reference("by-skopeo"))
	pusher.env = append(pusher.env, "SSL_CERT_FILE="+pusher.key("ca.crt"))
	puller.env = append(puller.env, "SSL_CERT_FILE="+puller.key("ca.crt"))
	pusher.do(crane, "push", source, image)
	NewWithT(t).Expect(puller.do(crane, "pull", image, puller.home+"/pulled.tar")).To(BeEmpty())
	NewWithT(t).Expect(puller.do(crane, "digest", image)).To(Equal(digest + "\n"))
	other, _ := archive(t) // What the registry holds already is not pushed again.
	puller.refused(denied, crane, "push", other, image)
}

// The Exchange is played by a program that takes hzn's arguments.
func TestPublishScriptWithRealEngines(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			g := NewWithT(t)
			program(t, engine, "Debian's package "+engine)
			if os.Getuid() != 0 {
				t.Skip("without root it needs subordinate user ids")
			}
			m, puller := newMachine(t, publish), newMachine(t, pull)
			m.scripted(engine)
			// A login for the project that is there already would outweigh one for the host.
			project := string(publish.Data["IMAGE_PREFIX"])
			m.write(m.home+"/auth.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, project, base64.StdEncoding.EncodeToString([]byte("somebody:else"))))
			m.env = append(m.env, "REGISTRY_AUTH_FILE="+m.home+"/auth.json")
			for range 2 {
				output := m.do("sh", filepath.Join(env.RepoRoot(), "config/consumers/publish.sh"))
				g.Expect(output).To(ContainSubstring("hzn exchange service publish -O -r " + string(publish.Data["OCP_DOCKER_HOST"]) + ":edge-puller." + string(publish.Data["OCP_PROJECT"]) + ":*** -f "))
			}
			image := string(must(os.ReadFile(m.home + "/published")))
			g.Expect(image).To(MatchRegexp("^" + string(publish.Data["IMAGE_PREFIX"]) + "/sensor-" + engine + "_arm64@sha256:[0-9a-f]{64}$"))
			for _, published := range []string{image, strings.Replace(image[:strings.Index(image, "@")], "arm64", "amd64", 1) + ":1.0.0"} {
				puller.do(engine, "pull", "--authfile", puller.key(login), "--cert-dir", puller.certs(), "--platform", platformOf(published), published)
			}
		})
	}
}

func TestPublishScriptStopsWhereAHelperOutweighsItsLogin(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			g := NewWithT(t)
			program(t, engine, "Debian's package "+engine)
			m := newMachine(t, publish)
			tools := m.scripted(engine)
			m.tool(tools, "docker-credential-other", `cat >/dev/null; [ "$1" = get ] && echo '{"Username": "somebody", "Secret": "else"}'`)
			m.write(m.home+"/.config/containers/registries.conf", `credential-helpers = ["other", "containers-auth.json"]`)
			output, err := m.run("sh", filepath.Join(env.RepoRoot(), "config/consumers/publish.sh"))
			g.Expect(err).To(HaveOccurred(), output)
			g.Expect(output).To(And(ContainSubstring("A credential helper of this machine outweighs the login"), ContainSubstring("for the push failed with exit status 1")))
			g.Expect(m.home + "/published").NotTo(BeAnExistingFile())
		})
	}
}

func platformOf(image string) string {
	if strings.Contains(image, "_arm64") {
		return "linux/arm64"
	}
	return "linux/amd64"
}
