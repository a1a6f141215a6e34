// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// count is how many calls there were, by their method.
func (w *world) count() map[string]int {
	n := map[string]int{}
	for _, c := range w.Calls() {
		n[c.Method]++
	}
	return n
}

// writes are the calls that changed something.
func (w *world) writes() []standin.Call {
	return w.Matching(exchangetest.Writes)
}

func TestARotationTakesOneCallAndFourForEachService(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	const services = 30
	for i := range services {
		id := w.publish(fmt.Sprintf("camera-%02d", i))
		w.AddLogin(id, host, user, older)
	}
	w.sync(older)
	w.sync(older)
	for _, pause := range []time.Duration{time.Minute, time.Hour} {
		next := map[time.Duration]string{time.Minute: newer, time.Hour: older}[pause]
		w.Clock.Advance(pause)
		w.Forget()
		r := w.sync(next)
		synced, total := r.Count()
		g.Expect([]int{synced, total}).To(Equal([]int{services, services}))
		g.Expect(w.count()).To(Equal(map[string]int{"GET": 1 + 2*services, "PUT": services, "PATCH": services}))
		calls := w.asked()
		first := slices.IndexFunc(calls, func(c string) bool { return c[:5] == "PATCH" })
		for _, c := range calls[first:] {
			g.Expect(c).To(HavePrefix("PATCH"), "touches come together, so that a node finds them in one answer")
		}
		w.Clock.Advance(ListLife)
		w.Forget()
		w.sync(next)
		g.Expect(w.count()).To(Equal(map[string]int{"GET": 1 + services + 2, "POST": services}),
			"each is read once more, for what was published meanwhile, and asked for its nodes")
		w.Clock.Advance(ListLife)
		w.Forget()
		w.sync(next)
		g.Expect(w.asked()).To(Equal([]string{"GET services"}))
	}
}

