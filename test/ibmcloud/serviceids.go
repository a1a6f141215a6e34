// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// serviceIDLimit is how many an account may have (docs/iam, iam-account-limits).
const serviceIDLimit = 2000

// identity is somebody who calls: a user, or a service ID.
type identity struct {
	iamID, account string
	// service is nil for a user.
	service *serviceID
}

// serviceID is a service ID as it is sent (platform-services, ServiceId).
type serviceID struct {
	ID          string `json:"id"`
	IAMID       string `json:"iam_id"`
	EntityTag   string `json:"entity_tag"`
	CRN         string `json:"crn"`
	Locked      bool   `json:"locked"`
	CreatedAt   string `json:"created_at"`
	ModifiedAt  string `json:"modified_at"`
	AccountID   string `json:"account_id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// APIKey is sent with the answer to a creation that asked for a key.
	APIKey *apiKey `json:"apikey,omitempty"`

	made    time.Time
	creator string
	// asked is that somebody has asked for the deletion, which is refused once.
	asked bool
}

func (c *Cloud) serviceIDRoutes() {
	for _, at := range []string{"/v1/serviceids", "/v1/serviceids/{$}"} {
		c.handle("POST "+at, c.createServiceID)
		c.handle("GET "+at, c.listServiceIDs)
	}
	c.handle("GET /v1/serviceids/{id}", c.onServiceID("iam-identity.serviceid.get", false, c.getServiceID))
	c.handle("PUT /v1/serviceids/{id}", c.onServiceID("iam-identity.serviceid.update", true, c.updateServiceID))
	c.handle("DELETE /v1/serviceids/{id}", c.onServiceID("iam-identity.serviceid.delete", true, c.deleteServiceID))
	c.handle("POST /v1/serviceids/{id}/lock", c.onServiceID("iam-identity.serviceid.lock", false, c.lockServiceID(true)))
	c.handle("DELETE /v1/serviceids/{id}/lock", c.onServiceID("iam-identity.serviceid.lock", false, c.lockServiceID(false)))
}

// onServiceID finds the service ID that a path names, for a caller who may do something with it. While a new one is not seen
// it cannot be read, but it can be written.
func (c *Cloud) onServiceID(action string, needsUnlocked bool, do func(*serviceID, *http.Request) reply) func(*identity, *http.Request) reply {
	return func(who *identity, r *http.Request) reply {
		id := r.PathValue("id")
		found := c.identities["iam-"+id]
		switch {
		case found == nil || found.service == nil, r.Method == http.MethodGet && !c.passed(found.service.made, c.delays.Reads):
			return c.notFound(id)
		case !c.manages(who, action, found):
			return c.forbidden(action)
		case needsUnlocked && found.service.Locked:
			return c.conflict("the service ID is locked")
		}
		return do(found.service, r)
	}
}

// manages reports whether somebody may do something with an identity or its keys: with the own ones as a user, with what was
// made by the caller, or by a policy.
func (c *Cloud) manages(who *identity, action string, of *identity) bool {
	if of.service == nil {
		return who == of && strings.HasPrefix(action, "iam-identity.apikey.")
	}
	made := of.service.creator == who.iamID && !c.options.NoCreatorRights
	return made || c.may(who, action, ofIdentity(of.account, of.service.ID))
}

type newServiceID struct {
	AccountID   string  `json:"account_id"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	APIKey      *newKey `json:"apikey"`
}

func (c *Cloud) createServiceID(who *identity, r *http.Request) reply {
	asked, err := read[newServiceID](r)
	account := c.accounts[asked.AccountID]
	const action = "iam-identity.serviceid.create"
	switch {
	case err != nil, asked.Name == "", account == nil:
		return c.invalid("account_id and name are required")
	// Members of an account may create them, unless the account restricts it.
	case (who.account != account.id || account.restricted) && !c.may(who, action, ofIdentity(account.id, "")):
		return c.forbidden(action)
	case len(c.serviceIDsOf(account.id)) >= account.serviceIDs:
		return c.limitReached("service IDs")
	}
	made := c.makeServiceID(account.id, asked.Name, asked.Description, who.iamID)
	made.Locked, made.made = r.Header.Get("Entity-Lock") == "true", c.clock.Now()
	body := *made
	if asked.APIKey != nil {
		asked.APIKey.IAMID = made.IAMID
		key, refusal := c.makeKey(who, *asked.APIKey)
		if key == nil {
			delete(c.identities, made.IAMID)
			return refusal
		}
		body.APIKey = key.shown(true)
	}
	return reply{status: http.StatusCreated, body: body}
}

