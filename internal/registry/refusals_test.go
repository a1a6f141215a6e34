// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

// This file is about what is a refusal of a login, and what is none.

import (
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// icrRefusal is what IBM's registry says of a wrong key.
const icrRefusal = `{"errors":[{"code":"UNAUTHORIZED","message":"The login credentials are not valid, or your IBM Cloud account is not active."}]}`

// A wrong password is reported as such, whether or not a repository is named.
func TestAWrongPasswordIsRefusedInEachDialect(t *testing.T) {
	for name, s := range standIns {
		for _, repository := range []string{"", "plant/there", "plant/absent"} {
			t.Run(name+" "+repository, func(t *testing.T) {
				g := NewWithT(t)
				r := start(t, s)
				got, err := r.probe(t, repository, reader, "a-wrong-secret")
				g.Expect(got).To(BeZero())
				g.Expect(err).To(HaveField("Kind", Refused))
				g.Expect(strings.Contains(err.Error(), "secret")).To(BeFalse(), "the password shows")
				g.Expect(err.Error()).NotTo(ContainSubstring("credentials"), "the registry is quoted")
				g.Expect(r.client(tokenHost).Accepts(t.Context(), repository, reader, credential.NewToken("a-wrong-secret"))).To(HaveField("Kind", Refused))
			})
		}
	}
}

// A bad request is a refusal where the registry says so in its own words, and nothing else is.
func TestABadRequestIsARefusalOnlyByItsCode(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		kind Kind
	}{
		"unauthorized":               {`{"errors":[{"code":"UNAUTHORIZED"}]}`, Refused},
		"denied":                     {`{"errors":[{"code":"DENIED","detail":null}]}`, Refused},
		"nothing":                    {"", Unexpected},
		"a page":                     {"<html>UNAUTHORIZED</html>", Unexpected},
		"a word":                     {`"UNAUTHORIZED"`, Unexpected},
		"no errors":                  {`{"errors":[]}`, Unexpected},
		"another form":               {`{"error":"UNAUTHORIZED"}`, Unexpected},
		"a name that is not allowed": {`{"errors":[{"code":"NAME_INVALID"}]}`, Unexpected},
		"a code that no one knows":   {`{"errors":[{"code":"unauthorized"}]}`, Unexpected},
	} {
		for _, s := range []standIn{
			{challenge: []string{`Bearer realm="https://%s/auth"`}, wants: "Bearer", tokenPath: "/auth"}, {challenge: []string{`Basic realm="x"`}, wants: "Basic"},
		} {
			for _, repository := range []string{"", "plant/there"} {
				t.Run(name+", "+s.wants+" "+repository, func(t *testing.T) {
					g := NewWithT(t)
					s.refusal, s.refused = http.StatusBadRequest, test.body
					r := start(t, s)
					got, err := r.probe(t, repository, reader, "a-wrong-secret")
					g.Expect(got).To(BeZero())
					g.Expect(err).To(And(HaveField("Kind", test.kind), Not(HaveField("Op", string(opChallenge)))))
				})
			}
		}
	}
}
