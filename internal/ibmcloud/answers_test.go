// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// Each field that is read of what IBM Cloud answers: absent, null, of another type, in another case, twice.
func TestEachFieldOfAnAnswer(t *testing.T) {
	serviceID := func(t *testing.T, c *Client) (any, error) { return c.ServiceID(t.Context(), "ServiceId-1") }
	serviceIDs := func(t *testing.T, c *Client) (any, error) { return c.ServiceIDs(t.Context(), account, "") }
	key := func(t *testing.T, c *Client) (any, error) { return c.KeyActivity(t.Context(), "ApiKey-1") }
	keys := func(t *testing.T, c *Client) (any, error) { return c.Keys(t.Context(), account, reader) }
	limit := func(t *testing.T, c *Client) (any, error) { return c.KeyLimit(t.Context(), account) }
	policies := func(t *testing.T, c *Client) (any, error) {
		found, err := c.Policies(t.Context(), account, reader)
		var fields []any
		for _, p := range found {
			fields = append(fields, p.ID, p.Other)
		}
		return fields, err
	}
	roles := func(t *testing.T, c *Client) (any, error) { return c.Roles(t.Context(), account) }
	namespaces := func(t *testing.T, c *Client) (any, error) { return c.NamespaceDetails(t.Context(), account) }
	quota := func(t *testing.T, c *Client) (any, error) { return c.Quota(t.Context(), account) }
	plain := ServiceID{ID: "ServiceId-1", IAMID: "iam-ServiceId-1"}
	at := time.Date(2026, 11, 21, 21, 5, 0, 0, time.UTC)
	const policy = `{"id":"p","type":"access","control":{"grant":{"roles":[{"role_id":"crn:r"}]}},` +
		`"subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":"iam-1"}]},"resource":{"attributes":[]}`
	for name, test := range map[string]struct {
		ask  func(*testing.T, *Client) (any, error)
		path string
		body string
		// want is what is read; nil where the answer is none of IBM's.
		want any
	}{
		"a service ID":                  {serviceID, "/v1/serviceids/ServiceId-1", `{"id":"ServiceId-1","iam_id":"iam-ServiceId-1"}`, plain},
		"a service ID with nulls":       {serviceID, "/v1/serviceids/ServiceId-1", `{"id":"ServiceId-1","iam_id":"iam-ServiceId-1","name":null,"description":null,"account_id":null,"locked":null,"created_at":null}`, plain},
		"a service ID in capitals":      {serviceID, "/v1/serviceids/ServiceId-1", `{"ID":"ServiceId-1","IAM_ID":"iam-ServiceId-1"}`, plain},
		"a service ID without one":      {serviceID, "/v1/serviceids/ServiceId-1", `{"iam_id":"iam-ServiceId-1"}`, nil},
		"a service ID with a null":      {serviceID, "/v1/serviceids/ServiceId-1", `{"id":"ServiceId-1","iam_id":null}`, nil},
		"a service ID locked by a text": {serviceID, "/v1/serviceids/ServiceId-1", `{"id":"ServiceId-1","iam_id":"iam-ServiceId-1","locked":"true"}`, nil},
		"no service ID":                 {serviceID, "/v1/serviceids/ServiceId-1", `null`, nil},
		"no service IDs":                {serviceIDs, "/v1/serviceids", `{"serviceids":[]}`, []ServiceID(nil)},
		"service IDs that are null":     {serviceIDs, "/v1/serviceids", `{"serviceids":null}`, []ServiceID(nil)},
		"service IDs that are absent":   {serviceIDs, "/v1/serviceids", `{"limit":100}`, nil},
		"service IDs, next is null":     {serviceIDs, "/v1/serviceids", `{"serviceids":[],"next":null}`, []ServiceID(nil)},
		"service IDs, next is a number": {serviceIDs, "/v1/serviceids", `{"serviceids":[],"next":2}`, nil},
		"service IDs, next is no page":  {serviceIDs, "/v1/serviceids", `{"serviceids":[],"next":"https://iam.cloud.ibm.com/v1/serviceids"}`, nil},

		"a key":                       {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","expires_at":"2026-11-21T21:05+0000"}`, Key{ID: "ApiKey-1", ExpiresAt: at}},
		"a key with nulls":            {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","locked":null,"disabled":null,"created_at":null,"expires_at":null,"activity":null}`, Key{ID: "ApiKey-1"}},
		"a key of an empty time":      {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","expires_at":""}`, Key{ID: "ApiKey-1"}},
		"a key of a time in seconds":  {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","expires_at":1795295100}`, Key{ID: "ApiKey-1", ExpiresAt: at}},
		"a key, a time twice":         {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","expires_at":"tomorrow","expires_at":1795295100}`, Key{ID: "ApiKey-1", ExpiresAt: at}},
		"a key without an id":         {key, "/v1/apikeys/ApiKey-1", `{"name":"k"}`, nil},
		"a key disabled by a text":    {key, "/v1/apikeys/ApiKey-1", `{"id":"ApiKey-1","disabled":"false"}`, nil},
		"no keys":                     {keys, "/v1/apikeys", `{"apikeys":[]}`, []Key(nil)},
		"keys that are null":          {keys, "/v1/apikeys", `{"apikeys":null}`, []Key(nil)},
		"keys that are absent":        {keys, "/v1/apikeys", `{}`, nil},
		"keys with a null":            {keys, "/v1/apikeys", `{"apikeys":[null]}`, nil},
		"keys twice":                  {keys, "/v1/apikeys", `{"apikeys":[],"apikeys":[{"id":"ApiKey-1"}]}`, []Key{{ID: "ApiKey-1"}}},
		"a limit":                     {limit, "/v1/accounts/0a1b2c/limits/identity", `{"apikeys_per_identity":20}`, 20},
		"a limit in an object":        {limit, "/v1/accounts/0a1b2c/limits/identity", `{"apikeys_per_identity":{"limit":20}}`, 20},
		"a limit that is null":        {limit, "/v1/accounts/0a1b2c/limits/identity", `{"apikeys_per_identity":null}`, 0},
		"a limit that is text":        {limit, "/v1/accounts/0a1b2c/limits/identity", `{"apikeys_per_identity":"20"}`, 0},
		"a policy":                    {policies, "/v2/policies", `{"policies":[` + policy + `}]}`, []any{"p", false}},
		"a policy with nulls":         {policies, "/v2/policies", `{"policies":[` + policy + `,"state":null,"pattern":null,"rule":null,"description":null}],"next":null}`, []any{"p", false}},
		"a policy of an empty state":  {policies, "/v2/policies", `{"policies":[` + policy + `,"state":""}]}`, []any{"p", false}},
		"a policy with a rule twice":  {policies, "/v2/policies", `{"policies":[` + policy + `,"rule":{"key":"a"},"rule":null}]}`, []any{"p", false}},
		"a policy with blanks":        {policies, "/v2/policies", `{"policies":[` + policy + `,"rule":{ }}]}`, []any{"p", false}},
		"policies that are null":      {policies, "/v2/policies", `{"policies":null}`, []any(nil)},
		"policies that are absent":    {policies, "/v2/policies", `{}`, nil},
		"policies, next without more": {policies, "/v2/policies", `{"policies":[],"next":{"start":"","href":""}}`, []any(nil)},
		"policies, next is no page":   {policies, "/v2/policies", `{"policies":[],"next":{"href":"/v2/policies"}}`, nil},
		"roles":                       {roles, "/v2/roles", `{"service_roles":[{"display_name":"Reader","crn":"c"},{"display_name":"Writer"},{"crn":"d"},null],"system_roles":null,"custom_roles":[{"display_name":"Reader","crn":"x"}]}`, map[string]string{"Reader": "c"}},
		"roles that are absent":       {roles, "/v2/roles", `{}`, map[string]string{}},
		"roles that are text":         {roles, "/v2/roles", `{"service_roles":"Reader"}`, nil},
		"a namespace":                 {namespaces, "/api/v1/namespaces/details", `[{"name":"n","account":"a","crn":null,"resource_group":null,"created_date":null}]`, []Namespace{{Name: "n", Account: "a"}}},
		"a namespace that is text":    {namespaces, "/api/v1/namespaces/details", `["n"]`, nil},
		"a quota":                     {quota, "/api/v1/quotas", `{"limit":{"storage_bytes":1,"traffic_bytes":null},"usage":{"storage_bytes":2}}`, Quota{1, 2, -1, 0}},
		"a quota without a limit":     {quota, "/api/v1/quotas", `{"limit":null,"usage":null}`, Quota{-1, 0, -1, 0}},
		"a quota in text":             {quota, "/api/v1/quotas", `{"limit":{"storage_bytes":"1"}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := test.ask(t, newCloud(t).on("GET "+test.path, reply{status: 200, body: test.body}).client(nil))
			if test.want == nil {
				g.Expect(KindOf(err)).To(Equal(Unexpected), "%v", got)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(test.want))
		})
	}
}

// Each field of the answer of the token endpoint: a token lives as long as it says, and one that says nothing is asked for anew.
func TestEachFieldOfATokensAnswer(t *testing.T) {
	token := `"access_token":"` + jwt(1, account) + `"`
	for body, want := range map[string]struct {
		kind  Kind
		calls int
	}{
		`{` + token + `,"expires_in":3600}`:                         {"", 1},
		`{` + token + `,"expiration":1795259600,"expires_in":null}`: {"", 1},
		`{` + token + `}`: {"", 2},
		`{` + token + `,"expires_in":0,"expiration":0}`:                {"", 2},
		`{` + token + `,"expires_in":-1}`:                              {"", 2},
		`{` + token + `,"expires_in":"3600"}`:                          {Unexpected, 2},
		`{"access_token":null,"expires_in":3600}`:                      {Unexpected, 2},
		`{"access_token":"","expires_in":3600}`:                        {Unexpected, 2},
		`{"access_token":"a b","expires_in":3600}`:                     {Unexpected, 2},
		`{"Access_Token":"` + jwt(1, account) + `","expires_in":3600}`: {"", 1},
		`null`: {Unexpected, 2},
	} {
		g := NewWithT(t)
		w := newCloud(t).on("POST /identity/token", reply{status: 200, body: body})
		c := w.client(nil)
		for range 2 {
			_, err := c.Account(t.Context())
			g.Expect(KindOf(err)).To(Equal(want.kind))
		}
		g.Expect(w.all()).To(HaveLen(want.calls))
	}
}
