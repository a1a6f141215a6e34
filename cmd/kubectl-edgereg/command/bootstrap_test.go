// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func TestBootstrapPrintsTheScriptOfThisPlugin(t *testing.T) {
	g := NewWithT(t)
	secret := newWorld(t).secret(t, "factory-pull")
	got := runAs(t, projectAdmin, "bootstrap", factory)
	g.Expect(got.status).To(Equal(ExitDone), got.err)
	g.Expect(got.out).To(Equal(string(secret[handoff.KeyNodeBootstrap])), "of one version, both have the same script")
}

// TestTheScriptDoesWhatItsFlagsSay runs it in each shell, below a root that is none of this machine's.
func TestTheScriptDoesWhatItsFlagsSay(t *testing.T) {
	secret := newWorld(t).secret(t, "factory-pull")
	host, token := string(secret[handoff.KeyHost]), string(secret[handoff.KeyToken])
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			g := NewWithT(t)
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip(shell + " is not installed")
			}
			root := filepath.Join(t.TempDir(), "it's a root")
			g.Expect(exec.CommandContext(t.Context(), "mkdir", root).Run()).To(Succeed())
			got := runAs(t, projectAdmin, "bootstrap", factory, "--root", root, "--login")
			g.Expect(got.status).To(Equal(ExitDone), got.err)
			run := func(args ...string) string {
				command := exec.CommandContext(t.Context(), path, append([]string{"-s", "--"}, args...)...)
				command.Stdin = strings.NewReader(got.out)
				output, err := command.CombinedOutput()
				g.Expect(strings.Contains(string(output), token)).To(BeFalse(), "it shows the token")
				g.Expect(err).NotTo(HaveOccurred(), string(output))
				return string(output)
			}
			g.Expect(run()).To(ContainSubstring("installed"))
			g.Expect(recorded(t, filepath.Join(root, "etc/docker/certs.d", host), "ca.crt")).To(ContainSubstring(string(secret[handoff.KeyCA])))
			login := recorded(t, filepath.Join(root, "root/.docker"), "config.json")
			g.Expect(strings.TrimSpace(login) == string(secret[handoff.KeyDockerConfigJSON])).To(BeTrue(), "the login of the Secret")
			g.Expect(run()).To(ContainSubstring("unchanged"))
			g.Expect(run("--remove")).To(ContainSubstring("removed"))
			g.Expect(filepath.Join(root, "root/.docker/config.json")).NotTo(BeAnExistingFile())
		})
	}
}

func TestHalfOfTheScriptDoesNothing(t *testing.T) {
	g := NewWithT(t)
	got := runAs(t, projectAdmin, "bootstrap", factory, "--root", t.TempDir(), "--login")
	half := got.out[:len(got.out)-len(`"$@"; }`)-1]
	command := exec.CommandContext(t.Context(), "sh")
	command.Stdin = strings.NewReader(half)
	output, err := command.Output()
	g.Expect(err).To(HaveOccurred())
	g.Expect(output).To(BeEmpty())
}
