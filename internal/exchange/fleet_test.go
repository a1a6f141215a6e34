// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

// fleet is nodes that run services with images of ours, an agreement bot, and an operator that looks when it is time to.
type fleet struct {
	*world
	g        *WithT
	services []string
	players  []*exchangetest.Player
	byID     map[string]*exchangetest.Player
	runs     map[string][]string
	// polled is when each node last asked.
	polled map[string]time.Time
	agbot  *exchangetest.AgbotPlayer

	// token is the current one, valid are those that the registry takes.
	token string
	valid []string
	// down: the operator stands still. looks is when it looks next.
	down   bool
	looks  time.Time
	report Report
	// step is how the time goes on.
	step time.Duration
	// steps counts the steps, and unseen: something happened that the operator cannot know of before it looks.
	steps  int
	unseen bool
}

// fleetOf has nodes run services, each some of them, with the previous login. The operator is a user, and its clock is apart.
func fleetOf(t *testing.T, services, nodes, each int, user string, apart time.Duration) *fleet {
	t.Helper()
	w := newWorld(t, exchangetest.Options{})
	w.shared = NewExchanges(func() time.Time { return w.Clock.Now().Add(apart) })
	w.client = w.as(user, map[string]string{"alice": password, "boss": "boss-s-long-password"}[user])
	w.syncer = NewSyncer(w.shared)
	f := &fleet{
		world: w, g: NewWithT(t), runs: map[string][]string{}, byID: map[string]*exchangetest.Player{}, polled: map[string]time.Time{},
		agbot: w.NewAgbotPlayer(), token: older, valid: []string{older}, step: 20 * time.Second,
	}
	for i := range services {
		f.services = append(f.services, w.Publish(org+"/"+user, exchangetest.Definition{URL: fmt.Sprintf("service-%03d", i), Image: image}))
	}
	f.look()
	for i := range nodes {
		name := fmt.Sprintf("node-%04d", i)
		w.AddNode(org, name, "the-token-of-a-node", user)
		p := w.NewPlayer(org+"/"+name, i*37%100)
		for k := range each {
			service := f.services[(i*each+k*7)%services]
			if !slices.Contains(f.runs[p.ID()], service) {
				f.agbot.Agree(p.ID(), service)
				f.runs[p.ID()] = append(f.runs[p.ID()], service)
			}
		}
		f.players, f.byID[p.ID()] = append(f.players, p), p
	}
	f.pullAll()
	f.live(31 * time.Minute)
	f.g.Expect(f.syncer.audience.isOpen()).To(BeFalse(), "it does not come to rest")
	return f
}

// look is a pass, as the operator makes it.
func (f *fleet) look() {
	f.t.Helper()
	w := wanted(f.token)
	w.Organization, w.Read = true, f.report.Nodes.Read
	begun := f.shared.now()
	r, err := f.syncer.Sync(f.t.Context(), f.client, w, issuer("factory"))
	f.g.Expect(err).NotTo(HaveOccurred())
	f.report, f.looks, f.unseen = r, begun.Add(ListLife), false
	f.g.Expect(r.Nodes.Next.IsZero() || r.Nodes.Next.After(begun)).To(BeTrue(), "it would look without a pause")
	if next := r.Nodes.Next; !next.IsZero() && next.Before(f.looks) {
		f.looks = next
	}
}

// rotate has the operator carry another login, which it looks at when it looks next.
func (f *fleet) rotate(token string) {
	f.token, f.looks = token, time.Time{}
	f.valid = append(f.valid, token)
}

// restartOperator is a new process, which is shown what the one before it had on record.
func (f *fleet) restartOperator() {
	apart := f.shared.now
	f.shared = NewExchanges(apart)
	login := f.client.login
	f.client = f.shared.Client(login, f.options)
	f.t.Cleanup(f.client.Close)
	f.syncer, f.looks = NewSyncer(f.shared), time.Time{}
}

// live lets time go on, and compares at each minute what is said of nodes with what they hold.
func (f *fleet) live(d time.Duration) {
	f.t.Helper()
	for end := f.Clock.Now().Add(d); f.Clock.Now().Before(end); {
		f.Clock.Advance(f.step)
		for _, p := range f.players {
			if p.Live() {
				f.polled[p.ID()] = f.Clock.Now()
			}
		}
		f.agbot.Live()
		if !f.down && !f.shared.now().Before(f.looks) {
			before := f.report.Nodes.Next
			if f.look(); !f.report.Nodes.Next.Equal(before) {
				f.compareLate()
			}
		}
		if f.steps++; f.steps%int(max(1, time.Minute/f.step)) == 0 {
			f.compare()
		}
	}
}

// compare holds that whoever is said to have read the login does pull with it, and that each node counts once.
func (f *fleet) compare() {
	f.t.Helper()
	n := f.report.Nodes
	f.g.Expect(n.Confirmed + n.Late + n.Unknown).To(Equal(n.Total))
	if f.down || f.unseen || f.looks.IsZero() {
		return
	}
	confirmed := map[string]bool{}
	for service, followed := range f.syncer.audience.services {
		for id, reading := range followed.nodes {
			if before, known := confirmed[id]; !known || before {
				confirmed[id] = reading == Confirmed
			}
			if reading == Confirmed && !f.byID[id].Holds(service, host, f.token) {
				f.t.Fatalf("%s is said to have the current login of %s, and pulls with another", id, service)
			}
		}
	}
	if n.View == AllNodes {
		read := 0
		for _, all := range confirmed {
			if all {
				read++
			}
		}
		f.g.Expect(n.Confirmed).To(Equal(read))
	} else {
		f.g.Expect(n.Confirmed).To(BeZero())
	}
}

// compareLate holds that whoever is said to be late has not asked since the touch, or fails.
func (f *fleet) compareLate() {
	f.t.Helper()
	for id, s := range f.syncer.audience.services {
		for node, reading := range s.nodes {
			if p := f.byID[node]; p != nil && reading == Late && !s.failing[node] && f.polled[node].After(s.changed.Add(margin+PollSlack)) {
				f.t.Fatalf("%s is said to be late for %s, and has asked", node, id)
			}
		}
	}
}

// PollSlack is what the clock moves between the poll of a node and the look at it.
const PollSlack = 10 * time.Second

// pullAll has every node pull every service that it runs, and returns how many could not.
func (f *fleet) pullAll() (failed int) {
	for id, services := range f.runs {
		for _, service := range services {
			if !f.byID[id].Pull(service, host, func(token string) bool { return slices.Contains(f.valid, token) }) {
				failed++
			}
		}
	}
	return failed
}

// counts are confirmed, late and unknown.
func (f *fleet) counts() [3]int {
	n := f.report.Nodes
	return [3]int{n.Confirmed, n.Late, n.Unknown}
}
