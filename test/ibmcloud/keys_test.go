// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const keysURL = iamURL + "/v1/apikeys"

// chosen is a value that a caller chooses. It is good for nothing outside of a test.
const chosen = "a-value-that-a-test-has-chosen-for-a-key-0001"

// newKeyOf asks for a key as the owner, with more fields of JSON.
func (w *world) newKeyOf(iamID, more string, headers ...string) answer {
	w.t.Helper()
	return w.as(w.owner, "POST", keysURL, fmt.Sprintf(`{"name":"k","iam_id":%q%s}`, iamID, more), headers...)
}

// idOf is the id that an answer holds.
func (w *world) idOf(a answer) string {
	w.t.Helper()
	NewWithT(w.t).Expect(a.status).To(Equal(http.StatusCreated))
	return w.body(a)["id"].(string)
}

func TestTheValueOfAKeyIsToldOnce(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	first := w.newKeyOf(who.IAMID, "")
	value := w.body(first)["apikey"].(string)
	g.Expect(value).To(HaveLen(44))
	id := w.idOf(first)
	g.Expect(w.idOf(w.newKeyOf(who.IAMID, ""))).NotTo(Equal(id), "names are not unique")

	stored := w.newKeyOf(who.IAMID, `,"store_value":true`)
	w.settle()
	g.Expect(w.as(w.owner, "GET", keysURL+"/"+id, "").text).NotTo(ContainSubstring(value))
	g.Expect(w.as(w.owner, "GET", keysURL+"?iam_id="+who.IAMID, "").text).NotTo(ContainSubstring(value))
	again := w.body(w.as(w.owner, "GET", keysURL+"/"+w.idOf(stored), ""))
	g.Expect(again["apikey"] == w.body(stored)["apikey"]).To(BeTrue(), "a value that is stored is told")
}

func TestAKeyIsRefusedWithAReason(t *testing.T) {
	w := newWorld(t, Options{})
	who := w.AddServiceID(plant, "puller")
	user := w.Owner(plant)
	NewWithT(t).Expect(w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`"`).status).To(Equal(http.StatusCreated))
	for name, c := range map[string]struct {
		of, more string
		status   int
	}{
		"a short value":             {who.IAMID, `,"apikey":"` + chosen[:31] + `"`, http.StatusBadRequest},
		"a value of a live key":     {who.IAMID, `,"apikey":"` + chosen + `"`, http.StatusConflict},
		"a stored one of a user":    {user, `,"store_value":true`, http.StatusBadRequest},
		"sessions of a service ID":  {who.IAMID, `,"support_sessions":true`, http.StatusBadRequest},
		"another action":            {who.IAMID, `,"action_when_leaked":"shout"`, http.StatusBadRequest},
		"another account":           {who.IAMID, `,"account_id":"` + other + `"`, http.StatusBadRequest},
		"nobody":                    {"iam-ServiceId-nobody", "", http.StatusNotFound},
		"the id of the service ID":  {strings.TrimPrefix(who.IAMID, "iam-"), "", http.StatusNotFound},
		"an expiry as Go writes it": {who.IAMID, `,"expires_at":"2049-01-02T18:30:00Z"`, http.StatusBadRequest},
		"an expiry in the past":     {who.IAMID, `,"expires_at":"2019-01-02T18:30+0000"`, http.StatusBadRequest},
		"an expiry to the minute":   {who.IAMID, `,"expires_at":"2049-01-02T18:30+0000"`, http.StatusCreated},
		"an expiry to the second":   {who.IAMID, `,"expires_at":"2049-01-02T18:30:00+0000"`, http.StatusCreated},
		"an unknown field":          {who.IAMID, `,"group_id":"x"`, http.StatusCreated},
		"a key of a user":           {user, "", http.StatusCreated},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(w.newKeyOf(c.of, c.more).status).To(Equal(c.status))
		})
	}
}

func TestAValueIsUsedOnceForEver(t *testing.T) {
	w := newWorld(t, Options{UsedValue: http.StatusBadRequest})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	id := w.idOf(w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`"`))
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id, "").status).To(Equal(http.StatusNoContent))
	w.settle()
	refused := w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`"`)
	g.Expect(refused.status).To(Equal(http.StatusBadRequest))
	g.Expect(strings.Contains(refused.text, chosen)).To(BeTrue(), "the body echoes the value")
}

