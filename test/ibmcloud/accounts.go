// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// account is an account of the cloud.
type account struct {
	id, owner, group string
	restricted       bool
	// keys and serviceIDs are limits.
	keys, serviceIDs int
}

// AccountOptions of AddAccount.
type AccountOptions struct {
	// RestrictServiceIDs: who creates a service ID needs a role for it.
	RestrictServiceIDs bool
	// Keys is how many keys an identity may have, 20 by default, and ServiceIDs how many service IDs there may be, 2000 by
	// default.
	Keys, ServiceIDs int
}

// Key is an API key that a test has, with its value, which is not printed with the others.
type Key struct {
	ID, IAMID string
	value     func() string
}

// Value is what is shown to log in.
func (k Key) Value() string { return k.value() }

// Grant is a policy that a test makes: roles by their names, on what has the attributes.
type Grant struct {
	Roles []string
	On    map[string]string
}

// AddAccount makes an account with an owner, who may do everything in it, and a default resource group.
func (c *Cloud) AddAccount(id string, o AccountOptions) {
	c.mu.Lock()
	a := &account{
		id: id, owner: "IBMid-owner-of-" + id, group: c.newHex(), restricted: o.RestrictServiceIDs,
		keys: o.Keys, serviceIDs: o.ServiceIDs,
	}
	if a.keys == 0 {
		a.keys = 20
	}
	if a.serviceIDs == 0 {
		a.serviceIDs = serviceIDLimit
	}
	c.accounts[id] = a
	c.identities[a.owner] = &identity{iamID: a.owner, account: id}
	c.mu.Unlock()
	c.Grant(a.owner, Grant{Roles: []string{"Administrator", "Manager"}, On: map[string]string{accountAttribute: id}})
}

// Owner is the IAM ID of an account's owner, and ResourceGroup the id of its default group.
func (c *Cloud) Owner(account string) string { return c.in(account).owner }

// ResourceGroup is the id of an account's default resource group.
func (c *Cloud) ResourceGroup(account string) string { return c.in(account).group }

func (c *Cloud) in(id string) *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.accounts[id]; a != nil {
		return a
	}
	panic("there is no account " + id)
}

// AddUser makes a user of an account with a key of its own. What it may do is granted at once.
func (c *Cloud) AddUser(account, name string, grants ...Grant) Key {
	c.in(account)
	c.mu.Lock()
	iamID := "IBMid-" + name
	c.identities[iamID] = &identity{iamID: iamID, account: account}
	c.mu.Unlock()
	return c.withKey(iamID, grants)
}

// AddServiceID makes a service ID with a key. What it may do is granted at once.
func (c *Cloud) AddServiceID(account, name string, grants ...Grant) Key {
	owner := c.in(account).owner
	c.mu.Lock()
	made := c.makeServiceID(account, name, "", owner)
	c.mu.Unlock()
	return c.withKey(made.IAMID, grants)
}

func (c *Cloud) withKey(iamID string, grants []Grant) Key {
	for _, g := range grants {
		c.Grant(iamID, g)
	}
	return c.AddKey(iamID)
}

// AddKey gives an identity one more key, which works at once.
func (c *Cloud) AddKey(iamID string) Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.identities[iamID]
	if of == nil {
		panic("there is no identity " + iamID)
	}
	k := c.addKey(of, newKey{Name: "key of " + iamID})
	value := k.value
	return Key{ID: k.ID, IAMID: iamID, value: func() string { return value }}
}

