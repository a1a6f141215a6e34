// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"net/http"
	"strings"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// callOf is a request as it is noted. Its path is what follows /v1/orgs/ORG/, or else /v1/.
func callOf(r *http.Request) standin.Call {
	call := standin.Plain(r)
	call.Path, call.Query = strings.TrimPrefix(call.Path, "/v1/"), r.URL.RawQuery
	if rest, ok := strings.CutPrefix(call.Path, "orgs/"); ok {
		if _, below, found := strings.Cut(rest, "/"); found {
			call.Path = below
		}
	}
	return call
}

// Writes matches all calls that change something. What is searched for is sent by POST.
func Writes(c standin.Call) bool {
	return c.Method != http.MethodGet && !strings.HasPrefix(c.Path, "search/")
}

// ServeHTTP implements http.Handler.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.Serve(dated{w, e.Clock}, r, e.mux)
}

// dated says in each answer when it was made, by the clock of the Exchange, as that of a real one does.
type dated struct {
	http.ResponseWriter
	clock *Clock
}

func (d dated) WriteHeader(status int) {
	d.Header().Set("Date", d.clock.peek().UTC().Format(http.TimeFormat))
	d.ResponseWriter.WriteHeader(status)
}
