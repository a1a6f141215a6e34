// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// metered returns the values of a metric whose labels include these, for each role or cause, or "".
func metered(t *testing.T, name string, labels map[string]string) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			rest, matched := "", 0
			for _, pair := range metric.GetLabel() {
				if want, asked := labels[pair.GetName()]; !asked {
					rest = pair.GetValue()
				} else if want == pair.GetValue() {
					matched++
				}
			}
			if matched == len(labels) {
				found[rest] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
	}
	return found
}

func TestMetricsSayWhatTheStatusSaysAndGoWithTheEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	first := metered(t, "edge_registry_mints_total", map[string]string{"role": "puller"})[causeUnpublished.name]
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.Tokens.Puller.Type = edgev1.TokenLongLived })))
	knowKept(t, edge)
	o.pass(t, edge)
	of := map[string]string{"edgeregistry": edge.Name}
	token := statusOfTokens(reload(t, edge), edgev1.TokenPublisher)[0]
	g.Expect(metered(t, "edge_registry_ready", of)).To(Equal(map[string]float64{"": 1}))
	g.Expect(metered(t, "edge_registry_token_expiration_timestamp_seconds", of)).To(Equal(map[string]float64{"publisher": float64(token.ExpiresAt.Unix())}))
	g.Expect(metered(t, "edge_registry_token_renewal_timestamp_seconds", of)).To(Equal(map[string]float64{"publisher": float64(token.RenewAt.Unix())}))
	g.Expect(metered(t, "edge_registry_ca_not_after_timestamp_seconds", of)).To(Equal(map[string]float64{"": float64(edge.Status.CA.NotAfter.Unix())}))
	g.Expect(metered(t, "edge_registry_mints_total", map[string]string{"role": "puller"})[causeUnpublished.name]).To(Equal(first + 1))

	editEdge(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.Tokens.Puller.Type, e.Spec.Tokens.Publisher.Type = edgev1.TokenBound, edgev1.TokenLongLived
	})
	awaitReady(t, edge)
	o.pass(t, edge)
	knowKept(t, edge)
	g.Expect(metered(t, "edge_registry_token_expiration_timestamp_seconds", of)).To(And(HaveLen(1), HaveKey("puller")), "one that does not expire has no time")
	g.Expect(metered(t, "edge_registry_token_renewal_timestamp_seconds", of)).To(And(HaveLen(1), HaveKey("puller")))
	keepPlatform(t)
	openShift.Router.Unavailable(true)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	awaitReason(t, edge, edgev1.TokensIssued, edgev1.ReasonProofFailed)
	g.Eventually(func() map[string]float64 { return metered(t, "edge_registry_ready", of) }).WithTimeout(soon).Should(Equal(map[string]float64{"": 0}))

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	for _, name := range []string{"ready", "token_expiration_timestamp_seconds", "token_renewal_timestamp_seconds", "ca_not_after_timestamp_seconds"} {
		g.Eventually(func() map[string]float64 { return metered(t, "edge_registry_"+name, of) }).WithTimeout(soon).WithPolling(often).Should(BeEmpty(), name)
	}
}
