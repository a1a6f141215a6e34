// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// node is a node of alice's that runs a service, and pulls with the tokens that are valid.
type node struct {
	w     *world
	agent *exchangetest.Agent
	valid []string
}

func (w *world) node(valid ...string) *node {
	w.t.Helper()
	w.AddNode(org, "node", "the-token-of-the-node", "alice")
	agent, err := w.NewAgent(w.t.Context(), org, "node", "the-token-of-the-node")
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	return &node{w, agent, valid}
}

func (n *node) poll() {
	n.w.t.Helper()
	n.w.Clock.Advance(exchangetest.PollInterval)
	NewWithT(n.w.t).Expect(n.agent.Poll(n.w.t.Context())).To(Succeed())
}

func (n *node) pull(service string) exchangetest.Pulled {
	n.w.t.Helper()
	p, err := n.agent.Pull(n.w.t.Context(), service, host, func(_, token string) bool { return slices.Contains(n.valid, token) })
	NewWithT(n.w.t).Expect(err).NotTo(HaveOccurred())
	return p
}

// settled runs passes until one has nothing to do, and returns its report.
func (w *world) settled(token string) Report {
	w.t.Helper()
	g := NewWithT(w.t)
	for range 3 {
		w.sync(token)
		w.Clock.Advance(ListLife)
	}
	w.Forget()
	r := w.sync(token)
	g.Expect(w.writes()).To(BeEmpty(), "it does not come to rest")
	return r
}

func TestARenewedLoginReachesANodeThatRuns(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(older)
	n := w.node(older)
	g.Expect(n.pull(id).OK).To(BeTrue())

	// As without the operator: the entry is renewed, and the node does not learn of it.
	n.valid = []string{newer}
	g.Expect(w.client.Update(t.Context(), id, w.Logins(id)[0].ID, host, user, wanted(newer).Token)).To(Succeed())
	n.poll()
	g.Expect(n.pull(id).OK).To(BeFalse(), "a change of the login alone reaches no node")

	w.sync(newer)
	n.poll()
	g.Expect(n.pull(id)).To(Equal(exchangetest.Pulled{OK: true, ID: w.Logins(id)[0].ID}))
}

func TestAStaleEntryDelaysNoNode(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.AddLogin(id, host, "edge-puller", dead)
	w.AddLogin(id, host, user, older)
	w.AddLogin(id, host, user, newer)
	n := w.node(newer)
	g.Expect(n.pull(id).Waited).To(Equal(time.Minute))
	w.settled(newer)
	n.poll()
	g.Expect(n.pull(id).Waited).To(BeZero())
}

func TestAPublishBetweenReadingAndTouchingLosesNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(older)
	var published map[string]string
	w.Inject(&standin.Fault{Pass: true, Match: standin.To("PATCH", ""), Do: func() {
		w.Publish(alice, exchangetest.Definition{URL: "camera", Image: image + "ff", Deployment: ""})
		published = w.others()
	}})
	w.sync(newer)
	g.Expect(published[id]).To(ContainSubstring("0123ff"))
	g.Expect(w.others()).To(Equal(published), "the touch put something older over what was published")
	w.settled(newer)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
	g.Expect(w.others()).To(Equal(published))
}

func TestAPublishWithTheLoginOfBeforeIsTakenBack(t *testing.T) {
	for name, between := range map[string]func(standin.Call) bool{
		"before the entry is renewed":   standin.To("PUT", ""),
		"before it is read again":       nil,
		"before the service is touched": standin.To("PATCH", ""),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, exchangetest.Options{})
			id := w.publish("camera")
			w.settled(older)
			again := func() {
				w.publish("camera")
				w.AddLogin(id, host, "edge-puller", older)
			}
			f := &standin.Fault{Pass: true, Match: between, Do: again}
			if between == nil {
				f.Match, f.Skip = standin.ToEnd("GET", "/dockauths"), 1
			}
			w.Inject(f)
			r := w.sync(newer)
			g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2", "factory.pull.1"}), "nodes find ours first")
			if name != "before the service is touched" {
				g.Expect(outcomeOf(r, id).State).To(Equal(Unsettled))
			}
			r = w.settled(newer)
			g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
			g.Expect(outcomeOf(r, id).State).To(Equal(Synced))
			n := w.node(newer)
			g.Expect(n.pull(id)).To(Equal(exchangetest.Pulled{OK: true, ID: w.Logins(id)[0].ID}))
		})
	}
}

