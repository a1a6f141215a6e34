// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about conditions whose step did not run, from pass/step.go to events.

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	operatorv1 "github.com/openshift/api/operator/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/events"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// waitsFor expects that a condition says that its step was not run, and for which one it waits.
func waitsFor(g Gomega, c *metav1.Condition, generation int64, reason, message string) {
	g.Expect(c).NotTo(BeNil())
	g.Expect(c.Status).To(Equal(metav1.ConditionUnknown), c.Type)
	g.Expect(c.Reason).To(Equal(reason), c.Type)
	g.Expect(c.Message).To(Equal(message), c.Type)
	g.Expect(c.ObservedGeneration).To(Equal(generation), c.Type)
}

func TestAConditionWhoseStepDidNotRunIsUnknown(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	expectEvent(t, edge, edgev1.ReasonReady)
	seen := sets.New[types.UID]()
	for _, event := range eventsOf(t, edge) {
		seen.Insert(event.UID)
	}

	setManagement(operatorv1.Removed)(t)
	awaitReason(t, edge, edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved)
	for _, name := range stepConditions[1:] {
		waitsFor(g, meta.FindStatusCondition(edge.Status.Conditions, name), edge.Generation, edgev1.ReasonRegistryRemoved, "waits for RegistryExposed")
	}

	// Another process finds in the status that nothing was verified since.
	tried := probes(edge)
	setManagement(operatorv1.Managed)(t)
	awaitReadyAfter(t, o, edge)
	g.Expect(probes(edge)).To(BeNumerically(">", tried))
	expectEvent(t, edge, edgev1.ReasonRegistryRemoved)
	expectEvent(t, edge, edgev1.ReasonReady)
	for _, event := range eventsOf(t, edge) {
		g.Expect(seen.Has(event.UID) || slices.Contains([]string{edgev1.RegistryExposed, edgev1.Ready, "Reconcile"}, event.Action)).To(BeTrue(),
			"%s, though it only waited: %s", event.Action, event.Note)
	}
}

// A step that waits for another condition is reported neither when it begins to wait nor when it is true again, except for what a
// person has to act on.
func TestTransitionsOfWhatWaitsAreNotTold(t *testing.T) {
	set := func(edge *edgev1.EdgeRegistry, name string, status metav1.ConditionStatus, reason string) {
		meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{Type: name, Status: status, Reason: reason, Message: "m"})
	}
	healthy := func(verified string) *edgev1.EdgeRegistry {
		edge := newEdge()
		for _, name := range stepConditions {
			set(edge, name, metav1.ConditionTrue, "Done")
		}
		set(edge, edgev1.RegistryVerified, metav1.ConditionTrue, verified)
		pass.Summarize(edge, nil, false, "")
		return edge
	}
	gone := healthy(edgev1.ReasonVerified)
	pass.SetWaiting(gone, edgev1.ReasonRegistryRemoved, "waits for RegistryExposed")
	set(gone, edgev1.RegistryExposed, metav1.ConditionFalse, edgev1.ReasonRegistryRemoved)
	pending := meta.FindStatusCondition(gone.Status.Conditions, edgev1.RegistryExposed)
	pass.Summarize(gone, pending, true, "")
	applied := newEdge()
	applied.Status.Conditions = []metav1.Condition{{Type: edgev1.Ready, Status: metav1.ConditionUnknown, Reason: edgev1.ReasonPending}}
	first := []string{"Normal Done", "Normal Done", "Normal Done", "Normal Done", "Normal Done", "Normal Done", "Normal Verified", "Normal Ready"}
	for _, test := range []struct {
		name          string
		before, after *edgev1.EdgeRegistry
		want          []string
	}{
		{"all is done in the first pass", applied, healthy(edgev1.ReasonVerified), first},
		{"they begin to wait", healthy(edgev1.ReasonVerified), gone, []string{"Warning RegistryRemoved"}},
		{"they are true again", gone, healthy(edgev1.ReasonVerified), []string{"Normal Done", "Normal Ready"}},
		{"they are true again, with warnings", gone, healthy(edgev1.ReasonVerifiedWithWarnings),
			[]string{"Normal Done", "Warning VerifiedWithWarnings", "Normal Ready"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := events.NewFakeRecorder(10)
			result := pass.Result{Conditions: stepConditions}
			if test.after == gone {
				result.Pending = pending
			}
			(&EdgeRegistryReconciler{Recorder: recorder}).reportTransitions(test.before, test.after, result)
			var seen []string
			for len(recorder.Events) > 0 {
				seen = append(seen, strings.Join(strings.Fields(<-recorder.Events)[:2], " "))
			}
			NewWithT(t).Expect(seen).To(Equal(test.want))
		})
	}
}
