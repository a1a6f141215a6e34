// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

func (c *Cloud) listKeys(who *identity, r *http.Request) reply {
	query := r.URL.Query()
	iamID, account := query.Get("iam_id"), cmp.Or(query.Get("account_id"), who.account)
	if query.Get("scope") != "account" && iamID == "" {
		iamID = who.iamID
	}
	const action = "iam-identity.apikey.list"
	if iamID != "" {
		if of := c.identities[iamID]; of == nil {
			return list(c, r, "apikeys", []*apiKey{})
		} else if !c.manages(who, action, of) {
			return c.forbidden(action)
		}
	}
	kind := query.Get("type")
	seen := []*apiKey{}
	for _, k := range c.keys {
		of := c.identities[k.IAMID]
		asked := k.AccountID == account && (iamID == "" || k.IAMID == iamID)
		if !asked || !k.deleted.IsZero() || !c.passed(k.made, c.delays.Reads) {
			continue
		}
		if (kind == "" || kind == of.kind()) && c.manages(who, action, of) {
			seen = append(seen, k.shown(false))
		}
	}
	return list(c, r, "apikeys", seen)
}

// kind is what lists of keys call it.
func (i *identity) kind() string {
	if i.service != nil {
		return "serviceid"
	}
	return "user"
}

// describeKey returns a key by its value. Callers see their own, and those that they may see by their ids.
func (c *Cloud) describeKey(who *identity, r *http.Request) reply {
	value := r.Header.Get("IAM-ApiKey")
	if value == "" {
		return c.invalid("the header IAM-ApiKey is required")
	}
	at := slices.IndexFunc(c.keys, func(k *apiKey) bool {
		return k.value == value && k.deleted.IsZero() && c.passed(k.made, c.delays.Reads)
	})
	if at < 0 {
		if c.options.DeadKey == http.StatusBadRequest {
			return c.fail(http.StatusBadRequest, "bad_request", "BXNIM0415E", "Provided API key could not be found.", "apikey: "+value)
		}
		return c.fail(c.options.DeadKey, "not_found", "BXNIM0102E", "Unable to find object", "apikey: "+value)
	}
	k := c.keys[at]
	const action = "iam-identity.apikey.get"
	if k.IAMID != who.iamID && !c.manages(who, action, c.identities[k.IAMID]) {
		return c.fail(c.options.ForeignKey, "forbidden", "BXNIM0513E", "You are not authorized to use this API.", "action: "+action)
	}
	return reply{status: http.StatusOK, body: k.shown(false)}
}

func (c *Cloud) getKey(k *apiKey, r *http.Request) reply {
	sent := k.shown(k.stored)
	if r.URL.Query().Get("include_activity") == "true" {
		sent.Activity = &activity{}
		for _, at := range k.used {
			if c.passed(at, c.delays.Activity) {
				sent.Activity.Count++
				sent.Activity.LastAuthn = stamp(at)
			}
		}
	}
	return reply{status: http.StatusOK, body: sent, header: http.Header{"Etag": {k.EntityTag}}}
}

func (c *Cloud) updateKey(k *apiKey, r *http.Request) reply {
	asked, err := read[newKey](r)
	if err != nil {
		return c.invalid("the body is no JSON")
	}
	if refusal, wrong := c.mismatch(r, k.EntityTag); wrong {
		return refusal
	}
	asked.Value = ""
	expires, wrong := c.wrongWith(c.identities[k.IAMID], asked)
	if wrong != "" {
		return c.invalid(wrong)
	}
	if asked.Name != "" {
		k.Name = asked.Name
	}
	if asked.ExpiresAt != "" {
		k.ExpiresAt, k.expires = asked.ExpiresAt, expires
	}
	k.Description = asked.Description
	k.EntityTag, k.ModifiedAt = c.following(k.EntityTag), stamp(c.clock.Now())
	return c.getKey(k, r)
}

// limits are those of an account, with what some identities use of them (platform-services, getAccountLimits).
func (c *Cloud) limits(who *identity, r *http.Request) reply {
	account := c.accounts[r.PathValue("account")]
	if account == nil || who.account != account.id {
		return c.forbidden("iam-identity.account.get")
	}
	keys := map[string]any{"limit": account.keys}
	if named := r.URL.Query().Get("apikeys_per_identity"); named != "" {
		used := []map[string]any{}
		for id := range strings.SplitSeq(named, ",") {
			used = append(used, map[string]any{"iam_id": id, "count": len(c.liveKeys(id))})
		}
		keys["identities"] = used
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"apikeys_per_identity": keys,
		"serviceid_groups":     map[string]int{"limit": 100, "count": 0},
	}}
}
