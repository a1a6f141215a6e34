// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minValue is the shortest value that a caller may choose (platform-services, createApiKey).
const minValue = 32

// apiKey is a key as it is sent (platform-services, ApiKey).
type apiKey struct {
	ID               string    `json:"id"`
	EntityTag        string    `json:"entity_tag"`
	CRN              string    `json:"crn"`
	Locked           bool      `json:"locked"`
	Disabled         bool      `json:"disabled"`
	CreatedAt        string    `json:"created_at"`
	CreatedBy        string    `json:"created_by"`
	ModifiedAt       string    `json:"modified_at"`
	Name             string    `json:"name"`
	SupportSessions  bool      `json:"support_sessions"`
	ActionWhenLeaked string    `json:"action_when_leaked"`
	ExpiresAt        string    `json:"expires_at,omitempty"`
	Description      string    `json:"description,omitempty"`
	IAMID            string    `json:"iam_id"`
	AccountID        string    `json:"account_id"`
	Value            string    `json:"apikey"`
	Activity         *activity `json:"activity,omitempty"`

	value                            string
	stored                           bool
	made, disabled, deleted, expires time.Time
	used                             []time.Time
}

type activity struct {
	LastAuthn string `json:"last_authn,omitempty"`
	Count     int    `json:"authn_count"`
}

// shown is a key as it is sent, with its value or without.
func (k *apiKey) shown(value bool) *apiKey {
	sent := *k
	if value {
		sent.Value = k.value
	}
	return &sent
}

func (c *Cloud) keyRoutes() {
	c.handle("POST /v1/apikeys", c.createKey)
	c.handle("GET /v1/apikeys", c.listKeys)
	c.handle("GET /v1/apikeys/details", c.describeKey)
	c.handle("GET /v1/apikeys/{id}", c.onKey("iam-identity.apikey.get", false, c.getKey))
	c.handle("PUT /v1/apikeys/{id}", c.onKey("iam-identity.apikey.update", true, c.updateKey))
	c.handle("DELETE /v1/apikeys/{id}", c.onKey("iam-identity.apikey.delete", true, func(k *apiKey, _ *http.Request) reply {
		k.deleted = c.clock.Now()
		return reply{status: http.StatusNoContent}
	}))
	for _, on := range []bool{true, false} {
		method := map[bool]string{true: http.MethodPost, false: http.MethodDelete}[on]
		c.handle(method+" /v1/apikeys/{id}/lock", c.onKey("iam-identity.apikey.lock", false, func(k *apiKey, _ *http.Request) reply {
			k.Locked = on
			return c.changed(k)
		}))
		c.handle(method+" /v1/apikeys/{id}/disable", c.onKey("iam-identity.apikey.update", false, func(k *apiKey, _ *http.Request) reply {
			c.setDisabled(k, on)
			return c.changed(k)
		}))
	}
	c.handle("GET /v1/accounts/{account}/limits/identity", c.limits)
}

func (c *Cloud) setDisabled(k *apiKey, on bool) {
	if on && !k.Disabled {
		k.disabled = c.clock.Now()
	}
	k.Disabled = on
}

func (c *Cloud) changed(k *apiKey) reply {
	k.EntityTag, k.ModifiedAt = c.following(k.EntityTag), stamp(c.clock.Now())
	return reply{status: http.StatusNoContent}
}

// following is the entity tag behind one.
func (c *Cloud) following(tag string) string {
	number, _, _ := strings.Cut(tag, "-")
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(n+1) + "-" + c.newHex()
}

// onKey finds the key that a path names, as onServiceID does.
func (c *Cloud) onKey(action string, needsUnlocked bool, do func(*apiKey, *http.Request) reply) func(*identity, *http.Request) reply {
	return func(who *identity, r *http.Request) reply {
		id := r.PathValue("id")
		k := c.keyByID(id)
		switch {
		case k == nil, r.Method == http.MethodGet && !c.passed(k.made, c.delays.Reads):
			return c.notFound(id)
		case !c.manages(who, action, c.identities[k.IAMID]):
			return c.forbidden(action)
		case needsUnlocked && k.Locked:
			return c.conflict("the API key is locked")
		}
		return do(k, r)
	}
}

func (c *Cloud) keyByID(id string) *apiKey {
	at := slices.IndexFunc(c.keys, func(k *apiKey) bool { return k.ID == id && k.deleted.IsZero() })
	if at < 0 {
		return nil
	}
	return c.keys[at]
}

// liveKeys are those of an identity that are not deleted.
func (c *Cloud) liveKeys(iamID string) []*apiKey {
	var live []*apiKey
	for _, k := range c.keys {
		if k.IAMID == iamID && k.deleted.IsZero() {
			live = append(live, k)
		}
	}
	return live
}

