// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func TestScriptRefusesANodeOfOpenShift(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, sign := range map[string]string{
			"by the Machine Config Operator": "/etc/machine-config-daemon/node-annotations.json",
			"by the image registry's CA":     "/etc/docker/certs.d/image-registry.openshift-image-registry.svc:5000/ca.crt",
		} {
			for _, option := range []string{"--no-check", "--dry-run", "--remove"} {
				t.Run(name+" with "+option, func(t *testing.T) {
					g := NewWithT(t)
					m := m.another(t)
					m.write(sign, "", 0o644)
					result := m.run("--root", m.root, option)
					g.Expect(result.code).To(Equal(1))
					g.Expect(result.stdout).To(BeEmpty())
					g.Expect(strings.Count(result.stderr, "\n")).To(Equal(1))
					for _, words := range []string{
						m.root + filepath.Dir(sign) + " shows a node of OpenShift", "under the key " + host, "openshift-config",
						"spec.additionalTrustedCA", "image.config.openshift.io/cluster", "extend",
					} {
						g.Expect(result.stderr).To(ContainSubstring(words))
					}
					g.Expect(m.files()).To(ConsistOf(sign))
				})
			}
		}
	})
}

func TestScriptInstallsForAUserAlone(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		const docker = "left out Docker: it trusts only what root installs, without --user\n"
		g.Expect(m.run("--user", "--dry-run")).To(Equal(outcome{stdout: "would install " + m.home + userFile + "\n" + docker}))
		g.Expect(m.run("--user", "--no-check")).To(Equal(outcome{stdout: "installed " + m.home + userFile + "\n" + docker}))
		g.Expect(os.ReadFile(m.home + userFile)).To(BeEquivalentTo(writtenCA(registryCA().pem)))
		m.shim("curl", `while [ "$1" != --cacert ]; do shift; done; cat "$2" >"`+m.log+`/ca"; printf '\n401\n'`)
		g.Expect(m.run("--user").stdout).To(Equal("unchanged " + m.home + userFile + "\n" + docker + checkedByCurl + "\n"))
		g.Expect(os.ReadFile(m.log + "/ca")).To(BeEquivalentTo(writtenCA(registryCA().pem)))
		g.Expect(m.run("--user", "--remove").stdout).To(Equal("removed " + m.home + userFile + "\n"))
		g.Expect(m.home + filepath.Dir(userFile)).NotTo(BeAnExistingFile())

		m.shim("id", "echo 0")
		g.Expect(m.run("--user").stderr).To(ContainSubstring("without sudo"))
		m.user()
		m.home += "/absent"
		g.Expect(m.run("--user").stderr).To(ContainSubstring("the home directory " + m.home + " does not exist"))
	})
}

func TestScriptNamesTheUsersChoiceToWhoIsNotRoot(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		result := m.run()
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(And(ContainSubstring("sudo"), ContainSubstring("--user"), ContainSubstring("--root")))
	})
}

func TestScriptLabelsWhatItMakesForSELinux(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		m.shim("restorecon", `echo "$*" >>"`+m.log+`/labelled"`)
		g.Expect(m.run("--user", "--no-check").code).To(BeZero())
		labelled := strings.Fields(string(must(os.ReadFile(m.log + "/labelled"))))
		var made []string
		for path := m.home + userFile; path != m.home; path = filepath.Dir(path) {
			made = append([]string{path}, made...)
		}
		g.Expect(labelled).To(Equal(made))

		g.Expect(os.Remove(m.log + "/labelled")).To(Succeed())
		g.Expect(m.run("--user", "--no-check").code).To(BeZero())
		g.Expect(m.run("--root", m.root).code).To(BeZero())
		g.Expect(m.log+"/labelled").NotTo(BeAnExistingFile(), "neither what is unchanged nor what is in an image")

		m.shim("restorecon", "echo noise; echo noise >&2; exit 1")
		g.Expect(m.run("--user", "--remove").code).To(BeZero())
		result := m.run("--user", "--no-check")
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stdout).To(HavePrefix("installed "))
		g.Expect(result.stderr).To(And(ContainSubstring("warning: restorecon "+m.home+userFile+" failed"), Not(ContainSubstring("noise"))))
	})
}

// bothCAs is ca.crt while a new root takes over from the old one.
func bothCAs() []byte {
	return slices.Concat(foreignCA().pem, registryCA().pem)
}

func scriptOfBothCAs() []byte {
	in := validInput()
	in.CA = bothCAs()
	return must(handoff.PullData(in))[handoff.KeyNodeBootstrap]
}

func TestScriptCarriesTheOldAndTheNewCA(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		g.Expect(m.run("--root", m.root).code).To(BeZero())
		before := m.script
		m.script = scriptOfBothCAs()
		g.Expect(m.run("--root", m.root).stdout).To(HavePrefix("installed "))
		g.Expect(os.ReadFile(m.root + dockerFile)).To(BeEquivalentTo(writtenCA(bothCAs())))
		g.Expect(m.run("--root", m.root).stdout).To(HavePrefix("unchanged "))
		g.Expect(m.run("--root", m.root, "--login", m.loginFile(pullLogin())).code).To(BeZero())
		m.script = before
		g.Expect(m.run("--root", m.root, "--remove", "--login").code).To(BeZero())
		g.Expect(m.files()).To(BeEmpty(), "a script of another CA removes it too")
	})
}
