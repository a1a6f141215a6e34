// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func (e *Exchange) searchRoutes() {
	e.handle("POST /v1/orgs/{org}/search/nodes/service", e.searchService)
	e.handle("GET /v1/orgs/{org}/search/nodes/error/all", e.searchErrors)
}

// visible are the nodes of an organisation that a caller sees: its own, or all of them as an administrator.
func (e *Exchange) visible(who caller, org string) []string {
	var found []string
	for _, id := range slices.Sorted(maps.Keys(e.nodes)) {
		if strings.HasPrefix(id, org+"/") && (who.role == orgAdmin && who.org == org || e.nodes[id].owner == who.id()) {
			found = append(found, id)
		}
	}
	return found
}

// searchService answers with pairs of a node and its last heartbeat, which may be null, and with 404 where there is none
// (route/search/NodeService.scala).
func (e *Exchange) searchService(who caller, r *http.Request) reply {
	var body struct {
		Org     string `json:"orgid"`
		URL     string `json:"serviceURL"`
		Version string `json:"serviceVersion"`
		Arch    string `json:"serviceArch"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return invalid("malformed request")
	}
	service := body.Org + "/" + formID(body.URL, body.Version, body.Arch)
	pairs := [][]any{}
	for _, id := range e.visible(who, r.PathValue("org")) {
		if !slices.Contains(e.nodes[id].runs, service) {
			continue
		}
		var heartbeat any
		if at := e.nodes[id].lastHeartbeat; at != "" {
			heartbeat = at
		}
		pairs = append(pairs, []any{id, heartbeat})
	}
	status := http.StatusCreated
	if len(pairs) == 0 {
		status = http.StatusNotFound
	}
	return reply{status, map[string]any{"nodes": pairs}}
}

// searchErrors answers with the errors of nodes, as text in JSON (route/organization/AllNodeErrorsInOrgResp.scala).
func (e *Exchange) searchErrors(who caller, r *http.Request) reply {
	found := []map[string]any{}
	for _, id := range e.visible(who, r.PathValue("org")) {
		failed := []map[string]any{}
		for _, service := range e.nodes[id].failed {
			org, name, _ := strings.Cut(service, "/")
			url, _, _ := strings.Cut(name, "_")
			if s := e.services[service]; s != nil {
				url = s.URL
			}
			failed = append(failed, map[string]any{"event_code": "error_image_load", "workload": map[string]string{"org": org, "url": url}})
		}
		if len(failed) > 0 {
			text, _ := json.Marshal(failed)
			found = append(found, map[string]any{"nodeId": id, "error": string(text), "lastUpdated": e.stamp(e.nodes[id].failedAt)})
		}
	}
	return reply{http.StatusOK, map[string]any{"nodeErrors": found}}
}

// FailToLoad has a node, org/id, report that it could not load the image of a service.
func (e *Exchange) FailToLoad(id, service string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reportFailure(e.nodes[id], service)
}

func (e *Exchange) reportFailure(n *node, service string) {
	if !slices.Contains(n.failed, service) {
		n.failed = append(n.failed, service)
	}
	n.failedAt = e.Clock.Now()
}

// Run has the status of a node, org/id, name these services.
func (e *Exchange) Run(id string, services ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nodes[id].runs = services
}
