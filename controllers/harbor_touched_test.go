// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about robots that are to end, and about which Harbor does not say what the operator expects: somebody changed
// them there, a list lacks them, or Harbor does not answer.

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// A robot that somebody gave another description is not the operator's to delete. That it was revoked is said once it is gone.
func TestARobotThatIsNotDeletedIsNotCalledRevoked(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	leaked, robot := publishedLogin(t, edge, "-pull"), p.of(edge, "puller")[0]
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.settles(t, edge)
	p.Edit(robot.ID, func(r *harbor.Robot) { r.Description = "mine now" })
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	for range 2 {
		o.pass(t, edge)
	}
	g.Expect(p.Works(leaked.user, leaked.secret)).To(BeTrue(), "it is not known to be the operator's any more")
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(BeEmpty())
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(BeEmpty())
	g.Expect(condition(t, edge, edgev1.Ready).Message).To(And(
		HavePrefix("Puller/1 is not revoked yet: "), ContainSubstring(strconv.FormatInt(robot.ID, 10)), ContainSubstring("delete it in Harbor")))

	p.Remove(robot.ID)
	o.advance(time.Hour)
	o.settles(t, edge)
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(1))
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal("Puller/1"))
}

// The same in a deletion, which ends, and names what is left.
func TestARobotThatADeletionLeavesIsNamed(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	robot := p.of(edge, "puller")[0]
	p.Edit(robot.ID, func(r *harbor.Robot) { r.Description = "mine now" })
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(p.of(edge, "publisher")).To(BeEmpty())
	g.Expect(p.of(edge, "puller")).To(HaveLen(1))
	g.Expect(recorder.of(edgev1.ReasonRobotsLeftBehind)).To(ContainElement(MatchRegexp(`\b%d\b`, robot.ID)))
}

// withoutRobots has lists lack all robots, as one may lack some that were moved over the edge of a page while it was read.
func withoutRobots() *standin.Fault {
	return &standin.Fault{Match: standin.ToEnd(http.MethodGet, "/robots"), Always: true, Status: http.StatusOK, Body: "[]"}
}

// What a list lacks is asked for by itself, before it is taken for gone.
func TestARobotThatAListLacksIsNotTakenForGone(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	p.Inject(withoutRobots())
	o.advance(time.Hour)
	for range 2 {
		o.pass(t, edge)
	}
	p.expectOneRobotEach(t, edge)
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(append(p.of(edge, "puller"), p.of(edge, "publisher")...)).To(BeEmpty())
	p.expectOthers(t)
}

// A request to end a robot is not answered while nobody knows whether the robot works: it was left beyond its lifetime for nodes
// that need it, and Harbor is away as another process takes over.
func TestARevocationWaitsForAHarborThatIsAway(t *testing.T) {
	g := NewWithT(t)
	m := issuersThatWait["Harbor"](t)
	s, first, made := waitFor(t, m, true, 33*oneDay)
	s.until(made.Add(31 * oneDay))
	g.Expect(m.works(first)).To(BeTrue(), "a node may need it")
	m.calls.Inject(&standin.Fault{Match: harbor.API, Always: true, Status: http.StatusServiceUnavailable})
	s.o = s.o.restarted(t)
	recorder := &eventRecorder{}
	s.o.Recorder = recorder
	annotate(t, s.edge, edgev1.RevokeAnnotation, "Puller/1")
	s.o.pass(t, s.edge)
	g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(BeEmpty())
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(BeEmpty())
	g.Expect(reload(t, s.edge).Status.LastHandledRevocation).To(BeEmpty())
	s.o = s.o.restarted(t)
	s.o.Recorder = recorder
	s.o.pass(t, s.edge)
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(BeEmpty(), "also once it was begun")
	m.calls.Heal()
	s.until(made.Add(31*oneDay + time.Hour))
	g.Expect(m.works(first)).To(BeFalse())
	g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(1))
}

