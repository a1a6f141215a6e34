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
	// Unsettled: somebody else changed it meanwhile, or the pass ended before it; another pass reads it.
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
	// The following are ids of entries after the pass. Ours is the entry that is kept; 0 for none.
	Ours int
	// InWay are foreign entries that nodes try before ours, Misfiled those that no node matches, and Contested those that our issuer
	// issued and this operator did not. Publishers held a login that may push: each was replaced, and the login has to be revoked.
	InWay, Misfiled, Contested, Publishers []int
	// Writes counts changes of entries; Touched reports a touch.
	Writes  int
	Touched bool

	// written is when the entry that is kept last changed, by the clock of the Exchange.
	written time.Time
	// contended: somebody else changed it between two reads of this pass.
	contended bool
}

// Report is the result of a pass.
type Report struct {
	// Services are those with an image of the registry's, by id.
	Services []Outcome
	// Left are services that had such an image and an entry of ours in the pass before, and exist without such an image now. Their
	// outcome is that of the pass before. The entry stays, and does no harm. Each service is reported once.
	Left []Outcome
	// Nodes is what is known about the nodes that run these services.
	Nodes Nodes
}

// Nodes is what was last read of the nodes that run services with our login. A node counts once, in its worst state.
type Nodes struct {
	Total, Confirmed, Late, Unknown int
	// Behind are the late ones, by id.
	Behind []LateNode
	// View says which nodes the login can see. Unless it sees all, none counts as confirmed.
	View View
	// Touched is how many services this pass touched again.
	Touched int
	// Err is why not all nodes could be read.
	Err error
	// Looked: this process has read the nodes. Next is when to read them again; zero for not before something changes.
	Looked bool
	Next   time.Time
	// Read is a time of the Exchange; zero if unknown. All nodes have read what these services held by then. A later process needs
	// it as Wanted.Read.
	Read time.Time
}

// LateNode is a node that has not read the current login.
type LateNode struct {
	// ID is its organisation and its id.
	ID string
	// Heartbeat is when it last asked for changes; zero if it never did, or if that is not known.
	Heartbeat time.Time
	// Failing: the node reports that it could not load an image since the service was touched.
	Failing bool
}

// View is how many of the nodes a login can see.
type View string

const (
	// AllNodes: all that may read the login.
	AllNodes View = ""
	// OwnNodes: only those of the user, who is no administrator of the organisation. Other nodes may run the services.
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

// note records the ids of the entries that people should know about.
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
