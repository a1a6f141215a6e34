// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"net/http"
	"strings"
)

const extensions = "/extensions/v2/"

// serveSignatures answers what Podman, Buildah and Skopeo ask before they pull from
// a registry that says X-Registry-Supports-Signatures: which signatures OpenShift
// keeps of an image (openshift/image-registry, signaturedispatcher.go). Here no
// image has one.
func (g *Registry) serveSignatures(w http.ResponseWriter, r *http.Request) {
	repository, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, extensions), "/signatures/")
	if !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	accesses := []access{{Type: "repository", Name: repository, Action: "pull"}}
	if _, refused := g.authorize(r, accesses); refused != nil {
		refused.write(w, accesses)
		return
	}
	writeJSON(w, http.StatusOK, map[string][]string{"signatures": {}})
}
