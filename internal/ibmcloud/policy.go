// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// registryService is the name of the registry in policies.
const registryService = "container-registry"

// Policy grants roles on resources to one identity.
type Policy struct {
	ID, Description string
	// Roles are the CRNs of roles.
	Roles []string
	// IAMID is the identity that gets the roles.
	IAMID string
	// Resource is what the roles apply to: accountId, serviceName, region or geography, resourceType and resource, with their values.
	Resource map[string]string
	// ETag is set for a policy that was just created, or that already exists.
	ETag string
	// Other: the policy holds something that these fields do not show, such as a condition, a wildcard or another subject.
	Other bool
}

const (
	equals      = "stringEquals"
	iamID       = "iam_id"
	accessType  = "access"
	activeState = "active"
)

type attribute struct {
	Key      string `json:"key"`
	Operator string `json:"operator"`
	Value    any    `json:"value"`
}

type wireAttributes struct {
	Attributes []attribute     `json:"attributes"`
	Tags       json.RawMessage `json:"tags,omitempty"`
}

type wireRole struct {
	ID string `json:"role_id"`
}

type wireGrant struct {
	Roles []wireRole `json:"roles"`
}

type wireControl struct {
	Grant *wireGrant `json:"grant,omitempty"`
}

type wirePolicy struct {
	ID          string          `json:"id,omitempty"`
	Type        string          `json:"type"`
	State       string          `json:"state,omitempty"`
	Description string          `json:"description,omitempty"`
	Control     wireControl     `json:"control"`
	Subject     wireAttributes  `json:"subject"`
	Resource    wireAttributes  `json:"resource"`
	Pattern     string          `json:"pattern,omitempty"`
	Rule        json.RawMessage `json:"rule,omitempty"`
}

func attributesOf(values map[string]string) wireAttributes {
	var all []attribute
	for _, key := range slices.Sorted(maps.Keys(values)) {
		all = append(all, attribute{key, equals, values[key]})
	}
	return wireAttributes{Attributes: all}
}

// values returns the attributes with the operator stringEquals, and false if there is anything else.
func (w wireAttributes) values() (map[string]string, bool) {
	found, ok := map[string]string{}, !some(w.Tags)
	for _, a := range w.Attributes {
		value, isText := a.Value.(string)
		_, twice := found[a.Key]
		if a.Operator != equals || !isText || twice {
			ok = false
			continue
		}
		found[a.Key] = value
	}
	return found, ok
}

// some reports whether JSON holds anything.
func some(raw json.RawMessage) bool {
	var plain bytes.Buffer
	_ = json.Compact(&plain, raw)
	return !slices.Contains([]string{"", "null", "[]", "{}"}, plain.String())
}

func (w wirePolicy) policy() Policy {
	p := Policy{ID: w.ID, Description: w.Description}
	subject, plainSubject := w.Subject.values()
	resource, plainResource := w.Resource.values()
	p.IAMID, p.Resource = subject[iamID], resource
	if w.Control.Grant != nil {
		for _, role := range w.Control.Grant.Roles {
			p.Roles = append(p.Roles, role.ID)
		}
	}
	p.Other = !plainSubject || !plainResource || len(subject) != 1 || p.IAMID == "" || len(p.Roles) == 0 ||
		w.Type != accessType || cmp.Or(w.State, activeState) != activeState || w.Pattern != "" || some(w.Rule)
	return p
}

// Roles returns the roles that a policy for the registry may grant: their CRNs by display name, such as Reader.
func (c *Client) Roles(ctx context.Context, account string) (map[string]string, error) {
	r := c.iam("list the roles of the registry", http.MethodGet).at("/v2/roles").about(account)
	r.query = url.Values{"account_id": {account}, "service_name": {registryService}, "policy_type": {accessType}}
	type role struct {
		Name string `json:"display_name"`
		CRN  string `json:"crn"`
	}
	// Custom roles are left out, because an account could name one like a role of IBM's.
	var wire struct {
		Service []role `json:"service_roles"`
		System  []role `json:"system_roles"`
	}
	if err := c.read(ctx, r, &wire); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, one := range slices.Concat(wire.System, wire.Service) {
		if one.Name != "" && one.CRN != "" {
			found[one.Name] = one.CRN
		}
	}
	return found, nil
}

