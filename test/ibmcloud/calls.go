// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"bytes"
	"io"
	"maps"
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
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.look(r, string(body))
	c.Serve(w, r, http.HandlerFunc(c.serve))
}

// Shown is where the value of a key was shown to, in whatever part of a call, as HOST METHOD PATH: each once, sorted.
func (c *Cloud) Shown(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.shown[id]))
}

// look remembers what call holds a key's value, and whether it does where none belongs.
func (c *Cloud) look(r *http.Request, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, password, _ := r.BasicAuth()
	wrong, right := r.URL.String(), body+"\n"+password
	for name, values := range r.Header {
		if text := "\n" + strings.Join(values, "\n"); name == "Iam-Apikey" || name == "Authorization" {
			right += text
		} else {
			wrong += text
		}
	}
	call, misplaced := callOf(r), false
	for _, k := range c.keys {
		misplaces := strings.Contains(wrong, k.value)
		misplaced = misplaced || misplaces
		if !misplaces && !strings.Contains(right, k.value) {
			continue
		}
		if c.shown[k.ID] == nil {
			c.shown[k.ID] = map[string]bool{}
		}
		c.shown[k.ID][call.Host+" "+call.Method+" "+call.Path] = true
	}
	if misplaced {
		c.exposed = append(c.exposed, call)
	}
}
