// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func TestEachUserGetsWhatItMayAndIsToldWhatItMayNot(t *testing.T) {
	const needsViewer, needsEditor = "ClusterRole edge-registry-viewer", "ClusterRole edge-registry-editor"
	for name, c := range map[string]struct {
		user, line string
		status     int
		out, err   string
	}{
		"a viewer sees the status":            {viewer, "status factory", ExitDone, "factory  Ready", ""},
		"a viewer sees all":                   {viewer, "status", ExitDone, "RegistryVerified", ""},
		"a viewer sees why":                   {viewer, "why factory", ExitDone, "factory is Ready", ""},
		"a viewer sees why of all":            {viewer, "why", ExitDone, "factory is Ready", ""},
		"a viewer has no login":               {viewer, "env factory", ExitForbidden, "false\n", "may not get the Secret factory-pull in the namespace factory"},
		"a viewer is told what it may see":    {viewer, "bootstrap factory", ExitForbidden, "", "`kubectl edgereg status factory` shows all but the login"},
		"a viewer cannot rotate":              {viewer, "rotate factory", ExitForbidden, "", needsEditor},
		"a viewer cannot verify":              {viewer, "verify factory", ExitForbidden, "", needsEditor},
		"an editor verifies":                  {editor, "verify factory", ExitDone, "accepts both tokens", ""},
		"an editor has no login":              {editor, "login factory", ExitForbidden, "", "bind a role to you there"},
		"a project admin has the login":       {projectAdmin, "env factory", ExitDone, "export OCP_TOKEN=", ""},
		"a project admin has the script":      {projectAdmin, "bootstrap factory", ExitDone, "END_OF_CA", ""},
		"a project admin cannot rotate":       {projectAdmin, "rotate factory --wait", ExitForbidden, "", needsEditor},
		"a tenant sees no status":             {tenant, "status factory", ExitForbidden, "", needsViewer},
		"a tenant cannot list":                {tenant, "status", ExitForbidden, "", "give the name of one"},
		"a tenant's Secret proves nothing":    {tenant, "env factory", ExitForbidden, "false\n", needsViewer},
		"a cluster admin does all":            {clusterAdmin, "env factory --role publish", ExitDone, "export OCP_TOKEN=", ""},
		"a name that is not there":            {viewer, "status nowhere", ExitNotFound, "", "there is no EdgeRegistry nowhere"},
		"a copy that is not there":            {clusterAdmin, "env factory -n users", ExitNotFound, "false\n", "namespace users"},
		"an impersonated user has its rights": {clusterAdmin, "env factory --as system:serviceaccount:users:viewer", ExitForbidden, "false\n", "may not get the Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := runAs(t, c.user, strings.Fields(c.line)...)
			g.Expect(got.status).To(Equal(c.status), got.err)
			// Comparing first keeps a token out of the failure's text.
			g.Expect(strings.Contains(got.out, c.out)).To(BeTrue(), c.out)
			g.Expect(got.err).To(ContainSubstring(c.err))
			g.Expect(strings.Contains(got.err, "eyJ")).To(BeFalse(), "it tells no token")
			g.Expect(got.out == "" || got.status != ExitForbidden || got.out == "false\n").To(BeTrue(), "who is refused gets nothing")
		})
	}
}

// TestEventsAreLeftOutOfWhy: what is left is shown anyway.
func TestEventsAreLeftOutOfWhy(t *testing.T) {
	g := NewWithT(t)
	newWorld(t).suspended(t, func() {
		got := runAs(t, viewer, "why", factory)
		g.Expect(got.status).To(Equal(ExitNotReady))
		g.Expect(got.out).To(And(ContainSubstring("factory is Suspended"), ContainSubstring("Set spec.suspend: false")))
		g.Expect(got.err).To(ContainSubstring("events are left out: you may not list events in the namespace default"))
		g.Expect(runAs(t, clusterAdmin, "why", factory).err).To(BeEmpty())

		for _, verb := range []string{"rotate", "verify"} {
			got = runAs(t, clusterAdmin, verb, factory)
			g.Expect(got.status).To(Equal(ExitNotReady))
			g.Expect(got.err).To(ContainSubstring("suspended"))
		}
		g.Expect(runAs(t, viewer, "status", "-o", "json").status).To(Equal(ExitNotReady))
	})
}

func TestStatusAsJSON(t *testing.T) {
	g := NewWithT(t)
	got := runAs(t, viewer, "status", factory, "-o", "json")
	g.Expect(got.status).To(Equal(ExitDone))
	var report show.Report
	g.Expect(json.Unmarshal([]byte(got.out), &report)).To(Succeed())
	g.Expect(report.EdgeRegistries).To(HaveLen(1))
	shown, edge := report.EdgeRegistries[0], newWorld(t).edge(t)
	g.Expect(shown.State).To(Equal(show.Ready))
	g.Expect(shown.ImagePrefix).To(Equal(edge.Status.ImagePrefix))
	g.Expect(shown.Credentials).To(HaveLen(len(edge.Status.Credentials)))
	g.Expect(*shown.Credentials[0].SecondsLeft).To(BeNumerically(">", 0))
	g.Expect(shown.CA.SHA256).To(Equal(edge.Status.CA.SHA256))
}

func TestRotateWaitsForNewTokens(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	before := w.secret(t, "factory-pull")
	got := runAs(t, editor, "rotate", factory, "--wait")
	g.Expect(got.status).To(Equal(ExitDone), got.err)
	g.Expect(got.err).To(And(ContainSubstring("Publisher has token"), ContainSubstring("Puller has token")))
	g.Expect(got.out).To(BeEmpty())
	after := w.secret(t, "factory-pull")
	g.Expect(string(after[handoff.KeyToken]) == string(before[handoff.KeyToken])).To(BeFalse(), "the token is a new one")
}

func TestVerifyHasTheRegistryTriedAgain(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	g.Expect(runAs(t, editor, "verify", factory).status).To(Equal(ExitDone))
	before := w.edge(t).Status.VerifiedAt
	g.Eventually(func() bool {
		got := runAs(t, editor, "verify", factory)
		g.Expect(got.status).To(Equal(ExitDone), got.err)
		return before.Before(w.edge(t).Status.VerifiedAt)
	}, "30s", "1s").Should(BeTrue(), "times have no more than seconds")
}

func TestNamesAreCompleted(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	complete := func(user string, args ...string) string {
		t.Setenv("KUBECONFIG", w.users[user])
		var out, err bytes.Buffer
		g.Expect(plugin(&out, &err).Run(t.Context(), append([]string{"__complete"}, args...))).To(Equal(ExitDone))
		return out.String()
	}
	for _, verb := range []string{"status", "why", "login", "env", "bootstrap", "rotate", "verify"} {
		g.Expect(complete(viewer, verb, "")).To(Equal("factory\n:4\n"), verb)
	}
	g.Expect(complete(tenant, "status", "")).To(Equal(":4\n"), "no error in the middle of a line")
	g.Expect(complete(viewer, "status", factory, "")).To(Equal(":4\n"), "one name is enough")
	g.Expect(complete(viewer, "env", factory, "--role", "")).To(Equal("pull\npublish\n:4\n"))
}
