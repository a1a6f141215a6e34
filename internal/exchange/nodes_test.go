// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// pastFirstLook is a rotation, the five minutes until nodes are looked at, and some for both.
const pastFirstLook = 7 * time.Minute

func TestEveryNodePullsWithTheNewLogin(t *testing.T) {
	const services, nodes = 100, 1000
	g := NewWithT(t)
	f := fleetOf(t, services, nodes, 5, "boss", 0)
	f.Forget()
	g.Expect(f.counts()).To(Equal([3]int{nodes, 0, 0}))
	f.rotate(newer)
	f.live(4 * time.Minute)
	g.Expect(f.counts()).To(Equal([3]int{0, 0, nodes}), "nobody has been asked")
	f.live(pastFirstLook - 4*time.Minute)
	g.Expect(f.counts()).To(Equal([3]int{nodes, 0, 0}))
	g.Expect(f.count()).To(Equal(map[string]int{
		// Two lists, the entries of each service before and after and once more with the newer list, who asks, and what nodes report.
		"GET": 2 + 3*services + 2, "PUT": services, "PATCH": services,
		// The nodes of each.
		"POST": services,
	}))
	f.valid = []string{newer}
	g.Expect(f.pullAll()).To(BeZero())
	f.live(30 * time.Minute)
	f.Forget()
	f.live(3 * time.Hour)
	g.Expect(f.count()).NotTo(Or(HaveKey("POST"), HaveKey("PATCH")), "at rest nobody is asked and nothing is touched")
	g.Expect(f.count()["GET"]).To(BeNumerically("<=", 3*(6+services)+2))
}

func TestToAUserWhoSeesOnlySomeNoNodeIsConfirmed(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 5, 40, 3, "alice", 0)
	f.AddNode(org, "of-bob", "the-token-of-a-node", "bob")
	f.rotate(newer)
	f.players[0].Silence(f.Clock.Now().Add(5 * time.Hour))
	f.live(pastFirstLook)
	g.Expect(f.report.Nodes.View).To(Equal(OwnNodes))
	g.Expect(f.counts()).To(Equal([3]int{0, 1, 39}), "that one is late it sees anyway")
	f.live(6 * time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{0, 0, 40}))
	f.valid = []string{newer}
	g.Expect(f.pullAll()).To(BeZero(), "its own nodes are told again")
	f.Forget()
	f.live(time.Hour)
	g.Expect(f.count()).NotTo(HaveKey("POST"))
}

func TestWhereOtherOrganisationsMayReadNoNodeIsConfirmed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.Publish(org+"/boss", exchangetest.Definition{URL: "public", Image: image, Public: true})
	w.AddNode(org, "node", "the-token-of-a-node", "boss", id)
	p := w.NewPlayer(org+"/node", 0)
	want := wanted(newer)
	want.PublicServices = true
	var r Report
	for range 30 {
		w.Clock.Advance(time.Minute)
		p.Live()
		var err error
		r, err = w.syncer.Sync(t.Context(), w.as("boss", "boss-s-long-password"), want, issuer("factory"))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(r.Nodes.View).To(Equal(OneOrganization))
	g.Expect([]int{r.Nodes.Total, r.Nodes.Confirmed, r.Nodes.Unknown}).To(Equal([]int{1, 0, 1}))
}

func TestANodeThatWasSilentIsToldOnceItAsks(t *testing.T) {
	for _, hours := range []int{3, 5, 100} {
		for _, apart := range []time.Duration{0, time.Hour, -time.Hour} {
			if apart != 0 && hours != 5 {
				continue
			}
			t.Run(fmt.Sprint(hours, " hours, clocks apart by ", apart), func(t *testing.T) {
				g := NewWithT(t)
				f := fleetOf(t, 10, 50, 3, "boss", apart)
				silence := time.Duration(hours) * time.Hour
				for _, p := range f.players[:5] {
					p.Silence(f.Clock.Now().Add(silence))
				}
				f.rotate(newer)
				f.live(pastFirstLook)
				g.Expect(f.counts()).To(Equal([3]int{45, 5, 0}))
				g.Expect(f.report.Nodes.Behind).To(HaveLen(5))
				g.Expect(f.report.Nodes.Behind[0].ID).To(Equal("plant/node-0000"))
				g.Expect(f.report.Nodes.Behind[0].Heartbeat).To(BeTemporally("~", f.Clock.Now().Add(-pastFirstLook), 3*time.Minute))
				if hours > 10 {
					f.step = 2 * time.Minute
				}
				f.live(silence - pastFirstLook - 5*time.Minute)
				g.Expect(f.counts()).To(Equal([3]int{45, 5, 0}), "as long as they are silent")
				f.live(4 * time.Hour)
				g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))
				f.valid = []string{newer}
				g.Expect(f.pullAll()).To(BeZero())
			})
		}
	}
}

