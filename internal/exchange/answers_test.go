// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// Each field that is read of what an Exchange answers: absent, null, of another type, in another case, twice.
func TestEachFieldOfAnAnswer(t *testing.T) {
	services := func(t *testing.T, c *Client) (any, error) { return c.Services(t.Context(), "") }
	entries := func(t *testing.T, c *Client) (any, error) {
		found, err := c.Entries(t.Context(), "plant/a")
		var fields []any
		for _, e := range found {
			fields = append(fields, e.ID, e.Registry, e.User, e.Token.IsZero(), e.Updated)
		}
		return fields, err
	}
	nodes := func(t *testing.T, c *Client) (any, error) {
		found, _, err := c.Nodes(t.Context(), Service{ID: "plant/a"})
		return found, err
	}
	failures := func(t *testing.T, c *Client) (any, error) { return c.Failures(t.Context()) }
	admin := func(t *testing.T, c *Client) (any, error) { return c.IsAdmin(t.Context()) }
	version := func(t *testing.T, c *Client) (any, error) { return c.Version(t.Context()) }
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	const stamped = `"lastUpdated":"2026-05-06T07:08:09Z[UTC]"`
	none := time.Time{}
	failure := func(report string) string {
		return `{"nodeErrors":[{"nodeId":"plant/n","error":` + report + `,` + stamped + `}]}`
	}
	for name, test := range map[string]struct {
		ask  func(*testing.T, *Client) (any, error)
		body string
		// want is what is read; nil where the answer is none of an Exchange.
		want any
	}{
		"a service":                          {services, `{"services":{"plant/a":{"owner":"plant/alice","url":"u","version":"1","arch":"x","public":true,` + stamped + `}}}`, []Service{{ID: "plant/a", Owner: "plant/alice", URL: "u", Version: "1", Arch: "x", Public: true, Updated: at}}},
		"a service with nulls":               {services, `{"services":{"plant/a":{"owner":null,"url":null,"version":null,"arch":null,"public":null,"deployment":null,"clusterDeployment":null,"imageStore":null,"lastUpdated":null}}}`, []Service{{ID: "plant/a"}}},
		"a service that is null":             {services, `{"services":{"plant/a":null}}`, []Service{{ID: "plant/a"}}},
		"a service twice":                    {services, `{"services":{"plant/a":{"url":"u"},"plant/a":{"url":"v"}}}`, []Service{{ID: "plant/a", URL: "v"}}},
		"services in capitals":               {services, `{"Services":{}}`, nil},
		"services that are null":             {services, `{"services":null}`, nil},
		"services that are absent":           {services, `{"lastIndex":0}`, nil},
		"a service with text for bool":       {services, `{"services":{"plant/a":{"public":"true"}}}`, nil},
		"a service with a time that is none": {services, `{"services":{"plant/a":{"lastUpdated":"today"}}}`, []Service{{ID: "plant/a"}}},

		"an entry":                         {entries, `[{"dockAuthId":3,"registry":"r","username":"u","token":"a-secret-word",` + stamped + `}]`, []any{3, "r", "u", false, at}},
		"an entry with nulls":              {entries, `[{"dockAuthId":3,"registry":null,"username":null,"token":null,"lastUpdated":null}]`, []any{3, "", "", true, none}},
		"an entry with more, in capitals":  {entries, `[{"DockAuthID":3,"Registry":"r","extra":5}]`, []any{3, "r", "", true, none}},
		"an entry whose number is text":    {entries, `[{"dockAuthId":"3"}]`, nil},
		"an entry without a number":        {entries, `[{"registry":"r"}]`, nil},
		"an entry whose number is null":    {entries, `[{"dockAuthId":null,"registry":"r"}]`, nil},
		"an entry that is null":            {entries, `[null]`, nil},
		"null for entries":                 {entries, `null`, nil},
		"a token that is a number":         {entries, `[{"dockAuthId":3,"token":5}]`, nil},
		"nodes":                            {nodes, `{"nodes":[["plant/n","2026-05-06T07:08:09Z"],["plant/m",null],["plant/o",""],[null,null]]}`, []Node{{"plant/n", at}, {"plant/m", none}, {"plant/o", none}}},
		"nodes, a pair too short":          {nodes, `{"nodes":[["plant/n"]]}`, []Node{{"plant/n", none}}},
		"nodes, a pair too long":           {nodes, `{"nodes":[["plant/n",null,"more"]]}`, []Node{{"plant/n", none}}},
		"nodes that are none":              {nodes, `{"nodes":[]}`, []Node{}},
		"nodes that are null":              {nodes, `{"nodes":null}`, nil},
		"nodes that are absent":            {nodes, `{}`, nil},
		"nodes that are no pairs":          {nodes, `{"nodes":["plant/n"]}`, nil},
		"a failure":                        {failures, failure(`"[{\"event_code\":\"error_image_load\",\"workload\":{\"org\":\"plant\",\"url\":\"u\"}}]"`), []Failure{{"plant/n", "plant/u", at}}},
		"a failure of another kind":        {failures, failure(`"[{\"event_code\":\"other\"}]"`), []Failure(nil)},
		"a failure without a service":      {failures, failure(`"[{\"event_code\":\"error_image_load\",\"workload\":null}]"`), []Failure{{"plant/n", "/", at}}},
		"a failure that is no JSON":        {failures, failure(`"broken"`), []Failure(nil)},
		"a failure that is null":           {failures, failure(`null`), []Failure(nil)},
		"failures that are absent or null": {failures, `{"nodeErrors":null}`, []Failure(nil)},
		"failures that are text":           {failures, `{"nodeErrors":"none"}`, nil},
		"an admin":                         {admin, `{"users":{"plant/alice":{"admin":true}}}`, true},
		"an admin by a null":               {admin, `{"users":{"plant/alice":{"admin":null}}}`, false},
		"an admin by a text":               {admin, `{"users":{"plant/alice":{"admin":"true"}}}`, nil},
		"another's being an admin":         {admin, `{"users":{"plant/alicia":{"admin":true}}}`, false},
		"users that are absent":            {admin, `{}`, false},
		"a version":                        {version, "2.154.0\n", "2.154.0"},
		"a version in JSON":                {version, `"2.154.0"`, nil},
		"no version":                       {version, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status := http.StatusOK
			got, err := test.ask(t, served(t, status, test.body))
			if test.want == nil {
				g.Expect(IsKind(err, Unexpected)).To(BeTrue(), "%v, %v", got, err)
				holdsNoSecret(t, err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(test.want))
		})
	}
}
