// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"time"
)

// namespaceLimit is how many a registry of an account may have (Registry docs, registry_limits.md).
const namespaceLimit = 100

var namespaceName = regexp.MustCompile(`^[a-z0-9]+[a-z0-9_-]+[a-z0-9]+$`)

// namespace is one as the details send it (container-registry, NamespaceDetails).
type namespace struct {
	Account             string `json:"account"`
	Name                string `json:"name"`
	CRN                 string `json:"crn"`
	ResourceGroup       string `json:"resource_group,omitempty"`
	CreatedDate         string `json:"created_date"`
	UpdatedDate         string `json:"updated_date"`
	ResourceCreatedDate string `json:"resource_created_date,omitempty"`
}

// Quota is what a registry's account may store and send in a month, and what it did, in bytes; a limit of -1 is none.
type Quota struct {
	StorageLimit, StorageUsed, TrafficLimit, TrafficUsed int64
}

// apiCall is a call of a registry's management API.
type apiCall struct {
	*http.Request
	who             *identity
	account, region string
}

// may reports whether the caller may do something with a namespace, or with the registry of the account if it is empty.
func (c *Cloud) mayAt(call apiCall, action, namespace string) bool {
	return c.may(call.who, Registry+"."+action, ofRegistry(call.account, call.region, namespace))
}

func (c *Cloud) apiRoutes() {
	c.api.HandleFunc("GET /api/v1/messages", func(w http.ResponseWriter, _ *http.Request) {
		send(w, reply{status: http.StatusOK, body: ""})
	})
	c.handleAPI("GET /api/v1/namespaces", c.listNamespaces)
	c.handleAPI("GET /api/v1/namespaces/details", c.namespaceDetails)
	c.handleAPI("PUT /api/v1/namespaces/{name}", c.putNamespace)
	c.handleAPI("PATCH /api/v1/namespaces/{name}", c.assignNamespace)
	c.handleAPI("DELETE /api/v1/namespaces/{name}", c.deleteNamespace)
	c.handleAPI("GET /api/v1/images", c.listImages)
	c.handleAPI("GET /api/v1/quotas", c.getQuota)
	for path, about := range map[string]struct {
		action string
		body   any
	}{
		"plans":    {"plan.get", map[string]string{"plan": "Standard"}},
		"auth":     {"auth.get", map[string]bool{"iam_authz": true, "private_only": false}},
		"settings": {"settings.get", map[string]bool{"platform_metrics": false}},
	} {
		c.handleAPI("GET /api/v1/"+path, func(call apiCall) reply {
			if !c.mayAt(call, about.action, "") {
				return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource.")
			}
			return reply{status: http.StatusOK, body: about.body}
		})
	}
}

// handleAPI serves a route to whoever shows a token and names the account of it. What it calls runs alone.
func (c *Cloud) handleAPI(pattern string, serve func(apiCall) reply) {
	c.api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		region, _ := regionOf(hostOf(r))
		call := apiCall{Request: r, account: r.Header.Get("Account"), region: region}
		var known bool
		switch call.who, known = c.bearer(r); {
		case !known:
			send(w, c.refuseAPI(http.StatusUnauthorized, "CRG0014E", "You are not authorized: the IAM token is not valid."))
		case call.account == "":
			send(w, c.refuseAPI(http.StatusBadRequest, "CRG0009E", "The header Account is required."))
		case call.account != call.who.account:
			send(w, c.refuseAPI(http.StatusForbidden, "CRG0009E", "You are not authorized to access the specified account."))
		default:
			send(w, serve(call))
		}
	})
}

// refuseAPI is an error of the management API. An error without a documented code has CRG0000E.
func (c *Cloud) refuseAPI(status int, code, message string) reply {
	return reply{status: status, body: map[string]string{"code": code, "message": message, "request-id": c.newHex()}}
}

func (c *Cloud) listNamespaces(call apiCall) reply {
	names := []string{}
	for _, n := range c.visible(call) {
		names = append(names, n.Name)
	}
	return reply{status: http.StatusOK, body: names}
}

func (c *Cloud) namespaceDetails(call apiCall) reply {
	return reply{status: http.StatusOK, body: c.visible(call)}
}

// visible are the namespaces of the account that the caller may see, by name. To somebody without rights there are none.
func (c *Cloud) visible(call apiCall) []*namespace {
	seen := []*namespace{}
	for _, name := range slices.Sorted(maps.Keys(c.namespaces[call.region])) {
		n := c.namespaces[call.region][name]
		if n.Account == call.account && c.mayAt(call, "namespace.list", name) {
			seen = append(seen, n)
		}
	}
	return seen
}

