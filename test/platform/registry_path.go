// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// registryPath is the parts of a path below /v2/.
type registryPath struct {
	kind       string // base, catalog, manifests, tags, blobs, uploads; empty when unknown
	repository string
	reference  string // tag, digest or upload id
}

// parsePath splits a path at the last element that names a kind, as names of
// repositories may have any number of elements.
func parsePath(path string) registryPath {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, "/v2"), "/")
	switch rest {
	case "":
		return registryPath{kind: "base"}
	case "_catalog":
		return registryPath{kind: "catalog"}
	}
	if repository, id, ok := strings.Cut(rest, "/blobs/uploads/"); ok {
		return registryPath{kind: "uploads", repository: repository, reference: id}
	}
	elements := strings.Split(rest, "/")
	if n := len(elements); n >= 3 {
		kind := elements[n-2]
		if kind == "manifests" || kind == "tags" || kind == "blobs" {
			return registryPath{kind: kind, repository: strings.Join(elements[:n-2], "/"), reference: elements[n-1]}
		}
	}
	return registryPath{}
}

// accesses is what a request on the path does.
func (p registryPath) accesses(method string) []access {
	if p.kind == "catalog" {
		return []access{{Type: "registry", Name: "catalog", Action: "*"}}
	}
	if p.repository == "" {
		return nil
	}
	actions := []string{"pull"}
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		actions = []string{"pull", "push"}
	case http.MethodDelete:
		actions = []string{"delete"}
	}
	var out []access
	for _, action := range actions {
		out = append(out, access{Type: "repository", Name: p.repository, Action: action})
	}
	return out
}

// splitRepository takes a name apart that must be <project>/<image stream>.
func splitRepository(repository string) (namespace, name string, ok bool) {
	parts := strings.Split(repository, "/")
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// serveUploads keeps count of uploads, which the in-memory registry does not, and
// lets it take the bytes. Which refusal comes first is docker/distribution's
// (registry/handlers/blobupload.go): an upload that has an id is looked for before
// a read-only registry turns the method down.
func (g *Registry) serveUploads(w *answerWriter, r *http.Request, path registryPath) {
	g.mu.Lock()
	readOnly := g.readOnly
	state, open := g.uploads[path.reference]
	g.mu.Unlock()
	if path.reference != "" && !foundUpload(w, r, state, open) {
		return
	}
	switch {
	case readOnly && r.Method != http.MethodGet && r.Method != http.MethodHead:
		writeMethodNotAllowed(w)
	case path.reference != "":
		g.serveUpload(w, r, path, state)
	case r.Method != http.MethodPost:
		writeError(w, http.StatusNotFound, registryError{Code: "BLOB_UPLOAD_UNKNOWN", Message: "blob upload unknown to registry"})
	case r.URL.Query().Get("digest") != "":
		g.images.ServeHTTP(w, r)
	default:
		g.beginUpload(w, r, path)
	}
}

// foundUpload reports whether the request names an open upload by its state, and
// answers it if not.
func foundUpload(w http.ResponseWriter, r *http.Request, state string, open bool) bool {
	given := r.URL.Query().Get("_state")
	switch {
	case given == "", open && given != state:
		writeError(w, http.StatusNotFound, registryError{Code: "BLOB_UPLOAD_INVALID", Message: "blob upload invalid", Detail: struct{}{}})
	case !open:
		writeError(w, http.StatusNotFound, registryError{Code: "BLOB_UPLOAD_UNKNOWN", Message: "blob upload unknown to registry", Detail: struct{}{}})
	default:
		return true
	}
	return false
}

// serveUpload continues, finishes or cancels an open upload.
func (g *Registry) serveUpload(w *answerWriter, r *http.Request, path registryPath, state string) {
	switch r.Method {
	case http.MethodDelete:
		g.endUpload(path.reference)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPatch:
		w.location = uploadLocation(r, path.repository, path.reference, state)
	}
	g.images.ServeHTTP(w, r)
	if r.Method == http.MethodPut && w.status == http.StatusCreated {
		g.endUpload(path.reference)
	}
}

func (g *Registry) beginUpload(w http.ResponseWriter, r *http.Request, path registryPath) {
	id, state := uuid.NewString(), uuid.NewString()
	g.mu.Lock()
	g.uploads[id] = state
	g.mu.Unlock()
	w.Header().Set("Location", uploadLocation(r, path.repository, id, state))
	w.Header().Set("Range", "0-0")
	w.WriteHeader(http.StatusAccepted)
}

func (g *Registry) endUpload(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.uploads, id)
}

func uploadLocation(r *http.Request, repository, id, state string) string {
	return fmt.Sprintf("https://%s/v2/%s/blobs/uploads/%s?_state=%s", r.Host, repository, id, state)
}
