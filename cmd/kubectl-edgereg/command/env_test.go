// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

var shells = []string{"sh", "dash", "bash"}

// evaluate has a shell evaluate lines and print variables, each ended by a zero byte.
func evaluate(t *testing.T, shell, lines string, names ...string) map[string]string {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skip(shell + " is not installed")
	}
	script := `eval "$1"; shift; for name; do eval "printf '%s\0' \"\${$name-<unset>}\""; done`
	command := exec.CommandContext(t.Context(), path, append([]string{"-euc", script, shell, lines}, names...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HZN_REGISTRY_AUTH=stale", "CA_FILE=stale"}
	output, err := command.Output()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	values := map[string]string{}
	for i, value := range strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		values[names[i]] = value
	}
	return values
}

func TestEnvSetsWhatTheSecretHolds(t *testing.T) {
	w := newWorld(t)
	for _, shell := range shells {
		for role, name := range map[string]string{"pull": "factory-pull", "publish": "factory-publish"} {
			t.Run(shell+" "+role, func(t *testing.T) {
				g := NewWithT(t)
				file := filepath.Join(t.TempDir(), "it's the ca.crt")
				got := runAs(t, projectAdmin, "env", factory, "--role", role, "--ca-file", file)
				g.Expect(got.status).To(Equal(ExitDone))
				g.Expect(got.err).To(BeEmpty())
				secret := w.secret(t, name)
				keys := []string{handoff.KeyHost, handoff.KeyProject, handoff.KeyImagePrefix, handoff.KeyUser, handoff.KeyToken, handoff.KeyRegistryAuth}
				if role == "pull" {
					keys = append(keys, handoff.KeyEdgeClusterUsername, handoff.KeyEdgeClusterToken)
				}
				set := evaluate(t, shell, got.out, append(keys, "CA_FILE")...)
				for _, key := range keys {
					g.Expect(set[key] == string(secret[key])).To(BeTrue(), key)
				}
				g.Expect(set["CA_FILE"]).To(Equal(file))
				g.Expect(os.ReadFile(file)).To(Equal(secret[handoff.KeyCA]))
			})
		}
	}
}

// TestAShellIsGivenNothingToRun has values that no registry of ours publishes: they are quoted anyway.
func TestAShellIsGivenNothingToRun(t *testing.T) {
	values := []string{`$(touch pwned)`, "`touch pwned`", `'; touch pwned; '`, `"$HOME"`, `\`, `a'b"c\d$e`, `robot$plant+edge`, `-n`, `~root`, `*`, `#x`, `!!`}
	for _, shell := range shells {
		for _, value := range values {
			t.Run(shell+" "+value, func(t *testing.T) {
				g := NewWithT(t)
				t.Chdir(t.TempDir())
				h := &cluster.Handover{Host: value, Prefix: value, Project: value, User: value, Token: credential.NewToken(value + value)}
				lines := string(bytes.Join(exports(h), nil))
				set := evaluate(t, shell, lines, handoff.KeyHost, handoff.KeyUser, handoff.KeyToken, handoff.KeyRegistryAuth)
				g.Expect(set).To(Equal(map[string]string{
					handoff.KeyHost: value, handoff.KeyUser: value, handoff.KeyToken: value + value, handoff.KeyRegistryAuth: "<unset>",
				}))
				g.Expect("pwned").NotTo(BeAnExistingFile())
			})
		}
	}
}

func TestAFailedEnvStopsTheScriptThatEvaluatesIt(t *testing.T) {
	for line, status := range map[string]int{
		"env factory":                ExitForbidden,
		"env":                        ExitUsage,
		"env factory --nonsense":     ExitUsage,
		"--nonsense env factory":     ExitUsage,
		"--nonsense=x env factory":   ExitUsage,
		"--as x --nonsense env fact": ExitUsage,
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			got := runAs(t, viewer, strings.Fields(line)...)
			g.Expect(got.status).To(Equal(status))
			script := "set -e; eval \"$1\"; echo went on"
			output, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", got.out).Output()
			g.Expect(err).To(HaveOccurred())
			g.Expect(output).To(BeEmpty())
		})
	}
}

func TestATokenOnAScreenIsNoted(t *testing.T) {
	g := NewWithT(t)
	for line, says := range map[string]string{
		"env factory":                "can pull",
		"env factory --role publish": "can push",
		"bootstrap factory --login":  "can pull",
		"bootstrap factory":          "",
	} {
		var out, err bytes.Buffer
		p := plugin(&out, &err)
		p.Terminal = true
		g.Expect(p.Run(t.Context(), append(strings.Fields(line), "--kubeconfig="+newWorld(t).users[projectAdmin]))).To(Equal(ExitDone))
		g.Expect(err.String()).To(ContainSubstring(says), line)
		g.Expect(err.Len() == 0).To(Equal(says == ""), line)
		g.Expect(strings.Contains(err.String(), "eyJ")).To(BeFalse())
	}
}

// A login of an EdgeRegistry whose deletion is held up works for now, and whoever takes it is warned.
func TestALoginThatIsAboutToEndIsNoted(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	// Suspended, so that the operator does nothing for it, with the Secrets and the status of another.
	leaving := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "leaving", Finalizers: []string{"example.com/held"}}}
	leaving.Spec.OpenShift, leaving.Spec.Suspend = &edgev1.OpenShiftSpec{}, true
	g.Expect(w.Client().Create(t.Context(), leaving)).To(Succeed())
	t.Cleanup(func() {
		g.Expect(w.Client().Patch(context.Background(), leaving, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
	})
	status, err := json.Marshal(map[string]any{"status": w.edge(t).Status})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Client().Status().Patch(t.Context(), leaving, client.RawPatch(types.MergePatchType, status))).To(Succeed())
	g.Expect(runAs(t, projectAdmin, "env", "leaving").err).NotTo(ContainSubstring("deleted"))
	g.Expect(w.Client().Delete(t.Context(), leaving)).To(Succeed())

	got := runAs(t, projectAdmin, "env", "leaving")
	g.Expect(got.status).To(Equal(ExitDone), got.err)
	g.Expect(got.out).To(ContainSubstring("HZN_REGISTRY_AUTH"))
	g.Expect(got.err).To(Equal("EdgeRegistry leaving is being deleted: the login ends with it\n"))
}