// Grant gives an identity rights, which count at once, and returns the id of the policy.
func (c *Cloud) Grant(iamID string, g Grant) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.identities[iamID]
	if of == nil {
		panic("there is no identity " + iamID)
	}
	on := maps.Clone(g.On)
	if on == nil {
		on = map[string]string{}
	}
	if on[accountAttribute] == "" {
		on[accountAttribute] = of.account
	}
	p := &policy{
		Type: "access", Subject: attributes{[]attribute{{"iam_id", "stringEquals", iamID}}},
		account: on[accountAttribute], roles: rolesOf(g.Roles),
	}
	for _, key := range slices.Sorted(maps.Keys(on)) {
		p.Resource.Attributes = append(p.Resource.Attributes, attribute{key, "stringEquals", on[key]})
	}
	sent := []map[string]string{}
	for _, id := range p.roles {
		sent = append(sent, map[string]string{"role_id": id})
	}
	p.Control, _ = json.Marshal(map[string]any{"grant": map[string]any{"roles": sent}})
	c.addPolicy(p, c.accounts[of.account].owner)
	c.count(p, time.Time{})
	return p.ID
}

// rolesOf are the ids of roles by their names.
func rolesOf(names []string) []string {
	var ids []string
	for _, name := range names {
		at := slices.IndexFunc(roles, func(r role) bool { return r.name == name })
		if at < 0 {
			panic(fmt.Sprintf("there is no role %q", name))
		}
		ids = append(ids, roles[at].id)
	}
	slices.Sort(ids)
	return ids
}

// OnNamespace are the attributes of a namespace of a region, or of all of them if it is empty.
func OnNamespace(account, region, namespace string) map[string]string {
	return ofRegistry(account, region, namespace)
}

// MayMintKeys is the least of three levels of rights of an operator: to make and to delete keys of service IDs that exist.
func MayMintKeys(account string, serviceIDs ...string) []Grant {
	var grants []Grant
	for _, id := range serviceIDs {
		grants = append(grants, Grant{[]string{"Operator"}, ofIdentity(account, id)})
	}
	return grants
}

// MayGrant is the middle one: to make service IDs and their keys too, and to give them rights on a namespace that exists.
func MayGrant(account, region, namespace string) []Grant {
	return []Grant{
		{[]string{"Operator", "Service ID creator"}, ofIdentity(account, "")},
		{[]string{"Administrator"}, ofRegistry(account, region, namespace)},
		{[]string{"Reader"}, ofRegistry(account, region, namespace)},
	}
}

// MayCreateNamespaces is the most: to make namespaces too, in the account's default resource group.
func (c *Cloud) MayCreateNamespaces(account, region string) []Grant {
	return []Grant{
		{[]string{"Operator", "Service ID creator"}, ofIdentity(account, "")},
		{[]string{"Administrator", "Manager"}, ofRegistry(account, region, "")},
		{[]string{"Viewer"}, ofGroup(account, c.ResourceGroup(account))},
	}
}

// listRoles are the roles that a service has (platform-services, listRoles).
func (c *Cloud) listRoles(_ *identity, r *http.Request) reply {
	type sent struct {
		DisplayName string   `json:"display_name"`
		Description string   `json:"description"`
		Actions     []string `json:"actions"`
		CRN         string   `json:"crn"`
	}
	service, system := []sent{}, []sent{}
	for _, known := range roles {
		one := sent{known.name, "As a " + known.name + ".", known.actions, known.id}
		switch {
		case known.service == "":
			system = append(system, one)
		case known.service == r.URL.Query().Get("service_name"):
			service = append(service, one)
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"custom_roles": []sent{}, "service_roles": service, "system_roles": system}}
}

// listGroups are the resource groups of an account that the caller may see (resource-manager, listResourceGroups).
func (c *Cloud) listGroups(who *identity, r *http.Request) reply {
	seen := []map[string]any{}
	if a := c.accounts[r.URL.Query().Get("account_id")]; a != nil && c.may(who, "resource-controller.group.retrieve", ofGroup(a.id, a.group)) {
		seen = append(seen, map[string]any{
			"id": a.group, "account_id": a.id, "name": "Default", "default": true, "state": "ACTIVE",
			"crn": "crn:v1:bluemix:public:resource-controller::a/" + a.id + "::resource-group:" + a.group,
		})
	}
	return reply{status: http.StatusOK, body: map[string]any{"resources": seen}}
}
