// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
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

// seen is an EdgeRegistry of generation 2 whose steps have these conditions, in their order; those
// that are not named are absent.
func seen(statuses ...metav1.ConditionStatus) *edgev1.EdgeRegistry {
	edge := newEdge()
	edge.Name, edge.Generation = "seen", 2
	edge.Spec.Verification.Policy = edgev1.VerificationRequired
	for i, s := range statuses {
		meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
			Type: stepConditions[i], Status: s, Reason: "Reason" + stepConditions[i], Message: "about " + stepConditions[i], ObservedGeneration: 2,
		})
	}
	return edge
}

const (
	yes   = metav1.ConditionTrue
	no    = metav1.ConditionFalse
	maybe = metav1.ConditionUnknown
)

func TestTheFirstStepThatIsNotDoneHoldsReadyUp(t *testing.T) {
	tests := map[string]struct {
		edge   *edgev1.EdgeRegistry
		policy edgev1.VerificationPolicy
		want   string
	}{
		"nothing was looked at":                {edge: seen(), want: edgev1.RegistryExposed},
		"the first is False":                   {edge: seen(no), want: edgev1.RegistryExposed},
		"the second is Unknown":                {edge: seen(yes, maybe, no), want: edgev1.ProjectReady},
		"a later one is absent":                {edge: seen(yes, yes, yes), want: edgev1.RegistryTrusted},
		"an earlier one counts first":          {edge: seen(yes, yes, yes, no, yes, yes, no), want: edgev1.RegistryTrusted},
		"the verification is absent":           {edge: seen(yes, yes, yes, yes, yes, yes), want: edgev1.RegistryVerified},
		"the verification failed":              {edge: seen(yes, yes, yes, yes, yes, yes, no), want: edgev1.RegistryVerified},
		"a verification of best effort":        {edge: seen(yes, yes, yes, yes, yes, yes, no), policy: edgev1.VerificationBestEffort},
		"no verification":                      {edge: seen(yes, yes, yes, yes, yes, yes), policy: edgev1.VerificationDisabled},
		"no verification, but Secrets to come": {edge: seen(yes, yes, yes, yes, yes, no), policy: edgev1.VerificationDisabled, want: edgev1.SecretsPublished},
		"all is done":                          {edge: seen(yes, yes, yes, yes, yes, yes, yes)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if test.policy != "" {
				test.edge.Spec.Verification.Policy = test.policy
			}
			pending := firstPending(test.edge)
			if test.want == "" {
				g.Expect(pending).To(BeNil())
				return
			}
			g.Expect(pending).NotTo(BeNil())
			g.Expect(pending.Type).To(Equal(test.want))
			g.Expect(pending.Status).NotTo(Equal(yes))
			g.Expect(pending.Reason).NotTo(BeEmpty())
		})
	}
}

// Tools read the standard conditions: what they conclude has to be what Ready says.
func TestReadyAgreesWithWhatToolsConclude(t *testing.T) {
	fresh := newEdge()
	fresh.Generation = 1
	fresh.Status.Conditions = []metav1.Condition{{Type: edgev1.Ready, Status: maybe, Reason: edgev1.ReasonPending}}
	older := seen(yes, yes, yes, yes, yes, yes, yes)
	summarize(older, nil, false)
	older.Generation = 3
	progressing, unknown, stuck := seen(yes, no), seen(maybe), seen(yes, no)
	summarize(progressing, firstPending(progressing), false)
	summarize(unknown, firstPending(unknown), false)
	summarize(stuck, firstPending(stuck), true)
	ready := seen(yes, yes, yes, yes, yes, yes, yes)
	summarize(ready, firstPending(ready), false)
	healed := stuck.DeepCopy()
	for _, name := range stepConditions {
		setCondition(healed, name, doneBecause("Done", "done"), nil)
	}
	summarize(healed, firstPending(healed), false)
	relapsed := healed.DeepCopy()
	setCondition(relapsed, edgev1.RegistryTrusted, done{}, waiting(edgev1.ReasonRouteUnreachable, "no answer"))
	summarize(relapsed, firstPending(relapsed), false)

	tests := map[string]struct {
		edge  *edgev1.EdgeRegistry
		want  status.Status
		ready metav1.ConditionStatus
		has   string
	}{
		"fresh":                    {fresh, status.InProgressStatus, maybe, ""},
		"in progress":              {progressing, status.InProgressStatus, no, edgev1.Reconciling},
		"not known":                {unknown, status.InProgressStatus, maybe, edgev1.Reconciling},
		"stalled":                  {stuck, status.FailedStatus, no, edgev1.Stalled},
		"ready":                    {ready, status.CurrentStatus, yes, ""},
		"ready after a stall":      {healed, status.CurrentStatus, yes, ""},
		"in progress once more":    {relapsed, status.InProgressStatus, no, edgev1.Reconciling},
		"a new spec, not seen yet": {older, status.InProgressStatus, yes, ""},
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
	edge := seen(yes, no, no)
	summarize(edge, firstPending(edge), true)
	for _, name := range []string{edgev1.Ready, edgev1.Stalled} {
		c := meta.FindStatusCondition(edge.Status.Conditions, name)
		g.Expect(c.Reason).To(Equal("Reason" + edgev1.ProjectReady))
		g.Expect(c.Message).To(Equal("about " + edgev1.ProjectReady))
		g.Expect(c.ObservedGeneration).To(Equal(int64(2)))
	}
	g.Expect(edge.Status.ObservedGeneration).To(Equal(int64(2)))
}

func TestATransitionWorthAnEvent(t *testing.T) {
	c := func(name string, s metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: name, Status: s, Reason: reason}
	}
	before := newEdge()
	before.Status.Conditions = []metav1.Condition{
		c(edgev1.ProjectReady, no, edgev1.ReasonNotInvited), c(edgev1.Ready, no, edgev1.ReasonNotInvited),
		c(edgev1.RegistryVerified, yes, edgev1.ReasonVerifiedWithWarnings),
	}
	tests := map[string]struct {
		condition metav1.Condition
		want      bool
	}{
		"the same":                  {c(edgev1.ProjectReady, no, edgev1.ReasonNotInvited), false},
		"another message":           {metav1.Condition{Type: edgev1.ProjectReady, Status: no, Reason: edgev1.ReasonNotInvited, Message: "else"}, false},
		"another status":            {c(edgev1.ProjectReady, yes, edgev1.ReasonInvited), true},
		"another reason":            {c(edgev1.ProjectReady, no, edgev1.ReasonProjectTerminating), true},
		"a new condition":           {c(edgev1.RegistryTrusted, no, edgev1.ReasonRouteUnreachable), true},
		"Ready, for another reason": {c(edgev1.Ready, no, edgev1.ReasonRouteUnreachable), false},
		"Ready at last":             {c(edgev1.Ready, yes, edgev1.ReasonReady), true},
		"the same warning":          {c(edgev1.RegistryVerified, yes, edgev1.ReasonVerifiedWithWarnings), false},
		"another warning": {metav1.Condition{Type: edgev1.RegistryVerified, Status: yes,
			Reason: edgev1.ReasonVerifiedWithWarnings, Message: "else"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(changed(before, &test.condition)).To(Equal(test.want))
		})
	}
}

