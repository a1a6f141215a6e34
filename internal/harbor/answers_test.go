// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// answering is a client of a server that gives one answer to all.
func answering(t *testing.T, status int, body string, header ...string) *Client {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}))
	t.Cleanup(server.Close)
	return New(Config{Host: strings.TrimPrefix(server.URL, "https://"), Transport: server.Client().Transport, User: "u", Password: credential.NewToken("a-secret-word")})
}

// Each field that is read of what Harbor answers: absent, null, of another type, in another case, twice.
func TestEachFieldOfAnAnswer(t *testing.T) {
	project := func(t *testing.T, c *Client) (any, error) { return c.Project(t.Context(), "plant") }
	robots := func(t *testing.T, c *Client) (any, error) { return c.Robots(t.Context(), Project{1, "plant"}) }
	one := func(t *testing.T, c *Client) (any, error) { return c.Robot(t.Context(), 7) }
	rights := func(t *testing.T, c *Client) (any, error) { return c.Permissions(t.Context(), Project{1, "plant"}) }
	made := func(t *testing.T, c *Client) (any, error) {
		m, err := c.CreateRobot(t.Context(), Wanted{Project: "plant", Name: "edge-1", Days: 1})
		return m.ID, err
	}
	second := func(t *testing.T, c *Client) (any, error) {
		secret, err := c.RefreshSecret(t.Context(), 7)
		return secret.IsZero(), err
	}
	plain := []Robot{{ID: 7, Name: "robot$plant+edge-1"}}
	for name, test := range map[string]struct {
		ask  func(*testing.T, *Client) (any, error)
		body string
		// want is what is read; nil where the answer is none of Harbor's.
		want any
	}{
		"a project":                       {project, `{"project_id":3,"name":"plant","metadata":{"public":"true"}}`, Project{3, "plant"}},
		"a project, keys in capitals":     {project, `{"Project_ID":3,"NAME":"plant"}`, Project{3, "plant"}},
		"a project, a key twice":          {project, `{"project_id":2,"project_id":3,"name":"plant"}`, Project{3, "plant"}},
		"a project without a number":      {project, `{"name":"plant"}`, nil},
		"a project with a null":           {project, `{"project_id":null,"name":"plant"}`, nil},
		"a project with a number as text": {project, `{"project_id":"3","name":"plant"}`, nil},
		"another project":                 {project, `{"project_id":3,"name":"Plant"}`, nil},
		"no project":                      {project, `null`, nil},
		"an empty answer":                 {project, ``, nil},

		"a list":                          {robots, `[{"id":7,"name":"robot$plant+edge-1"}]`, plain},
		"a list with nulls":               {robots, `[{"id":7,"name":"robot$plant+edge-1","description":null,"level":null,"duration":null,"disable":null,"creation_time":null,"expires_at":null,"permissions":null}]`, []Robot{{ID: 7, Name: "robot$plant+edge-1", Permissions: []byte("null")}}},
		"a list with more":                {robots, `[{"id":7,"name":"robot$plant+edge-1","editable":true,"creator_ref":5}]`, plain},
		"an empty list":                   {robots, `[]`, []Robot(nil)},
		"null for a list":                 {robots, `null`, nil},
		"an object for a list":            {robots, `{"robots":[]}`, nil},
		"a list with a null":              {robots, `[null]`, nil},
		"a list with a robot without id":  {robots, `[{"name":"robot$plant+edge-1"}]`, nil},
		"a list with one without a name":  {robots, `[{"id":7}]`, nil},
		"a list with an id as text":       {robots, `[{"id":"7","name":"robot$plant+edge-1"}]`, nil},
		"a list with a bool as text":      {robots, `[{"id":7,"name":"robot$plant+edge-1","disable":"false"}]`, nil},
		"a list with a time that is none": {robots, `[{"id":7,"name":"robot$plant+edge-1","creation_time":"today"}]`, nil},

		"a robot":                  {one, `{"id":7,"name":"robot$plant+edge-1"}`, plain[0]},
		"a robot of another id":    {one, `{"id":8,"name":"robot$plant+edge-1"}`, nil},
		"a robot without an id":    {one, `{"name":"robot$plant+edge-1"}`, nil},
		"rights":                   {rights, `[{"resource":"robot","action":"create"},{"resource":"robot","action":"create","effect":"allow"}]`, []string{"robot:create", "robot:create"}},
		"rights that are null":     {rights, `null`, []string(nil)},
		"rights that are absent":   {rights, `{}`, nil},
		"a made robot":             {made, `{"id":7,"name":"n","secret":"s-e-c-r-e-t","creation_time":"2026-05-06T07:08:09.123Z","expires_at":-1}`, int64(7)},
		"a made robot, no secret":  {made, `{"id":7,"name":"n","creation_time":"2026-05-06T07:08:09Z"}`, nil},
		"a made robot, null":       {made, `{"id":7,"name":"n","secret":null,"creation_time":"2026-05-06T07:08:09Z"}`, nil},
		"a made robot, no time":    {made, `{"id":7,"name":"n","secret":"s-e-c-r-e-t"}`, nil},
		"another secret":           {second, `{"secret":"s-e-c-r-e-t"}`, false},
		"another secret, absent":   {second, `{}`, nil},
		"another secret, a number": {second, `{"secret":5}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := test.ask(t, answering(t, http.StatusOK, test.body))
			if test.want == nil {
				g.Expect(KindOf(err)).To(Equal(Unexpected), "%v", got)
				g.Expect(err).NotTo(MatchError(ContainSubstring("s-e-c-r-e-t")))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(test.want))
		})
	}
}

// How many there are is in a header, which something on the way may take out or alter.
func TestAListEndsWhateverIsSaidOfItsLength(t *testing.T) {
	for _, total := range []string{"1", "", "one", "-1", " 1 ", "0"} {
		found, err := answering(t, http.StatusOK, `[{"id":7,"name":"n"}]`, "X-Total-Count", total).Robots(t.Context(), Project{1, "plant"})
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred(), total)
		g.Expect(found).To(HaveLen(1), total)
	}
	_, err := answering(t, http.StatusOK, `[{"id":7,"name":"n"}]`, "X-Total-Count", "1000000").Robots(t.Context(), Project{1, "plant"})
	NewWithT(t).Expect(KindOf(err)).To(Equal(Unexpected), "the same page without an end")
}

// An error in one of the forms that Harbor's parts write.
func TestEachFieldOfAnError(t *testing.T) {
	for body, want := range map[string]string{
		`{"errors":[{"code":"FORBIDDEN","message":"m"}]}`:                                "Forbidden FORBIDDEN m",
		`{"errors":[{"code":"FORBIDDEN"}]}`:                                              "Forbidden FORBIDDEN ",
		`{"errors":[{"code":"FORBIDDEN","message":null,"detail":{"x":1}}]}`:              "Forbidden FORBIDDEN ",
		`{"Errors":[{"Code":"FORBIDDEN","Message":"m"}]}`:                                "Forbidden FORBIDDEN m",
		`{"errors":[{"code":"no code"},{"code":"FORBIDDEN","message":"m"}]}`:             "Forbidden FORBIDDEN m",
		`{"errors":[{"code":"FORBIDDEN","message":"m"},{"code":"OTHER","message":"n"}]}`: "Forbidden FORBIDDEN m",
		`{"errors":[{"code":403,"message":"m"}]}`:                                        "Unexpected  ",
		`{"errors":[]}`:                   "Unexpected  ",
		`{"errors":null}`:                 "Unexpected  ",
		`{"errors":{"code":"FORBIDDEN"}}`: "Unexpected  ",
		`{"code":403,"message":"m"}`:      "Unexpected  ",
		``:                                "Unexpected  ",
	} {
		_, err := answering(t, http.StatusForbidden, body).Project(t.Context(), "plant")
		var failure *Error
		g := NewWithT(t)
		g.Expect(errors.As(err, &failure)).To(BeTrue())
		g.Expect(fmt.Sprintln(failure.Kind, failure.Code, failure.Text)).To(Equal(want+"\n"), body)
	}
}