// While a node is late, its services are touched every three hours for a day, so that it learns of it as soon as it asks. Then they
// rest until it does.
func TestASilentNodeIsToldAgainForADay(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 4, 20, 2, "boss", 0)
	f.players[0].Silence(f.Clock.Now().Add(5 * time.Hour))
	f.players[1].Silence(f.Clock.Now().Add(100 * time.Hour))
	concerned := map[string]bool{}
	for _, p := range f.players[:2] {
		for _, service := range f.runs[p.ID()] {
			concerned[service] = true
		}
	}
	f.rotate(newer)
	f.live(time.Hour)
	f.Forget()
	f.live(4*time.Hour + 3*time.Minute)
	g.Expect(f.players[0].Holds(f.runs[f.players[0].ID()][0], host, newer)).To(BeTrue(), "it asked once")
	g.Expect(f.count()["PATCH"]).To(Equal(len(concerned)), "what none of them runs is left alone")
	f.live(24 * time.Hour)
	g.Expect(f.count()["PATCH"]).To(BeNumerically("~", len(f.runs[f.players[1].ID()])*8, 3))
	f.Forget()
	f.live(70 * time.Hour)
	g.Expect(f.count()).NotTo(HaveKey("PATCH"))
	g.Expect(f.counts()).To(Equal([3]int{19, 1, 0}))
	f.live(2 * time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{20, 0, 0}))
}

func TestTheOperatorStandsStillWhileANodeIsSilent(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 10, 50, 3, "boss", 0)
	f.players[0].Silence(f.Clock.Now().Add(5 * time.Hour))
	f.rotate(newer)
	f.live(time.Minute)
	f.down = true
	f.live(6 * time.Hour)
	f.down = false
	silent := f.players[0].ID()
	g.Expect(f.players[0].Holds(f.runs[silent][0], host, newer)).To(BeFalse(), "the touch passed it by")
	f.restartOperator()
	f.live(time.Minute)
	g.Expect(f.counts()).To(Equal([3]int{0, 0, 50}), "nobody has seen whether they read it")
	f.live(pastFirstLook + lookAgain)
	g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))
	f.valid = []string{newer}
	g.Expect(f.pullAll()).To(BeZero())
}

func TestARestartKnowsWhatAllNodesHaveRead(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 10, 50, 3, "boss", 0)
	f.rotate(newer)
	f.live(time.Hour)
	f.live(6 * time.Hour)
	f.Forget()
	f.restartOperator()
	f.live(time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))
	g.Expect(f.count()).NotTo(HaveKey("PATCH"), "a restart touches nothing")

	f.report.Nodes.Read = time.Time{}
	f.restartOperator()
	f.live(time.Hour)
	g.Expect(f.count()["PATCH"]).To(Equal(10), "one that was shown nothing touches once")
	g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))

	f.report.Nodes.Read = f.Clock.Now().Add(365 * 24 * time.Hour)
	f.players[0].Silence(f.Clock.Now().Add(6 * time.Hour))
	f.rotate(older)
	f.restartOperator()
	f.live(time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{49, 1, 0}), "a time to come proves nothing")
}

func TestAnExchangeThatIsAnOlderCopyProvesNothing(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 10, 50, 3, "boss", 0)
	backup := f.Backup()
	f.live(time.Hour)
	f.rotate(newer)
	f.live(time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))
	// One cannot be reached from before the copy is put back until after it was written to. It asks by a number that the copy
	// has not reached, and gets no changes.
	f.players[0].Silence(f.Clock.Now().Add(time.Hour))
	for _, service := range f.services {
		f.pullAll()
		f.Publish(org+"/boss", exchangetest.Definition{URL: service[len(org)+1 : len(service)-len("_1.0.0_amd64")], Image: image})
	}
	f.players[0].Restart()
	f.Restore(backup)
	f.unseen = true
	f.players[0].Pull(f.runs[f.players[0].ID()][0], host, func(string) bool { return true })
	f.live(5 * time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{50, 0, 0}))
	for _, service := range f.services {
		g.Expect(f.logins(service)).To(Equal([]string{"factory.pull.2"}))
	}
	f.valid = []string{newer}
	g.Expect(f.pullAll()).To(BeZero())
}

