// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

func setSuspend(t *testing.T, edge *edgev1.EdgeRegistry, yes bool) {
	t.Helper()
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Suspend = yes })
}

func TestSuspendStopsAllWritesUntilItEnds(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before := reload(t, edge).DeepCopy()
	writes := len(o.wire.writes())

	setSuspend(t, edge, true)
	awaitReason(t, edge, edgev1.Ready, edgev1.ReasonSuspended)
	ready := condition(t, edge, edgev1.Ready)
	g.Expect(ready.Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(ready.ObservedGeneration).To(Equal(edge.Generation))
	g.Expect(ready.Message).To(And(ContainSubstring("spec.suspend is true"),
		ContainSubstring("expires at "+before.Status.ExpiresAt.UTC().Format(time.RFC3339))))
	for _, name := range []string{edgev1.Reconciling, edgev1.Stalled} {
		g.Expect(meta.FindStatusCondition(edge.Status.Conditions, name)).To(BeNil())
	}
	for _, name := range stepConditions {
		waitsFor(g, meta.FindStatusCondition(edge.Status.Conditions, name), edge.Generation, edgev1.ReasonSuspended, "spec.suspend is true")
	}
	g.Expect(edge.Status.Credentials).To(Equal(before.Status.Credentials))
	expectEvent(t, edge, edgev1.ReasonSuspended, "spec.suspend is true")

	// Drift, a renewal that is due and a request for rotation: nothing is touched.
	binding := roleBindingOf(t, edge, edgev1.TokenPuller)
	g.Expect(admin.Delete(t.Context(), binding)).To(Succeed())
	o.pass(t, edge)
	found := projectState(t, edge)
	o.advance(100 * 24 * time.Hour)
	annotate(t, edge, edgev1.RotateAnnotation, "later")
	o.pass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(found))
	status := "PATCH /apis/edge.open-horizon.io/v1alpha1/edgeregistries/" + edge.Name + "/status"
	g.Expect(o.wire.writes()[writes:]).To(Equal([]string{status, status}), "that it is suspended, and that the tokens have expired")
	g.Expect(condition(t, edge, edgev1.Ready).Message).To(ContainSubstring(
		"the first token in use expired at " + before.Status.ExpiresAt.UTC().Format(time.RFC3339) + ", and the Secrets still hold it"))

	// Resumed, it heals; what was due is done, once.
	annotate(t, edge, edgev1.RotateAnnotation, "")
	o.clock.SetTime(time.Now())
	setSuspend(t, edge, false)
	heals(t, edge)
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(binding), binding)).To(Succeed())
	g.Expect(o.mints(edge)).To(Equal(2), "no token was due")
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(4))
}

func TestSuspendFromTheBeginningDoesNothingAtAll(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.Suspend = true }))
	awaitReason(t, edge, edgev1.Ready, edgev1.ReasonSuspended)
	g.Expect(condition(t, edge, edgev1.Ready).Message).NotTo(ContainSubstring("expires"))
	g.Expect(edge.Status.Provider).To(Equal(edgev1.ProviderOpenShift))
	g.Expect(edge.Finalizers).To(BeEmpty())
	expectNoProject(t, edge)
	g.Expect(o.wire.writes()).To(HaveLen(1), "its status")
	setSuspend(t, edge, false)
	awaitReady(t, edge)
	g.Expect(edge.Finalizers).To(Equal([]string{objects.CleanupFinalizer}))
}