func TestAServiceThatIsMadeAgainGetsItsEntryAgain(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(newer)
	w.Delete(id)
	w.publish("camera")
	g.Expect(w.logins(id)).To(BeEmpty())
	w.Clock.Advance(ListLife)
	w.settled(newer)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))

	// It is gone when the entry is to be written, and there again later.
	w.Inject(&standin.Fault{Pass: true, Match: standin.To("PUT", ""), Do: func() { w.Delete(id) }})
	r := w.sync(older)
	g.Expect(outcomeOf(r, id).State).To(Equal(Unsettled))
	w.Clock.Advance(ListLife)
	r = w.sync(older)
	g.Expect(r.Services).To(BeEmpty())
	w.publish("camera")
	w.settled(older)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.1"}))
}

func TestAnOwnerThatTheExchangeRemembersIsWaitedOut(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{OwnerTTL: 90 * time.Minute})
	bobs := w.Publish(org+"/bob", exchangetest.Definition{URL: "camera", Image: image})
	other := w.publish("radio")
	_, err := w.as("bob", "bob-s-long-password").Entries(t.Context(), bobs)
	g.Expect(err).NotTo(HaveOccurred())
	w.Delete(bobs)
	id := w.publish("camera")
	r := w.sync(newer)
	failed := outcomeOf(r, id)
	g.Expect(failed.State).To(Equal(Failed))
	g.Expect(IsKind(failed.Err, Denied)).To(BeTrue())
	g.Expect(failed.Err).To(MatchError(ContainSubstring("90 minutes")))
	g.Expect(outcomeOf(r, other).State).To(Equal(Synced), "one service does not hold up the others")
	w.Clock.Advance(90 * time.Minute)
	w.settled(newer)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
}

