// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// documentRoutes are the parts of a publish that are stored as they come: keys of any type of content, policies and patterns.
func (e *Exchange) documentRoutes() {
	const org = "/v1/orgs/{org}"
	for _, keys := range []string{org + "/services/{service}/keys/{name}", org + "/patterns/{pattern}/keys/{name}"} {
		e.handle("PUT "+keys, e.byUsers(e.putKey))
		e.handle("GET "+keys, e.getDocument)
	}
	e.handle("PUT "+org+"/services/{service}/policy", e.writing(e.putDocument))
	e.handle("GET "+org+"/services/{service}/policy", e.reading(e.getPolicy))
	for _, kind := range []string{"business/policies", "deployment/policies", "patterns"} {
		one := org + "/" + kind + "/{name}"
		e.handle("GET "+one, e.getNamed(strings.ReplaceAll(kind, "deployment/", "business/")))
		e.handle("POST "+one, e.byUsers(e.postDocument))
		e.handle("PUT "+one, e.byUsers(e.putDocument))
	}
}

func (e *Exchange) byUsers(serve func(caller, *http.Request) reply) func(caller, *http.Request) reply {
	return func(who caller, r *http.Request) reply {
		if who.org != r.PathValue("org") || who.role == edgeNode {
			return denied("access denied")
		}
		return serve(who, r)
	}
}

// documentPath is where a document is stored: its address, by the older of two names.
func documentPath(r *http.Request) string {
	return strings.Replace(strings.TrimPrefix(r.URL.Path, "/v1/orgs/"), "/deployment/policies/", "/business/policies/", 1)
}

func (e *Exchange) putKey(_ caller, r *http.Request) reply {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return invalid("malformed request")
	}
	text, _ := json.Marshal(string(body))
	e.documents[documentPath(r)] = text
	return created("key added or updated")
}

func (e *Exchange) putDocument(_ caller, r *http.Request) reply {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || !json.Valid(body) {
		return invalid("malformed request")
	}
	e.documents[documentPath(r)] = body
	return created("updated")
}

func (e *Exchange) postDocument(who caller, r *http.Request) reply {
	if e.documents[documentPath(r)] != nil {
		return reply{http.StatusForbidden, answer{"already-exists", "already exists"}}
	}
	return e.putDocument(who, r)
}

func (e *Exchange) getDocument(_ caller, r *http.Request) reply {
	if found := e.documents[documentPath(r)]; found != nil {
		return reply{http.StatusOK, found}
	}
	return notFound("not found")
}

// getPolicy: a service without one has an empty one, with 404.
func (e *Exchange) getPolicy(_ caller, r *http.Request) reply {
	if found := e.documents[documentPath(r)]; found != nil {
		return reply{http.StatusOK, found}
	}
	return reply{http.StatusNotFound, map[string]any{"label": "", "description": "", "properties": []any{}, "constraints": []any{}, "lastUpdated": ""}}
}

// getNamed answers with a map by id, under the name of the collection, and with 404 where it is empty.
func (e *Exchange) getNamed(kind string) func(caller, *http.Request) reply {
	field := map[string]string{"business/policies": "businessPolicy", "patterns": "patterns"}[kind]
	return func(_ caller, r *http.Request) reply {
		found, status := map[string]json.RawMessage{}, http.StatusNotFound
		if document := e.documents[documentPath(r)]; document != nil {
			found[r.PathValue("org")+"/"+r.PathValue("name")] = document
			status = http.StatusOK
		}
		return reply{status, map[string]any{field: found, "lastIndex": 0}}
	}
}
