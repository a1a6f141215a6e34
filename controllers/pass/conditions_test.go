// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// after is an EdgeRegistry after a pass of these steps.
func after(t *testing.T, edge *edgev1.EdgeRegistry, steps ...Step) *edgev1.EdgeRegistry {
	t.Helper()
	s := newPass()
	if edge != nil {
		s.Edge = edge.DeepCopy()
	}
	result := RunSteps(t.Context(), steps, s)
	Summarize(s.Edge, result.Pending, IsStalled(result.Err), "images are here")
	return s.Edge
}

// Tools read the standard conditions: what they conclude has to be what Ready says.
func TestReadyAgreesWithWhatToolsConclude(t *testing.T) {
	fresh := newPass().Edge
	fresh.Status.Conditions = []metav1.Condition{{Type: edgev1.Ready, Status: metav1.ConditionUnknown, Reason: edgev1.ReasonPending}}
	ready := after(t, nil, ends("A", nil), ends("B", nil))
	older := ready.DeepCopy()
	older.Generation = 3
	stuck := after(t, nil, ends("A", nil), ends("B", Stalled("No", "no")))
	healed := after(t, stuck, ends("A", nil), ends("B", nil))

	tests := map[string]struct {
		edge  *edgev1.EdgeRegistry
		want  status.Status
		ready metav1.ConditionStatus
		has   string
	}{
		"fresh":                    {fresh, status.InProgressStatus, "Unknown", ""},
		"in progress":              {after(t, nil, ends("A", nil), ends("B", Waiting("No", "no"))), status.InProgressStatus, "False", edgev1.Reconciling},
		"not known":                {after(t, nil, ends("A", errOffline)), status.InProgressStatus, "Unknown", edgev1.Reconciling},
		"stalled":                  {stuck, status.FailedStatus, "False", edgev1.Stalled},
		"ready":                    {ready, status.CurrentStatus, "True", ""},
		"ready after a stall":      {healed, status.CurrentStatus, "True", ""},
		"in progress once more":    {after(t, healed, ends("A", nil), ends("B", Waiting("No", "no answer"))), status.InProgressStatus, "False", edgev1.Reconciling},
		"a new spec, not seen yet": {older, status.InProgressStatus, "True", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(test.edge)
			g.Expect(err).NotTo(HaveOccurred())
			result, err := status.Compute(&unstructured.Unstructured{Object: content})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Status).To(Equal(test.want), result.Message)
			conditions := test.edge.Status.Conditions
			g.Expect(meta.FindStatusCondition(conditions, edgev1.Ready).Status).To(Equal(test.ready))
			for _, companion := range []string{edgev1.Reconciling, edgev1.Stalled} {
				g.Expect(meta.IsStatusConditionTrue(conditions, companion)).To(Equal(companion == test.has), companion)
				g.Expect(meta.IsStatusConditionFalse(conditions, companion)).To(BeFalse(), "present only while true")
			}
		})
	}
}

func TestReadyRepeatsWhatHoldsItUp(t *testing.T) {
	g := NewWithT(t)
	edge := after(t, nil, ends("A", nil), ends("B", Stalled("Taken", "about B")), ends("C", Stalled("No", "no")))
	for _, name := range []string{edgev1.Ready, edgev1.Stalled} {
		c := meta.FindStatusCondition(edge.Status.Conditions, name)
		g.Expect(c.Reason).To(Equal("Taken"))
		g.Expect(c.Message).To(Equal("about B"))
		g.Expect(c.ObservedGeneration).To(Equal(int64(2)))
	}
	g.Expect(edge.Status.ObservedGeneration).To(Equal(int64(2)))
}

func TestEveryMessageIsOneLine(t *testing.T) {
	long := strings.Repeat("é", 4000)
	for name, err := range map[string]error{
		"an error of lines":                 errors.New("one\n\ttwo"),
		"what another operator has written": Waiting(edgev1.ReasonRouteNotFound, "Degraded: %s", "one\n\ntwo"),
		"a text without end":                Stalled(edgev1.ReasonConflict, "%s", long),
		"an error without end":              errors.New(long),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, c := range after(t, nil, ends("A", err)).Status.Conditions {
				g.Expect(c.Message).NotTo(ContainSubstring("\n"), c.Type)
				g.Expect(len(c.Message)).To(BeNumerically("<=", 1024), "an event takes no more")
				g.Expect(strings.ToValidUTF8(c.Message, "?")).To(Equal(c.Message))
			}
		})
	}
}

func TestAStepThatDoesNotApplyHasNoCondition(t *testing.T) {
	g := NewWithT(t)
	edge := after(t, after(t, nil, ends("A", nil), ends("B", nil)), ends("A", nil), inapplicable("B"))
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, "B")).To(BeNil())
}

func TestSetWaitingConcernsEveryStepAndNoSummary(t *testing.T) {
	g := NewWithT(t)
	edge := after(t, nil, ends("A", nil), ends("B", nil))
	SetWaiting(edge, edgev1.ReasonSuspended, "spec.suspend is true")
	for name, want := range map[string]metav1.ConditionStatus{"A": "Unknown", "B": "Unknown", edgev1.Ready: "True"} {
		g.Expect(meta.FindStatusCondition(edge.Status.Conditions, name).Status).To(Equal(want), name)
	}
}
