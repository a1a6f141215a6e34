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
	// Host is the registry, as images name it, and Prefix the path that they lie below. Without a prefix none does.
	Host, Prefix string
	// User and Token are the current login of the puller.
	User  string
	Token credential.Token
	// Organization: services of all owners are looked at, and not the login's own alone.
	Organization bool
	// PublicServices: services whose logins every organisation may read are looked at, too.
	PublicServices bool
	// Marker is what a touch leaves; its time is set by the pass.
	Marker Marker
	// Read is what the last report of a process before this one said that all nodes had read; zero if that is not known.
	Read time.Time
}

// Owner says whose an entry is.
type Owner string

const (
	// Nobody: not ours, as far as can be told.
	Nobody Owner = ""
	// Puller: issued for the puller.
	Puller Owner = "Puller"
	// Dead: issued for the puller or the publisher, and ended.
	Dead Owner = "Dead"
	// Publisher: issued for the publisher, which may push.
	Publisher Owner = "Publisher"
	// Contested: issued by our issuer for what we are, and not by us: a clone or a restored copy may be at work.
	Contested Owner = "Contested"
)

// Whose asks the issuer whose an entry for the registry's host is. After an error that is unknown, and the service is not touched.
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
	// Misfiled: meant for our host, and written so that no node ever matches it. It is never touched.
	Misfiled Class = "misfiled"
	// OfContested: see Contested. It is never touched.
	OfContested Class = "contested"
	// Foreign: another's. It is never touched.
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

// isMisfiled recognises what was meant for the host and is matched by no node, which compares the whole text: an address or a
// path where a host should be, the host in other letters, and what hzn makes of host:port:user:token, which it cuts at the
// first two colons.
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
	// Update replaces an entry in its place.
	Update Verb = "update"
	// Add adds one behind all others.
	Add Verb = "add"
	// Remove takes one out.
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
	// OthersService: there is no entry of ours, and none is added to what is another user's.
	OthersService Skip = "OthersService"
)

// Plan is the list of changes for one service.
type Plan struct {
	Skip   Skip
	Writes []Write
	// Ours is the entry that stays, nil where there is none yet.
	Ours *Found
	// InWay are the ids of entries of others that nodes try before ours.
	InWay []int
}

// concerns reports whether a service has an image of the registry's.
func (w Wanted) concerns(s Service) bool {
	return slices.ContainsFunc(s.Images, func(image string) bool { return isBelow(image, w.Host, w.Prefix) })
}

// skips says why a service is not even looked into; empty where it is.
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

// owesTouch reports whether nodes may hold an older login than the service has: the entry is not older than its service. Both
// times are the Exchange's own. Where one cannot be read, what was written in this pass decides.
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

// stampNow is a time as the marker has it.
func stampNow(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