// A robot that was made before the record was lost works, and can be revoked.
func TestARobotOfBeforeALostRecordIsRevoked(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	before := publishedLogin(t, edge, "-pull")
	deleteRecord(t, edge)
	o = o.restarted(t)
	o.comesTo(t, edge, edgev1.NamespaceReady, edgev1.ReasonNamespaceReplaced)
	home := &corev1.Namespace{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: edge.Spec.Secrets.Namespace}, home)).To(Succeed())
	annotate(t, edge, edgev1.AcceptAnnotation, home.Name+"/"+string(home.UID))
	o.settles(t, edge)
	o.pass(t, edge)
	g.Expect(generations(t, edge, edgev1.TokenPuller)).To(Equal([]int64{1, 2}))
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(p.Works(before.user, before.secret)).To(BeFalse())
	g.Expect(generations(t, edge, edgev1.TokenPuller)).To(Equal([]int64{2}))
}

// However often an author rotates, a credential that works can be revoked.
func TestARobotThatWasRotatedManyTimesAgoIsRevoked(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	first := publishedLogin(t, edge, "-pull")
	for i := range 22 {
		annotate(t, edge, edgev1.RotateAnnotation, strconv.Itoa(i))
		o.pass(t, edge)
	}
	o.settles(t, edge)
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(p.Works(first.user, first.secret)).To(BeFalse())

	// What is neither on record nor listed may have ended, and may not.
	annotate(t, edge, edgev1.RevokeAnnotation, "")
	o.pass(t, edge)
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.pass(t, edge)
	g.Expect(recorder.of(edgev1.ReasonNothingRevoked)).To(HaveExactElements(ContainSubstring("Puller/1 is on record no longer")))
}

// A project that was deleted and made again has another number. To an admin of the whole of Harbor a list of the number of before
// is empty and no error.
func TestAProjectThatWasMadeAgainIsFoundAgain(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := p.edge(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	p.AddAdmin("ada", "Administers-1", "plant", "")
	account := p.account(edge)
	account.Data["username"], account.Data["password"] = []byte("ada"), []byte("Administers-1")
	supply(t, account)
	edge = o.settles(t, apply(t, edge))
	for _, r := range p.Robots() {
		p.Remove(r.ID)
	}
	p.AddProject("plant")
	lost := standin.LostReply(standin.To(http.MethodPost, "/api/v2.0/robots"))
	p.Inject(lost)
	o.advance(time.Hour)
	o.settles(t, edge)
	g.Expect(p.Met(lost)).To(Equal(1))
	for range 3 {
		o.advance(time.Hour)
		o.pass(t, edge)
	}
	p.expectOneRobotEach(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"), "there is one successor")
	g.Expect(publishedLogin(t, edge, "-publish").user).To(HaveSuffix("-publisher-2"), "the one whose making had no answer is found")
}

// An admin of the project makes robots as the operator would: with more rights, or with the last number. None is published, and the
// operator goes on.
func TestARobotThatLooksLikeOneThatWasLostIsNotPublished(t *testing.T) {
	for name, theirs := range map[string]struct {
		number int64
		rights []string
	}{
		"with more rights":     {2, []string{"repository:pull", "repository:push", "repository:delete"}},
		"with the last number": {999_999_999, []string{"repository:pull"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			p := startHarbor(t, o.clock)
			edge := o.settles(t, p.install(t))
			id := p.Imitate(p.of(edge, "puller")[0].ID, fmt.Sprintf("edge-%.8s-puller-%d", edge.UID, theirs.number), theirs.rights...)
			for i := range 3 {
				annotate(t, edge, edgev1.RotateAnnotation, strconv.Itoa(i))
				o.advance(time.Hour)
				o.settles(t, edge)
				g.Expect(publishedTo(t, edge, "-pull").Annotations[objects.CredentialIDAnnotation]).NotTo(Equal(strconv.FormatInt(id, 10)))
			}
			g.Expect(p.of(edge, "puller")).To(HaveLen(4), "those that were published")
		})
	}
}