func (c *Cloud) putNamespace(call apiCall) reply {
	name := call.PathValue("name")
	group := call.Header.Get("X-Auth-Resource-Group")
	account := c.accounts[call.account]
	if group == "" {
		group = account.group
	}
	there := c.namespaces[call.region][name]
	named := map[string]string{"namespace": name}
	switch {
	case len(name) < 4 || len(name) > 30 || !namespaceName.MatchString(name):
		return c.refuseAPI(http.StatusBadRequest, "CRG0000E", "The namespace name is not valid.")
	case !c.mayAt(call, "namespace.create", ""):
		return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource.")
	case there != nil && there.Account == call.account:
		return reply{status: http.StatusOK, body: named}
	case group != account.group:
		return c.refuseAPI(http.StatusBadRequest, "CRG0000E", "The resource group is not one of the account.")
	case !c.may(call.who, "resource-controller.group.retrieve", ofGroup(account.id, group)):
		return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource group.")
	case there != nil:
		return c.refuseAPI(c.options.NamespaceRefused, "CRG0000E", "The namespace is used by another account.")
	case !c.reusable(call.region, name):
		return c.refuseAPI(c.options.NamespaceRefused, "CRG0000E", "The namespace is being deleted.")
	case c.countNamespaces(call.account, call.region) >= namespaceLimit:
		return c.refuseAPI(c.options.NamespaceRefused, "CRG0000E", "The limit of namespaces is reached.")
	}
	c.makeNamespace(call.account, call.region, name, group)
	return reply{status: http.StatusCreated, body: named}
}

// reusable reports whether the name of a namespace that was deleted is free again.
func (c *Cloud) reusable(region, name string) bool {
	at, deleted := c.gone[region+"/"+name]
	return !deleted || c.passed(at, c.delays.Tombstone)
}

func (c *Cloud) countNamespaces(account, region string) int {
	count := 0
	for _, n := range c.namespaces[region] {
		if n.Account == account {
			count++
		}
	}
	return count
}

func (c *Cloud) makeNamespace(account, region, name, group string) {
	at := c.clock.Now().UTC().Format(time.RFC3339)
	n := &namespace{
		Account: account, Name: name, ResourceGroup: group, CreatedDate: at, UpdatedDate: at,
		CRN: "crn:v1:bluemix:public:container-registry:" + region + ":a/" + account + "::namespace:" + name,
	}
	if group != "" {
		n.ResourceCreatedDate = at
	}
	if c.namespaces[region] == nil {
		c.namespaces[region] = map[string]*namespace{}
	}
	c.namespaces[region][name] = n
}

// assignNamespace gives a namespace of old the resource group that it has for ever.
func (c *Cloud) assignNamespace(call apiCall) reply {
	n := c.namespaces[call.region][call.PathValue("name")]
	group := call.Header.Get("X-Auth-Resource-Group")
	switch {
	case !c.mayAt(call, "namespace.create", ""), n != nil && n.Account != call.account:
		return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource.")
	case n == nil:
		return c.refuseAPI(http.StatusNotFound, "CRG0000E", "The namespace was not found.")
	case n.ResourceGroup != "" || group != c.accounts[call.account].group:
		return c.refuseAPI(http.StatusBadRequest, "CRG0000E", "The resource group cannot be changed.")
	}
	n.ResourceGroup, n.ResourceCreatedDate = group, c.clock.Now().UTC().Format(time.RFC3339)
	return reply{status: http.StatusOK, body: map[string]string{"namespace": n.Name}}
}

func (c *Cloud) deleteNamespace(call apiCall) reply {
	name := call.PathValue("name")
	n := c.namespaces[call.region][name]
	switch {
	case !c.mayAt(call, "namespace.delete", ""), n != nil && n.Account != call.account:
		return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource.")
	case n == nil:
		return c.refuseAPI(http.StatusNotFound, "CRG0000E", "The namespace was not found.")
	}
	if err := c.dropNamespace(call.region, name); err != nil {
		return c.refuseAPI(http.StatusInternalServerError, "CRG0000E", err.Error())
	}
	return reply{status: http.StatusNoContent}
}

// dropNamespace takes a namespace away with its images.
func (c *Cloud) dropNamespace(region, name string) error {
	delete(c.namespaces[region], name)
	c.gone[region+"/"+name] = c.clock.Now()
	if folder := c.repositories(region); folder != "" {
		return os.RemoveAll(folder + "/" + name)
	}
	return nil
}

func (c *Cloud) getQuota(call apiCall) reply {
	if !c.mayAt(call, "quota.get", "") {
		return c.refuseAPI(http.StatusForbidden, "CRG0020E", "You are not authorized to access the specified resource.")
	}
	q := c.quota(call.account, call.region)
	type bytes struct {
		Storage int64 `json:"storage_bytes"`
		Traffic int64 `json:"traffic_bytes"`
	}
	return reply{status: http.StatusOK, body: map[string]bytes{
		"limit": {q.StorageLimit, q.TrafficLimit}, "usage": {q.StorageUsed, q.TrafficUsed},
	}}
}

func (c *Cloud) quota(account, region string) Quota {
	if q := c.quotas[account+"/"+region]; q != nil {
		return *q
	}
	return Quota{StorageLimit: -1, TrafficLimit: -1}
}
