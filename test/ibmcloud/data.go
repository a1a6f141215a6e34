// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/test/distribution"
)

// need is one right on a repository, as distribution writes it into the detail of an error.
type need struct {
	Type   string
	Class  string
	Name   string
	Action string
}

// dataError is an error of the distribution protocol.
func dataError(status int, code, message string, detail any) reply {
	one := map[string]any{"code": code, "message": message}
	if detail != nil {
		one["detail"] = detail
	}
	return reply{status: status, body: map[string]any{"errors": []any{one}}}
}

// serveData decides who may do what with images, and leaves the rest to a real registry.
func (c *Cloud) serveData(w http.ResponseWriter, r *http.Request, region string) {
	needs := needsOf(r)
	registry, refusal := c.admit(r, region, needs)
	if refusal != nil {
		send(w, *refusal)
		return
	}
	if registry == nil {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		send(w, empty(r))
		return
	}
	roots := x509.NewCertPool()
	roots.AddCert(registry.CA.Certificate())
	proxy := &httputil.ReverseProxy{
		// The host stays as it is, for the registry makes the URLs of uploads of it.
		Rewrite: func(out *httputil.ProxyRequest) {
			out.SetURL(&url.URL{Scheme: "https", Host: registry.Host})
			out.Out.Host = out.In.Host
			out.Out.Header.Del("Authorization")
		},
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			send(w, dataError(http.StatusBadGateway, "UNAVAILABLE", err.Error(), nil))
		},
	}
	proxy.ServeHTTP(w, r)
}

// admit returns the registry that answers a request, nil for one that stays empty, or the refusal.
func (c *Cloud) admit(r *http.Request, region string, needs []need) (*distribution.Registry, *reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	said, good := c.verify(text, registryIssuer)
	if !good || said.Region != region || said.Subject == "" {
		refusal := dataError(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required", nil)
		refusal.header = c.challenge(r, needs, "")
		return nil, &refusal
	}
	var missing []need
	for _, n := range needs {
		if !slices.ContainsFunc(said.Access, func(a access) bool { return a.Name == n.Name && slices.Contains(a.Actions, n.Action) }) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		refusal := dataError(http.StatusForbidden, "DENIED", "insufficient scope", missing)
		refusal.header = c.challenge(r, needs, "insufficient_scope")
		return nil, &refusal
	}
	if why := c.overQuota(region, needs); why != "" {
		refusal := dataError(http.StatusForbidden, "DENIED", why, nil)
		return nil, &refusal
	}
	registry, err := c.registry(region)
	if err != nil {
		refusal := dataError(http.StatusServiceUnavailable, "UNAVAILABLE", err.Error(), nil)
		return nil, &refusal
	}
	return registry, nil
}

// overQuota is why nothing more is stored or sent, if so.
func (c *Cloud) overQuota(region string, needs []need) string {
	for _, n := range needs {
		namespace, _, _ := strings.Cut(n.Name, "/")
		if c.namespaces[region][namespace] == nil {
			continue
		}
		q := c.quota(c.namespaces[region][namespace].Account, region)
		switch {
		case n.Action == "push" && q.StorageLimit >= 0 && q.StorageUsed >= q.StorageLimit:
			return "You have exceeded your storage quota."
		case n.Action == "pull" && q.TrafficLimit >= 0 && q.TrafficUsed >= q.TrafficLimit:
			return "You have exceeded your pull traffic quota."
		}
	}
	return ""
}

// challenge says where a token is to be had, and for what.
func (c *Cloud) challenge(r *http.Request, needs []need, wrong string) http.Header {
	parts := [][2]string{{"realm", "https://" + r.Host + "/oauth/token"}, {"service", "registry"}}
	if len(needs) > 0 {
		var scopes []string
		for _, n := range needs {
			at := slices.IndexFunc(scopes, func(s string) bool { return strings.HasPrefix(s, n.Type+":"+n.Name+":") })
			if at < 0 {
				scopes = append(scopes, n.Type+":"+n.Name+":"+n.Action)
			} else {
				scopes[at] += "," + n.Action
			}
		}
		parts = append(parts, [2]string{"scope", strings.Join(scopes, " ")})
	}
	if wrong != "" {
		parts = append(parts, [2]string{"error", wrong})
	}
	var written []string
	for _, part := range parts {
		if c.options.UnquotedChallenge {
			written = append(written, part[0]+"="+part[1])
		} else {
			written = append(written, fmt.Sprintf("%s=%q", part[0], part[1]))
		}
	}
	separator := map[bool]string{true: ", ", false: ","}[c.options.UnquotedChallenge]
	return http.Header{
		"Www-Authenticate":                {"Bearer " + strings.Join(written, separator)},
		"Docker-Distribution-Api-Version": {"registry/2.0"},
	}
}

// needsOf are the rights that a request needs, in the order in which distribution asks for them (registry/handlers/app.go).
func needsOf(r *http.Request) []need {
	name := repositoryOf(r.URL.Path)
	if name == "" {
		if r.URL.Path == "/v2/_catalog" {
			return []need{{Type: "registry", Name: "catalog", Action: "*"}}
		}
		return nil
	}
	on := func(name string, actions ...string) (needs []need) {
		for _, action := range actions {
			needs = append(needs, need{Type: "repository", Name: name, Action: action})
		}
		return needs
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return on(name, "pull")
	case http.MethodDelete:
		// An upload is given up by who began it.
		if strings.Contains(r.URL.Path, "/blobs/uploads/") {
			return on(name, "pull", "push")
		}
		return on(name, "delete")
	}
	needs := on(name, "pull", "push")
	if from := r.URL.Query().Get("from"); from != "" {
		needs = append(needs, on(from, "pull")...)
	}
	return needs
}

// repositoryOf is the name that a path holds between /v2/ and what is asked of it.
func repositoryOf(path string) string {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/list", "/referrers/"} {
		if at := strings.LastIndex(rest, part); at > 0 {
			if part == "/blobs/" && strings.Contains(rest, "/blobs/uploads") {
				at = strings.LastIndex(rest, "/blobs/uploads")
			}
			return rest[:at]
		}
	}
	return ""
}

// registry is the process that keeps the images of a region, which it starts; nil without a program.
func (c *Cloud) registry(region string) (*distribution.Registry, error) {
	if c.options.Registry == "" || c.registries[region] != nil {
		return c.registries[region], nil
	}
	if c.ended.Err() != nil {
		return nil, errors.New("the cloud has ended")
	}
	started, err := distribution.Start(c.ended, c.options.Registry, filepath.Join(c.options.Images, region), distribution.Nothing)
	if err == nil {
		c.registries[region] = started
	}
	return started, err
}

// repositories is the folder in which a region's registry keeps what it knows of repositories; empty without one.
func (c *Cloud) repositories(region string) string {
	if r := c.registries[region]; r != nil {
		return filepath.Join(r.Images, "docker/registry/v2/repositories")
	}
	return ""
}

// empty is the answer of a registry in which nothing is, and which takes nothing.
func empty(r *http.Request) reply {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch path := r.URL.Path; {
	case path == "/v2/":
		return reply{status: http.StatusOK, body: struct{}{}}
	case reading && strings.HasSuffix(path, "/tags/list"):
		return dataError(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry", map[string]string{"name": repositoryOf(path)})
	case strings.Contains(path, "/blobs/uploads/") && r.Method != http.MethodPost:
		return dataError(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", nil)
	case reading && strings.Contains(path, "/blobs/"):
		return dataError(http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry", nil)
	case reading && strings.Contains(path, "/manifests/"):
		return dataError(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", nil)
	}
	return dataError(http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", nil)
}
