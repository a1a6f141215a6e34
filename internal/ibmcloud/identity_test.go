// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const aKey = `{"id":"ApiKey-1","name":"k","description":"d","iam_id":"iam-ServiceId-reader","account_id":"0a1b2c","created_by":"IBMid-1",
	"locked":true,"disabled":true,"created_at":"2026-11-21T21:05+0000","modified_at":"2026-11-21T21:05:06.7Z","expires_at":"2027-11-21T00:00+0000",
	"new_field":{"x":1},"apikey":"never-read","activity":{"last_authn":"2026-11-22T01:02+0000","authn_count":3}}`

func TestServiceIDs(t *testing.T) {
	g := NewWithT(t)
	const one = `{"id":"ServiceId-1","iam_id":"iam-ServiceId-1","name":"edge","description":"d","account_id":"0a1b2c","locked":true,"created_at":"2026-11-21T21:05+0000","entity_tag":"1"}`
	w := newCloud(t).on("GET /v1/serviceids", lists("serviceids", one, "https://elsewhere.example/v1/serviceids?pagetoken=two&x=1"),
		lists("serviceids", strings.Replace(one, `"edge"`, `"edge-2"`, 1), ""))
	c := w.client(nil)
	want := ServiceID{
		ID: "ServiceId-1", IAMID: "iam-ServiceId-1", Name: "edge", Description: "d", AccountID: account, Locked: true,
		CreatedAt: time.Date(2026, 11, 21, 21, 5, 0, 0, time.UTC),
	}
	found, err := c.ServiceIDs(t.Context(), account, "edge")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]ServiceID{want}), "others that are listed have other names")
	calls := w.asked()
	g.Expect(calls).To(HaveLen(2), "a page of another host is asked for at this one")
	g.Expect(calls[0].query).To(Equal(map[string][]string{"account_id": {account}, "name": {"edge"}, "pagesize": {"100"}}))
	g.Expect(calls[1].query).To(HaveKeyWithValue("pagetoken", []string{"two"}))

	w.on("GET /v1/serviceids/ServiceId-1", reply{status: 200, body: one}).on("POST /v1/serviceids", reply{status: 201, body: one})
	got, err := c.ServiceID(t.Context(), "ServiceId-1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	got, err = c.CreateServiceID(t.Context(), ServiceID{Name: "edge", Description: "d", AccountID: account})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	calls = w.asked()
	g.Expect(calls[len(calls)-1].body).To(MatchJSON(`{"name":"edge","description":"d","account_id":"0a1b2c"}`))
	w.on("GET /v1/serviceids/ServiceId-1", reply{status: 200, body: `{"name":"edge"}`})
	_, err = c.ServiceID(t.Context(), "ServiceId-1")
	g.Expect(KindOf(err)).To(Equal(Unexpected))
}

func TestKeys(t *testing.T) {
	g := NewWithT(t)
	want := Key{
		ID: "ApiKey-1", Name: "k", Description: "d", IAMID: reader, AccountID: account, CreatedBy: "IBMid-1", Locked: true, Disabled: true,
		CreatedAt: time.Date(2026, 11, 21, 21, 5, 0, 0, time.UTC), ModifiedAt: time.Date(2026, 11, 21, 21, 5, 6, 7e8, time.UTC),
		ExpiresAt: time.Date(2027, 11, 21, 0, 0, 0, 0, time.UTC), LastAuthn: time.Date(2026, 11, 22, 1, 2, 0, 0, time.UTC),
	}
	w := newCloud(t).on("GET /v1/apikeys", lists("apikeys", aKey, "/v1/apikeys?pagetoken=a%2Fb"), lists("apikeys", aKey, "")).
		on("GET /v1/apikeys/ApiKey-1", reply{status: 200, body: aKey}).on("GET /v1/apikeys/details", reply{status: 200, body: aKey}).
		on("POST /v1/apikeys", reply{status: 201, body: aKey})
	c := w.client(nil)
	found, err := c.Keys(t.Context(), account, reader)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]Key{want, want}))
	calls := w.asked()
	g.Expect(calls[0].query).To(Equal(map[string][]string{"account_id": {account}, "iam_id": {reader}, "pagesize": {"100"}}))
	g.Expect(calls[1].query).To(HaveKeyWithValue("pagetoken", []string{"a/b"}))

	got, err := c.KeyActivity(t.Context(), "ApiKey-1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	got, err = c.DescribeKey(t.Context(), credential.NewToken(ownKey))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	got, err = c.CreateKey(t.Context(), NewKey{
		Name: "k", Description: "d", IAMID: reader, AccountID: account, Value: credential.NewToken(newValue),
		ExpiresAt: time.Date(2027, 11, 21, 1, 0, 59, 0, time.FixedZone("", 3600)),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	calls = w.asked()[2:]
	g.Expect(calls[0].query).To(Equal(map[string][]string{"include_activity": {"true"}}))
	g.Expect(calls[1].header.Get("IAM-ApiKey") == ownKey).To(BeTrue())
	g.Expect(calls[1].header.Get("Authorization") == "Bearer "+jwt(1, account)).To(BeTrue())
	var sent map[string]any
	g.Expect(json.Unmarshal([]byte(calls[2].body), &sent)).To(Succeed())
	g.Expect(sent["apikey"] == newValue).To(BeTrue())
	delete(sent, "apikey")
	g.Expect(sent).To(Equal(map[string]any{
		"name": "k", "description": "d", "iam_id": reader, "account_id": account, "store_value": false, "action_when_leaked": "disable",
		"expires_at": "2027-11-21T00:00+0000",
	}))
	w.on("POST /v1/apikeys", reply{status: 201, body: aKey})
	g.Expect(making["POST /v1/apikeys"](t.Context(), c)).To(Succeed())
	calls = w.asked()
	g.Expect(calls[len(calls)-1].body).NotTo(ContainSubstring("expires_at"))
	_, err = c.CreateKey(t.Context(), NewKey{Name: "k", IAMID: reader, AccountID: account})
	g.Expect(KindOf(err)).To(Equal(Unexpected))
	g.Expect(w.asked()).To(HaveLen(len(calls)), "IAM would make up a value itself")
}

func TestAKeyIsFoundByItsValueOrThereIsNone(t *testing.T) {
	for name, tt := range map[string]struct {
		reply reply
		want  Kind
	}{
		"404":                   {errorOf(404, "BXNIM0102E", "x"), NotFound},
		"400 with the code":     {reply{status: 400, body: `{"errorCode":"BXNIM0415E"}`}, NotFound},
		"400 with another":      {reply{status: 400, body: `{"errorCode":"BXNIM0109E"}`}, Unexpected},
		"404 of something else": {reply{status: 404, body: "<html>"}, Unexpected},
		"forbidden":             {errorOf(403, "BXNIM0513E", "x"), Forbidden},
		"a key without an id":   {reply{status: 200, body: `{"name":"k"}`}, Unexpected},
		"out of order":          {errorOf(503, "X", "x"), Unavailable},
	} {
		w := newCloud(t).on("GET /v1/apikeys/details", tt.reply)
		_, err := w.client(nil).DescribeKey(t.Context(), credential.NewToken(newValue))
		NewWithT(t).Expect(KindOf(err)).To(Equal(tt.want), name)
	}
	g := NewWithT(t)
	w := newCloud(t).on("POST /identity/token", reply{status: 400, body: `{"errorCode":"BXNIM0415E"}`})
	_, err := w.client(nil).DescribeKey(t.Context(), credential.NewToken(newValue))
	g.Expect(KindOf(err)).To(Equal(KeyRefused), "the client's own key is refused: that says nothing of the other")

	w = newCloud(t)
	for _, value := range []string{"", "a\nb", "a b", "\u00e4"} {
		_, err = w.client(nil).DescribeKey(t.Context(), credential.NewToken(value))
		g.Expect(KindOf(err)).To(Equal(NotFound))
	}
	g.Expect(w.all()).To(BeEmpty(), "no header can carry that")
}

func TestTimesAreReadInEachFormat(t *testing.T) {
	at := time.Date(2026, 11, 21, 21, 5, 0, 0, time.UTC)
	for written, want := range map[string]stamp{
		`"2026-11-21T21:05+0000"`:        {at: at},
		`"2026-11-21T22:05+0100"`:        {at: at},
		`"2026-11-21T21:05:00+0000"`:     {at: at},
		`"2026-11-21T21:05:00Z"`:         {at: at},
		`"2026-11-21T23:05:00+02:00"`:    {at: at},
		`"2026-11-21T21:05:00.25Z"`:      {at: at.Add(250 * time.Millisecond)},
		`"2026-11-21T21:05:00.250+0000"`: {at: at.Add(250 * time.Millisecond)},
		`"2026-11-21T21:05Z"`:            {at: at},
		`1795295100`:                     {at: at},
		`""`:                             {},
		`null`:                           {},
		`"tomorrow"`:                     {malformed: true},
		`{}`:                             {malformed: true},
	} {
		var got stamp
		g := NewWithT(t)
		g.Expect(json.Unmarshal([]byte(written), &got)).To(Succeed())
		g.Expect(got.malformed).To(Equal(want.malformed), written)
		if !want.malformed {
			g.Expect(got.at).To(Equal(want.at), written)
		}
	}
	for field, fails := range map[string]bool{"created_at": false, "modified_at": false, "expires_at": true} {
		w := newCloud(t).on("GET /v1/apikeys", lists("apikeys", `{"id":"ApiKey-1","`+field+`":"tomorrow"}`, ""))
		_, err := w.client(nil).Keys(t.Context(), account, reader)
		NewWithT(t).Expect(err != nil).To(Equal(fails), field)
	}
	w := newCloud(t).on("GET /v1/apikeys/ApiKey-1", reply{status: 200, body: `{"id":"ApiKey-1","activity":{"last_authn":"yesterday"}}`})
	_, err := w.client(nil).KeyActivity(t.Context(), "ApiKey-1")
	NewWithT(t).Expect(KindOf(err)).To(Equal(Unexpected), "that is not never")
}

func TestAListIsReadToItsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		page reply
		want Kind
		sent int
	}{
		"an empty list":                {lists("apikeys", "", ""), "", 1},
		"null":                         {reply{status: 200, body: `{"apikeys":null}`}, "", 1},
		"next is null":                 {reply{status: 200, body: `{"apikeys":[],"next":null}`}, "", 1},
		"no list":                      {reply{status: 200, body: `{"limit":100}`}, Unexpected, 1},
		"a list of another kind":       {reply{status: 200, body: `{"apikeys":{}}`}, Unexpected, 1},
		"no JSON":                      {reply{status: 200, body: `<html>`}, Unexpected, 1},
		"a next page without a token":  {lists("apikeys", "", "https://iam.cloud.ibm.com/v1/apikeys?x=1"), Unexpected, 1},
		"a next page that is no place": {lists("apikeys", "", "%zz"), Unexpected, 1},
		"a list without an end":        {lists("apikeys", aKey, "/v1/apikeys?pagetoken=1"), Unexpected, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if tt.page.status == 200 {
				tt.page.body = strings.ReplaceAll(tt.page.body, "\n", " ")
			}
			w := newCloud(t).on("GET /v1/apikeys", tt.page)
			_, err := w.client(nil).Keys(t.Context(), account, reader)
			g.Expect(KindOf(err)).To(Equal(tt.want))
			g.Expect(w.asked()).To(HaveLen(tt.sent))
		})
	}
}

func TestWhatIsGoneIsGone(t *testing.T) {
	gone, other, there := errorOf(404, "BXNIM0102E", "x"), reply{status: 404, body: "<html>"}, reply{status: 204}
	for _, tt := range []struct {
		route string
		call  func(*Client) error
		kind  Kind
	}{
		{"DELETE /v1/apikeys/ApiKey-1", func(c *Client) error { return c.DeleteKey(t.Context(), "ApiKey-1") }, NotFound},
		{"DELETE /v1/apikeys/ApiKey-1/lock", func(c *Client) error { return c.UnlockKey(t.Context(), "ApiKey-1") }, ""},
		{"POST /v1/apikeys/ApiKey-1/disable", func(c *Client) error { return c.DisableKey(t.Context(), "ApiKey-1") }, NotFound},
		{"DELETE /v1/apikeys/ApiKey-1/disable", func(c *Client) error { return c.EnableKey(t.Context(), "ApiKey-1") }, NotFound},
		{"DELETE /v1/serviceids/ServiceId-1", func(c *Client) error { return c.DeleteServiceID(t.Context(), "ServiceId-1") }, NotFound},
		{"DELETE /v1/serviceids/ServiceId-1/lock", func(c *Client) error { return c.UnlockServiceID(t.Context(), "ServiceId-1") }, ""},
		{"DELETE /v2/policies/p-1", func(c *Client) error { return c.DeletePolicy(t.Context(), "p-1") }, NotFound},
		{"DELETE /api/v1/namespaces/edge", func(c *Client) error { return c.DeleteNamespace(t.Context(), account, "edge") }, NotFound},
	} {
		g := NewWithT(t)
		w := newCloud(t).on(tt.route, there, gone, other)
		c := w.client(nil)
		g.Expect(tt.call(c)).To(Succeed(), tt.route)
		g.Expect(KindOf(tt.call(c))).To(Equal(tt.kind), tt.route)
		g.Expect(KindOf(tt.call(c))).To(Equal(Unexpected), "only IBM says that %s is gone", tt.route)
		w.on(tt.route, reply{status: 502}, there)
		g.Expect(tt.call(c)).To(Succeed(), "it is the same the second time")
		g.Expect(paths(w.asked())).To(Equal(strings.TrimSuffix(strings.Repeat(tt.route+", ", 5), ", ")))
	}
}

func TestTheLimitOfKeys(t *testing.T) {
	for body, want := range map[string]int{`{"apikeys_per_identity":20,"serviceids_per_group":7}`: 20, `{}`: 0} {
		w := newCloud(t).on("GET /v1/accounts/0a1b2c/limits/identity", reply{status: 200, body: body})
		got, err := w.client(nil).KeyLimit(t.Context(), account)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(got).To(Equal(want))
	}
	g := NewWithT(t)
	w := newCloud(t).on("GET /v1/accounts/0a1b2c/limits/identity", errorOf(404, "not_found", ""), errorOf(403, "forbidden", ""))
	got, err := w.client(nil).KeyLimit(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(BeZero())
	_, err = w.client(nil).KeyLimit(t.Context(), account)
	g.Expect(KindOf(err)).To(Equal(Forbidden))
}
