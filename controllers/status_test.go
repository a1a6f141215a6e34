// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	yes   = metav1.ConditionTrue
	no    = metav1.ConditionFalse
	maybe = metav1.ConditionUnknown
)

// What an Exchange was seen to hold before another login was issued says nothing of that one.
func TestWhatIsSaidOfAnExchangeThatWasNotLookedAt(t *testing.T) {
	looked := edgev1.ExchangeStatus{Services: 3, Synced: 3, Nodes: &edgev1.ExchangeNodes{Total: 5, Confirmed: 5, FormerMayEnd: edgev1.AnswerYes}}
	for name, test := range map[string]struct {
		generation int64
		want       edgev1.ExchangeStatus
	}{
		"the login is the same": {1, edgev1.ExchangeStatus{Services: 3, Synced: 3,
			Nodes: &edgev1.ExchangeNodes{Total: 5, Confirmed: 5, FormerMayEnd: edgev1.AnswerUnknown}}},
		"another was issued": {2, edgev1.ExchangeStatus{Services: 3,
			Nodes: &edgev1.ExchangeNodes{Total: 5, Unknown: 5, FormerMayEnd: edgev1.AnswerUnknown}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := newEdge()
			before.Status.Exchange = looked.DeepCopy()
			before.Status.Credentials = []edgev1.CredentialStatus{{Role: edgev1.TokenPuller, Generation: 1, Current: true}}
			edge := before.DeepCopy()
			edge.Status.Credentials[0].Generation = test.generation
			doubtExchange(before, edge)
			NewWithT(t).Expect(*edge.Status.Exchange).To(Equal(test.want))
		})
	}
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

// Events report transitions and acts. A pass that finds everything right sends none.
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
	posted, writes := len(posts()), len(o.wire.writes())
	for range 3 {
		before := passes()
		stir(t, edge)
		g.Eventually(passes).WithTimeout(soon).Should(BeNumerically(">", before))
	}
	o.stop(t) // All events of the passes are sent by now.
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
	g.Expect(posts()[posted:]).To(BeEmpty())
}
