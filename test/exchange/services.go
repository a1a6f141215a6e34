// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
)

// service is the record of a service. Its order of fields is that of the Exchange.
type service struct {
	Owner                      string          `json:"owner"`
	Label                      string          `json:"label"`
	Description                string          `json:"description"`
	Public                     bool            `json:"public"`
	Documentation              string          `json:"documentation"`
	URL                        string          `json:"url"`
	Version                    string          `json:"version"`
	Arch                       string          `json:"arch"`
	Sharable                   string          `json:"sharable"`
	MatchHardware              json.RawMessage `json:"matchHardware,omitempty"`
	RequiredServices           json.RawMessage `json:"requiredServices,omitempty"`
	UserInput                  json.RawMessage `json:"userInput,omitempty"`
	Deployment                 string          `json:"deployment"`
	DeploymentSignature        string          `json:"deploymentSignature"`
	ClusterDeployment          string          `json:"clusterDeployment"`
	ClusterDeploymentSignature string          `json:"clusterDeploymentSignature"`
	ImageStore                 json.RawMessage `json:"imageStore,omitempty"`
	LastUpdated                string          `json:"lastUpdated"`
}

func (e *Exchange) serviceRoutes() {
	const all, one = "/v1/orgs/{org}/services", "/v1/orgs/{org}/services/{service}"
	e.handle("GET "+all, e.listServices)
	e.handle("POST "+all, e.postService)
	e.handle("GET "+one, e.reading(e.getService))
	e.handle("PUT "+one, e.writing(e.putService))
	e.handle("PATCH "+one, e.writing(e.patchService))
	e.handle("DELETE "+one, e.writing(e.deleteService))
}

// serviceOf is the service that a request is about, org/id.
func serviceOf(r *http.Request) string { return r.PathValue("org") + "/" + r.PathValue("service") }

func (e *Exchange) reading(serve func(caller, *http.Request) reply) func(caller, *http.Request) reply {
	return func(who caller, r *http.Request) reply {
		if !e.mayRead(who, r.PathValue("org"), serviceOf(r)) {
			return denied("access denied")
		}
		return serve(who, r)
	}
}

func (e *Exchange) writing(serve func(caller, *http.Request) reply) func(caller, *http.Request) reply {
	return func(who caller, r *http.Request) reply {
		if !e.mayWrite(who, r.PathValue("org"), serviceOf(r)) {
			return denied("access denied")
		}
		return serve(who, r)
	}
}

// listServices: 404 where there is none, in the shape of all answers (route/service/Services.scala).
func (e *Exchange) listServices(who caller, r *http.Request) reply {
	org, query, found := r.PathValue("org"), r.URL.Query(), map[string]*service{}
	for id, s := range e.services {
		if !strings.HasPrefix(id, org+"/") || !e.sees(who, org, s) {
			continue
		}
		if like(query.Get("owner"), s.Owner) && like(query.Get("url"), s.URL) && like(query.Get("version"), s.Version) && like(query.Get("arch"), s.Arch) {
			found[id] = s
		}
	}
	return shown(found)
}

func shown(found map[string]*service) reply {
	status := http.StatusOK
	if len(found) == 0 {
		status = http.StatusNotFound
	}
	return reply{status, map[string]any{"services": found, "lastIndex": 0}}
}

// like compares as SQL does, where % stands for any text.
func like(pattern, text string) bool {
	switch {
	case pattern == "":
		return true
	case !strings.Contains(pattern, "%"):
		return pattern == text
	}
	escape := strings.NewReplacer("*", "\\*", "?", "\\?", "[", "\\[", "\\", "\\\\", "/", "\x00", "%", "*")
	matched, err := path.Match(escape.Replace(pattern), strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && matched
}

// getService: one that is hidden from the caller is none.
func (e *Exchange) getService(who caller, r *http.Request) reply {
	id := serviceOf(r)
	s := e.services[id]
	if s == nil || !e.sees(who, r.PathValue("org"), s) {
		return notFound("service not found")
	}
	if attribute := r.URL.Query().Get("attribute"); attribute != "" {
		return attributeOf(s, attribute)
	}
	return shown(map[string]*service{id: s})
}

func attributeOf(s *service, name string) reply {
	encoded, _ := json.Marshal(s)
	var fields map[string]any
	_ = json.Unmarshal(encoded, &fields)
	value, known := fields[name]
	if !known {
		return invalid("no such attribute")
	}
	return reply{http.StatusOK, map[string]any{"attribute": name, "value": value}}
}

// formID is the id of a service without its organisation: its URL without the scheme, its version and its architecture
// (table/service/ServicesTQ.scala).
func formID(url, version, arch string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	url = strings.Map(func(r rune) rune {
		if strings.ContainsRune("$!*,;/?@&~=%", r) {
			return '-'
		}
		return r
	}, url)
	return url + "_" + version + "_" + arch
}
