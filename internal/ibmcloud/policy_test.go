// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const aPolicy = `{"id":"p-1","type":"access","state":"active","description":"d","href":"x",
	"control":{"grant":{"roles":[{"role_id":"crn:role:Reader"}]}},
	"subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":"iam-ServiceId-reader"}]},
	"resource":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"container-registry"},
	{"key":"region","operator":"stringEquals","value":"us-south"}]}}`

var thePolicy = Policy{
	ID: "p-1", Description: "d", Roles: []string{"crn:role:Reader"}, IAMID: reader,
	Resource: map[string]string{"serviceName": "container-registry", "region": "us-south"},
}

func TestPoliciesAreReadToTheirEnd(t *testing.T) {
	g := NewWithT(t)
	page := func(next string) reply {
		return reply{status: 200, body: `{"limit":1,"policies":[` + aPolicy + `]` + next + `}`}
	}
	w := newCloud(t).on("GET /v2/policies", page(`,"next":{"href":"https://elsewhere.example/v2/policies?start=no","start":"two"}`),
		page(`,"next":{"href":"/v2/policies?limit=100&start=three"}`), page(`,"next":{}`))
	found, err := w.client(nil).Policies(t.Context(), account, reader)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]Policy{thePolicy, thePolicy, thePolicy}))
	calls := w.asked()
	g.Expect(calls).To(HaveLen(3))
	g.Expect(calls[0].query).To(Equal(map[string][]string{
		"account_id": {account}, "iam_id": {reader}, "type": {"access"}, "service_name": {"container-registry"}, "state": {"active"}, "limit": {"100"},
	}))
	g.Expect(calls[1].query).To(HaveKeyWithValue("start", []string{"two"}))
	g.Expect(calls[2].query).To(HaveKeyWithValue("start", []string{"three"}))

	for name, body := range map[string]string{
		"no list": `{}`, "a next page without a start": `{"policies":[],"next":{"href":"/v2/policies"}}`, "no end": `{"policies":[],"next":{"start":"x"}}`,
	} {
		w := newCloud(t).on("GET /v2/policies", reply{status: 200, body: body})
		_, err := w.client(nil).Policies(t.Context(), account, reader)
		g.Expect(KindOf(err)).To(Equal(Unexpected), name)
	}
}

func TestAPolicyThatHoldsSomethingElseIsMarked(t *testing.T) {
	for name, change := range map[string][2]string{
		"a wildcard":        {`"operator":"stringEquals","value":"us-south"`, `"operator":"stringMatch","value":"us-*"`},
		"a list of values":  {`"value":"us-south"`, `"value":["us-south"]`},
		"one of the same":   {`"key":"region"`, `"key":"serviceName"`},
		"tags":              {`"resource":{`, `"resource":{"tags":[{"key":"a","value":"b","operator":"stringEquals"}],`},
		"a condition":       {`"href":"x"`, `"rule":{"operator":"and","conditions":[]},"pattern":"time-based-conditions:weekly:all-day"`},
		"a group":           {`"key":"iam_id"`, `"key":"access_group_id"`},
		"one more subject":  {`"value":"iam-ServiceId-reader"}`, `"value":"iam-ServiceId-reader"},{"key":"x","operator":"stringEquals","value":"y"}`},
		"no roles":          {`[{"role_id":"crn:role:Reader"}]`, `[]`},
		"no grant":          {`"grant"`, `"other"`},
		"an authorization":  {`"type":"access"`, `"type":"authorization"`},
		"one that is gone":  {`"state":"active"`, `"state":"deleted"`},
		"a rule of its own": {`"href":"x"`, `"rule":{"key":"a"}`},
	} {
		g := NewWithT(t)
		body := strings.Replace(aPolicy, change[0], change[1], 1)
		g.Expect(body).NotTo(Equal(aPolicy), name)
		w := newCloud(t).on("GET /v2/policies", reply{status: 200, body: `{"policies":[` + body + `]}`})
		found, err := w.client(nil).Policies(t.Context(), account, reader)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(HaveLen(1))
		g.Expect(found[0].Other).To(BeTrue(), name)
	}
}

func TestAPolicyIsMade(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on("POST /v2/policies", reply{status: 201, body: aPolicy, header: []string{"ETag", "1-ab"}})
	got, err := w.client(nil).CreatePolicy(t.Context(), thePolicy)
	g.Expect(err).NotTo(HaveOccurred())
	want := thePolicy
	want.ETag = "1-ab"
	g.Expect(got).To(Equal(want))
	g.Expect(w.asked()[0].body).To(MatchJSON(`{"type":"access","description":"d",
		"control":{"grant":{"roles":[{"role_id":"crn:role:Reader"}]}},
		"subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":"iam-ServiceId-reader"}]},
		"resource":{"attributes":[{"key":"region","operator":"stringEquals","value":"us-south"},
		{"key":"serviceName","operator":"stringEquals","value":"container-registry"}]}}`))
	w.on("POST /v2/policies", reply{status: 201, body: `{}`})
	_, err = w.client(nil).CreatePolicy(t.Context(), thePolicy)
	g.Expect(KindOf(err)).To(Equal(Unexpected))
}

func TestThePolicyInTheWayIsTold(t *testing.T) {
	conflict := func(policy string) reply {
		return reply{status: 409, body: fmt.Sprintf(`{"trace":"t","status_code":409,"errors":[{"code":"policy_conflict_error",
			"message":"identical attributes and roles already exists","details":{"conflicts_with":{"etag":"2-cd","policy":%s}},"more_info":"x"}]}`, policy)}
	}
	adopted := thePolicy
	adopted.ETag = "2-cd"
	for name, tt := range map[string]struct {
		reply reply
		want  Policy
	}{
		"an object":      {conflict(aPolicy), adopted},
		"JSON in a text": {conflict(strconv.Quote(strings.Join(strings.Fields(aPolicy), " "))), adopted},
		"a text":         {conflict(`"p-1"`), Policy{}},
		"nothing":        {conflict(`null`), Policy{}},
		"one without id": {conflict(`{"type":"access"}`), Policy{}},
		"no details":     {errorOf(409, "policy_conflict_error", "x"), Policy{}},
	} {
		g := NewWithT(t)
		w := newCloud(t).on("POST /v2/policies", tt.reply)
		got, err := w.client(nil).CreatePolicy(t.Context(), thePolicy)
		g.Expect(failed(t, err).Kind).To(Equal(Exists), name)
		g.Expect(got).To(Equal(tt.want), name)
	}
}

func TestRolesAreFoundByTheNameThatPeopleSee(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on("GET /v2/roles", reply{status: 200, body: `{
		"custom_roles":[{"display_name":"Reader","crn":"crn:custom"},{"display_name":"Mine","crn":"crn:mine"}],
		"service_roles":[{"display_name":"Reader","crn":"crn:reader","actions":[]},{"display_name":"Writer","crn":"crn:writer"},{"display_name":"Odd"}],
		"system_roles":[{"display_name":"Viewer","crn":"crn:viewer"}]}`})
	found, err := w.client(nil).Roles(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal(map[string]string{"Reader": "crn:reader", "Writer": "crn:writer", "Viewer": "crn:viewer"}))
	g.Expect(w.asked()[0].query).To(Equal(map[string][]string{
		"account_id": {account}, "service_name": {"container-registry"}, "policy_type": {"access"},
	}))
}