func TestTwentyKeysAreAllThereAre(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusConflict} {
		w := newWorld(t, Options{LimitReached: status})
		g := NewWithT(t)
		who := w.AddServiceID(plant, "puller")
		for range 19 {
			w.AddKey(who.IAMID)
		}
		g.Expect(w.newKeyOf(who.IAMID, "").status).To(Equal(status))
		limits := w.body(w.as(w.owner, "GET", iamURL+"/v1/accounts/"+plant+"/limits/identity?apikeys_per_identity="+who.IAMID, ""))
		g.Expect(limits["apikeys_per_identity"]).To(HaveKeyWithValue("limit", 20.0))
		g.Expect(limits["apikeys_per_identity"].(map[string]any)["identities"]).To(ConsistOf(HaveKeyWithValue("count", 20.0)))
		g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+who.ID, "").status).To(Equal(http.StatusNoContent))
		g.Expect(w.newKeyOf(who.IAMID, "").status).To(Equal(http.StatusCreated))
		g.Expect(w.Keys()[who.IAMID]).To(HaveLen(20))
	}
}

// TestAKeyWorksWhenItHasArrived goes through the life of a key: new, disabled, enabled, deleted.
func TestAKeyWorksWhenItHasArrived(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	id := w.idOf(w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`"`))
	works := func() bool { return w.trade(chosen).status == http.StatusOK }
	read := func() int { return w.as(w.owner, "GET", keysURL+"/"+id, "").status }

	g.Expect(works()).To(BeFalse(), "at once")
	g.Expect(read()).To(Equal(http.StatusNotFound), "at once")
	w.advance(DefaultDelays.Reads)
	g.Expect(read()).To(Equal(http.StatusOK))
	g.Expect(works()).To(BeFalse(), "before it has arrived")
	w.advance(DefaultDelays.Keys - DefaultDelays.Reads)
	g.Expect(works()).To(BeTrue())

	old := w.body(w.trade(chosen))["access_token"].(string)
	g.Expect(w.as(w.owner, "POST", keysURL+"/"+id+"/disable", "").status).To(Equal(http.StatusNoContent))
	g.Expect(works()).To(BeTrue(), "before it is known")
	w.advance(DefaultDelays.RetiredKeys)
	g.Expect(works()).To(BeFalse())
	g.Expect(w.send("GET", iamURL+"/v1/serviceids", "", "Authorization: Bearer "+old).status).To(Equal(http.StatusOK), "the token lives on")
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id+"/disable", "").status).To(Equal(http.StatusNoContent))
	g.Expect(works()).To(BeTrue(), "enabled")

	g.Expect(w.DisableKey(id, true)).To(BeTrue())
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id, "").status).To(Equal(http.StatusNoContent), "one that is disabled")
	g.Expect(read()).To(Equal(http.StatusNotFound))
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id, "").status).To(Equal(http.StatusNotFound))
	w.settle()
	refused := w.trade(chosen)
	g.Expect(refused.status).To(Equal(http.StatusBadRequest))
	g.Expect(w.body(refused)).To(HaveKeyWithValue("errorCode", "BXNIM0415E"))
	g.Expect(strings.Contains(refused.text, chosen)).To(BeTrue(), "the body echoes the key")
}

func TestAKeyExpires(t *testing.T) {
	w := newWorld(t, Options{RefusedKey: http.StatusUnauthorized})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	w.idOf(w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`","expires_at":"2026-03-01T09:00+0000"`))
	w.settle()
	g.Expect(w.trade(chosen).status).To(Equal(http.StatusOK))
	w.advance(50 * time.Minute)
	g.Expect(w.trade(chosen).status).To(Equal(http.StatusUnauthorized))
	g.Expect(w.Keys()[who.IAMID]).To(HaveLen(2), "it is still there")
}

