// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about one credential that a person ends by the annotation revoke.

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// generations are those of a role that work, by the status.
func generations(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) []int64 {
	t.Helper()
	var all []int64
	for _, c := range statusOfTokens(reload(t, edge), role) {
		all = append(all, c.Generation)
	}
	return all
}

// One token ends at once, and no other; the one in use is followed by another before. A LongLived one ends as one does that
// expires. At rest nothing more is done for the annotation, by this process or another.
func TestARevokedTokenEndsOnceAnotherIsInItsPlace(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	edge := o.settles(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived })))
	knowKept(t, edge)
	first := tokensOf(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.settles(t, edge)
	knowKept(t, edge)
	second := tokensOf(t, edge)

	for i, role := range roles {
		annotate(t, edge, edgev1.RevokeAnnotation, string(role)+"/1")
		o.settles(t, edge)
		expectDead(t, first[role])
		g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal(string(role) + "/1"))
		g.Expect(generations(t, edge, role)).To(Equal([]int64{2}))
		g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(i + 1))
	}
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(ContainElement(And(HavePrefix("Normal "), ContainSubstring("edge-puller token 1 is revoked"),
		ContainSubstring("2 is in its place"), ContainSubstring("which nodes it leaves behind is unknown, since spec.exchanges names no Exchange"))))
	expectKept(t, edge, second)

	for _, role := range roles {
		annotate(t, edge, edgev1.RevokeAnnotation, string(role)+"/2")
		o.pass(t, edge)
		knowKept(t, edge)
		expectDead(t, second[role])
		g.Expect(works(t, tokensOf(t, edge)[role])).To(BeTrue())
		g.Expect(generations(t, edge, role)).To(Equal([]int64{3}), "in the same pass")
	}
	o.settles(t, edge)
	g.Expect(recorder.of(edgev1.ReasonTokenMinted)).To(ContainElement(ContainSubstring("because it is to be revoked")))
	before, status := projectState(t, edge), reload(t, edge).Status
	writes := len(o.writesFor(edge))
	o.pass(t, edge)
	g.Expect(o.writesFor(edge)).To(HaveLen(writes))
	restarted := directOperator(t)
	restarted.clock.SetTime(o.clock.Now())
	restarted.Recorder = recorder
	restarted.pass(t, edge)
	g.Expect(restarted.writesFor(edge)).To(BeEmpty())
	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(reload(t, edge).Status).To(Equal(status))
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(4))
	g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(BeEmpty())
}

// What cannot be revoked is answered by one event, which says what to do, and holds nothing up.
func TestWhatCannotBeRevokedIsAnsweredOnce(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	edge := newEdge()
	metav1.SetMetaDataAnnotation(&edge.ObjectMeta, edgev1.RevokeAnnotation, "Puller/1")
	edge = o.settles(t, apply(t, edge))
	answer := func(value, says string) {
		t.Helper()
		answers := recorder.of(edgev1.ReasonNothingRevoked)
		g.Expect(answers).To(HaveLen(1), value)
		g.Expect(answers[0]).To(And(HavePrefix("Warning "), ContainSubstring(edgev1.RevokeAnnotation), ContainSubstring(says)), value)
		g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal(value))
		g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue), value)
		o.pass(t, edge)
		g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(HaveLen(1), "it is told once")
		recorder.clear()
	}
	answer("Puller/1", "there was no Puller/1 yet when it was asked for")
	tokens := tokensOf(t, edge)
	for _, c := range []struct{ value, says string }{
		{"Puller/2", "there was no Puller/2 yet"},
		{"puller/1", `"puller/1" says no credential: write ROLE/GENERATION`},
		{"Puller", "such as Puller/7"},
		{"\x1b[31mred", "says no credential"},
	} {
		annotate(t, edge, edgev1.RevokeAnnotation, c.value)
		o.pass(t, edge)
		answer(c.value, c.says)
	}
	expectKept(t, edge, tokens)
	g.Expect(generations(t, edge, edgev1.TokenPuller)).To(Equal([]int64{1}))

	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(1))
	annotate(t, edge, edgev1.RevokeAnnotation, "")
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(BeEmpty())
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	answer("Puller/1", "Puller/1 no longer works, as far as the operator knows")
}

