// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
	"k8s.io/client-go/rest"
)

// Registry simulates openshift/image-registry: go-containerregistry's in-memory
// registry behind OpenShift's token flow and access checks
// (pkg/dockerregistry/server/auth.go, token.go, imagestream.go). It holds no
// right of its own: each request is authenticated and authorised at the API
// server with the token that it carries.
type Registry struct {
	config *rest.Config // the API server's address and CA, no credentials
	images http.Handler

	mu       sync.Mutex
	streams  map[string]bool   // repositories with an image stream
	uploads  map[string]string // open uploads, id to the state that its Location carries
	requests []Request
	failing  int
	readOnly bool
	exchange func(token string) string
}

// Request is what the registry remembers of a request: no header, no query.
type Request struct {
	Method string
	Path   string
	Status int
}

func newRegistry(admin *rest.Config) *Registry {
	return &Registry{
		config:  rest.AnonymousClientConfig(admin),
		images:  registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		streams: map[string]bool{},
		uploads: map[string]string{},
	}
}

// Fail answers every request with the status, until Fail(0).
func (g *Registry) Fail(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failing = status
}

// ReadOnly refuses pushes, as pods do that have spec.readOnly of the registry Config.
func (g *Registry) ReadOnly(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readOnly = yes
}

// SetExchange makes the registry show the API server another token than the
// one that it was given: for tests whose time is not the API server's. Nil ends that.
func (g *Registry) SetExchange(exchange func(token string) string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.exchange = exchange
}

func (g *Registry) exchanged(token string) string {
	g.mu.Lock()
	exchange := g.exchange
	g.mu.Unlock()
	if exchange == nil || token == "" {
		return token
	}
	return exchange(token)
}

// Forget drops the requests that were remembered.
func (g *Registry) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = nil
}

// Requests is what the registry answered so far, oldest first.
func (g *Registry) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Request(nil), g.requests...)
}

// Uploads is how many uploads are open: begun and not finished. To cancel one takes
// the right to delete images in the whole cluster, as every DELETE does in the
// registry's source (pkg/dockerregistry/server/auth.go); no role of a project gives it.
func (g *Registry) Uploads() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.uploads)
}

// ServeHTTP answers one request and remembers it.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answerWriter{ResponseWriter: w}
	g.serve(answer, r)
	if answer.status == 0 {
		answer.status = http.StatusOK
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, Request{Method: r.Method, Path: r.URL.Path, Status: answer.status})
}

func (g *Registry) serve(w *answerWriter, r *http.Request) {
	g.mu.Lock()
	failing := g.failing
	g.mu.Unlock()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch {
	case failing != 0:
		writeError(w, failing, registryError{Code: "UNAVAILABLE", Message: "service unavailable"})
	case r.URL.Path == "/openshift/token":
		g.serveToken(w, r)
	case r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/"):
		w.Header().Set("X-Registry-Supports-Signatures", "1")
		g.serveV2(w, r)
	case strings.HasPrefix(r.URL.Path, extensions):
		g.serveSignatures(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (g *Registry) serveV2(w *answerWriter, r *http.Request) {
	path := parsePath(r.URL.Path)
	accesses := path.accesses(r.Method)
	user, refused := g.authorize(r, accesses)
	if refused != nil {
		refused.write(w, accesses)
		return
	}
	switch path.kind {
	case "base":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	case "catalog", "blobs":
		g.images.ServeHTTP(w, r)
	case "uploads":
		g.serveUploads(w, r, path)
	case "manifests", "tags":
		g.serveNamed(w, r, path, user)
	default:
		http.NotFound(w, r)
	}
}

// serveNamed serves manifests and tags, which a repository has only once its
// image stream exists. The first push of a tag creates the stream, and for that
// the pusher needs the right to create image streams.
func (g *Registry) serveNamed(w *answerWriter, r *http.Request, path registryPath, user *caller) {
	g.mu.Lock()
	exists, readOnly := g.streams[path.repository], g.readOnly
	g.mu.Unlock()
	push := r.Method == http.MethodPut
	switch {
	case readOnly && r.Method != http.MethodGet && r.Method != http.MethodHead:
		writeMethodNotAllowed(w)
		return
	case !exists && !push:
		writeError(w, http.StatusNotFound, registryError{
			Code: "NAME_UNKNOWN", Message: "repository name not known to registry",
			Detail: map[string]string{"name": path.repository},
		})
		return
	case !exists && !strings.Contains(path.reference, ":"):
		if denied := user.mayCreateStream(r.Context(), path); denied != nil {
			writeError(w, http.StatusForbidden, registryError{
				Code: "DENIED", Message: "requested access to the resource is denied", Detail: denied,
			})
			return
		}
	}
	g.images.ServeHTTP(w, r)
	if push && w.status == http.StatusCreated && !strings.Contains(path.reference, ":") {
		g.mu.Lock()
		g.streams[path.repository] = true
		g.mu.Unlock()
	}
}

// registryError is one error of a registry's answer.
type registryError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

func writeError(w http.ResponseWriter, status int, e registryError) {
	writeJSON(w, status, map[string][]registryError{"errors": {e}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func writeMethodNotAllowed(w http.ResponseWriter) {
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
}

// answerWriter remembers the status, and can rewrite the Location that the
// in-memory registry sends.
type answerWriter struct {
	http.ResponseWriter
	status   int
	location string
}

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	if w.location != "" && w.Header().Get("Location") != "" {
		w.Header().Set("Location", w.location)
	}
	w.ResponseWriter.WriteHeader(status)
}