func TestTwoClustersKeepOffEachOther(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	theirs := wanted("elsewhere.pull.1.ffffffffffffffff")
	theirs.Marker.UID = "theirs"
	second := NewSyncer(NewExchanges(w.Clock.Now))
	for _, token := range []string{older, newer, newer} {
		w.sync(token)
		_, err := second.Sync(t.Context(), w.client, theirs, issuer("elsewhere"))
		g.Expect(err).NotTo(HaveOccurred())
		w.Clock.Advance(ListLife)
	}
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2", "elsewhere.pull.1"}))
	foreign := w.others()
	r := w.settled(older)
	g.Expect(w.others()).To(Equal(foreign))
	g.Expect(outcomeOf(r, id).InWay).To(BeEmpty())
	r, err := second.Sync(t.Context(), w.client, theirs, issuer("elsewhere"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcomeOf(r, id).InWay).To(Equal([]int{1}), "the one that nodes try first is named to the other")
}

func TestTwoEdgeRegistriesOnOneHostKeepTheirOwnEntries(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	both := w.Publish(alice, exchangetest.Definition{URL: "both", Deployment: fmt.Sprintf(
		`{"services":{"a":{"image":%q},"b":{"image":"%s/edge2/radio:1"}}}`, image, host)})
	one := w.publish("one")
	second := NewSyncer(w.shared)
	other := wanted("second.pull.1.gggggggggggggggg")
	other.Prefix, other.Marker.UID = "edge2", "second"
	for range 3 {
		w.sync(newer)
		_, err := second.Sync(t.Context(), w.client, other, issuer("second"))
		g.Expect(err).NotTo(HaveOccurred())
		w.Clock.Advance(ListLife)
	}
	g.Expect(w.logins(both)).To(Equal([]string{"factory.pull.2", "second.pull.1"}))
	g.Expect(w.logins(one)).To(Equal([]string{"factory.pull.2"}), "edge2 is not edge")
	w.settled(newer)
}

func TestAnEntryOfAnothersIsNeverTouched(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.Publish(alice, exchangetest.Definition{URL: "camera", Image: image, ImageStore: `{"storeType":"dockerRegistry","of":{"another":[1, 2]}}`})
	first := w.AddLogin(id, host, user, another)
	contested := w.AddLogin(id, host, user, cloned)
	misfiled := w.AddLogin(id, host+"/edge", user, "edge.pull.1.hhhhhhhhhhhhhhhh")
	w.AddLogin(id, "other.example.com", user, another)
	pushed := w.AddLogin(id, host, "edge-publisher", pushing)
	last := w.AddLogin(id, host, user, dead)
	before := w.others()
	r := w.sync(newer)
	g.Expect(w.others()).To(Equal(before), "something of another's changed")
	o := outcomeOf(r, id)
	g.Expect(o.InWay).To(Equal([]int{first, contested}))
	g.Expect(o.Misfiled).To(Equal([]int{misfiled}))
	g.Expect(o.Contested).To(Equal([]int{contested}))
	g.Expect(o.Publishers).To(Equal([]int{pushed}), "it has to be revoked")
	g.Expect(o.Ours).To(Equal(pushed))
	for _, l := range w.Logins(id) {
		g.Expect(l.ID).NotTo(Equal(last))
		g.Expect(l.ID != pushed || l.Token == newer && l.Username == user).To(BeTrue())
	}
	g.Expect(outcomeOf(w.settled(newer), id).Publishers).To(BeEmpty())
	g.Expect(w.others()).To(Equal(before))

	r, err := w.syncer.Withdraw(t.Context(), w.client, wanted(newer), issuer("factory"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcomeOf(r, id).State).To(Equal(Synced))
	g.Expect(w.others()).To(Equal(before))
	g.Expect(strings.Join(w.logins(id), " ")).NotTo(Or(ContainSubstring("factory.p"), ContainSubstring("factory.dead")))
}

func TestARotationWhileTheExchangeIsDownIsMadeUpFor(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(older)
	n := w.node(older, newer)
	g.Expect(n.pull(id).OK).To(BeTrue())
	before := w.State()
	w.Inject(&standin.Fault{Always: true, Status: 503})
	for range 24 {
		w.Clock.Advance(time.Hour)
		_, err := w.syncer.Sync(t.Context(), w.client, wanted(newer), issuer("factory"))
		g.Expect(IsKind(err, Unavailable)).To(BeTrue())
	}
	g.Expect(w.State()).To(Equal(before))
	g.Expect(n.pull(id).OK).To(BeTrue(), "the previous login works until its end")
	w.Heal()
	w.settled(newer)
	n.valid = []string{newer}
	n.poll()
	g.Expect(n.pull(id).OK).To(BeTrue())
}

func TestSixHoursWithoutTheOperatorAreMadeUpFor(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id, quiet := w.publish("camera"), w.publish("quiet")
	w.settled(older)
	n := w.node(newer)
	w.sync(newer)
	w.Clock.Advance(3 * time.Hour)
	w.publish("camera")
	w.AddLogin(id, host, "edge-publisher", pushing)
	added := w.publish("added")
	w.Clock.Advance(3 * time.Hour)
	w.restart()
	before := w.State()[quiet]
	w.settled(newer)
	g.Expect(w.State()[quiet] == before).To(BeTrue(), "what was right is left alone")
	n.poll()
	for _, service := range []string{id, quiet, added} {
		g.Expect(w.logins(service)).To(Equal([]string{"factory.pull.2"}))
		g.Expect(n.pull(service).Waited).To(BeZero())
	}
}

func TestAServiceThatMovesAwayIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(newer)
	w.Publish(alice, exchangetest.Definition{URL: "camera", Image: "other.example.com/edge/camera:1"})
	before := w.State()
	w.Clock.Advance(ListLife)
	r := w.sync(newer)
	g.Expect(r.Left).To(ConsistOf(And(HaveField("Service", id), HaveField("Ours", 1))))
	g.Expect(r.Services).To(BeEmpty())
	w.Clock.Advance(ListLife)
	g.Expect(w.sync(newer).Left).To(BeEmpty(), "it is said once")
	g.Expect(w.State()).To(Equal(before))
	w.publish("camera")
	w.settled(newer)
	w.Delete(id)
	w.Clock.Advance(ListLife)
	g.Expect(w.sync(newer).Left).To(BeEmpty(), "nothing is left of what was deleted")
}

func TestAMigrationIsWaitedOut(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.Migrate(true)
	_, err := w.syncer.Sync(t.Context(), w.client, wanted(newer), issuer("factory"))
	g.Expect(IsKind(err, Denied)).To(BeTrue())
	w.Migrate(false)
	w.settled(newer)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
}