// newKey is what a creation asks for.
type newKey struct {
	Name             string `json:"name"`
	IAMID            string `json:"iam_id"`
	AccountID        string `json:"account_id"`
	Description      string `json:"description"`
	Value            string `json:"apikey"`
	StoreValue       bool   `json:"store_value"`
	SupportSessions  bool   `json:"support_sessions"`
	ActionWhenLeaked string `json:"action_when_leaked"`
	ExpiresAt        string `json:"expires_at"`
}

func (c *Cloud) createKey(who *identity, r *http.Request) reply {
	asked, err := read[newKey](r)
	if err != nil {
		return c.invalid("the body is no JSON")
	}
	k, refusal := c.makeKey(who, asked)
	if k == nil {
		return refusal
	}
	k.Locked, k.Disabled = r.Header.Get("Entity-Lock") == "true", r.Header.Get("Entity-Disable") == "true"
	return reply{status: http.StatusCreated, body: k.shown(true), header: http.Header{"Etag": {k.EntityTag}}}
}

// makeKey makes a key, or says why not.
func (c *Cloud) makeKey(who *identity, asked newKey) (*apiKey, reply) {
	const action = "iam-identity.apikey.create"
	of := c.identities[asked.IAMID]
	switch {
	case asked.Name == "" || asked.IAMID == "":
		return nil, c.invalid("name and iam_id are required")
	case of == nil:
		return nil, c.notFound(asked.IAMID)
	case !c.manages(who, action, of):
		return nil, c.forbidden(action)
	case asked.AccountID != "" && asked.AccountID != of.account:
		return nil, c.invalid("the identity is not in account " + asked.AccountID)
	}
	expires, wrong := c.wrongWith(of, asked)
	if wrong != "" {
		return nil, c.invalid(wrong)
	}
	if slices.ContainsFunc(c.keys, func(k *apiKey) bool { return k.value == asked.Value }) {
		return nil, c.fail(c.options.UsedValue, "conflict", "BXNIM0440E", "The API key value is not unique", "apikey "+asked.Value+" exists")
	}
	if len(c.liveKeys(of.iamID)) >= c.accounts[of.account].keys {
		return nil, c.limitReached("API keys of " + of.iamID)
	}
	k := c.addKey(of, asked)
	k.CreatedBy, k.expires, k.made = who.iamID, expires, c.clock.Now()
	return k, reply{}
}

// wrongWith is what a creation asks for that cannot be, if anything, and when the key expires. As elsewhere the text may hold
// what was sent.
func (c *Cloud) wrongWith(of *identity, asked newKey) (expires time.Time, wrong string) {
	switch {
	case asked.Value != "" && len(asked.Value) < minValue:
		return expires, fmt.Sprintf("apikey %s is shorter than %d characters", asked.Value, minValue)
	case asked.StoreValue && of.service == nil:
		return expires, "store_value cannot be true for a key of a user"
	case asked.SupportSessions && of.service != nil:
		return expires, "support_sessions cannot be true for a key of a service ID"
	case !slices.Contains([]string{"", "none", "disable", "delete"}, asked.ActionWhenLeaked):
		return expires, "action_when_leaked is " + asked.ActionWhenLeaked
	case asked.ExpiresAt == "":
		return expires, ""
	}
	expires, err := parseStamp(asked.ExpiresAt)
	if err != nil || !expires.After(c.clock.Now()) {
		return expires, "expires_at is not a time to come, as yyyy-MM-ddTHH:mm+0000"
	}
	return expires, ""
}

// addKey makes a key that works at once. Without a value it has one of 44 characters.
func (c *Cloud) addKey(of *identity, asked newKey) *apiKey {
	if asked.Value == "" {
		random := make([]byte, 33)
		_, _ = rand.Read(random)
		asked.Value = base64.RawURLEncoding.EncodeToString(random)
	}
	if asked.ActionWhenLeaked == "" {
		asked.ActionWhenLeaked = "disable"
	}
	id, at := "ApiKey-"+c.newID(), stamp(c.clock.Now())
	k := &apiKey{
		ID: id, EntityTag: "1-" + c.newHex(), CRN: "crn:v1:bluemix:public:iam-identity::a/" + of.account + "::apikey:" + id,
		CreatedAt: at, ModifiedAt: at, CreatedBy: of.iamID, Name: asked.Name, Description: asked.Description,
		SupportSessions: asked.SupportSessions, ActionWhenLeaked: asked.ActionWhenLeaked, ExpiresAt: asked.ExpiresAt,
		IAMID: of.iamID, AccountID: of.account, value: asked.Value, stored: asked.StoreValue,
	}
	c.keys = append(c.keys, k)
	return k
}
