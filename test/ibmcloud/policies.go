// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// policyLimit is how many an account may have (docs/iam, iam-account-limits).
const policyLimit = 4020

// insufficient is a code as IBM spells it.
const insufficient = "insufficent_permissions" //nolint:misspell // That is how.

// attribute is a condition on a resource or a subject.
type attribute struct {
	Key      string `json:"key"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

type attributes struct {
	Attributes []attribute `json:"attributes"`
}

// policy is one as it is sent (platform-services, V2Policy).
type policy struct {
	ID               string          `json:"id,omitempty"`
	Type             string          `json:"type"`
	Description      string          `json:"description,omitempty"`
	Control          json.RawMessage `json:"control"`
	Subject          attributes      `json:"subject"`
	Resource         attributes      `json:"resource"`
	State            string          `json:"state,omitempty"`
	Href             string          `json:"href,omitempty"`
	CreatedAt        string          `json:"created_at,omitempty"`
	CreatedByID      string          `json:"created_by_id,omitempty"`
	LastModifiedAt   string          `json:"last_modified_at,omitempty"`
	LastModifiedByID string          `json:"last_modified_by_id,omitempty"`

	account, tag string
	roles        []string
	made         time.Time
}

func (p *policy) iamID() string {
	for _, a := range p.Subject.Attributes {
		if a.Key == "iam_id" {
			return a.Value
		}
	}
	return ""
}

// on is what a policy is about, as a resource.
func (p *policy) on() resource {
	on := resource{}
	for _, a := range p.Resource.Attributes {
		on[a.Key] = a.Value
	}
	return on
}

func (c *Cloud) policyRoutes() {
	c.handle("GET /v2/roles", c.listRoles)
	c.handle("POST /v2/policies", c.createPolicy)
	c.handle("GET /v2/policies", c.listPolicies)
	c.handle("GET /v2/policies/{id}", c.onPolicy("iam.policy.read", func(_ *identity, p *policy, _ *http.Request) reply {
		return p.reply(http.StatusOK)
	}))
	c.handle("PUT /v2/policies/{id}", c.onPolicy("iam.policy.update", c.updatePolicy))
	c.handle("DELETE /v2/policies/{id}", c.onPolicy("iam.policy.delete", func(_ *identity, p *policy, _ *http.Request) reply {
		if c.lockedSubject(p) {
			return c.refusePolicy(http.StatusBadRequest, "unable_to_process", "the subject is locked", nil)
		}
		c.dropPolicy(p)
		return reply{status: http.StatusNoContent}
	}))
	c.handle("GET /v2/resource_groups", c.listGroups)
}

func (p *policy) reply(status int) reply {
	return reply{status: status, body: p, header: http.Header{"Etag": {p.tag}}}
}

// refusePolicy is an error of the policy API. Its codes are spelled as there.
func (c *Cloud) refusePolicy(status int, code, message string, details any) reply {
	fault := map[string]any{"code": code, "message": message, "more_info": "https://cloud.ibm.com/apidocs/iam-policy-management"}
	if details != nil {
		fault["details"] = details
	}
	return reply{status: status, body: map[string]any{"trace": c.newHex(), "status_code": status, "errors": []any{fault}}}
}

func (c *Cloud) onPolicy(action string, do func(*identity, *policy, *http.Request) reply) func(*identity, *http.Request) reply {
	return func(who *identity, r *http.Request) reply {
		id := r.PathValue("id")
		at := slices.IndexFunc(c.policies, func(p *policy) bool { return p.ID == id })
		if at < 0 || r.Method == http.MethodGet && !c.passed(c.policies[at].made, c.delays.Reads) {
			return c.refusePolicy(http.StatusNotFound, "policy_not_found", "Policy "+id+" not found.", nil)
		}
		if p := c.policies[at]; c.grantable(who, action, p) {
			return do(who, p, r)
		}
		return c.refusePolicy(http.StatusForbidden, insufficient, "You are not allowed to "+action+".", nil)
	}
}

// grantable reports whether somebody may do something with a policy, by a policy that covers all that this one is about.
func (c *Cloud) grantable(who *identity, action string, p *policy) bool {
	on := p.on()
	if c.options.WholeServiceAlone {
		delete(on, typeAttribute)
		delete(on, resourceAttribute)
	}
	return c.may(who, action, on)
}

func (c *Cloud) lockedSubject(p *policy) bool {
	of := c.identities[p.iamID()]
	return of != nil && of.service != nil && of.service.Locked
}

// readPolicy takes a policy out of a body, or says what is wrong with it.
func (c *Cloud) readPolicy(r *http.Request) (p *policy, wrong string) {
	asked, err := read[policy](r)
	var control struct {
		Grant struct {
			Roles []struct {
				ID string `json:"role_id"`
			} `json:"roles"`
		} `json:"grant"`
	}
	if err != nil || json.Unmarshal(asked.Control, &control) != nil {
		return nil, "the body is no policy"
	}
	p = &asked
	for _, r := range control.Grant.Roles {
		p.roles = append(p.roles, r.ID)
	}
	slices.Sort(p.roles)
	p.account = p.on()[accountAttribute]
	switch {
	case p.Type != "access":
		return nil, "type is " + p.Type
	case c.accounts[p.account] == nil:
		return nil, "the resource has no accountId, or one that is not known"
	case len(p.Subject.Attributes) != 1, c.identities[p.iamID()] == nil:
		return nil, "the subject is no iam_id that is known"
	case len(p.roles) == 0:
		return nil, "no roles"
	}
	return p, p.wrong()
}

// wrong is what a policy asks for that there is not, if anything.
func (p *policy) wrong() string {
	for _, a := range p.Resource.Attributes {
		if a.Operator != "stringEquals" && a.Operator != "stringMatch" {
			return "the operator of " + a.Key + " is " + a.Operator
		}
	}
	service := p.on()[serviceAttribute]
	for _, id := range p.roles {
		if !slices.ContainsFunc(roles, func(r role) bool { return r.id == id && (r.service == "" || r.service == service) }) {
			return "role " + id + " is not known to the service"
		}
	}
	return ""
}

func (c *Cloud) createPolicy(who *identity, r *http.Request) reply {
	p, wrong := c.readPolicy(r)
	switch {
	case wrong != "":
		return c.refusePolicy(http.StatusBadRequest, "invalid_body", wrong, nil)
	case !c.grantable(who, "iam.policy.create", p) || !c.grantable(who, "iam.role.assign", p):
		return c.refusePolicy(http.StatusForbidden, insufficient, "You are not allowed to create the policy.", nil)
	case c.lockedSubject(p):
		return c.refusePolicy(http.StatusBadRequest, "unable_to_process", "the subject is locked", nil)
	}
	if same := c.samePolicy(p); same != nil {
		// The SDKs for Go have a string here, and IBM sends an object.
		return c.refusePolicy(http.StatusConflict, "policy_conflict_error",
			"The policy wasn't created because an access policy with identical attributes and roles already exists.",
			map[string]any{"conflicts_with": map[string]any{"etag": same.tag, "policy": same}})
	}
	if len(c.policiesOf(p.account)) >= policyLimit {
		return c.refusePolicy(http.StatusConflict, "policy_limit_exceeded", "the limit of policies is reached", nil)
	}
	c.addPolicy(p, who.iamID)
	p.made = c.clock.Now()
	c.count(p, p.made)
	return p.reply(http.StatusCreated)
}

// samePolicy is one with the same roles, subject and resource, or nil.
func (c *Cloud) samePolicy(p *policy) *policy {
	order := func(all []attribute) []attribute {
		return slices.SortedFunc(slices.Values(all), func(a, b attribute) int { return strings.Compare(a.Key, b.Key) })
	}
	at := slices.IndexFunc(c.policies, func(other *policy) bool {
		return other.ID != p.ID && other.iamID() == p.iamID() && slices.Equal(other.roles, p.roles) &&
			slices.Equal(order(other.Resource.Attributes), order(p.Resource.Attributes))
	})
	if at < 0 {
		return nil
	}
	return c.policies[at]
}

// addPolicy stores a policy. It allows nothing until it counts.
func (c *Cloud) addPolicy(p *policy, creator string) {
	p.ID, p.State, p.tag = c.newID(), "active", "1-"+c.newHex()
	p.Href = "https://" + IAMHost + "/v2/policies/" + p.ID
	p.CreatedAt = c.clock.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	p.CreatedByID, p.LastModifiedAt, p.LastModifiedByID = creator, p.CreatedAt, creator
	c.policies = append(c.policies, p)
}

// count has a policy count from a time on.
func (c *Cloud) count(p *policy, from time.Time) {
	c.grants = append(c.grants, &grant{policy: p.ID, iamID: p.iamID(), roles: p.roles, on: p.Resource.Attributes, from: from})
}

func (c *Cloud) uncount(p *policy) {
	for _, g := range c.grants {
		if g.policy == p.ID && g.until.IsZero() {
			g.until = c.clock.Now()
		}
	}
}

func (c *Cloud) dropPolicy(p *policy) {
	c.uncount(p)
	c.policies = slices.DeleteFunc(c.policies, func(other *policy) bool { return other == p })
}

func (c *Cloud) updatePolicy(who *identity, p *policy, r *http.Request) reply {
	asked, wrong := c.readPolicy(r)
	switch {
	case wrong != "":
		return c.refusePolicy(http.StatusBadRequest, "invalid_body", wrong, nil)
	case r.Header.Get("If-Match") != p.tag:
		return c.refusePolicy(http.StatusConflict, "policy_conflict_error", "If-Match is not the policy's tag", nil)
	case !c.grantable(who, "iam.policy.update", asked) || !c.grantable(who, "iam.role.assign", asked):
		return c.refusePolicy(http.StatusForbidden, insufficient, "You are not allowed to update the policy.", nil)
	}
	c.uncount(p)
	p.Description, p.Control, p.Subject, p.Resource, p.roles = asked.Description, asked.Control, asked.Subject, asked.Resource, asked.roles
	p.tag = c.following(p.tag)
	c.count(p, c.clock.Now())
	return p.reply(http.StatusOK)
}

func (c *Cloud) policiesOf(account string) []*policy {
	return slices.DeleteFunc(slices.Clone(c.policies), func(p *policy) bool { return p.account != account })
}

// listPolicies sends those that the caller may read: to somebody without rights an empty list.
func (c *Cloud) listPolicies(who *identity, r *http.Request) reply {
	query := r.URL.Query()
	account := query.Get("account_id")
	if account == "" {
		return c.refusePolicy(http.StatusBadRequest, "invalid_query_parameter", "account_id is required", nil)
	}
	seen := []*policy{}
	for _, p := range c.policiesOf(account) {
		fits := func(name, value string) bool { return query.Get(name) == "" || query.Get(name) == value }
		if fits("iam_id", p.iamID()) && fits("service_name", p.on()[serviceAttribute]) && fits("type", p.Type) && fits("state", p.State) &&
			c.passed(p.made, c.delays.Reads) && c.grantable(who, "iam.policy.read", p) {
			seen = append(seen, p)
		}
	}
	return c.pageOf(r, seen)
}

// pageOf is a page of a list of policies: 50 by default.
func (c *Cloud) pageOf(r *http.Request, seen []*policy) reply {
	query := r.URL.Query()
	limit, from := 50, 0
	if text := query.Get("limit"); text != "" {
		limit, _ = strconv.Atoi(text)
	}
	if text := query.Get("start"); text != "" {
		from, _ = strconv.Atoi(text)
	}
	if limit < 1 || limit > 100 || from < 0 || from > len(seen) {
		return c.refusePolicy(http.StatusBadRequest, "invalid_query_parameter", "limit or start is not valid", nil)
	}
	link := func(at int) map[string]string {
		query.Set("start", strconv.Itoa(at))
		return map[string]string{"href": "https://" + r.Host + r.URL.Path + "?" + query.Encode(), "start": strconv.Itoa(at)}
	}
	body := map[string]any{"limit": limit, "first": link(0), "policies": seen[from:min(from+limit, len(seen))]}
	if from+limit < len(seen) {
		body["next"] = link(from + limit)
	}
	return reply{status: http.StatusOK, body: body}
}
