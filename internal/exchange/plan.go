// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Wanted is the desired state of an Exchange for one registry.
type Wanted struct {
	// Host is the registry, as images name it, and Prefix the path that images are below. With an empty prefix none is.
	Host, Prefix string
	// User and Token are the current login of the puller.
	User  string
	Token credential.Token
	// Organization: services of all owners get the login, and not only those of the Exchange user.
	Organization bool
	// PublicServices: services whose logins every organisation may read get it too.
	PublicServices bool
	// Marker is what a touch writes; the pass sets its time.
	Marker Marker
	// Read is Nodes.Read of the last report of an earlier process; zero if unknown.
	Read time.Time
}

// Owner says whose an entry is.
type Owner string

const (
	// Nobody: not ours, as far as is known.
	Nobody Owner = ""
	// Puller: issued for the puller.
	Puller Owner = "Puller"
	// Dead: issued for the puller or the publisher, and ended.
	Dead Owner = "Dead"
	// Publisher: issued for the publisher, which may push.
	Publisher Owner = "Publisher"
	// Contested: issued by our issuer for our accounts, but not by this operator: it may come from a clone or from before a restore.
	Contested Owner = "Contested"
)

// Whose returns the owner of an entry for the registry's host, as the issuer knows it. After an error the service stays untouched.
type Whose func(ctx context.Context, user string, token credential.Token) (Owner, error)

// Class is the class of an entry.
type Class string

const (
	// Current: ours, with the login that is wanted.
	Current Class = "ours-current"
	// Old: ours, with an earlier login, or in another spelling.
	Old Class = "ours-old"
	// OursDead: ours, with a login that no longer works.
	OursDead Class = "ours-dead"
	// OursPublisher: ours, with a login that may push, readable by every node. It has to be revoked.
	OursPublisher Class = "ours-publisher"
	// Misfiled: meant for our host, but in a form that no node ever matches. It is never changed.
	Misfiled Class = "misfiled"
	// OfContested: see Contested. It is never changed.
	OfContested Class = "contested"
	// Foreign: somebody else's. It is never changed.
	Foreign Class = "foreign"
)

// ours reports whether entries of the class may be changed and removed.
func (c Class) ours() bool {
	return c == Current || c == Old || c == OursDead || c == OursPublisher
}

// Found is an entry with its class.
type Found struct {
	Entry
	Class Class
}

// Classify returns the class of each entry. It asks the issuer only about entries for exactly the registry's host, and not about the
// desired one.
func Classify(ctx context.Context, w Wanted, entries []Entry, whose Whose) ([]Found, error) {
	found := make([]Found, 0, len(entries))
	for _, e := range entries {
		class := Foreign
		switch {
		case e.Registry == w.Host && e.User == w.User && e.Token.Equal(w.Token):
			class = Current
		case e.Registry == w.Host:
			owner, err := whose(ctx, e.User, e.Token)
			if err != nil {
				return nil, fmt.Errorf("find whose login %d is: %w", e.ID, err)
			}
			class = classOf[owner]
		case isMisfiled(e, w.Host):
			class = Misfiled
		}
		found = append(found, Found{e, class})
	}
	return found, nil
}

var classOf = map[Owner]Class{
	Nobody: Foreign, Puller: Old, Dead: OursDead, Publisher: OursPublisher, Contested: OfContested,
}

// isMisfiled recognises an entry that is meant for the host and that no node matches, because nodes compare the whole text: a URL or a
// path in place of a host, the host in upper case, and what hzn makes of host:port:user:token, which it splits at the first two
// colons.
func isMisfiled(e Entry, host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err == nil && e.Registry == name {
		return e.User == port
	}
	registry := e.Registry
	if _, rest, ok := strings.Cut(registry, "://"); ok {
		registry = rest
	}
	registry, _, _ = strings.Cut(registry, "/")
	return strings.EqualFold(strings.TrimSuffix(registry, ":443"), strings.TrimSuffix(host, ":443"))
}

// Verb is a kind of change of an entry.
type Verb string

const (
	// Update replaces an entry, which keeps its id.
	Update Verb = "update"
	// Add adds an entry after all others.
	Add Verb = "add"
	// Remove removes an entry.
	Remove Verb = "remove"
)

// Write is one change of an entry. A new entry has no id yet.
type Write struct {
	Verb Verb
	ID   int
}

// Skip is why a service gets no login.
type Skip string

const (
	// PublicService: its login would be readable by every organisation.
	PublicService Skip = "PublicService"
	// ClusterService: nodes of clusters do not read logins.
	ClusterService Skip = "ClusterService"
	// OthersService: the service belongs to another user and has no entry of ours, and none may be added.
	OthersService Skip = "OthersService"
)

// Plan is the list of changes for one service.
type Plan struct {
	Skip   Skip
	Writes []Write
	// Ours is the entry that stays; nil if there is none yet.
	Ours *Found
	// InWay are the ids of foreign entries that nodes try before ours.
	InWay []int
}

// concerns reports whether a service has an image of the registry's.
func (w Wanted) concerns(s Service) bool {
	return slices.ContainsFunc(s.Images, func(image string) bool { return isBelow(image, w.Host, w.Prefix) })
}

// skips says why a service is skipped without a look at its entries; empty if it is not.
func (w Wanted) skips(s Service) Skip {
	switch {
	case s.Cluster:
		return ClusterService
	case s.Public && !w.PublicServices:
		return PublicService
	}
	return ""
}

// Decide plans the changes for a service: our entry with the lowest id stays and is updated first, so that nodes find it first and
// always; then our other entries are removed. If there is none, one is added only to services of self, or with Organization to those
// of others that are not public.
func Decide(w Wanted, self string, s Service, found []Found) Plan {
	var p Plan
	for i, f := range found {
		switch {
		case f.Class.ours() && p.Ours == nil:
			p.Ours = &found[i]
			if f.Class != Current {
				p.Writes = append(p.Writes, Write{Update, f.ID})
			}
		case f.Class.ours():
			p.Writes = append(p.Writes, Write{Remove, f.ID})
		case f.Registry == w.Host && p.Ours == nil:
			p.InWay = append(p.InWay, f.ID)
		}
	}
	if p.Ours != nil {
		return p
	}
	if s.Owner != self && (!w.Organization || s.Public) {
		return Plan{Skip: OthersService}
	}
	p.Writes = []Write{{Verb: Add}}
	return p
}

// owesTouch reports whether the service has to be touched: the entry changed at the same time as the service or later, so nodes may
// hold an earlier login. Both times are the Exchange's own. If one is unreadable, a touch is owed if this pass wrote the entry.
func owesTouch(s Service, ours *Found, wrote bool) bool {
	switch {
	case ours == nil || ours.Class != Current:
		return false
	case s.Updated.IsZero() || ours.Updated.IsZero():
		return wrote
	default:
		return !ours.Updated.Before(s.Updated)
	}
}

// stampNow formats a time for the marker.
func stampNow(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
