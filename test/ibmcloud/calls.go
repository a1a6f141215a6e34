// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"net/http"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// callOf is a request as it is noted. A query may hold a key and is left out.
func callOf(r *http.Request) standin.Call {
	call := standin.Plain(r)
	call.Host = hostOf(r)
	return call
}

// Writes matches all calls of the IAM and registry APIs that change something.
func Writes(c standin.Call) bool {
	_, registry := regionOf(c.Host)
	images := registry && strings.HasPrefix(c.Path, "/v2/")
	return c.Method != http.MethodGet && c.Method != http.MethodHead && c.Path != "/identity/token" && !images
}

// Exposed are calls that held the value of a key where none belongs: in a URL, or in a header that is not for one.
func (c *Cloud) Exposed() []standin.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.exposed)
}

// ServeHTTP implements http.Handler.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.look(r)
	c.Serve(w, r, http.HandlerFunc(c.serve))
}

// look remembers a call that holds a key's value where it does not belong.
func (c *Cloud) look(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := r.URL.String()
	for name, values := range r.Header {
		if name != "Iam-Apikey" && name != "Authorization" {
			text += "\n" + strings.Join(values, "\n")
		}
	}
	for _, k := range c.keys {
		if strings.Contains(text, k.value) {
			c.exposed = append(c.exposed, callOf(r))
			return
		}
	}
}
