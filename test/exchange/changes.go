// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// change is a line of the table of changes.
type change struct {
	id                            int64
	at                            time.Time
	org, name, resource, happened string
	public                        bool
}

// log notes what happened to a service. Its logins have a resource of their own (table/resourcechange/ResChangeResource.scala).
func (e *Exchange) log(service, resource, operation string) {
	org, name, _ := strings.Cut(service, "/")
	e.lastID++
	s := e.services[service]
	e.changes = append(e.changes, change{e.lastID, e.Clock.Now(), org, name, resource, operation, s != nil && s.Public})
}

func (e *Exchange) changeRoutes() {
	e.handle("GET /v1/changes/maxchangeid", func(caller, *http.Request) reply {
		return reply{http.StatusOK, map[string]any{"maxChangeId": e.lastID}}
	})
	e.handle("POST /v1/orgs/{org}/changes", e.postChanges)
}

// prune drops the changes that are kept no longer.
func (e *Exchange) prune() {
	now, old := e.Clock.peek(), 0
	for old < len(e.changes) && now.Sub(e.changes[old].at) > e.options.ChangesTTL {
		old++
	}
	e.changes = e.changes[old:]
}

// postChanges answers with what changed since a number, the oldest first, as far as it is kept. For a node it is the
// heartbeat, too (route/organization/Changes.scala). All changes that are simulated here are of the category service, which
// nodes are shown.
func (e *Exchange) postChanges(who caller, r *http.Request) reply {
	var body struct {
		ChangeID   int64 `json:"changeId"`
		MaxRecords int   `json:"maxRecords"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return invalid("malformed request")
	}
	org := r.PathValue("org")
	if who.role == edgeNode {
		e.nodes[who.id()].lastHeartbeat = e.stamp(e.Clock.Now())
	}
	e.prune()
	found, recent := []map[string]any{}, e.lastID
	for _, c := range e.changes {
		if c.id < body.ChangeID || c.org != org && !c.public {
			continue
		}
		found = append(found, map[string]any{
			"orgId": c.org, "resource": c.resource, "id": c.name, "operation": c.happened,
			"resourceChanges": []map[string]any{{"changeId": c.id, "lastUpdated": e.stamp(c.at)}},
		})
		if body.MaxRecords > 0 && len(found) == body.MaxRecords {
			recent = c.id
			break
		}
	}
	return reply{http.StatusCreated, map[string]any{
		"changes": found, "mostRecentChangeId": recent, "hitMaxRecords": body.MaxRecords > 0 && len(found) == body.MaxRecords,
		"exchangeVersion": Version,
	}}
}
