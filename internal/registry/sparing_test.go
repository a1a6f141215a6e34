// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

// This file is about how much a registry is asked, and who else is.

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// A login that works is shown once for each right, and what everybody is answered is asked for once for all logins. A token
// for both rights is asked for once another login was shown the repository.
func TestHowOftenARegistryIsAsked(t *testing.T) {
	const everybody = 1 + 1 // The challenge, and the control.
	for name, test := range map[string]struct {
		standIn    string
		repository string
		tokens     int
		requests   int
	}{
		"a login in each request":                   {"distribution with htpasswd", "plant/there", 0, everybody + 2*2},
		"a token for each right, and the control":   {"distribution with tokens", "plant/there", 1 + 2 + 1, everybody + 2*2},
		"a login in each request, and no place":     {"distribution with htpasswd", "", 0, 1 + 2},
		"a token, and no place":                     {"distribution with tokens", "", 2, 1},
		"a repository that is not there":            {"distribution with tokens", "plant/none", 1 + 2*2, everybody + 2},
		"a repository that everybody may read from": {"a public project", "plant/there", 1 + 3 + 2, everybody + 2*2},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, standIns[test.standIn])
			c := r.client()
			for _, user := range []string{pusher, reader} {
				_, err := c.Probe(t.Context(), test.repository, user, credential.NewToken(user+"-secret"))
				g.Expect(err).NotTo(HaveOccurred())
			}
			tokens := 0
			for _, request := range r.requests {
				if r.tokenPath != "" && strings.HasSuffix(request, r.tokenPath) {
					tokens++
				}
			}
			g.Expect(tokens).To(Equal(test.tokens), "%v", r.requests)
			g.Expect(len(r.requests)-tokens).To(Equal(test.requests), "%v", r.requests)
		})
	}
}

// What is no list of tags shows nothing, whoever is answered so: a page, a body without end, nothing at all.
func TestAListOfTagsThatIsNoneProvesNothing(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "a page": "<html>welcome</html>", "another list": `["a"]`, "half of one": `{"tags":["1"`,
		"one without end": `{"tags":["` + strings.Repeat("1", 5<<20) + `"]}`,
	} {
		for _, login := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, with a login: %t", name, login), func(t *testing.T) {
				g := NewWithT(t)
				r := start(t, standIns["distribution with htpasswd"])
				r.instead = func(req *http.Request) (string, bool) {
					_, _, shown := req.BasicAuth()
					return body, strings.HasSuffix(req.URL.Path, "/tags/list") && shown == login
				}
				got, err := r.probe(t, "plant/there", reader, reader+"-secret")
				g.Expect(err).To(And(HaveField("Kind", Unexpected), HaveField("Op", string(opPull))))
				g.Expect(got).To(BeZero())
			})
		}
	}
}

// Whatever a registry leads to is sent no login, and is no answer.
func TestNoRedirectIsFollowed(t *testing.T) {
	for name, test := range map[string]struct{ standIn, from string }{
		"of a token":           {"distribution with tokens", "GET /auth"},
		"of a login":           {"distribution with htpasswd", "GET /v2/"},
		"of a trial to pull":   {"distribution with tokens", "GET /v2/plant"},
		"of a trial to push":   {"distribution with tokens", "PATCH"},
		"of a push with Basic": {"distribution with htpasswd", "PATCH"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, standIns[test.standIn])
			r.redirects = test.from
			_, err := r.probe(t, "plant/there", pusher, pusher+"-secret")
			g.Expect(err).To(And(HaveField("Kind", Unexpected), HaveField("Status", http.StatusTemporaryRedirect)))
			g.Expect(r.hosts).To(And(HaveLen(1), HaveKey(r.host)))
		})
	}
}
