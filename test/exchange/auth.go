// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

type role int

const (
	plainUser role = iota
	orgAdmin
	edgeNode
	agreementBot
)

// caller is who sent a request.
type caller struct {
	org, name string
	role      role
}

func (c caller) id() string { return c.org + "/" + c.name }

// authenticate finds who shows a login: org/user, org/node, or one of the words that stand for the owner of a key
// (ExchangeApiApp.scala, auth/cloud/IBM.scala).
func (e *Exchange) authenticate(r *http.Request) (caller, bool) {
	login, password, ok := r.BasicAuth()
	org, name, split := strings.Cut(login, "/")
	if !ok || !split || password == "" {
		return caller{}, false
	}
	if name == "apikey" || name == "iamapikey" {
		return e.ownerOfKey(org, name, password)
	}
	if n := e.nodes[login]; n != nil && same(n.token, password) {
		return caller{org, name, edgeNode}, true
	}
	if same(e.agbots[login], password) {
		return caller{org, name, agreementBot}, true
	}
	if u := e.users[login]; u != nil && same(u.password, password) {
		return callerOf(org, name, u), true
	}
	return caller{}, false
}

func (e *Exchange) ownerOfKey(org, kind, key string) (caller, bool) {
	for id, u := range e.users {
		owner, name, _ := strings.Cut(id, "/")
		if owner == org && (kind == "apikey" && slices.Contains(u.keys, key) || kind == "iamapikey" && same(u.iam, key)) {
			return callerOf(org, name, u), true
		}
	}
	return caller{}, false
}

func callerOf(org, name string, u *user) caller {
	if u.admin {
		return caller{org, name, orgAdmin}
	}
	return caller{org, name, plainUser}
}

func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cachedOwner is what a replica remembers of a service.
type cachedOwner struct {
	owner  string
	public bool
	until  time.Time
}

// ownerOf is what the Exchange takes for the owner of a service. It is remembered for a while, also when the service was
// deleted and made again by another (cacheResourceOwnership in route/service/Service.scala). A service that is not there has
// no owner, and that is not remembered.
func (e *Exchange) ownerOf(id string) (owner string, public bool) {
	now := e.Clock.Now()
	if known, ok := e.owners[id]; ok && now.Before(known.until) {
		return known.owner, known.public
	}
	s := e.services[id]
	if s == nil {
		return "", false
	}
	if e.options.OwnerTTL > 0 {
		e.owners[id] = cachedOwner{s.Owner, s.Public, now.Add(e.options.OwnerTTL)}
	}
	return s.Owner, s.Public
}

// mayRead: everybody of the organisation, and anybody where a service is public (auth/IUser.scala). That lists hide services
// from plain users does not keep them from the logins of these.
func (e *Exchange) mayRead(who caller, org, id string) bool {
	_, public := e.ownerOf(id)
	return who.org == org || public
}

// mayWrite: the owner, and an administrator, of another organisation too where the service is public. What has no owner may
// be written by any user (auth/TService.scala).
func (e *Exchange) mayWrite(who caller, org, id string) bool {
	owner, public := e.ownerOf(id)
	switch who.role {
	case orgAdmin:
		return who.org == org || public
	case plainUser:
		return who.org == org && (owner == "" || owner == who.id())
	default:
		return false
	}
}

// sees reports whether a list or a single read shows a service.
func (e *Exchange) sees(who caller, org string, s *service) bool {
	switch {
	case who.org != org:
		return s.Public
	case who.role == plainUser && !e.options.SeesAll:
		return s.Public || s.Owner == who.id()
	default:
		return true
	}
}

// getUser shows the caller's own user, also by the words that stand for it (route/user/Users.scala).
func (e *Exchange) getUser(who caller, r *http.Request) reply {
	asked := r.PathValue("user")
	if asked == "apikey" || asked == "iamapikey" {
		asked = who.name
	}
	id := r.PathValue("org") + "/" + asked
	if id != who.id() && (who.role != orgAdmin || who.org != r.PathValue("org")) {
		return denied("access denied")
	}
	u := e.users[id]
	if u == nil {
		return reply{http.StatusNotFound, map[string]any{"users": map[string]any{}, "lastIndex": 0}}
	}
	record := map[string]any{"password": "********", "admin": u.admin, "hubAdmin": false, "email": "", "lastUpdated": e.stamp(e.Clock.Now()), "updatedBy": id}
	return reply{http.StatusOK, map[string]any{"users": map[string]any{id: record}, "lastIndex": 0}}
}

func (e *Exchange) getOrg(who caller, r *http.Request) reply {
	org := r.PathValue("org")
	if who.org != org {
		return denied("access denied")
	}
	record := map[string]any{"orgType": "", "label": org, "description": org, "lastUpdated": e.stamp(e.Clock.Now())}
	return reply{http.StatusOK, map[string]any{"orgs": map[string]any{org: record}, "lastIndex": 0}}
}
