// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
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
	told := sets.New[types.UID]()
	for _, event := range eventsOf(t, edge) {
		told.Insert(event.UID)
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
		g.Expect(told.Has(event.UID) || slices.Contains([]string{edgev1.RegistryExposed, edgev1.Ready, "Reconcile"}, event.Action)).To(BeTrue(),
			"%s, though it only waited: %s", event.Action, event.Note)
	}
}

// A step that cannot be done, and after which others can, has none of them wait.
func TestRunSteps_whoWaits(t *testing.T) {
	ends := func(condition string, err error) step {
		return step{condition, func(context.Context, *scope) (done, error) { return doneBecause("Done", "done"), err }}
	}
	carryOn := waiting("Renewing", "a renewal is not proven")
	carryOn.carryOn = true
	for _, test := range []struct {
		name  string
		steps []step
		want  map[string]metav1.ConditionStatus
		waits string
	}{
		{
			"nothing fails", []step{ends("A", nil), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "True", "B": "True", "C": "True"}, "",
		},
		{
			"the first cannot be done", []step{ends("A", stalled("Taken", "taken")), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "Unknown", "C": "Unknown"}, "Taken: waits for A",
		},
		{
			"the others carry on", []step{ends("A", carryOn), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "True", "C": "True"}, "",
		},
		{
			"a later one fails after that", []step{ends("A", carryOn), ends("B", errors.New("refused")), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "False", "C": "Unknown"}, "RequestFailed: waits for B",
		},
		{
			"an API does not answer", []step{ends("A", nil), ends("B", context.DeadlineExceeded), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "True", "B": "Unknown", "C": "Unknown"}, "APIUnavailable: waits for B",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := NewWithT(t)
			edge := newEdge()
			for name := range test.want {
				setCondition(edge, name, doneBecause("Done", "an hour ago"), nil)
			}
			_ = runSteps(t.Context(), test.steps, newScope(edge, metav1.Now().Time))
			for name, status := range test.want {
				g.Expect(meta.FindStatusCondition(edge.Status.Conditions, name).Status).To(Equal(status), name)
			}
			if c := meta.FindStatusCondition(edge.Status.Conditions, "C"); test.waits != "" {
				g.Expect(c.Reason + ": " + c.Message).To(Equal(test.waits))
			}

			fresh := newEdge()
			_ = runSteps(t.Context(), test.steps, newScope(fresh, metav1.Now().Time))
			for name, status := range test.want {
				if status == metav1.ConditionUnknown && name == "C" {
					g.Expect(meta.FindStatusCondition(fresh.Status.Conditions, name)).To(BeNil(), "%s has never been looked at", name)
				}
			}
		})
	}
}

// What waited for another condition is told of neither when it begins to wait nor when it is true again, but for what a
// person has to act on.
func TestTransitionsOfWhatWaitsAreNotTold(t *testing.T) {
	healthy := func(verified string) *edgev1.EdgeRegistry {
		edge := newEdge()
		for _, name := range stepConditions {
			setCondition(edge, name, doneBecause("Done", "done"), nil)
		}
		setCondition(edge, edgev1.RegistryVerified, doneBecause(verified, "verified"), nil)
		summarize(edge, nil, false)
		return edge
	}
	gone := healthy(edgev1.ReasonVerified)
	setCondition(gone, edgev1.RegistryExposed, done{}, stalled(edgev1.ReasonRegistryRemoved, "removed"))
	setWaiting(gone, stepConditions[1:], edgev1.ReasonRegistryRemoved, "waits for RegistryExposed")
	summarize(gone, firstPending(gone), true)
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
			(&EdgeRegistryReconciler{Recorder: recorder}).tellTransitions(test.before, test.after)
			var told []string
			for len(recorder.Events) > 0 {
				told = append(told, strings.Join(strings.Fields(<-recorder.Events)[:2], " "))
			}
			NewWithT(t).Expect(told).To(Equal(test.want))
		})
	}
}
