// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Nodes is what ExchangeUpdated last found of the nodes that pull with the puller's login, in this or an earlier pass of this
// process.
type Nodes struct {
	// Generation is that of the login that every service held when the nodes were read; 0 while that is not known.
	Generation int64
	// Total counts the nodes that run these services, Late those that have not read that login, and Unknown those of which that
	// is not known.
	Total, Late, Unknown int
	// Names are some of the late ones.
	Names []string
	// Partial: not all nodes are visible, so no node counts as having read the login, and logins end by time.
	Partial bool
}

// behind is how many nodes may pull with an earlier login.
func (n Nodes) behind() int {
	if n.Partial {
		return n.Late
	}
	return n.Late + n.Unknown
}

// AllRead reports whether every node has read the login.
func (n Nodes) AllRead() bool { return n.Generation != 0 && !n.Partial && n.behind() == 0 }

// NodesNeed reports whether nodes may still pull with an earlier login of that generation. Until a process has read the nodes for
// the first time, they may.
func (s *Scope) NodesNeed(l *Login, generation int64) bool {
	if l.Role != edgev1.TokenPuller || len(s.Edge.Spec.Exchanges) == 0 {
		return false
	}
	if read := s.Record.NodesRead; read != nil && generation < read.Generation {
		return false
	}
	return s.Nodes.Generation != l.Credential.Generation || s.Nodes.behind() > 0
}

// lookAtNodes is after how long to check again whether nodes still need a login that was to end.
const lookAtNodes = 15 * time.Minute

// Postponed reports whether an earlier login must not end yet, because nodes may need it, and notes when to check again. last is
// when its issuer ends it anyway.
func (s *Scope) Postponed(l *Login, generation int64, last time.Time) bool {
	if !s.Now.Before(last) || !s.NodesNeed(l, generation) {
		return false
	}
	s.Due(Earlier(s.Now.Add(lookAtNodes), last))
	return true
}
