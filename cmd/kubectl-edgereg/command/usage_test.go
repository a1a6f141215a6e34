// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestWrongUsageEndsWith2(t *testing.T) {
	for line, says := range map[string]string{
		"nonsense":                         `no verb "nonsense"`,
		"help nonsense":                    `no verb "nonsense"`,
		"status a b":                       "one name",
		"status -o yaml":                   `not "yaml"`,
		"status --nonsense":                "unknown flag",
		"why a b":                          "one name",
		"login a b":                        "name of one EdgeRegistry",
		"env a --role admin":               "--role is pull or publish",
		"login a --engine crane":           "--engine is docker, podman or skopeo",
		"bootstrap a --user --root /image": "exclude each other",
		"bootstrap":                        "name of one EdgeRegistry",
		"rotate a --timeout x":             "invalid argument",
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			var out, err bytes.Buffer
			p := plugin(&out, &err)
			// A cluster that is nowhere: usage is judged before it is asked.
			args := append(strings.Fields(line), "--kubeconfig="+kubeconfigOfNowhere(t))
			g.Expect(p.Run(t.Context(), args)).To(Equal(ExitUsage), err.String())
			g.Expect(err.String()).To(And(HavePrefix("kubectl edgereg: "), ContainSubstring(says), ContainSubstring("--help")))
		})
	}
}

func TestAClusterThatIsNotThereIsAFailure(t *testing.T) {
	g := NewWithT(t)
	var out, err bytes.Buffer
	g.Expect(plugin(&out, &err).Run(t.Context(), []string{"status", "--kubeconfig=" + filepath.Join(t.TempDir(), "none")})).To(Equal(ExitNotReady))
	g.Expect(err.String()).To(ContainSubstring("find the cluster"))
	err.Reset()
	g.Expect(plugin(&out, &err).Run(t.Context(), []string{"status", "--kubeconfig=" + kubeconfigOfNowhere(t)})).To(Equal(ExitNotReady))
	g.Expect(err.String()).To(ContainSubstring("list EdgeRegistries"))
}

// A kubeconfig that leads elsewhere is no reason to look for a name that was mistyped.
func TestAClusterWithoutTheOperatorIsNamedWhateverIsAskedFor(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"without the kind": http.NotFound,
		"a server of something else": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>not here</html>", http.StatusNotFound)
		},
	} {
		for _, line := range []string{"status", "status factory", "why factory", "env factory", "rotate factory"} {
			t.Run(what+", "+line, func(t *testing.T) {
				g := NewWithT(t)
				server := httptest.NewServer(answer)
				defer server.Close()
				var out, err bytes.Buffer
				status := plugin(&out, &err).Run(t.Context(), append(strings.Fields(line), "--kubeconfig="+kubeconfigOf(t, server.URL)))
				g.Expect(status).To(Equal(ExitNotFound))
				g.Expect(err.String()).To(ContainSubstring("does not serve EdgeRegistries"))
			})
		}
	}
}

func TestHelpIsAManualPage(t *testing.T) {
	for _, verb := range []string{"", "status", "why", "login", "env", "bootstrap", "rotate", "verify"} {
		t.Run(verb, func(t *testing.T) {
			g := NewWithT(t)
			var out, err bytes.Buffer
			g.Expect(plugin(&out, &err).Run(t.Context(), append(strings.Fields(verb), "--help"))).To(Equal(ExitDone))
			rest := out.String()
			for _, section := range []string{"NAME\n  kubectl edgereg", "SYNOPSIS\n  kubectl edgereg", "DESCRIPTION\n", "OPTIONS", "EXIT STATUS\n  0  done", "EXAMPLES\n  "} {
				_, after, found := strings.Cut(rest, section)
				g.Expect(found).To(BeTrue(), "%s comes next:\n%s", section, out.String())
				rest = after
			}
			for line := range strings.Lines(out.String()) {
				g.Expect(len(line)).To(BeNumerically("<=", 150), line)
			}
			g.Expect(err.String()).To(BeEmpty())
			var helped bytes.Buffer
			g.Expect(plugin(&helped, &err).Run(t.Context(), append([]string{"help"}, strings.Fields(verb)...))).To(Equal(ExitDone))
			g.Expect(helped.String()).To(Equal(out.String()))
		})
	}
}

func TestOnlySuppliedLoginsAreNotIssued(t *testing.T) {
	for name, c := range map[string]struct {
		spec edgev1.EdgeRegistrySpec
		want types.GomegaMatcher
	}{
		"OpenShift": {edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}}, Succeed()},
		"IBM Cloud": {edgev1.EdgeRegistrySpec{IBMCloud: &edgev1.IBMCloudSpec{}}, Succeed()},
		"Harbor":    {edgev1.EdgeRegistrySpec{External: &edgev1.ExternalSpec{Harbor: &edgev1.HarborSpec{}}}, Succeed()},
		"another":   {edgev1.EdgeRegistrySpec{External: &edgev1.ExternalSpec{}}, MatchError(ContainSubstring("supplied by people"))},
	} {
		NewWithT(t).Expect(issued(&edgev1.EdgeRegistry{Spec: c.spec})).To(c.want, name)
	}
}

func TestVerbsAreCompleted(t *testing.T) {
	for line, want := range map[string]string{"": "bootstrap env help login rotate status verify why", "help ": "bootstrap env login rotate status verify why", "help why ": ""} {
		g := NewWithT(t)
		var out, err bytes.Buffer
		g.Expect(plugin(&out, &err).Run(t.Context(), append(append([]string{"__complete"}, strings.Fields(line)...), ""))).To(Equal(ExitDone))
		var verbs []string
		for found := range strings.Lines(out.String()) {
			if name, _, described := strings.Cut(found, "\t"); described {
				verbs = append(verbs, name)
			}
		}
		g.Expect(strings.Join(verbs, " ")).To(Equal(want), line)
	}
}

func TestColoursAreForATerminalThatWantsThem(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		"a terminal":      {true, nil, true},
		"a pipe":          {false, nil, false},
		"NO_COLOR":        {true, map[string]string{"NO_COLOR": "1"}, false},
		"empty NO_COLOR":  {true, map[string]string{"NO_COLOR": ""}, true},
		"a dumb terminal": {true, map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Plugin{Terminal: c.terminal, Getenv: func(name string) string { return c.env[name] }}
			NewWithT(t).Expect(p.colours().On).To(Equal(c.want))
		})
	}
}

// kubeconfigOfNowhere leads to a port that nothing listens on.
func kubeconfigOfNowhere(t *testing.T) string {
	t.Helper()
	return kubeconfigOf(t, "http://127.0.0.1:1")
}

func kubeconfigOf(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	NewWithT(t).Expect(writeFile(path, `{"apiVersion": "v1", "kind": "Config", "current-context": "x",
		"clusters": [{"name": "x", "cluster": {"server": "`+server+`"}}], "contexts": [{"name": "x", "context": {"cluster": "x"}}]}`)).To(Succeed())
	return path
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
