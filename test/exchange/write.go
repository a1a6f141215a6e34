// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"net/http"
	"strings"
)

// postService: one that is there already is refused with 403 (route/service/Services.scala).
func (e *Exchange) postService(who caller, r *http.Request) reply {
	if who.org != r.PathValue("org") || who.role == edgeNode {
		return denied("access denied")
	}
	s, bad := definition(r)
	if bad != nil {
		return *bad
	}
	id := who.org + "/" + formID(s.URL, s.Version, s.Arch)
	if e.services[id] != nil {
		return reply{http.StatusForbidden, answer{"already-exists", "service already exists"}}
	}
	e.store(id, who.id(), s, "created")
	return created("service '" + id + "' created")
}

// putService replaces a service whole. It becomes the caller's, what the body does not name is empty, and its logins stay
// (route/service/Service.scala).
func (e *Exchange) putService(who caller, r *http.Request) reply {
	s, bad := definition(r)
	if bad != nil {
		return *bad
	}
	id := serviceOf(r)
	switch {
	case r.PathValue("service") != formID(s.URL, s.Version, s.Arch):
		return invalid("the service id does not match url, version and arch")
	case e.services[id] == nil:
		return notFound("service not found")
	}
	e.store(id, who.id(), s, "created/modified")
	return created("service updated")
}

func definition(r *http.Request) (*service, *reply) {
	s := &service{}
	if json.NewDecoder(r.Body).Decode(s) != nil || s.URL == "" || s.Version == "" || s.Arch == "" || s.Label == "" {
		bad := invalid("malformed request")
		return nil, &bad
	}
	return s, nil
}

func (e *Exchange) store(id, owner string, s *service, operation string) {
	s.Owner, s.LastUpdated = owner, e.stamp(e.Clock.Now())
	if len(s.ImageStore) == 0 {
		s.ImageStore = json.RawMessage("{}")
	}
	e.services[id] = s
	e.log(id, "service", operation)
}

// patchable are the attributes in the order in which they are looked for: the first that the body has is changed, and all
// others are ignored (route/service/PatchServiceRequest.scala). The deployment for clusters is none of them.
var patchable = []struct {
	name string
	of   func(*service) any
}{
	{"label", func(s *service) any { return &s.Label }},
	{"description", func(s *service) any { return &s.Description }},
	{"public", func(s *service) any { return &s.Public }},
	{"documentation", func(s *service) any { return &s.Documentation }},
	{"url", nil}, {"version", nil}, {"arch", nil},
	{"sharable", func(s *service) any { return &s.Sharable }},
	{"matchHardware", func(s *service) any { return &s.MatchHardware }},
	{"requiredServices", func(s *service) any { return &s.RequiredServices }},
	{"userInput", func(s *service) any { return &s.UserInput }},
	{"deployment", func(s *service) any { return &s.Deployment }},
	{"deploymentSignature", func(s *service) any { return &s.DeploymentSignature }},
	{"imageStore", func(s *service) any { return &s.ImageStore }},
}

func (e *Exchange) patchService(_ caller, r *http.Request) reply {
	var body map[string]json.RawMessage
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return invalid("malformed request")
	}
	id := serviceOf(r)
	for _, attribute := range patchable {
		value, given := body[attribute.name]
		switch s := e.services[id]; {
		case !given:
			continue
		case attribute.of == nil:
			return invalid("url, version and arch cannot be changed")
		case s == nil:
			return notFound("service not found")
		case json.Unmarshal(value, attribute.of(s)) != nil:
			return invalid("malformed attribute")
		default:
			s.LastUpdated = e.stamp(e.Clock.Now())
			e.log(id, "service", "modified")
			return created("attribute '" + attribute.name + "' of service '" + id + "' updated")
		}
	}
	return invalid("no valid service attribute specified")
}

// deleteService takes the logins with it.
func (e *Exchange) deleteService(_ caller, r *http.Request) reply {
	id := serviceOf(r)
	if e.services[id] == nil {
		return notFound("service not found")
	}
	e.log(id, "service", "deleted")
	e.remove(id)
	return reply{http.StatusNoContent, nil}
}

func (e *Exchange) remove(id string) {
	delete(e.services, id)
	e.dropAuths(id)
}

// Definition is what a publisher says of a service.
type Definition struct {
	URL, Version, Arch string
	Public             bool
	// Deployment and ClusterDeployment are the JSON texts; Image stands for a deployment of one container.
	Image, Deployment, ClusterDeployment string
	// ImageStore is a JSON object.
	ImageStore string
}

// Publish stores a service as its owner, org/user, would: a new one, or in the place of one that is there. It returns its id,
// org/id.
func (e *Exchange) Publish(owner string, d Definition) string {
	if d.Image != "" {
		deployment, _ := json.Marshal(map[string]any{"services": map[string]any{"main": map[string]any{"image": d.Image}}})
		d.Deployment = string(deployment)
	}
	if d.Version == "" {
		d.Version = "1.0.0"
	}
	if d.Arch == "" {
		d.Arch = "amd64"
	}
	s := &service{
		Label: d.URL, URL: d.URL, Version: d.Version, Arch: d.Arch, Public: d.Public, Sharable: "multiple",
		Deployment: d.Deployment, ClusterDeployment: d.ClusterDeployment, ImageStore: json.RawMessage(d.ImageStore),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	org, _, _ := strings.Cut(owner, "/")
	id := org + "/" + formID(s.URL, s.Version, s.Arch)
	e.store(id, owner, s, "created/modified")
	return id
}

// Delete deletes a service, org/id, and its logins.
func (e *Exchange) Delete(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log(id, "service", "deleted")
	e.remove(id)
}

// ImageStore returns that attribute of a service.
func (e *Exchange) ImageStore(id string) map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	var store map[string]any
	if s := e.services[id]; s != nil {
		_ = json.Unmarshal(s.ImageStore, &store)
	}
	return store
}
