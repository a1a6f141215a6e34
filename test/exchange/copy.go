// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"maps"
	"slices"
)

// Copy is a copy of the database.
type Copy struct {
	services map[string]service
	auths    []auth
	nodes    map[string]node
	changes  []change
	lastAuth int
	lastID   int64
}

// Backup makes a copy of the database.
func (e *Exchange) Backup() Copy {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := Copy{services: map[string]service{}, nodes: map[string]node{}, changes: slices.Clone(e.changes), lastAuth: e.lastAuth, lastID: e.lastID}
	for id, s := range e.services {
		c.services[id] = s.copy()
	}
	for id, n := range e.nodes {
		kept := *n
		kept.runs, kept.failed = slices.Clone(n.runs), slices.Clone(n.failed)
		c.nodes[id] = kept
	}
	for _, a := range e.auths {
		c.auths = append(c.auths, *a)
	}
	return c
}

// copy shares nothing with the service that is changed in place.
func (s *service) copy() service {
	c := *s
	c.ImageStore = slices.Clone(s.ImageStore)
	return c
}

// Restore puts a copy in the place of the database. Nodes keep their place in the changes, which the copy may not have
// reached. The clock goes on.
func (e *Exchange) Restore(c Copy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.services, e.nodes, e.auths, e.changes = map[string]*service{}, map[string]*node{}, nil, slices.Clone(c.changes)
	for id, s := range c.services {
		own := s.copy()
		e.services[id] = &own
	}
	for id, n := range c.nodes {
		n.runs, n.failed = slices.Clone(n.runs), slices.Clone(n.failed)
		e.nodes[id] = &n
	}
	for _, a := range c.auths {
		e.auths = append(e.auths, &a)
	}
	e.lastAuth, e.lastID = c.lastAuth, c.lastID
	maps.DeleteFunc(e.owners, func(string, cachedOwner) bool { return true })
}