func TestANodeThatCannotLoadAnImageIsToldAgain(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 3, 5, 2, "boss", 0)
	f.rotate(newer)
	f.live(4 * time.Hour)
	// It was away for days and ran nothing, and starts a service whose login it still holds from then.
	stale, service := f.players[0], f.runs[f.players[0].ID()][0]
	f.FailToLoad(stale.ID(), service)
	f.live(time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{5, 0, 0}), "at rest nobody looks")
	f.players[1].Silence(f.Clock.Now().Add(100 * time.Hour))
	f.rotate(older)
	f.live(time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{4, 1, 0}), "what it reported before the touch is old")
	f.FailToLoad(stale.ID(), service)
	f.Forget()
	f.live(lookAgain)
	g.Expect(f.counts()).To(Equal([3]int{3, 2, 0}))
	g.Expect(f.report.Nodes.Behind[0]).To(And(HaveField("ID", stale.ID()), HaveField("Failing", true)))
	g.Expect(f.count()).NotTo(HaveKey("PATCH"), "a touch in three hours is enough")
	f.live(3 * time.Hour)
	g.Expect(f.counts()).To(Equal([3]int{4, 1, 0}))
}

// Whatever nodes do, the Exchange gets no more than is promised: for each service one question in a quarter of an hour, and a
// touch in three hours.
func TestTheExchangeGetsNoMoreThanIsPromised(t *testing.T) {
	const services, hours = 20, 48
	g := NewWithT(t)
	f := fleetOf(t, services, 40, 3, "boss", 0)
	f.step = time.Minute
	f.Forget()
	// One question waits for another, so that they are seen to run at a time.
	f.Inject(&standin.Fault{Pass: true, Match: standin.ToEnd("POST", "nodes/service"), Do: func() {
		g.Eventually(f.Busiest).WithPolling(time.Millisecond).Should(BeNumerically(">=", 2))
	}})
	for i, p := range f.players {
		p.Silence(f.Clock.Now().Add(time.Duration(i*2) * time.Hour))
	}
	f.rotate(newer)
	for range hours {
		f.FailToLoad(f.players[1].ID(), f.services[0])
		f.live(time.Hour)
	}
	calls := f.count()
	looks := hours*4 + 1
	touches := services * (1 + hours/3)
	g.Expect(calls["PATCH"]).To(BeNumerically("<=", touches))
	g.Expect(calls["POST"]).To(BeNumerically("<=", services*looks))
	g.Expect(calls["GET"]).To(BeNumerically("<=", hours*6+looks*2+services*hours+2*services+touches*2))
	g.Expect(f.Busiest()).To(Equal(2), "at a time")
}

func TestWhatCannotBeSeenFailsNoDelivery(t *testing.T) {
	g := NewWithT(t)
	f := fleetOf(t, 3, 5, 2, "boss", 0)
	for _, path := range []string{"users/boss", "/error/all", "nodes/service"} {
		f.rotate(map[string]string{older: newer, newer: older}[f.token])
		fault := &standin.Fault{Always: true, Match: standin.ToEnd("", path), Status: 503}
		f.Inject(fault)
		f.live(time.Hour)
		g.Expect(f.Met(fault)).To(BeNumerically(">", 0))
		g.Expect(f.counts()).To(Equal([3]int{0, 0, 5}), path)
		g.Expect(IsKind(f.report.Nodes.Err, Unavailable)).To(BeTrue(), path)
		synced, total := f.report.Count()
		g.Expect(synced).To(Equal(total))
		f.Heal()
		f.live(4 * time.Hour)
		g.Expect(f.report.Nodes.Err).NotTo(HaveOccurred())
		g.Expect(f.counts()).To(Equal([3]int{5, 0, 0}), path)
	}
}

// A service whose times say nothing is looked at when the others are, and not without a pause.
func TestATimeThatCannotBeReadMakesNoHaste(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.publish("camera")
	w.Inject(&standin.Fault{Always: true, Match: standin.ToEnd("GET", "services"), Status: 200, Body: `{"services":{"plant/camera_1.0.0_amd64":` +
		`{"owner":"plant/alice","url":"camera","version":"1.0.0","arch":"amd64","deployment":"{\"services\":{\"a\":{\"image\":\"` + image + `\"}}}","lastUpdated":"?"}}}`})
	for range 10 {
		r := w.sync(newer)
		g.Expect(r.Nodes.Next.IsZero() || r.Nodes.Next.After(w.Clock.Now())).To(BeTrue())
		w.Clock.Advance(6 * time.Minute)
	}
}