// Policies lists the policies for the registry that grant something to an identity. IAM lists none to a key that may not read them,
// so an empty list proves nothing.
func (c *Client) Policies(ctx context.Context, account, identity string) ([]Policy, error) {
	const parameter = "start"
	r := c.iam("list access policies", http.MethodGet).at("/v2/policies").about(account, identity)
	r.query = url.Values{
		"account_id": {account}, iamID: {identity}, "type": {accessType}, "service_name": {registryService},
		"state": {activeState}, "limit": {pageSize},
	}
	var found []Policy
	err := c.pages(ctx, r, func(a answer) (name, value string, ok bool) {
		var page struct {
			Policies json.RawMessage `json:"policies"`
			Next     *struct{ Href, Start string }
		}
		if !a.decode(&page) {
			return "", "", false
		}
		listed, ok := items[wirePolicy](page.Policies)
		for _, one := range listed {
			found = append(found, one.policy())
		}
		if page.Next == nil || page.Next.Start+page.Next.Href == "" {
			return parameter, "", ok
		}
		value, known := page.Next.Start, true
		if value == "" {
			value, known = parameterOf(page.Next.Href, parameter)
		}
		return parameter, value, ok && known
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// CreatePolicy creates a policy with a description, roles, identity and resource. It is sent once. If an equal one exists the error is
// of the kind Exists, and that policy is returned with it if IAM names it.
func (c *Client) CreatePolicy(ctx context.Context, p Policy) (Policy, error) {
	r := c.iam("create an access policy", http.MethodPost).at("/v2/policies").about(p.IAMID)
	r.creates = true
	grant := &wireGrant{}
	for _, role := range p.Roles {
		grant.Roles = append(grant.Roles, wireRole{role})
	}
	r.body = wirePolicy{
		Type: accessType, Description: p.Description, Control: wireControl{grant},
		Subject: attributesOf(map[string]string{iamID: p.IAMID}), Resource: attributesOf(p.Resource),
	}
	a, err := c.do(ctx, r)
	if KindOf(err) == Exists {
		return conflicting(a), err
	}
	if err != nil {
		return Policy{}, err
	}
	var wire wirePolicy
	if !a.decode(&wire) || wire.ID == "" {
		return Policy{}, r.fail(Unexpected, a.status, malformed)
	}
	made := wire.policy()
	made.ETag = a.header.Get("ETag")
	return made, nil
}

// conflicting returns the policy that an equal new one conflicts with. IBM's client expects it as a string with JSON, IBM's API
// documents an object.
func conflicting(a answer) Policy {
	var wire struct {
		Errors []struct {
			Details struct {
				With struct {
					ETag   string          `json:"etag"`
					Policy json.RawMessage `json:"policy"`
				} `json:"conflicts_with"`
			} `json:"details"`
		} `json:"errors"`
	}
	if !a.decode(&wire) {
		return Policy{}
	}
	for _, one := range wire.Errors {
		raw := one.Details.With.Policy
		var text string
		if json.Unmarshal(raw, &text) == nil {
			raw = json.RawMessage(text)
		}
		var found wirePolicy
		if json.Unmarshal(raw, &found) == nil && found.ID != "" {
			p := found.policy()
			p.ETag = one.Details.With.ETag
			return p
		}
	}
	return Policy{}
}

// DeletePolicy deletes a policy. It may take ten minutes until its rights end. With NotFound it may be gone: a list shows it.
func (c *Client) DeletePolicy(ctx context.Context, id string) error {
	return c.send(ctx, c.iam("delete an access policy", http.MethodDelete).at("/v2/policies/%s", id))
}