// A login that people supply the operator cannot end, and says who can.
func TestASuppliedLoginIsRevokedByWhoSuppliesIt(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	r := startOtherRegistry(t)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	_, pull := r.supplyBoth(t, edge)
	edge = o.settles(t, apply(t, edge))
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(ConsistOf(ContainSubstring("put another into Secret edge-registry-credentials/" + pull.Name)))
	g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))
}

// As long as nobody knows that the registry takes another, the one in use is not ended. The condition says what it waits for.
func TestNothingIsRevokedBeforeAnotherIsProven(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	tokens := tokensOf(t, edge)
	openShift.Registry.Fail(http.StatusServiceUnavailable)
	t.Cleanup(func() { openShift.Registry.Fail(0) })
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonProofFailed))
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(BeEmpty())
	expectKept(t, edge, tokens)
	openShift.Registry.Fail(0)
	o.advance(time.Hour)
	o.settles(t, edge)
	expectDead(t, tokens[edgev1.TokenPuller])
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal("Puller/1"))
}

// The operator dies before or after any of its writes: the next ends what was to end, and nothing else, and says so. It does so too
// where the credential is no longer on record, so that only its list knows it.
func TestARevocationBearsACrashAtEachWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		forgotten bool
		// A revocation makes more writes than these.
		writes int
	}{"of the one in use": {false, 6}, "of one that left the record": {true, 4}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			recorder := &eventRecorder{}
			o.Recorder = recorder
			edge := o.settles(t, apply(t, newEdge()))
			at := 0
			for round := range 40 {
				after := round%2 == 1
				generation := generations(t, edge, edgev1.TokenPuller)[0]
				asked := fmt.Sprintf("%s/%d", edgev1.TokenPuller, generation)
				if tt.forgotten {
					o.rotateAndForget(t, edge, generation)
					o = o.succeeded(t)
				}
				recorder.clear()
				annotate(t, edge, edgev1.RevokeAnnotation, asked)
				if !after {
					at++
				}
				died := dieAt(o, at, after)
				_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
				o.wire.setIntercept(nil)
				o = o.succeeded(t)
				o.settles(t, edge)
				g.Expect(projectState(t, edge)).NotTo(HaveKey("Secret "+boundSecretName(pass.PullSecretName(edge), generation)), "write %d", at)
				g.Expect(works(t, tokensOf(t, edge)[edgev1.TokenPuller])).To(BeTrue())
				g.Expect(generations(t, edge, edgev1.TokenPuller)).To(HaveLen(1), "write %d", at)
				g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal(asked))
				g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(BeEmpty(), "write %d", at)
				if !*died {
					g.Expect(at).To(BeNumerically(">", tt.writes), "writes of a revocation")
					return
				}
			}
			t.Fatal("there is no end to the writes")
		})
	}
}

// succeeded is the operator that takes over a minute later, and knows what is written down alone. Its events go where those went.
func (o *operator) succeeded(t *testing.T) *operator {
	t.Helper()
	next := directOperator(t)
	next.clock.SetTime(o.clock.Now().Add(time.Minute))
	next.Recorder = o.Recorder
	return next
}

// rotateAndForget puts a successor in the place of a pull token, and takes the token from the record, as what is too old is.
func (o *operator) rotateAndForget(t *testing.T, edge *edgev1.EdgeRegistry, generation int64) {
	t.Helper()
	annotate(t, edge, edgev1.RotateAnnotation, stamp())
	o.pass(t, edge)
	o.settles(t, edge)
	editRecord(t, edge, func(r *pass.Record) {
		r.Issued = slices.DeleteFunc(r.Issued, func(i pass.Issued) bool { return i.Role == edgev1.TokenPuller && i.Generation == generation })
	})
}

// dieAt has an operator fail at a write, before it or after it was done, and at all that follow.
func dieAt(o *operator, at int, after bool) *bool {
	died := new(bool)
	writes := 0
	o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodGet || housekeeping.MatchString(r.Method+" "+r.URL.Path) {
			return next.RoundTrip(r)
		}
		writes++
		switch {
		case writes < at:
			return next.RoundTrip(r)
		case writes == at && after:
			if response, err := next.RoundTrip(r); err == nil {
				_ = response.Body.Close()
			}
		}
		*died = true
		return nil, errors.New("the operator is dead")
	})
	return died
}

