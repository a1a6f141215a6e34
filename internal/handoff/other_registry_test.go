// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// withPort is a registry on a port of its own, with a nested prefix and a user as Harbor makes them.
func withPort() handoff.Input {
	in := validInput()
	in.Host, in.Project, in.Provider = host+":5000", "plant/edge", "external"
	in.Publisher, in.Puller = login("robot$plant+push", "push:$token"), login("robot$plant+edge", "pull:$token'`")
	return in
}

func TestAHostWithAPortIsPublishedWithoutTheAuthThatHznWouldMisread(t *testing.T) {
	g := NewWithT(t)
	for _, data := range []map[string][]byte{must(handoff.PullData(withPort())), must(handoff.PublishData(withPort()))} {
		g.Expect(data).NotTo(HaveKey(handoff.KeyRegistryAuth))
		g.Expect(string(data[handoff.KeyHost])).To(Equal(host + ":5000"))
		g.Expect(string(data[handoff.KeyImagePrefix])).To(Equal(host + ":5000/plant/edge"))
		g.Expect(string(data[handoff.KeyBindingHost])).To(Equal(host))
		g.Expect(string(data[handoff.KeyBindingPort])).To(Equal("5000"))
		g.Expect(string(data[handoff.KeyURI])).To(Equal("https://" + host + ":5000"))
	}
	in := validInput()
	in.Project = ""
	data := must(handoff.PullData(in))
	g.Expect(string(data[handoff.KeyImagePrefix])).To(Equal(host))
	g.Expect(data).To(HaveKeyWithValue(handoff.KeyProject, BeEmpty()))
}

func TestScriptTakesTheLoginOfAHostWithAPort(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		data := must(handoff.PullData(withPort()))
		for name, content := range map[string]string{
			"as one line":      host + `:5000:robot$plant+edge:pull:$token'` + "`",
			"as Docker has it": string(data[handoff.KeyDockerConfigJSON]),
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				m := m.another(t)
				m.script = data[handoff.KeyNodeBootstrap]
				result := m.run("--root", m.root, "--login", m.loginFile(content))
				g.Expect(result.code).To(BeZero(), result.stderr)
				g.Expect(m.files()).To(ConsistOf("/etc/docker/certs.d/"+host+":5000/ca.crt", "/etc/containers/certs.d/"+host+":5000/ca.crt", "/root"+dockerLogin))
				stored := string(must(os.ReadFile(m.root + "/root" + dockerLogin)))
				g.Expect(stored == string(data[handoff.KeyDockerConfigJSON])+"\n").To(BeTrue(), "it is the login that was published")
			})
		}
	})
}

func TestScriptHasNothingToInstallWherePublicCAsDo(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		in := validInput()
		in.CA, in.PublicCAs = nil, true
		data := must(handoff.PullData(in))
		g.Expect(data).NotTo(HaveKey(handoff.KeyCA))
		m.script = data[handoff.KeyNodeBootstrap]
		g.Expect(m.run("--root", m.root)).To(Equal(outcome{stdout: "nothing to install: public CAs verify " + host + "\n"}))
		g.Expect(os.ReadDir(m.root)).To(BeEmpty())
		g.Expect(m.run("--help").stdout).To(ContainSubstring("Public CAs verify this registry"))
		m.shim("curl", `echo "$*" >"`+m.log+`/curl"; printf '\n401\n'`)
		g.Expect(m.run("--root", m.root, "--check").stdout).To(ContainSubstring("checked https://" + host + "/v2/ by curl"))
		g.Expect(string(must(os.ReadFile(m.log + "/curl")))).NotTo(ContainSubstring("--cacert"))
		g.Expect(m.run("--root", m.root, "--login", m.loginFile(pullLogin())).code).To(BeZero())
		g.Expect(m.files()).To(ConsistOf("/root" + dockerLogin))
	})
}
