// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// readAgain is how long what was found in a service is believed while the service does not change: a login that somebody
	// takes out by hand does not change it.
	readAgain = time.Hour
	// quiet is how long a service has to be unchanged before what is found in it is believed: who publishes changes the
	// service first, and adds a login some seconds later.
	quiet = 5 * time.Minute
)

// Syncer keeps one registry's login in one Exchange up to date, pass by pass. What it remembers only saves reads: without it, as after
// a restart, the next pass ends in the same state. Not safe for concurrent use.
type Syncer struct {
	exchanges *Exchanges
	// wanted and login are those of the pass before.
	wanted Wanted
	login  Login
	known  map[string]seen
	// from is the first service that the pass before did not come to; empty if it came to all.
	from string
	// audience is what is known of nodes.
	audience *audience
}

// seen is a service as a pass left it.
type seen struct {
	outcome Outcome
	// updated is the service's time when it was read, and marker that of the touch which came after, if there was one: who
	// publishes later takes it away.
	updated time.Time
	marker  string
	// since is how long it has been so, and readAt when its entries were read.
	since, readAt time.Time
}

// NewSyncer returns a Syncer that remembers nothing yet.
func NewSyncer(x *Exchanges) *Syncer { return &Syncer{exchanges: x} }

// pass is one pass over all services.
type pass struct {
	*Syncer
	client *Client
	wanted Wanted
	whose  Whose
	// self is the user of the login, owner whose services are listed, begun when the pass began, and listed when the list
	// was read with which it began.
	self, owner   string
	begun, listed time.Time
	// first is what from was.
	first string

	mu sync.Mutex
	// fresh are the services by id as they were listed since the pass began; nil while no such list was needed. there are all
	// that the latest list has.
	fresh    map[string]Service
	there    map[string]bool
	outcomes map[string]*Outcome
	looked   map[string]seen
	// todo are the services that were looked at, as they were listed, touches those that are owed one, and repeated is how
	// many were touched again.
	todo, touches []Service
	repeated      int
	// failure ends the pass: the Exchange cannot be used.
	failure error
}

// Sync brings the login that is wanted to every service with an image of the registry's, and touches those whose nodes may
// hold another. The error is one of the Exchange as a whole, and the report then holds what was done before; what is wrong
// with one service is in its outcome.
//
// A rotation with S services takes 1 + 4S requests: the list, and for each the entries, a write, the entries again and a
// touch. Where nothing changed a pass takes none while the list is younger than ten minutes, and every service is read once
// in an hour.
//
// Five minutes after a touch, and then each quarter of an hour until all nodes are known to have read the login, it takes
// two requests and one for each service of which that is not known, and a touch for each that is touched again.
//
// A pass that lasts looks at no further service, and announces what it wrote. The next one goes on there.
func (s *Syncer) Sync(ctx context.Context, c *Client, w Wanted, whose Whose) (Report, error) {
	p, listed, err := s.begin(ctx, c, w, whose, s.listAge())
	if err != nil {
		return Report{}, err
	}
	for todo := p.inTurn(p.concerned(listed)); len(todo) > 0; todo = p.unseen() {
		p.each(ctx, todo, p.settle)
		p.todo = append(p.todo, todo...)
	}
	p.announce(ctx, p.touch)
	p.look(ctx)
	return p.end()
}

// listAge is how old a list may be with which a pass begins: where nodes are to be looked at, it is younger than the last touch.
func (s *Syncer) listAge() time.Duration {
	now := s.exchanges.now()
	if a := s.audience; a != nil && a.isDue(now) {
		return min(ListLife, max(0, now.Sub(a.touched)-1))
	}
	return ListLife
}

