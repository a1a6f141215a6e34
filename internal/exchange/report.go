// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import "time"

// State is the state of a service after a pass.
type State string

const (
	// Synced: it holds our current login once, and has been touched since.
	Synced State = "Synced"
	// Skipped: it gets nothing; Outcome says why.
	Skipped State = "Skipped"
	// Unsettled: it was not as expected when it was read again, or the pass ended before; another pass looks at it.
	Unsettled State = "Unsettled"
	// Failed: a call failed; Outcome holds the error.
	Failed State = "Failed"
)

// Outcome is the result of a pass for one service.
type Outcome struct {
	// Service is its organisation and its id.
	Service string
	State   State
	Skip    Skip
	Err     error
	// Ours, InWay, Misfiled, Contested and Publishers are ids of entries, at the end: the one that is kept, 0 for none; those
	// of others that nodes try before it; those that no node matches; those that our issuer issued and we did not.
	// Publishers are those that held a login that may push: each has been replaced, and the login is to be revoked.
	Ours                                   int
	InWay, Misfiled, Contested, Publishers []int
	// Writes counts changes of entries; Touched reports a touch.
	Writes  int
	Touched bool

	// written is when the entry that is kept last changed, by the clock of the Exchange.
	written time.Time
	// contended: it was not as it had been left when it was read again.
	contended bool
}

// Report is the result of a pass.
type Report struct {
	// Services are those with an image of the registry's, by id.
	Services []Outcome
	// Left are services that had such an image and held an entry of ours when this process last looked, as they were then, and
	// that are there without such an image now. The entry stays, and hurts nobody. A service is named once.
	Left []Outcome
	// Nodes is what is known of the nodes that run these services.
	Nodes Nodes
}

// Nodes is what was last read of the nodes that run services with our login. A node counts once, in its worst state.
type Nodes struct {
	Total, Confirmed, Late, Unknown int
	// Behind are the late ones, by id.
	Behind []LateNode
	// View says why no node is confirmed, whatever was seen of it.
	View View
	// Touched is how many services this pass touched again.
	Touched int
	// Err is why not all could be looked at.
	Err error
	// Looked: they were looked at since this process began, and Next is when to look again; zero for not before something
	// changes.
	Looked bool
	Next   time.Time
	// Read is a time of the Exchange, if not zero: all nodes have read what these services held by then. It is to be shown
	// to a process that comes later.
	Read time.Time
}

// LateNode is a node that has not read the current login.
type LateNode struct {
	// ID is its organisation and its id.
	ID string
	// Heartbeat is when it last asked for changes; zero if it never did, or if that is not known.
	Heartbeat time.Time
	// Failing: it reports that it could not load an image since the service was touched.
	Failing bool
}

// View is how many of the nodes a login can see.
type View string

const (
	// AllNodes: all that may read the login.
	AllNodes View = ""
	// OwnNodes: those of a user who is no administrator of the organisation. Others may run the services.
	OwnNodes View = "OwnNodes"
	// OneOrganization: a service with the login is public, and nodes of other organisations may run it.
	OneOrganization View = "OneOrganization"
)

// Count returns how many services are synced, and how many should be.
func (r Report) Count() (synced, total int) {
	for _, o := range r.Services {
		if o.State == Skipped {
			continue
		}
		total++
		if o.State == Synced {
			synced++
		}
	}
	return synced, total
}

// note notes the ids of the entries that people should know of.
func (o *Outcome) note(found []Found) {
	o.Misfiled, o.Contested = nil, nil
	for _, f := range found {
		switch f.Class {
		case Misfiled:
			o.Misfiled = append(o.Misfiled, f.ID)
		case OfContested:
			o.Contested = append(o.Contested, f.ID)
		default:
		}
	}
}
