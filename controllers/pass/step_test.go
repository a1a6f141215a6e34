// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// newPass begins a pass over an EdgeRegistry of generation 2.
func newPass() *Scope {
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "edge", UID: "1", Generation: 2}}
	return NewScope(edge, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), &Memory{})
}

// ends is a step that ends with an error, or is done.
func ends(condition string, err error) Step {
	return Step{Condition: condition, Run: func(context.Context) (Done, error) { return DoneBecause("Done", "done"), err }}
}

// advisory is such a step whose condition does not hold up Ready.
func advisory(condition string, err error) Step {
	step := ends(condition, err)
	step.Advisory = true
	return step
}

// inapplicable is a step that does not apply.
func inapplicable(condition string) Step {
	return Step{Condition: condition, Run: func(context.Context) (Done, error) { return Done{}, nil }}
}

func carryOn(reason string) error {
	b := Waiting(reason, "about %s", reason)
	b.CarryOn = true
	return b
}

func TestRunSteps_theFirstThatIsNotDoneHoldsReadyUp(t *testing.T) {
	down := context.DeadlineExceeded
	for name, test := range map[string]struct {
		steps []Step
		want  string
	}{
		"the first is False":                  {[]Step{ends("A", Stalled("No", "no")), ends("B", nil)}, "A"},
		"the second is Unknown":               {[]Step{ends("A", nil), ends("B", down), ends("C", nil)}, "B"},
		"an earlier one counts first":         {[]Step{ends("A", nil), ends("B", carryOn("No")), ends("C", Stalled("No", "no"))}, "B"},
		"the last failed":                     {[]Step{ends("A", nil), ends("B", errors.New("no"))}, "B"},
		"one that is advisory failed":         {[]Step{ends("A", nil), advisory("B", errors.New("no"))}, ""},
		"one before an advisory one failed":   {[]Step{ends("A", carryOn("No")), advisory("B", errors.New("no"))}, "A"},
		"one that does not apply":             {[]Step{ends("A", nil), inapplicable("B")}, ""},
		"one before one that does not apply":  {[]Step{ends("A", Stalled("No", "no")), inapplicable("B")}, "A"},
		"all is done":                         {[]Step{ends("A", nil), ends("B", nil)}, ""},
		"all is done, and one does not apply": {[]Step{inapplicable("A"), ends("B", nil)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			result := RunSteps(t.Context(), test.steps, newPass())
			if test.want == "" {
				g.Expect(result.Pending).To(BeNil())
				return
			}
			g.Expect(result.Pending).NotTo(BeNil())
			g.Expect(result.Pending.Type).To(Equal(test.want))
			g.Expect(result.Pending.Status).NotTo(Equal(metav1.ConditionTrue))
			g.Expect(result.Pending.Reason).NotTo(BeEmpty())
			g.Expect(result.Err).To(HaveOccurred())
		})
	}
}

// Whatever somebody wrote into the status: a condition that no step owns is not the operator's.
func TestRunSteps_conditionsAreThoseOfTheSteps(t *testing.T) {
	g := NewWithT(t)
	s := newPass()
	for _, name := range []string{"A", "Nonsense", edgev1.Ready, edgev1.Stalled} {
		meta.SetStatusCondition(&s.Edge.Status.Conditions, metav1.Condition{Type: name, Status: metav1.ConditionTrue, Reason: "Of", Message: "old"})
	}
	result := RunSteps(t.Context(), []Step{ends("A", nil), ends("B", nil)}, s)
	g.Expect(result.Conditions).To(Equal([]string{"A", "B"}))
	var names []string
	for _, c := range s.Edge.Status.Conditions {
		names = append(names, c.Type)
	}
	g.Expect(names).To(ConsistOf("A", "B", edgev1.Ready, edgev1.Stalled))
}

// A step that cannot be done, and after which others can, has none of them wait.
func TestRunSteps_whoWaits(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []Step
		want  map[string]metav1.ConditionStatus
		waits string
	}{
		{
			"nothing fails", []Step{ends("A", nil), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "True", "B": "True", "C": "True"}, "",
		},
		{
			"the first cannot be done", []Step{ends("A", Stalled("Taken", "taken")), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "Unknown", "C": "Unknown"}, "Taken: waits for A",
		},
		{
			"the others carry on", []Step{ends("A", carryOn("Renewing")), ends("B", nil), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "True", "C": "True"}, "",
		},
		{
			"a later one fails after that", []Step{ends("A", carryOn("Renewing")), ends("B", errors.New("refused")), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "False", "B": "False", "C": "Unknown"}, "RequestFailed: waits for B",
		},
		{
			"an API does not answer", []Step{ends("A", nil), ends("B", context.DeadlineExceeded), ends("C", nil)},
			map[string]metav1.ConditionStatus{"A": "True", "B": "Unknown", "C": "Unknown"}, "APIUnavailable: waits for B",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := NewWithT(t)
			s := newPass()
			for name := range test.want {
				setCondition(s.Edge, name, DoneBecause("Done", "an hour ago"), nil)
			}
			RunSteps(t.Context(), test.steps, s)
			for name, status := range test.want {
				g.Expect(meta.FindStatusCondition(s.Edge.Status.Conditions, name).Status).To(Equal(status), name)
			}
			if c := meta.FindStatusCondition(s.Edge.Status.Conditions, "C"); test.waits != "" {
				g.Expect(c.Reason + ": " + c.Message).To(Equal(test.waits))
			}

			fresh := newPass()
			RunSteps(t.Context(), test.steps, fresh)
			for name, status := range test.want {
				if status == metav1.ConditionUnknown && name == "C" {
					g.Expect(meta.FindStatusCondition(fresh.Edge.Status.Conditions, name)).To(BeNil(), "%s has never been looked at", name)
				}
			}
		})
	}
}
