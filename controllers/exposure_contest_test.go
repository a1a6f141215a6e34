// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/default_route.go, on a control plane: somebody switches the default route off again.

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

const argoCD = "argocd-controller"

// claimDefaultRoute applies spec.defaultRoute of the registry's Config as a GitOps tool does, by
// server-side apply and with force.
func claimDefaultRoute(t *testing.T, manager string, value bool) {
	t.Helper()
	config := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"defaultRoute": value}}}
	config.SetGroupVersionKind(imageregistryv1.GroupVersion.WithKind("Config"))
	config.SetName(imageRegistryConfig)
	NewWithT(t).Expect(admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(config),
		client.FieldOwner(manager), client.ForceOwnership)).To(Succeed())
}

// looksAgain makes the operator look at an EdgeRegistry until its default route is as wanted.
func looksAgain(t *testing.T, edge *edgev1.EdgeRegistry, exposed types.GomegaMatcher) {
	t.Helper()
	asksUntil(t, edge, func(g Gomega) {
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(exposed, "%s", condition(t, edge, edgev1.RegistryExposed).Message)
	})
}

func TestADefaultRouteThatArgoCDSwitchesOffIsNotFoughtOver(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	o := startOperator(t)
	hideDefaultRoute(t)
	edge, other := apply(t, newEdge()), apply(t, newEdge())
	awaitReady(t, edge)
	awaitReady(t, other)
	patches := func() int { return len(o.wire.matching(isConfigPatch)) }
	g.Expect(patches()).To(Equal(1), "one for all EdgeRegistries")

	// An admin who switches it off is taken for a mistake, once.
	o.advance(contestWindow)
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = false })
	looksAgain(t, edge, BeTrue())
	g.Expect(patches()).To(Equal(2))
	awaitReady(t, edge)

	// Argo CD reverts that within minutes: the operator gives way and says to whom.
	o.advance(contestWindow - time.Second)
	claimDefaultRoute(t, argoCD, false)
	again := o.clock.Now().Add(contestPause)
	for _, e := range []*edgev1.EdgeRegistry{edge, other} {
		expectHeldUp(t, e, edgev1.RegistryExposed, edgev1.ReasonExposureContested, true,
			`"argocd-controller" set spec.defaultRoute of registry Config "cluster" back to false at 20`,
			"take the field out of what it applies, or set it to true there", pass.Timestamp(again))
	}
	owners := slices.Collect(func(yield func(string) bool) {
		for _, entry := range registryConfig(t).ManagedFields {
			if entry.Manager == argoCD && entry.Operation == metav1.ManagedFieldsOperationApply && !yield(entry.Manager) {
				return
			}
		}
	})
	g.Expect(owners).To(HaveLen(1), "a field manager by a real apply")
	for range 3 {
		o.advance(15 * time.Minute)
		claimDefaultRoute(t, argoCD, false)
		o.pass(t, edge)
		o.pass(t, other)
	}
	g.Expect(patches()).To(Equal(2))
	g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeFalse())

	// After an hour the operator tries once, and gives way again.
	o.advance(15*time.Minute + time.Second)
	looksAgain(t, edge, BeTrue())
	claimDefaultRoute(t, argoCD, false)
	expectHeldUp(t, edge, edgev1.RegistryExposed, edgev1.ReasonExposureContested, true, argoCD)
	g.Expect(patches()).To(Equal(3))

	// It heals when Argo CD sets it to true; and from then on a revert is a mistake again.
	claimDefaultRoute(t, argoCD, true)
	awaitReady(t, edge)
	awaitReady(t, other)
	g.Expect(patches()).To(Equal(3))
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = false })
	looksAgain(t, edge, BeTrue())
	g.Expect(patches()).To(Equal(4))
}
