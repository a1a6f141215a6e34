// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tokens that do not expire where the host changes, in credentials.go.

import (
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// Each token that does not expire works for ever: a host that goes to and fro leaves no heap of them.
func TestALongLivedTokenStaysWhenTheHostGoesToAndFro(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	keepPlatform(t)
	changeConfig(t, func(c *imageregistryv1.Config) {
		c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "other", Hostname: appsHost("other")}}
	})
	edge := awaitReady(t, apply(t, newEdge(longLived)))
	knowKept(t, edge)
	old := tokensOf(t, edge)
	for _, route := range []struct{ name, host string }{{"other", appsHost("other")}, {defaultRoute, openShift.Host()}} {
		editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = route.name })
		awaitReady(t, edge)
		g.Expect(string(secretOf(t, edge, edge.Name+"-pull").Data[handoff.KeyHost])).To(Equal(route.host))
		for role, token := range tokensOf(t, edge) {
			g.Expect(same(token, old[role])).To(BeTrue(), "%s", role)
		}
		g.Expect(boundSecretsOf(t, edge, edgev1.TokenPuller)).To(HaveLen(1))
	}
	g.Eventually(func() []string { return eventNotes(t, edge, edgev1.ReasonHostChanged) }).WithTimeout(soon).WithPolling(often).Should(HaveLen(2))
}