// begin begins a pass with a list that is at most so old.
func (s *Syncer) begin(ctx context.Context, c *Client, w Wanted, whose Whose, age time.Duration) (*pass, []Service, error) {
	self, err := c.Self(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := &pass{
		Syncer: s, client: c, wanted: w, whose: whose, self: self, begun: s.exchanges.now(),
		outcomes: map[string]*Outcome{}, looked: map[string]seen{}, first: s.from,
	}
	s.from = ""
	if !w.Organization {
		p.owner = self
	}
	if !s.wanted.same(w) || !s.login.Equal(c.login) {
		s.known = nil
	}
	switch {
	case s.audience == nil || !s.login.Equal(c.login):
		s.audience = newAudience(w.Read)
	case s.wanted.Host != w.Host || s.wanted.User != w.User || !s.wanted.Token.Equal(w.Token):
		s.audience.renew()
	}
	s.wanted, s.login = w, c.login
	listed, at, err := s.exchanges.services(ctx, c, p.owner, p.begun.Add(-age))
	if err != nil {
		return nil, nil, err
	}
	if p.listed = at; at.Before(p.begun) {
		p.list(listed)
	} else {
		p.setFresh(listed)
	}
	return p, listed, nil
}

func (w Wanted) same(other Wanted) bool {
	return w.Host == other.Host && w.Prefix == other.Prefix && w.User == other.User && w.Token.Equal(other.Token) &&
		w.Organization == other.Organization && w.PublicServices == other.PublicServices && w.Marker == other.Marker
}

func (p *pass) list(listed []Service) {
	p.there = map[string]bool{}
	for _, s := range listed {
		p.there[s.ID] = true
	}
}

func (p *pass) setFresh(listed []Service) {
	p.list(listed)
	p.fresh = map[string]Service{}
	for _, s := range listed {
		p.fresh[s.ID] = s
	}
}

// concerned are the services with an image of the registry's.
func (p *pass) concerned(listed []Service) []Service {
	var found []Service
	for _, s := range listed {
		if p.wanted.concerns(s) {
			found = append(found, s)
		}
	}
	return found
}

// unseen are services that a newer list has and the first had not.
func (p *pass) unseen() []Service {
	var found []Service
	for id, s := range p.fresh {
		if p.outcomes[id] == nil && p.wanted.concerns(s) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b Service) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// current returns a service as it is listed since the pass began: nothing is written by an older list. It reports whether it
// is there and still concerned.
func (p *pass) current(ctx context.Context, id string) (Service, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh == nil {
		listed, _, err := p.exchanges.services(ctx, p.client, p.owner, p.begun)
		if err != nil {
			return Service{}, false, err
		}
		p.setFresh(listed)
	}
	s, there := p.fresh[id]
	return s, there && p.wanted.concerns(s), nil
}

// each does something for all services, two at a time, until the Exchange cannot be used.
func (p *pass) each(ctx context.Context, services []Service, do func(context.Context, Service, *Outcome)) {
	queue := make(chan Service)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for s := range queue {
				o := p.outcome(s.ID)
				if p.stopped() {
					p.postpone(s)
					continue
				}
				do(ctx, s, o)
			}
		})
	}
	for _, s := range services {
		queue <- s
	}
	close(queue)
	workers.Wait()
}

// announce touches the services that are owed it, all together: so they reach a node in one answer. It does so also after a
// failure, which may be one that a single service meets each time.
func (p *pass) announce(ctx context.Context, touch func(context.Context, Service, *Outcome)) {
	slices.SortFunc(p.touches, func(a, b Service) int { return strings.Compare(a.ID, b.ID) })
	failure := p.failure
	p.failure = nil
	p.each(ctx, p.inTurn(p.touches), touch)
	p.failure = cmp.Or(failure, p.failure)
}

func (p *pass) outcome(id string) *Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.outcomes[id]
	if o == nil {
		o = &Outcome{Service: id, State: Unsettled}
		p.outcomes[id] = o
	}
	return o
}

func (p *pass) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure != nil
}

// failed notes a failure: of one service, or of the pass.
func (p *pass) failed(o *Outcome, err error) {
	o.State, o.Err = Failed, err
	if isWhole(err) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.failure == nil {
			p.failure = err
		}
	}
}

// keep remembers how a service was found, and that nothing is left to do for it.
func (p *pass) keep(s Service, o *Outcome, marker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := seen{outcome: *o, updated: s.Updated, marker: marker, since: p.begun, readAt: p.exchanges.now()}
	if before, ok := p.known[s.ID]; ok && marker == "" && p.isUnchanged(s, before) {
		k.since, k.marker = before.since, before.marker
	}
	p.looked[s.ID] = k
}

// end puts the report together.
func (p *pass) end() (Report, error) {
	var r Report
	for _, o := range p.outcomes {
		if o.State != gone {
			r.Services = append(r.Services, *o)
		}
	}
	sortOutcomes(r.Services)
	for id, k := range p.known {
		if o := p.outcomes[id]; p.failure == nil && (o == nil || o.State == gone) && k.outcome.Ours != 0 && p.there[id] {
			r.Left = append(r.Left, k.outcome)
		}
	}
	sortOutcomes(r.Left)
	p.known = p.looked
	r.Nodes = p.audience.report()
	r.Nodes.Touched = p.repeated
	return r, p.failure
}

func sortOutcomes(all []Outcome) {
	slices.SortFunc(all, func(a, b Outcome) int { return strings.Compare(a.Service, b.Service) })
}
