// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"maps"
	"slices"
	"strings"
)

// KeyState is what is known of a key that is not deleted, without its value.
type KeyState struct {
	ID, IAMID, Name, Description, CreatedBy, ExpiresAt string
	Locked, Disabled                                   bool
}

// Keys are the keys that are not deleted, by the IAM IDs of their identities, in the order of their creation.
func (c *Cloud) Keys() map[string][]KeyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := map[string][]KeyState{}
	for _, k := range c.keys {
		if k.deleted.IsZero() {
			keys[k.IAMID] = append(keys[k.IAMID], KeyState{k.ID, k.IAMID, k.Name, k.Description, k.CreatedBy, k.ExpiresAt, k.Locked, k.Disabled})
		}
	}
	return keys
}

// KeyOf is the key that has a value and is not deleted.
func (c *Cloud) KeyOf(value string) (KeyState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys {
		if k.value == value && k.deleted.IsZero() {
			return KeyState{k.ID, k.IAMID, k.Name, k.Description, k.CreatedBy, k.ExpiresAt, k.Locked, k.Disabled}, true
		}
	}
	return KeyState{}, false
}

// Values are those of all keys that ever were, for tests that look for them where none may be.
func (c *Cloud) Values() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var values []string
	for _, k := range c.keys {
		values = append(values, k.value)
	}
	return values
}

// ServiceIDState is what is known of a service ID.
type ServiceIDState struct {
	ID, IAMID, Name, Description, CreatedBy string
	Locked                                  bool
}

// ServiceIDs are those of an account, in the order of their creation.
func (c *Cloud) ServiceIDs(account string) []ServiceIDState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []ServiceIDState
	for _, s := range c.serviceIDsOf(account) {
		all = append(all, ServiceIDState{s.ID, s.IAMID, s.Name, s.Description, s.creator, s.Locked})
	}
	return all
}

// PolicyState is what is known of a policy, with the names of its roles.
type PolicyState struct {
	ID, IAMID, Description, CreatedBy string
	Roles                             []string
	On                                map[string]string
}

// Policies are those of an account, in the order of their creation.
func (c *Cloud) Policies(account string) []PolicyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []PolicyState
	for _, p := range c.policiesOf(account) {
		state := PolicyState{p.ID, p.iamID(), p.Description, p.CreatedByID, nil, p.on()}
		for _, r := range roles {
			if slices.Contains(p.roles, r.id) {
				state.Roles = append(state.Roles, r.name)
			}
		}
		all = append(all, state)
	}
	return all
}

// Namespaces are the names of those of an account in a region.
func (c *Cloud) Namespaces(account, region string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.namespaces[region])) {
		if c.namespaces[region][name].Account == account {
			names = append(names, name)
		}
	}
	return names
}

// AddNamespace makes a namespace in the account's default resource group.
func (c *Cloud) AddNamespace(account, region, name string) {
	group := c.ResourceGroup(account)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeNamespace(account, region, name, group)
}

// RemoveNamespace deletes a namespace with its images, as somebody else does it.
func (c *Cloud) RemoveNamespace(region, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropNamespace(region, name)
}

// SetQuota replaces the quota of an account in a region.
func (c *Cloud) SetQuota(account, region string, q Quota) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quotas[account+"/"+region] = &q
}

// DisableKey disables a key, as IBM does with one that it finds in public, or enables it. It reports whether there is one.
func (c *Cloud) DisableKey(id string, on bool) bool {
	return c.onKeyByID(id, func(k *apiKey) { c.setDisabled(k, on) })
}

// LockKey locks a key, or unlocks it. It reports whether there is one.
func (c *Cloud) LockKey(id string, on bool) bool {
	return c.onKeyByID(id, func(k *apiKey) { k.Locked = on })
}

// DeleteKey deletes a key, as somebody else does it. It reports whether there was one.
func (c *Cloud) DeleteKey(id string) bool {
	return c.onKeyByID(id, func(k *apiKey) { k.deleted = c.clock.Now() })
}

func (c *Cloud) onKeyByID(id string, do func(*apiKey)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keyByID(id)
	if k != nil {
		do(k)
	}
	return k != nil
}

// DeletePolicy deletes a policy, as somebody else does it. It reports whether there was one.
func (c *Cloud) DeletePolicy(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.policies, func(p *policy) bool { return p.ID == id })
	if at >= 0 {
		c.dropPolicy(c.policies[at])
	}
	return at >= 0
}

// DeleteServiceID deletes a service ID with its keys and policies, as somebody else does it. It reports whether there was one.
func (c *Cloud) DeleteServiceID(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	iamID := "iam-" + strings.TrimPrefix(id, "iam-")
	_, there := c.identities[iamID]
	c.dropIdentity(iamID)
	return there
}