func TestALockedKeyStays(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	id := w.idOf(w.newKeyOf(who.IAMID, "", "Entity-Lock: true"))
	w.settle()
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id, "").status).To(Equal(http.StatusConflict))
	g.Expect(w.as(w.owner, "PUT", keysURL+"/"+id, `{}`, "If-Match: *").status).To(Equal(http.StatusConflict))
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id+"/lock", "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.as(w.owner, "PUT", keysURL+"/"+id, `{"name":"next"}`).status).To(Equal(http.StatusBadRequest), "without If-Match")
	g.Expect(w.as(w.owner, "PUT", keysURL+"/"+id, `{"name":"next"}`, "If-Match: 1-x").status).To(Equal(http.StatusConflict))
	tag := w.body(w.as(w.owner, "GET", keysURL+"/"+id, ""))["entity_tag"].(string)
	g.Expect(w.as(w.owner, "PUT", keysURL+"/"+id, `{"name":"next"}`, "If-Match: "+tag).status).To(Equal(http.StatusOK))
	g.Expect(w.as(w.owner, "POST", keysURL+"/"+id+"/lock", "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.LockKey(id, false)).To(BeTrue())
	g.Expect(w.as(w.owner, "DELETE", keysURL+"/"+id, "").status).To(Equal(http.StatusNoContent))
}

func TestUseOfAKeyIsCountedLater(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller")
	counted := func() any {
		return w.body(w.as(w.owner, "GET", keysURL+"/"+who.ID+"?include_activity=true", ""))["activity"]
	}
	w.token(who)
	w.advance(time.Minute)
	g.Expect(w.send("GET", usURL+"/oauth/token?service=registry", "", basic("iamapikey", who.Value())).status).To(Equal(http.StatusOK))
	g.Expect(counted()).To(Equal(map[string]any{"authn_count": 0.0}))
	w.advance(DefaultDelays.Activity)
	g.Expect(counted()).To(Equal(map[string]any{"authn_count": 2.0, "last_authn": "2026-03-01T08:01+0000"}))
	g.Expect(w.body(w.as(w.owner, "GET", keysURL+"/"+who.ID, ""))).NotTo(HaveKey("activity"))
}

func TestAKeyIsDescribedByItsValue(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	own, another := w.AddServiceID(plant, "own"), w.AddServiceID(plant, "another")
	foreign := w.AddUser(other, "foreign")
	describe := func(value string) answer { return w.as(own, "GET", keysURL+"/details", "", "IAM-ApiKey: "+value) }

	got := describe(own.Value())
	g.Expect(got.status).To(Equal(http.StatusOK))
	g.Expect(w.body(got)).To(HaveKeyWithValue("id", own.ID))
	g.Expect(strings.Contains(got.text, own.Value())).To(BeFalse(), "a value is told")
	g.Expect(describe(another.Value()).status).To(Equal(http.StatusForbidden))
	g.Expect(describe(foreign.Value()).status).To(Equal(http.StatusForbidden))
	g.Expect(w.as(w.owner, "GET", keysURL+"/details", "", "IAM-ApiKey: "+another.Value()).status).To(Equal(http.StatusOK))
	g.Expect(w.as(own, "GET", keysURL+"/details", "").status).To(Equal(http.StatusBadRequest), "without a value")
	g.Expect(describe(chosen).status).To(Equal(http.StatusNotFound))

	spare := w.AddKey(own.IAMID)
	g.Expect(w.DisableKey(spare.ID, true)).To(BeTrue())
	g.Expect(w.body(describe(spare.Value()))).To(HaveKeyWithValue("disabled", true))
	g.Expect(w.DeleteKey(spare.ID)).To(BeTrue())
	g.Expect(describe(spare.Value()).status).To(Equal(http.StatusNotFound))

	w.options.DeadKey, w.options.ForeignKey = http.StatusBadRequest, http.StatusNotFound
	dead := describe(spare.Value())
	g.Expect(dead.status).To(Equal(http.StatusBadRequest))
	g.Expect(dead.text).To(ContainSubstring("BXNIM0415E"))
	g.Expect(describe(foreign.Value()).status).To(Equal(http.StatusNotFound))
}

func TestAListComesInPages(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	for range 2 {
		who := w.AddServiceID(plant, "many")
		for range 14 {
			w.AddKey(who.IAMID)
		}
	}
	type page struct {
		Limit int
		Next  string
		Keys  []struct{ ID string } `json:"apikeys"`
	}
	seen, next := map[string]bool{}, keysURL+"?scope=account&type=serviceid&account_id="+plant
	for _, size := range []int{20, 10} {
		var got page
		w.into(w.as(w.owner, "GET", next, ""), &got)
		g.Expect(got.Limit).To(Equal(20))
		g.Expect(got.Keys).To(HaveLen(size))
		for _, k := range got.Keys {
			seen[k.ID] = true
		}
		next = got.Next
	}
	g.Expect(seen).To(HaveLen(30))
	g.Expect(next).To(BeEmpty())

	var got page
	w.into(w.as(w.owner, "GET", keysURL+"?scope=account&pagesize=100&account_id="+plant, ""), &got)
	g.Expect(got.Keys).To(HaveLen(31), "with the owner's")
	for _, bad := range []string{"pagesize=0", "pagesize=101", "pagetoken=x"} {
		g.Expect(w.as(w.owner, "GET", keysURL+"?"+bad, "").status).To(Equal(http.StatusBadRequest), bad)
	}
}
