// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"net/http"
	"strings"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// API matches all calls of the API.
func API(c standin.Call) bool { return strings.HasPrefix(c.Path, "/api/") }

// Writes matches the calls of the API that change something.
func Writes(c standin.Call) bool { return API(c) && c.Method != http.MethodGet }

// ServeHTTP implements http.Handler. Only calls of the API and of the token endpoint are noted and meet faults.
func (h *Harbor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		h.routes.ServeHTTP(w, r)
		return
	}
	h.Serve(w, r, h.routes)
}