// The event names the nodes that have not read the login which takes the place of the one that ends, or says why that is not
// known. An Exchange that is away does not hold up what a person wants to end.
func TestARevocationNamesTheNodesThatItLeavesBehind(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, true, 3)
	s.live(30 * time.Minute)
	s.nodes[0].Silence(s.x.Clock.Now().Add(50 * time.Hour))
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(10 * time.Minute)
	annotate(t, s.edge, edgev1.RevokeAnnotation, "Puller/1")
	s.o.pass(t, s.edge)
	g.Expect(s.recorder.of(edgev1.ReasonTokenRevoked)).To(ConsistOf(ContainSubstring("it leaves behind nodes that have not read the new one (1): plant/gateway-0")))

	annotate(t, s.edge, edgev1.RevokeAnnotation, "Puller/2")
	s.recorder.clear()
	s.o.pass(t, s.edge)
	g.Expect(s.recorder.of(edgev1.ReasonTokenRevoked)).To(ConsistOf(ContainSubstring("of 3 of 3 nodes it is unknown yet whether they have read the new one")))
	only(t, s.x, s.service, "edge-puller."+openshift.ProjectName(s.edge), pulls(t, s.edge))
	s.live(10 * time.Minute)
	g.Expect(s.edge.Status.Exchange.Nodes.Late).To(BeEquivalentTo(1))

	s.x.Close()
	annotate(t, s.edge, edgev1.RevokeAnnotation, "Puller/3")
	s.recorder.clear()
	dead := pulls(t, s.edge)
	s.o.pass(t, s.edge)
	expectDead(t, dead)
	g.Expect(s.recorder.of(edgev1.ReasonTokenRevoked)).To(ConsistOf(And(ContainSubstring("but ExchangeUpdated is False"), ContainSubstring("is unknown, since the Exchange was not seen"))))
}

func TestAPlainUserIsNotToldWhomARevocationLeavesBehind(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, false, 2)
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(20 * time.Minute)
	annotate(t, s.edge, edgev1.RevokeAnnotation, "Puller/1")
	s.o.pass(t, s.edge)
	g.Expect(s.recorder.of(edgev1.ReasonTokenRevoked)).To(ConsistOf(ContainSubstring("is unknown, since the Exchange does not show all of them (it shows 2)")))
}

// A robot is deleted in Harbor. Where Harbor does not do that, Ready says so, and it is tried again.
func TestARevokedRobotIsDeleted(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	first := publishedLogin(t, edge, "-pull")
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	p.Inject(&standin.Fault{Always: true, Status: http.StatusInternalServerError, Match: standin.To(http.MethodDelete, "")})
	o.pass(t, edge)
	ready := condition(t, edge, edgev1.Ready)
	g.Expect(ready.Reason).To(Equal(edgev1.ReasonIssuerUnavailable))
	g.Expect(ready.Message).To(HavePrefix("Puller/1 is not revoked yet: "))
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(BeEmpty())
	second := publishedLogin(t, edge, "-pull")
	g.Expect(p.Works(second.user, second.secret)).To(BeTrue(), "its successor is in place")

	p.Heal()
	o.advance(time.Minute)
	o.settles(t, edge)
	g.Expect(p.Works(first.user, first.secret)).To(BeFalse())
	g.Expect(publishedLogin(t, edge, "-pull")).To(Equal(second), "there is one successor")
	p.expectOneRobotEach(t, edge)
	p.expectOthers(t)
	g.Expect(generations(t, edge, edgev1.TokenPuller)).To(Equal([]int64{2}))
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(1))
}

// A key is deleted at IBM Cloud, also before its lifetime is over, and none that others made.
func TestARevokedKeyIsDeleted(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all())
	awaitReady(t, edge)
	others := len(w.Keys())
	first := tokenOf(publishedTo(t, edge, "-pull"))
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRevocation }).WithTimeout(soon).WithPolling(often).Should(Equal("Puller/1"))
	expectEvent(t, edge, edgev1.ReasonTokenRevoked, "key 1 of ", " is revoked", "2 is in its place")
	_, there := w.KeyOf(first.Reveal())
	g.Expect(there).To(BeFalse())
	g.Expect(w.keysOf(edge, "puller")).To(HaveLen(1))
	g.Expect(w.keysOf(edge, "publisher")).To(HaveLen(1))
	g.Expect(w.Keys()).To(HaveLen(others))
	g.Expect(generations(t, edge, edgev1.TokenPuller)).To(Equal([]int64{2}))
}
