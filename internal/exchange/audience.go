// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"
	"strings"
	"time"
)

// audience is what this process knows about the nodes that run services with our login.
type audience struct {
	// tracks are the heartbeats that were seen, by node.
	tracks map[string]track
	// services are those that hold the login, by id.
	services map[string]*followed
	// restored: the Exchange was restored from an older copy since all nodes were last known to have read everything.
	restored bool
	// read is a time of the Exchange: all nodes have read what was written until then.
	read time.Time
	// touched is when this process last touched a service, and next when to read nodes again, both by the operator's clock.
	touched, next time.Time
	view          View
	err           error
	looked        bool
}

// followed is a service that holds the login.
type followed struct {
	// All times are the Exchange's. written is when the login was written. changed is when the service last changed; zero until a list
	// had it after a touch. latest is the same by the newest list.
	written, changed, latest time.Time
	// asked: it is known which nodes run the service. nodes are these, with whether each has read the login.
	asked bool
	nodes map[string]Reading
	// failing are the nodes that report that they could not load an image since the service changed.
	failing map[string]bool
}

func newAudience(read time.Time) *audience {
	return &audience{tracks: map[string]track{}, services: map[string]*followed{}, read: read}
}

// follow notes that a service holds a login that was written at a time. Nodes that have read the previous login have to read this one.
func (a *audience) follow(id string, written time.Time) *followed {
	f := a.services[id]
	if f != nil && f.written.Equal(written) {
		return f
	}
	next := &followed{written: written, nodes: map[string]Reading{}}
	if f != nil {
		for node := range f.nodes {
			next.nodes[node] = Unknown
		}
		next.latest = f.latest
	}
	a.services[id] = next
	return next
}

// renew marks every node as one that has not read the login that is written next.
func (a *audience) renew() {
	for id := range a.services {
		a.follow(id, time.Time{})
	}
}

// list notes when a service last changed, by a list. If that time went back, the Exchange was restored from an older copy.
func (a *audience) list(f *followed, changed time.Time) {
	if changed.Before(f.latest) {
		a.restore()
	}
	f.latest = changed
}

// restore drops what was seen of nodes before.
func (a *audience) restore() {
	a.restored, a.tracks = true, map[string]track{}
}

// isDue reports whether it is time to read nodes again.
func (a *audience) isDue(now time.Time) bool { return !now.Before(a.next) }

// await has nodes read at a time, unless they are to be read sooner.
func (a *audience) await(at, now time.Time) {
	if a.isDue(now) || at.Before(a.next) {
		a.next = at
	}
}

// isOpen reports whether some node that runs the service may not have read its login.
func (f *followed) isOpen() bool {
	if !f.asked {
		return true
	}
	for _, reading := range f.nodes {
		if reading != Confirmed {
			return true
		}
	}
	return false
}

// hear adds the latest heartbeat of each node.
func (a *audience) hear(nodes []Node) {
	latest := map[string]time.Time{}
	for _, n := range nodes {
		if at := latest[n.ID]; !n.Heartbeat.Before(at) {
			latest[n.ID] = n.Heartbeat
		}
	}
	for id, heartbeat := range latest {
		if _, back := a.tracks[id].see(heartbeat); back {
			a.restore()
			break
		}
	}
	for id, heartbeat := range latest {
		a.tracks[id], _ = a.tracks[id].see(heartbeat)
	}
}

// judge finds out whether each node that runs a service has read its login, and reports whether to touch the service again. failures
// are those that name the service, and now is the time of the Exchange.
func (a *audience) judge(f *followed, nodes []Node, failures []Failure, now time.Time) (again bool) {
	before := f.nodes
	f.asked, f.nodes, f.failing = true, map[string]Reading{}, map[string]bool{}
	// A time in the future proves nothing.
	read := !f.changed.After(a.read) && !a.read.After(now)
	for _, n := range nodes {
		f.nodes[n.ID] = a.reading(f, n.ID, before[n.ID] == Confirmed || read, now)
	}
	for _, failure := range failures {
		if failure.At.After(f.changed) {
			f.nodes[failure.Node], f.failing[failure.Node] = Late, true
		}
	}
	silent, asking := false, false
	for id, reading := range f.nodes {
		switch {
		case reading == Confirmed:
		case f.failing[id] || a.tracks[id].last.After(f.changed.Add(margin)):
			asking = true
		default:
			silent = true
		}
	}
	return owesAnother(f.written, f.changed, now, silent, asking)
}

func (a *audience) reading(f *followed, node string, known bool, now time.Time) Reading {
	t := a.tracks[node]
	switch {
	case known, t.hasRead(f.changed, a.restored):
		return Confirmed
	case t.isLate(f.changed, now):
		return Late
	}
	return Unknown
}

// isOpen reports whether some node may not have read the login of some service.
func (a *audience) isOpen() bool {
	for _, f := range a.services {
		if f.isOpen() || f.changed.IsZero() {
			return true
		}
	}
	return false
}

// settle notes that all nodes have read everything. Later changes of a service by others do not matter: the login stays the same.
func (a *audience) settle() {
	for _, f := range a.services {
		if f.changed.After(a.read) {
			a.read = f.changed
		}
	}
	a.restored, a.next = false, time.Time{}
	for id := range a.tracks {
		if !a.names(id) {
			delete(a.tracks, id)
		}
	}
}

// names reports whether a node runs any of the services.
func (a *audience) names(node string) bool {
	for _, f := range a.services {
		if _, there := f.nodes[node]; there {
			return true
		}
	}
	return false
}

// report counts the nodes, each by its worst state.
func (a *audience) report() Nodes {
	r := Nodes{View: a.view, Err: a.err, Looked: a.looked, Next: a.next, Read: a.read}
	worst, failing := map[string]Reading{}, map[string]bool{}
	for _, f := range a.services {
		for id, reading := range f.nodes {
			worst[id] = worse(worst, id, reading)
			failing[id] = failing[id] || f.failing[id]
		}
	}
	for id, reading := range worst {
		r.Total++
		switch {
		case reading == Late:
			r.Late++
			r.Behind = append(r.Behind, LateNode{id, a.tracks[id].last, failing[id]})
		case reading == Confirmed && a.view == AllNodes:
			r.Confirmed++
		default:
			r.Unknown++
		}
	}
	slices.SortFunc(r.Behind, func(a, b LateNode) int { return strings.Compare(a.ID, b.ID) })
	return r
}

// worse returns the worse of two states of a node: Late before Unknown before Confirmed.
func worse(found map[string]Reading, id string, now Reading) Reading {
	before, known := found[id]
	switch {
	case !known:
		return now
	case before == Late || now == Late:
		return Late
	case before == Unknown || now == Unknown:
		return Unknown
	}
	return Confirmed
}
