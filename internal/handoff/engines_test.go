// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// What keeps an engine from the CA that was installed is named, with what to do: success that only the script believes in is
// none (docs/internal/peer-bugs.md names who met each).
func TestScriptNamesWhatKeepsAnEngineFromItsCA(t *testing.T) {
	docker := filepath.Dir(dockerFile)
	for _, tt := range []struct {
		name  string
		files map[string]string
		// installed is where ca.crt has to be besides, and warns what has to be said; empty for nothing.
		installed []string
		warns     []string
	}{
		{"nothing of the kind", nil, []string{dockerFile, podmanFile}, nil},
		{"a lone certificate of a client", map[string]string{docker + "/ca.cert": "x"}, []string{dockerFile, podmanFile},
			[]string{docker + "/ca.cert counts as a client's certificate without its key", "rename it to", docker + "/ca.crt"}},
		{"a certificate of a client with its key", map[string]string{docker + "/client.cert": "x", docker + "/client.key": "x"}, []string{dockerFile}, nil},
		{"hosts.toml of containerd", map[string]string{docker + "/hosts.toml": ""}, []string{dockerFile},
			[]string{"/hosts.toml is, containerd and Docker that keeps images in it read ca.crt no more", `ca = "` + dockerFile + `"`}},
		{"_default of containerd", map[string]string{filepath.Dir(docker) + "/_default/hosts.toml": ""}, []string{dockerFile, podmanFile},
			[]string{"_default does not count for " + host}},
		{"Docker by snap", map[string]string{"/var/snap/docker/current/x": ""}, []string{dockerFile, podmanFile, "/var/snap/docker/current" + dockerFile}, nil},
		{"the newer directory of Podman", map[string]string{"/etc/containers/certs.rootful.d/" + host + "/ca.crt": "another"},
			[]string{dockerFile, "/etc/containers/certs.rootful.d/" + host + "/ca.crt"}, nil},
		{"k3s", map[string]string{"/etc/rancher/k3s/config.yaml": ""}, []string{dockerFile, podmanFile},
			[]string{"k3s does not read this CA", "/etc/rancher/k3s/registries.yaml", dockerFile}},
		{"k3s that was told", map[string]string{"/etc/rancher/k3s/registries.yaml": "ca_file: " + dockerFile}, []string{dockerFile, podmanFile}, nil},
		{"RKE2", map[string]string{"/etc/rancher/rke2/config.yaml": ""}, []string{dockerFile, podmanFile}, []string{"rke2 does not read this CA"}},
		{"MicroK8s", map[string]string{"/var/snap/microk8s/current/x": ""}, []string{dockerFile, podmanFile}, []string{"MicroK8s does not read this CA", "hosts.toml"}},
		{"containerd alone", map[string]string{"/etc/containerd/config.toml": ""}, []string{dockerFile, podmanFile},
			[]string{"containerd does not read this CA by itself", "config_path"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forEachShell(t, func(t *testing.T, m *machine) {
				g := NewWithT(t)
				for path, content := range tt.files {
					m.write(path, content, 0o644)
				}
				result := m.run("--root", m.root)
				g.Expect(result.code).To(BeZero())
				for _, file := range tt.installed {
					g.Expect(os.ReadFile(m.root+file)).To(BeEquivalentTo(writtenCA(registryCA().pem)), file)
				}
				for _, warned := range tt.warns {
					g.Expect(result.stderr).To(ContainSubstring(warned))
				}
				if len(tt.warns) == 0 {
					g.Expect(result.stderr).To(BeEmpty())
				}
				g.Expect(m.run("--root", m.root, "--remove").code).To(BeZero())
				for _, file := range tt.installed {
					g.Expect(m.root + file).NotTo(BeAnExistingFile())
				}
			})
		})
	}
}

// curl of some machines reads their own CAs beside the file, and fails otherwise than by an unknown issuer where two CAs of one
// name are in it: the file alone is asked, and another program that reads it as engines do before anything is blamed.
func TestScriptAsksWithTheFileAlone(t *testing.T) {
	forEachSystem(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("curl", `echo "$*" >"`+m.log+`/args"; while [ "$1" != --capath ]; do shift; done; ls "$2"; printf '\n401\n'`)
		g.Expect(m.run().stdout).To(ContainSubstring(checkedByCurl))
		args := strings.Fields(string(must(os.ReadFile(m.log + "/args"))))
		g.Expect(args).To(ContainElements("--cacert", dockerFile, "--capath"))

		m.shim("curl", `echo "curl: (35) certificate verify failed" >&2; exit 35`)
		result := m.run()
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(And(ContainSubstring("may show a certificate that this CA does not verify"), ContainSubstring("firewall or proxy"), ContainSubstring("(35)")))

		m.shim("skopeo", `echo "$*" >"`+m.log+`/skopeo"; echo 'reading manifest: unauthorized: authentication required' >&2; exit 1`)
		result = m.run()
		g.Expect(result.code).To(BeZero(), result.stderr)
		g.Expect(result.stdout).To(ContainSubstring("by skopeo: this CA verifies it"))
		g.Expect(string(must(os.ReadFile(m.log + "/skopeo")))).To(ContainSubstring("--no-creds --cert-dir " + filepath.Dir(dockerFile)))

		m.shim("skopeo", `echo 'pinging container registry: tls: failed to verify certificate: x509: unknown authority' >&2; exit 1`)
		g.Expect(m.run().code).To(Equal(1))
	})
}

// An agent reads the logins in the file, and asks no credential store.
func TestScriptSaysWhereALoginIsThatNoAgentFinds(t *testing.T) {
	forEachSystem(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.env = []string{"SUDO_USER=someone"}
		m.engine("docker", "")
		m.write("/root/.docker/config.json", `{"credsStore": "pass", "auths": {"`+host+`": {}}}`, 0o600)
		result := m.run("--no-check", "--login", m.loginFile(pullLogin()))
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stderr).To(ContainSubstring("where an agent of Open Horizon does not find it"))
		m.write("/root/.docker/config.json", `{"credsStore": "", "auths": {"`+host+`": {"auth": "eA=="}}}`, 0o600)
		g.Expect(m.run("--no-check", "--login", m.loginFile(pullLogin())).stderr).To(BeEmpty())
	})
}
