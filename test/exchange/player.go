// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"
	"strings"
	"time"
)

// The pauses between two polls of an agent: the first after a change, and how it grows while nothing changes up to
// PollInterval (config/constants.go).
const (
	shortestPoll = 20 * time.Second
	pollStep     = 20 * time.Second
)

// Player is a node that keeps the rules of Agent and asks in the process, so that a thousand of them live through days in
// seconds. Its methods are not safe for concurrent use.
type Player struct {
	exchange *Exchange
	id, org  string
	changeID int64
	cache    map[string][]Login
	// next is when it polls, and pause what it waits after that.
	next  time.Time
	pause time.Duration
	// silentUntil is when it is reached again.
	silentUntil time.Time
}

// NewPlayer starts a node that was added by AddNode, org/id. Its first poll is after a part of PollInterval, in percent.
func (e *Exchange) NewPlayer(id string, phase int) *Player {
	org, _, _ := strings.Cut(id, "/")
	e.mu.Lock()
	defer e.mu.Unlock()
	return &Player{
		exchange: e, id: id, org: org, changeID: e.lastID + 1, cache: map[string][]Login{},
		next: e.Clock.peek().Add(PollInterval * time.Duration(phase) / 100), pause: PollInterval,
	}
}

// ID is its organisation and its id.
func (p *Player) ID() string { return p.id }

// Silence has nobody reach the node, nor it anybody, until a time.
func (p *Player) Silence(until time.Time) { p.silentUntil = until }

// Restart is a restart of the agent: what it held is gone, and its place in the changes is not.
func (p *Player) Restart() { p.cache = map[string][]Login{} }

// Live polls if it is time to, and reports whether it did.
func (p *Player) Live() bool {
	e := p.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.Clock.peek()
	if now.Before(p.next) || now.Before(p.silentUntil) {
		return false
	}
	p.pause = min(p.pause+pollStep, PollInterval)
	if p.poll(now) {
		p.pause = shortestPoll
	}
	p.next = now.Add(p.pause)
	return true
}

// poll is the heartbeat, and drops what is held of services that changed.
func (p *Player) poll(now time.Time) (changed bool) {
	e := p.exchange
	e.nodes[p.id].lastHeartbeat = e.stamp(now)
	e.prune()
	first, _ := slices.BinarySearchFunc(e.changes, p.changeID, func(c change, id int64) int { return int(c.id - id) })
	for _, c := range e.changes[first:] {
		if c.org == p.org || c.public {
			changed = true
			if c.resource == "service" {
				delete(p.cache, c.org+"/"+c.name)
			}
		}
	}
	p.changeID = e.lastID + 1
	return changed
}

// read returns the logins of a service, as they were first read.
func (p *Player) read(service string) []Login {
	known, ok := p.cache[service]
	if !ok {
		for _, a := range p.exchange.authsOf(service) {
			known = append(known, Login{a.ID, a.Registry, a.Username, a.Token})
		}
		p.cache[service] = known
	}
	return known
}

// Pull pulls an image of a service, org/id, from a host, as Agent does, but for the time that stale logins cost. Where the
// registry takes none, the node reports it.
func (p *Player) Pull(service, host string, accept func(token string) bool) bool {
	e := p.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.nodes[p.id]
	for _, login := range p.read(service) {
		if login.Registry == host && accept(login.Token) {
			n.failed = slices.DeleteFunc(n.failed, func(failed string) bool { return failed == service })
			return true
		}
	}
	e.reportFailure(n, service)
	return false
}

// Holds reports whether the node would pull from a host with that token first: it holds that, or nothing, and would read it.
func (p *Player) Holds(service, host, token string) bool {
	e := p.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := p.cache[service]
	if !ok {
		for _, a := range e.authsOf(service) {
			known = append(known, Login{a.ID, a.Registry, a.Username, a.Token})
		}
	}
	for _, login := range known {
		if login.Registry == host {
			return login.Token == token
		}
	}
	return false
}

// AgbotPlayer is an agreement bot. It asks for changes as nodes do, which is no heartbeat of any node, and it has nodes run
// services. Its writes about nodes carry noheartbeat (agreement/agreement.go, governance/governance.go).
type AgbotPlayer struct {
	exchange *Exchange
	changeID int64
}

// NewAgbotPlayer starts one.
func (e *Exchange) NewAgbotPlayer() *AgbotPlayer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &AgbotPlayer{e, e.lastID + 1}
}

// Live asks for changes.
func (b *AgbotPlayer) Live() {
	e := b.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prune()
	b.changeID = e.lastID + 1
}

// Agree has a node, org/id, run a service more, and Cancel one less.
func (b *AgbotPlayer) Agree(node, service string) {
	e := b.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.nodes[node]; !slices.Contains(n.runs, service) {
		n.runs = append(n.runs, service)
	}
}

// Cancel has a node run a service no more. What the node holds of its logins stays.
func (b *AgbotPlayer) Cancel(node, service string) {
	e := b.exchange
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.nodes[node]
	n.runs = slices.DeleteFunc(n.runs, func(running string) bool { return running == service })
}
