// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"strings"
	"time"
)

const (
	// lookFirst is when nodes are looked at after a touch.
	lookFirst = 5 * time.Minute
	// lookAgain is how long what was found of nodes is not looked at again, while some have not read the login.
	lookAgain = 15 * time.Minute
)

// look finds which nodes have read the login, and touches services again whose nodes may have missed it. It asks once for each
// service of which some node may not have read it; where all have, it asks nothing. What cannot be found out fails no pass:
// the login is where it has to be.
func (p *pass) look(ctx context.Context) {
	a := p.audience
	if p.stopped() {
		return
	}
	open := p.follow()
	if a.isDue(p.begun) {
		// Also where there is nobody to ask about yet: a time that has passed would have the next pass come at once.
		a.next = p.begun.Add(lookAgain)
		if len(open) > 0 {
			p.each(ctx, p.judge(p.see(ctx, open)), p.touchAgain)
		}
	}
	if len(p.touches) > 0 {
		a.touched = p.exchanges.now()
		a.await(p.begun.Add(lookFirst), p.begun)
	}
	if !a.isOpen() {
		a.settle()
	}
}

// follow notes what this pass found of services that hold the login. It returns those of which some node may not have read it,
// and that are listed as they are since their last touch: listAge sees to that.
func (p *pass) follow() (open []Service) {
	a := p.audience
	for id := range a.services {
		if o := p.outcomes[id]; o == nil || o.State == Skipped || o.State == gone {
			delete(a.services, id)
		}
	}
	for _, s := range p.todo {
		o := p.outcomes[s.ID]
		if o.State != Synced || o.Ours == 0 {
			continue
		}
		f := a.follow(s.ID, o.written)
		a.list(f, s.Updated)
		if o.Touched || !s.Updated.After(f.written) {
			continue
		}
		if f.changed = s.Updated; f.isOpen() {
			open = append(open, s)
		}
	}
	return open
}

// sight is what the Exchange says of nodes.
type sight struct {
	admin bool
	// failures are by the organisation and the URL of the service that they name.
	failures map[string][]Failure
	services []Service
	// nodes are those of each service, by its id; a service whose nodes could not be found has none.
	nodes map[string][]Node
	// now is the time of the Exchange; zero if no answer told it.
	now time.Time
	err error
}

// see asks which nodes run services, and which report failures.
func (p *pass) see(ctx context.Context, services []Service) *sight {
	s := &sight{services: services, failures: map[string][]Failure{}, nodes: map[string][]Node{}}
	var failures []Failure
	if s.admin, s.err = p.client.IsAdmin(ctx); s.err == nil {
		failures, s.err = p.client.Failures(ctx)
	}
	if s.err != nil {
		return s
	}
	for _, f := range failures {
		s.failures[f.Service] = append(s.failures[f.Service], f)
	}
	p.each(ctx, services, func(ctx context.Context, service Service, _ *Outcome) {
		if s.stopped(p) {
			return
		}
		if p.postpones(service, slow) {
			s.add(p, service.ID, nil, time.Time{}, errNextPass)
			return
		}
		nodes, at, err := p.client.Nodes(ctx, service)
		s.add(p, service.ID, nodes, at, err)
	})
	return s
}

// stopped reports that there is no use in asking on.
func (s *sight) stopped(p *pass) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.err != nil && isWhole(s.err)
}

func (s *sight) add(p *pass, service string, nodes []Node, at time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if s.err == nil || isWhole(err) {
			s.err = err
		}
		return
	}
	s.nodes[service] = nodes
	if at.After(s.now) {
		s.now = at
	}
}

// judge finds how the nodes stand, and returns the services that are to be touched again.
func (p *pass) judge(s *sight) (again []Service) {
	a := p.audience
	a.err = s.err
	if len(s.nodes) == 0 {
		return nil
	}
	a.looked, a.view = true, AllNodes
	if !s.admin {
		a.view = OwnNodes
	}
	var heard []Node
	for _, nodes := range s.nodes {
		heard = append(heard, nodes...)
	}
	a.hear(heard)
	now := s.now
	for _, n := range heard {
		if n.Heartbeat.After(now) {
			now = n.Heartbeat
		}
	}
	for _, service := range p.todo {
		if service.Public && s.admin && a.services[service.ID] != nil {
			a.view = OneOrganization
		}
	}
	for _, service := range s.services {
		org, _, _ := strings.Cut(service.ID, "/")
		nodes, found := s.nodes[service.ID]
		if found && a.judge(a.services[service.ID], nodes, s.failures[org+"/"+service.URL], now) {
			again = append(again, service)
		}
	}
	return again
}

// touchAgain has nodes that may have missed a touch read the service's logins again. One that somebody changed since it was
// listed needs no other.
func (p *pass) touchAgain(ctx context.Context, s Service, o *Outcome) {
	if p.postpones(s, slow) {
		return
	}
	fresh, there, err := p.current(ctx, s.ID)
	if err == nil && (!there || p.wanted.skips(fresh) != "" || fresh.Updated.After(s.Updated)) {
		return
	}
	m := p.wanted.Marker
	m.At = stampNow(p.exchanges.now())
	if err == nil {
		err = p.client.Touch(ctx, fresh, &m)
	}
	a := p.audience
	if err == nil {
		p.keep(fresh, o, m.At)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		a.err = err
		return
	}
	a.touched = p.exchanges.now()
	p.repeated++
}
