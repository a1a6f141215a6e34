// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// token is one of the token endpoint. It holds its own rights, and works until it expires, whatever becomes of
// who asked for it.
type token struct {
	actions map[string][]string
	until   time.Time
}

const tokenLife = 30 * time.Minute

// giveToken is the token endpoint.
func (h *Harbor) giveToken(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name, secret, _ := r.BasicAuth()
	who := h.identify(name, secret)
	scopes := strings.Fields(strings.Join(r.URL.Query()["scope"], " "))
	switch {
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case who == nil && len(scopes) == 0:
		failure(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized").write(w)
		return
	}
	given := token{actions: map[string][]string{}, until: h.clock.Now().Add(tokenLife)}
	for _, scope := range scopes {
		if parts := strings.SplitN(scope, ":", 3); len(parts) == 3 && parts[0] == "repository" && who != nil {
			given.actions[parts[1]] = who.actions(parts[1])
		}
	}
	text := rand.Text() + rand.Text()
	h.tokens[text] = given
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": text, "access_token": "", "expires_in": int(tokenLife.Seconds()), "issued_at": h.clock.Now().UTC().Format(time.RFC3339),
	})
}

// actions are all that the caller may do with a repository, whatever it asks for.
func (c caller) actions(repository string) []string {
	project, _, nested := strings.Cut(repository, "/")
	var all []string
	for _, action := range []string{"pull", "push", "delete"} {
		if nested && c.may(project, "repository", action) {
			all = append(all, action)
		}
	}
	return all
}

var repositoryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/`)

// serveRegistry asks for a right, and has distribution do the rest.
func (h *Harbor) serveRegistry(w http.ResponseWriter, r *http.Request) {
	repository := ""
	if match := repositoryPath.FindStringSubmatch(r.URL.Path); match != nil {
		repository = match[1]
	}
	project, _, _ := strings.Cut(repository, "/")
	action := "pull"
	switch {
	case r.Method == http.MethodDelete:
		action = "delete"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		action = "push"
	}
	h.mu.Lock()
	_, projectKnown := h.projects[project]
	allowed := h.allowed(r, repository, action)
	there := h.there[repository]
	h.mu.Unlock()
	switch {
	case !allowed:
		h.challenge(w, r, repository, action, projectKnown)
	case h.images != nil:
		h.forward(w, r)
	case repository == "":
		reply{status: http.StatusOK, body: map[string]string{}}.write(w)
	case r.Method == http.MethodPatch:
		failure(http.StatusNotFound, "BLOB_UPLOAD_INVALID", "blob upload invalid").write(w)
	case !there:
		failure(http.StatusNotFound, "NOT_FOUND", "repository "+repository+" not found").write(w)
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		reply{status: http.StatusOK, body: map[string]any{"name": repository, "tags": []string{"1"}}}.write(w)
	default:
		failure(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown").write(w)
	}
}

// allowed reports whether a request shows a login, or a token, for what it is about.
func (h *Harbor) allowed(r *http.Request, repository, action string) bool {
	if name, secret, basic := r.BasicAuth(); basic {
		who := h.identify(name, secret)
		return who != nil && (repository == "" || slices.Contains(who.actions(repository), action))
	}
	shown, isToken := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given, known := h.tokens[shown]
	if !isToken || !known || !h.clock.Now().Before(given.until) {
		return false
	}
	return repository == "" || slices.Contains(given.actions[repository], action)
}

// challenge says how to log in (src/server/middleware/v2auth/auth.go).
func (h *Harbor) challenge(w http.ResponseWriter, r *http.Request, repository, action string, projectKnown bool) {
	scope := ""
	if repository != "" {
		scope = fmt.Sprintf(",scope=\"repository:%s:%s\"", repository, map[string]string{"pull": "pull", "push": "pull,push", "delete": "delete"}[action])
	}
	switch {
	case repository != "" && !projectKnown:
		w.Header()["Www-Authenticate"] = []string{""}
	case r.Header.Get("Authorization") != "":
		w.Header().Set("WWW-Authenticate", `Basic realm="harbor"`)
	default:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=\"https://%s/service/token\",service=\"harbor-registry\"%s", r.Host, scope))
	}
	failure(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository: "+repository+", action: "+action).write(w)
}

// forward has distribution answer, which asks nobody for a login.
func (h *Harbor) forward(w http.ResponseWriter, r *http.Request) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.images.CA.PEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "https", Host: h.images.Host})
			p.Out.Header.Del("Authorization")
			// Where an upload goes on is named by the host that was asked.
			p.Out.Host = p.In.Host
		},
	}
	proxy.ServeHTTP(w, r)
}