func TestNoMoreThanTwoRequestsRunAtATime(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.publish("camera")
	other := w.as("boss", "boss-s-long-password")
	g.Expect(w.client.slots).To(HaveCap(2))
	for _, c := range []*Client{w.client, other} {
		// Two requests run, whosever they are.
		for range 2 {
			w.client.slots <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Services(ctx, "")
		g.Expect(IsKind(err, Unreachable)).To(BeTrue())
		g.Expect(w.Calls()).To(BeEmpty(), "a third one was sent")
		for range 2 {
			<-w.client.slots
		}
		_, err = c.Services(t.Context(), "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(w.client.slots).To(BeEmpty(), "a request that has ended keeps its place")
		w.Forget()
	}
	elsewhere := newWorld(t, exchangetest.Options{})
	g.Expect(w.shared.Client(elsewhere.client.login, elsewhere.options).slots).NotTo(BeIdenticalTo(w.client.slots))
}

func TestAtRestThereIsOneListInTenMinutes(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	for i := range 5 {
		w.publish(fmt.Sprintf("camera-%d", i))
	}
	const edges = 100
	syncers := make([]*Syncer, edges)
	at := func(i int) Wanted {
		wanted := wanted(newer)
		wanted.Prefix, wanted.Marker.UID = fmt.Sprintf("edge-%d", i), fmt.Sprint(i)
		return wanted
	}
	all := func() {
		for i := range syncers {
			_, err := syncers[i].Sync(t.Context(), w.client, at(i), issuer("factory"))
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
	for i := range syncers {
		syncers[i] = NewSyncer(w.shared)
		w.Publish(alice, exchangetest.Definition{URL: fmt.Sprintf("own-%d", i), Image: fmt.Sprintf("%s/edge-%d/x:1", host, i)})
	}
	all()
	w.Clock.Advance(ListLife)
	all()
	w.Clock.Advance(ListLife)
	all()
	w.Forget()
	for range 20 {
		w.Clock.Advance(30 * time.Second)
		all()
	}
	g.Expect(w.asked()).To(Equal([]string{"GET services"}))
	w.Clock.Advance(50 * time.Minute)
	w.Forget()
	all()
	g.Expect(w.count()).To(Equal(map[string]int{"GET": 1 + edges}), "in an hour each service is read once")
}

func TestPassesAtTheSameTimeShareAList(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.publish("camera")
	w.sync(newer)
	w.Clock.Advance(time.Hour)
	w.Forget()
	var passes sync.WaitGroup
	for range 20 {
		passes.Go(func() { _, _, _ = w.shared.services(t.Context(), w.client, alice, w.Clock.Now().Add(-ListLife)) })
	}
	passes.Wait()
	g.Expect(w.asked()).To(Equal([]string{"GET services"}))

	_, _, err := w.shared.services(t.Context(), w.as(alice, "a-wrong-password"), alice, w.Clock.Now().Add(-ListLife))
	g.Expect(IsKind(err, Refused)).To(BeTrue(), "who has the name alone gets no list")
	other := w.as("boss", "boss-s-long-password")
	_, _, err = w.shared.services(t.Context(), other, alice, w.Clock.Now().Add(-ListLife))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Calls()).To(HaveLen(3), "each login sees its own list")
}

func TestWhatIsWrittenIsDecidedByAListOfThisPass(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	public, moved, kept := w.publish("public"), w.publish("moved"), w.publish("kept")
	w.sync(older)
	w.sync(older)
	before := w.logins(public)
	w.Publish(alice, exchangetest.Definition{URL: "public", Image: image, Public: true})
	w.Publish(alice, exchangetest.Definition{URL: "moved", Image: "other.example.com/edge/camera"})
	added := w.publish("added")
	w.Forget()
	r := w.sync(newer)
	g.Expect(w.count()["PUT"]).To(Equal(1))
	g.Expect(w.logins(public)).To(Equal(before), "a service that became public was written to by an old list")
	g.Expect(w.logins(moved)).To(Equal(before))
	g.Expect(w.logins(kept)).To(Equal([]string{"factory.pull.2"}))
	g.Expect(w.logins(added)).To(Equal([]string{"factory.pull.2"}), "a service that only the newer list has")
	g.Expect(outcomeOf(r, public).Skip).To(Equal(PublicService))
	g.Expect(r.Left).To(BeEmpty(), "another login has no memory of the earlier services")
}

func TestARestartWritesNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.sync(newer)
	before := w.State()
	w.restart()
	w.Forget()
	w.sync(newer)
	w.sync(newer)
	g.Expect(w.State()[id] == before[id]).To(BeTrue())
	g.Expect(w.asked()).To(Equal([]string{
		"GET services", "GET services/camera_1.0.0_amd64/dockauths",
		"GET users/alice", "GET search/nodes/error/all", "POST search/nodes/service",
	}))
}

func TestAnEntryTakenOutByHandIsBackWithinAnHour(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id := w.publish("camera")
	w.settled(newer)
	g.Expect(w.client.Remove(t.Context(), id, w.Logins(id)[0].ID)).To(Succeed())
	w.Clock.Advance(11 * time.Minute)
	w.sync(newer)
	g.Expect(w.logins(id)).To(BeEmpty(), "the service did not change")
	w.Clock.Advance(50 * time.Minute)
	w.sync(newer)
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
}

func TestServicesThatGetNothingSayWhy(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{SeesAll: true})
	public := w.Publish(alice, exchangetest.Definition{URL: "public", Image: image, Public: true})
	cluster := w.Publish(alice, exchangetest.Definition{URL: "cluster", ClusterDeployment: `{"services":{"a":{"image":"` + image + `"}}}`})
	bobs := w.Publish(org+"/bob", exchangetest.Definition{URL: "bobs", Image: image})
	bobsPublic := w.Publish(org+"/bob", exchangetest.Definition{URL: "bobs-public", Image: image, Public: true})
	for _, definition := range []exchangetest.Definition{
		{URL: "edge2", Image: host + "/edge2/camera:1"}, {URL: "archive", ClusterDeployment: `{"operatorYamlArchive":"H4sI"}`},
		{URL: "elsewhere", Image: "other.example.com/edge/camera:1"}, {URL: "none"},
	} {
		w.Publish(alice, definition)
	}
	before := w.State()
	sync := func(c *Client, change func(*Wanted)) map[string]Skip {
		wanted := wanted(newer)
		change(&wanted)
		r, err := NewSyncer(w.shared).Sync(t.Context(), c, wanted, issuer("factory"))
		g.Expect(err).NotTo(HaveOccurred())
		found := map[string]Skip{}
		for _, o := range r.Services {
			found[o.Service] = o.Skip
			g.Expect(o.State == Skipped).To(Equal(o.Skip != ""), o.Service)
		}
		return found
	}
	mine := func(*Wanted) {}
	g.Expect(sync(w.client, mine)).To(Equal(map[string]Skip{public: PublicService, cluster: ClusterService}))
	g.Expect(w.State()).To(Equal(before))
	g.Expect(sync(w.client, func(w *Wanted) { w.Organization = true })).To(
		Equal(map[string]Skip{public: PublicService, cluster: ClusterService, bobs: "", bobsPublic: PublicService}),
		"a plain user tries, and is refused")
	g.Expect(w.State()).To(Equal(before))

	boss := w.as("boss", "boss-s-long-password")
	g.Expect(sync(boss, func(w *Wanted) { w.Organization, w.PublicServices = true, true })).To(
		Equal(map[string]Skip{public: OthersService, cluster: ClusterService, bobs: "", bobsPublic: OthersService}))
	g.Expect(w.logins(bobs)).To(Equal([]string{"factory.pull.2"}))
	g.Expect(sync(w.client, func(w *Wanted) { w.PublicServices = true })).To(Equal(map[string]Skip{public: "", cluster: ClusterService}))
	g.Expect(w.logins(public)).To(Equal([]string{"factory.pull.2"}))
}

func TestAServiceIsLeftAloneWhileItsEntriesAreNotKnown(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	unknown, known := w.publish("camera"), w.publish("radio")
	w.AddLogin(unknown, host, user, another)
	before := w.State()[unknown]
	away := errors.New("the issuer does not answer")
	r, err := w.syncer.Sync(t.Context(), w.client, wanted(newer), func(context.Context, string, credential.Token) (Owner, error) { return Nobody, away })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcomeOf(r, unknown).State).To(Equal(Failed))
	g.Expect(outcomeOf(r, unknown).Err).To(MatchError(away))
	g.Expect(outcomeOf(r, unknown).Err).To(MatchError(ContainSubstring(unknown)))
	g.Expect(w.State()[unknown] == before).To(BeTrue())
	g.Expect(outcomeOf(r, known).State).To(Equal(Synced))
}

func TestAnExchangeThatFailsIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	for i := range 10 {
		w.publish(fmt.Sprintf("camera-%d", i))
	}
	w.Inject(&standin.Fault{Always: true, Match: standin.ToEnd("", "/dockauths"), Status: 503})
	r, err := w.syncer.Sync(t.Context(), w.client, wanted(newer), issuer("factory"))
	g.Expect(IsKind(err, Unavailable)).To(BeTrue())
	synced, total := r.Count()
	g.Expect([]int{synced, total}).To(Equal([]int{0, 10}))
	g.Expect(len(w.Calls())).To(BeNumerically("<=", 1+concurrency), "it was asked for every service")
}

func TestALoginThatIsAKeyFindsTheServicesOfItsUser(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{SeesAll: true})
	id := w.publish("camera")
	w.Publish(org+"/bob", exchangetest.Definition{URL: "bobs", Image: image})
	w.AddKey(org, "alice", "a-key-of-the-exchange", false)
	c := w.as("apikey", "a-key-of-the-exchange")
	r, err := w.syncer.Sync(t.Context(), c, wanted(newer), issuer("factory"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Services).To(HaveLen(1))
	g.Expect(outcomeOf(r, id).State).To(Equal(Synced))
	g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))
}