func TestEveryMessageIsOneLine(t *testing.T) {
	long := strings.Repeat("é", 4000)
	for name, err := range map[string]error{
		"an error of lines":                 errors.New("one\n\ttwo"),
		"what another operator has written": waiting(edgev1.ReasonRouteNotFound, "Degraded: %s", "one\n\ntwo"),
		"a text without end":                stalled(edgev1.ReasonConflict, "%s", long),
		"an error without end":              errors.New(long),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := seen()
			setCondition(edge, edgev1.ProjectReady, done{}, err)
			summarize(edge, meta.FindStatusCondition(edge.Status.Conditions, edgev1.ProjectReady), false)
			for _, c := range edge.Status.Conditions {
				g.Expect(c.Message).NotTo(ContainSubstring("\n"), c.Type)
				g.Expect(len(c.Message)).To(BeNumerically("<=", 1024), "an event takes no more")
				g.Expect(strings.ToValidUTF8(c.Message, "?")).To(Equal(c.Message))
			}
		})
	}
}

func TestAStepThatDoesNotApplyHasNoCondition(t *testing.T) {
	g := NewWithT(t)
	edge := seen(yes, yes)
	setCondition(edge, edgev1.ProjectReady, done{}, nil)
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.ProjectReady)).To(BeNil())
}

// Events tell of transitions and acts. A pass that finds all as it should be tells nothing.
func TestAQuietPassWritesNothingAndTellsNothing(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	var reasons []string
	g.Eventually(func() []string {
		reasons = nil
		for _, event := range eventsOf(t, edge) {
			reasons = append(reasons, event.Reason)
			g.Expect(event.Note).NotTo(ContainSubstring("\n"))
		}
		return reasons
	}).WithTimeout(soon).Should(ContainElements(edgev1.ReasonTokenMinted, edgev1.ReasonExposed, edgev1.ReasonOwned, edgev1.ReasonGranted,
		edgev1.ReasonTrusted, edgev1.ReasonIssued, edgev1.ReasonPublished, edgev1.ReasonVerified, edgev1.ReasonReady))
	minted := slices.DeleteFunc(slices.Clone(reasons), func(r string) bool { return r != edgev1.ReasonTokenMinted })
	g.Expect(minted).To(HaveLen(2), "one for each token")

	posts := func() []string {
		return o.wire.matching(func(r string) bool { return !strings.HasPrefix(r, "GET ") && strings.Contains(r, "/events") })
	}
	passes := func() int {
		return len(o.wire.matching(func(r string) bool { return strings.HasSuffix(r, "/namespaces/"+edge.Name+"/secrets") }))
	}
	told, writes := len(posts()), len(o.wire.writes())
	for range 3 {
		before := passes()
		stir(t, edge)
		g.Eventually(passes).WithTimeout(soon).Should(BeNumerically(">", before))
	}
	o.stop(t) // What the passes had to tell is told by now.
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
	g.Expect(posts()[told:]).To(BeEmpty())
}