// limitReached is the refusal of one too many.
func (c *Cloud) limitReached(of string) reply {
	if c.options.LimitReached == http.StatusConflict {
		return c.conflict("the limit of " + of + " is reached")
	}
	return c.fail(c.options.LimitReached, "limit_exceeded", "BXNIM0197E", "The limit is reached", "the limit of "+of+" is reached")
}

// makeServiceID makes one that is seen at once.
func (c *Cloud) makeServiceID(account, name, description, creator string) *serviceID {
	id, at := "ServiceId-"+c.newID(), stamp(c.clock.Now())
	made := &serviceID{
		ID: id, IAMID: "iam-" + id, EntityTag: "1-" + c.newHex(), AccountID: account, Name: name, Description: description,
		CRN: "crn:v1:bluemix:public:iam-identity::a/" + account + "::serviceid:" + id, CreatedAt: at, ModifiedAt: at, creator: creator,
	}
	c.identities[made.IAMID] = &identity{iamID: made.IAMID, account: account, service: made}
	return made
}

// serviceIDsOf are all of an account, in the order of their creation.
func (c *Cloud) serviceIDsOf(account string) []*serviceID {
	var all []*serviceID
	for _, who := range c.identities {
		if who.service != nil && who.account == account {
			all = append(all, who.service)
		}
	}
	slices.SortFunc(all, func(a, b *serviceID) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (c *Cloud) listServiceIDs(who *identity, r *http.Request) reply {
	query := r.URL.Query()
	account := query.Get("account_id")
	if account == "" {
		account = who.account
	}
	seen := []*serviceID{}
	for _, s := range c.serviceIDsOf(account) {
		named := query.Get("name") == "" || query.Get("name") == s.Name
		if named && c.passed(s.made, c.delays.Reads) && c.manages(who, "iam-identity.serviceid.get", c.identities[s.IAMID]) {
			seen = append(seen, s)
		}
	}
	return list(c, r, "serviceids", seen)
}

func (c *Cloud) getServiceID(s *serviceID, _ *http.Request) reply {
	return reply{status: http.StatusOK, body: s, header: http.Header{"Etag": {s.EntityTag}}}
}

func (c *Cloud) updateServiceID(s *serviceID, r *http.Request) reply {
	asked, err := read[newServiceID](r)
	if err != nil {
		return c.invalid("the body is no JSON")
	}
	if refusal, wrong := c.mismatch(r, s.EntityTag); wrong {
		return refusal
	}
	if asked.Name != "" {
		s.Name = asked.Name
	}
	s.Description = asked.Description
	s.EntityTag, s.ModifiedAt = c.following(s.EntityTag), stamp(c.clock.Now())
	return c.getServiceID(s, r)
}

// mismatch is the refusal of an update that does not name the version it changes.
func (c *Cloud) mismatch(r *http.Request, tag string) (reply, bool) {
	switch r.Header.Get("If-Match") {
	case "":
		return c.invalid("the header If-Match is required"), true
	case tag, "*":
		return reply{}, false
	default:
		return c.conflict("the entity tag is not " + tag), true
	}
}

func (c *Cloud) deleteServiceID(s *serviceID, _ *http.Request) reply {
	if !s.asked {
		s.asked = true
		return c.conflict("there was a conflict deleting the service ID, which can be tried again")
	}
	c.dropIdentity(s.IAMID)
	return reply{status: http.StatusNoContent}
}

// dropIdentity takes an identity away with its keys and its policies.
func (c *Cloud) dropIdentity(iamID string) {
	for _, k := range c.liveKeys(iamID) {
		k.deleted = c.clock.Now()
	}
	for _, p := range slices.Clone(c.policies) {
		if p.iamID() == iamID {
			c.dropPolicy(p)
		}
	}
	delete(c.identities, iamID)
}

func (c *Cloud) lockServiceID(locked bool) func(*serviceID, *http.Request) reply {
	return func(s *serviceID, _ *http.Request) reply {
		s.Locked, s.EntityTag = locked, c.following(s.EntityTag)
		return reply{status: http.StatusNoContent}
	}
}
