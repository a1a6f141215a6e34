// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"slices"
	"strings"
	"time"
)

// audience is what a process knows of the nodes that run services with our login.
type audience struct {
	// tracks are the heartbeats of nodes, as they were seen.
	tracks map[string]track
	// services are those that hold the login, by id.
	services map[string]*followed
	// restored: the Exchange was put back to an older copy since all nodes were last known to have read everything.
	restored bool
	// read is a time of the Exchange by which all that was written had been read by all nodes.
	read time.Time
	// touched is when this process last touched a service, and next when nodes are to be looked at, by the clock of this side.
	touched, next time.Time
	view          View
	err           error
	looked        bool
}

// followed is a service that holds the login.
type followed struct {
	// written and changed are when the login was written, and when the service last changed, by the clock of the Exchange;
	// changed is zero until it was listed after a touch. latest is that as any list had it.
	written, changed, latest time.Time
	// asked: it is known which nodes run it, and nodes are these, with whether each has read the login.
	asked bool
	nodes map[string]Reading
	// failing are those of them that report that they could not load an image since it changed.
	failing map[string]bool
}

func newAudience(read time.Time) *audience {
	return &audience{tracks: map[string]track{}, services: map[string]*followed{}, read: read}
}

// follow notes how a pass leaves a service: with a login that was written at a time. Nodes that had read the previous one have
// to read this one.
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

// renew has every node have to read what is written from now on.
func (a *audience) renew() {
	for id := range a.services {
		a.follow(id, time.Time{})
	}
}

// list notes when a service last changed, as a list has it. That this went back shows an older copy of the Exchange.
func (a *audience) list(f *followed, changed time.Time) {
	if changed.Before(f.latest) {
		a.restore()
	}
	f.latest = changed
}

// restore has nothing be believed that nodes were seen to do before.
func (a *audience) restore() {
	a.restored, a.tracks = true, map[string]track{}
}

// isDue reports whether nodes are to be looked at, if there is anything to find.
func (a *audience) isDue(now time.Time) bool { return !now.Before(a.next) }

// await has nodes be looked at by a time, or sooner if that was to be.
func (a *audience) await(at, now time.Time) {
	if a.isDue(now) || at.Before(a.next) {
		a.next = at
	}
}

// isOpen reports whether it is not known that all nodes which run a service have read its login.
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

// hear adds heartbeats, the latest of each node.
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

// judge finds how each node that runs a service stands, and whether it is to be touched again. failures are those that name
// the service, and now is the time of the Exchange.
func (a *audience) judge(f *followed, nodes []Node, failures []Failure, now time.Time) (again bool) {
	before := f.nodes
	f.asked, f.nodes, f.failing = true, map[string]Reading{}, map[string]bool{}
	// By a time that is still to come nothing can have been read.
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

// isOpen reports whether some node may not have read a login.
func (a *audience) isOpen() bool {
	for _, f := range a.services {
		if f.isOpen() || f.changed.IsZero() {
			return true
		}
	}
	return false
}

// settle notes that all nodes have read everything, and that there is nothing to look for. What somebody else changes later in
// a service leaves them with the same login.
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

// report counts the nodes, each as it stands worst.
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

// worse is the worse of what was found of a node before and what is found now: late, then unknown.
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
