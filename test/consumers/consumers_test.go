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

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/machine"
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

func TestSkopeo(t *testing.T) {
	machine.Program(t, "skopeo", "Debian's package skopeo")
	pusher, puller := newMachine(t, publish), newMachine(t, pull)
	source, digest := machine.Archive(t)
	image := "docker://" + reference("by-skopeo")
	copied := func(m *machine.Machine, from, to, side string) []string {
		return []string{"copy", "--" + side + "-authfile", m.Key(login), "--" + side + "-cert-dir", m.Certs(), from, to}
	}
	pusher.Do("skopeo", copied(pusher, "oci:"+source, image, "dest")...)
	puller.Do("skopeo", copied(puller, image, "dir:"+puller.Home+"/pulled", "src")...)
	NewWithT(t).Expect(puller.Do("skopeo", "inspect", "--authfile", puller.Key(login), "--cert-dir", puller.Certs(),
		"--format", "{{.Digest}}", image)).To(Equal(digest + "\n"))
	puller.Refused(denied, "skopeo", copied(puller, "oci:"+source, image, "dest")...)
	puller.Refused(untrusted, "skopeo", "inspect", "--authfile", puller.Key(login), image)
	puller.Refused(denied, "skopeo", "inspect", "--no-creds", "--cert-dir", puller.Certs(), image)
}

func TestPodmanAndBuildah(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			machine.Engine(t, engine)
			pusher, puller := newMachine(t, publish), newMachine(t, pull)
			image := reference("by-" + engine)
			with := func(m *machine.Machine, verb string, args ...string) []string {
				return append([]string{verb, "--authfile", m.Key(login), "--cert-dir", m.Certs()}, args...)
			}
			pusher.Do(engine, "build", "--tag", image, pusher.Service())
			pusher.Do(engine, with(pusher, "push", "--digestfile", pusher.Home+"/digest", image)...)
			puller.Do(engine, with(puller, "pull", image)...)
			pulled := puller.Do(engine, "images", "--format", "{{.Digest}}")
			NewWithT(t).Expect(pulled).To(Equal(string(must(os.ReadFile(pusher.Home+"/digest"))) + "\n"))
			puller.Refused(denied, engine, with(puller, "push", image)...)
			puller.Do(engine, "rmi", image) // An image that is here may not be asked for.
			puller.Refused(untrusted, engine, "pull", "--authfile", puller.Key(login), image)
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
	for _, m := range []*machine.Machine{pusher, puller} {
		m.Docker()
	}
	image := reference("by-crane")
	source, digest := machine.Archive(t)
	puller.Refused(untrusted, crane, "digest", reference("by-skopeo"))
	pusher.Env = append(pusher.Env, "SSL_CERT_FILE="+pusher.Key("ca.crt"))
	puller.Env = append(puller.Env, "SSL_CERT_FILE="+puller.Key("ca.crt"))
	pusher.Do(crane, "push", source, image)
	NewWithT(t).Expect(puller.Do(crane, "pull", image, puller.Home+"/pulled.tar")).To(BeEmpty())
	NewWithT(t).Expect(puller.Do(crane, "digest", image)).To(Equal(digest + "\n"))
	other, _ := machine.Archive(t) // What the registry holds already is not pushed again.
	puller.Refused(denied, crane, "push", other, image)
}

// The Exchange is simulated by a program that takes hzn's arguments.
func TestPublishScriptWithRealEngines(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			g := NewWithT(t)
			machine.Engine(t, engine)
			m, puller := newMachine(t, publish), newMachine(t, pull)
			m.Scripted(engine)
			// A login for the project that is there already would outweigh one for the host.
			project := string(publish.Data["IMAGE_PREFIX"])
			m.Write(m.Home+"/auth.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, project, base64.StdEncoding.EncodeToString([]byte("somebody:else"))))
			m.Env = append(m.Env, "REGISTRY_AUTH_FILE="+m.Home+"/auth.json")
			for range 2 {
				output := m.Do("sh", machine.PublishScript())
				g.Expect(output).To(ContainSubstring("hzn exchange service publish -O -r " + string(publish.Data["OCP_DOCKER_HOST"]) + ":edge-puller." + string(publish.Data["OCP_PROJECT"]) + ":*** -f "))
			}
			image := string(must(os.ReadFile(m.Home + "/published")))
			g.Expect(image).To(MatchRegexp("^" + string(publish.Data["IMAGE_PREFIX"]) + "/sensor-" + engine + "_arm64@sha256:[0-9a-f]{64}$"))
			for _, published := range []string{image, strings.Replace(image[:strings.Index(image, "@")], "arm64", "amd64", 1) + ":1.0.0"} {
				puller.Do(engine, "pull", "--authfile", puller.Key(login), "--cert-dir", puller.Certs(), "--platform", platformOf(published), published)
			}
		})
	}
}

func TestPublishScriptStopsWhereAHelperOutweighsItsLogin(t *testing.T) {
	for _, engine := range []string{"podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			g := NewWithT(t)
			machine.Program(t, engine, "Debian's package "+engine)
			m := newMachine(t, publish)
			tools := m.Scripted(engine)
			m.Tool(tools, "docker-credential-other", `cat >/dev/null; [ "$1" = get ] && echo '{"Username": "somebody", "Secret": "else"}'`)
			m.Write(m.Home+"/.config/containers/registries.conf", `credential-helpers = ["other", "containers-auth.json"]`)
			output, err := m.Run("sh", machine.PublishScript())
			g.Expect(err).To(HaveOccurred(), output)
			g.Expect(output).To(And(ContainSubstring("A credential helper of this machine outweighs the login"), ContainSubstring("for the push failed with exit status 1")))
			g.Expect(m.Home + "/published").NotTo(BeAnExistingFile())
		})
	}
}

func platformOf(image string) string {
	if strings.Contains(image, "_arm64") {
		return "linux/arm64"
	}
	return "linux/amd64"
}
