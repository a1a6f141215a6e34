// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"
)

// asking sends requests to a stand-in, and reads what it answers.
type asking struct {
	t *testing.T
	*Harbor
	http *http.Client
}

func newAsking(t *testing.T, o Options) *asking {
	t.Helper()
	h, err := New(t.Context(), o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(h.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CA.PEM())
	return &asking{t, h, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}
}

// do returns the status, the challenge and the body of an answer.
func (a *asking) do(method, path, body string, prepare func(*http.Request)) (int, string, string) {
	a.t.Helper()
	g := NewWithT(a.t)
	r, err := http.NewRequestWithContext(a.t.Context(), method, "https://"+a.Host+path, strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	if prepare != nil {
		prepare(r)
	}
	answer, err := a.http.Do(r)
	g.Expect(err).NotTo(HaveOccurred())
	content, err := io.ReadAll(answer.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.Body.Close()).To(Succeed())
	return answer.StatusCode, answer.Header.Get("WWW-Authenticate"), string(content)
}

func basic(user, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, secret) }
}

// token asks the token endpoint, and returns the status and what it gives.
func (a *asking) token(user, secret, scope string) (int, string) {
	a.t.Helper()
	status, _, body := a.do(http.MethodGet, "/service/token?service=harbor-registry"+scope, "", basic(user, secret))
	var given struct{ Token string }
	_ = json.Unmarshal([]byte(body), &given)
	return status, given.Token
}

// tags asks for the tags of a repository with a token.
func (a *asking) tags(method, path, token string) int {
	a.t.Helper()
	status, _, _ := a.do(method, path, "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	return status
}

func TestTheTokenEndpointProvesNothing(t *testing.T) {
	g := NewWithT(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	a := newAsking(t, Options{Clock: clock})
	a.AddProject("plant")
	a.Repositories("plant/edge")
	user, secret := a.AddRobot("plant", "push", "", "repository:pull", "repository:push")
	const scope, list, upload = "&scope=repository:plant/edge:pull", "/v2/plant/edge/tags/list", "/v2/plant/edge/blobs/uploads/x"

	status, token := a.token(user, secret, scope)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(a.tags(http.MethodGet, list, token)).To(Equal(http.StatusOK))
	g.Expect(a.tags(http.MethodPatch, upload, token)).To(Equal(http.StatusNotFound), "all that there are are given, whatever is asked for")

	expectNothing := func(why, secret string) {
		status, token := a.token(user, secret, scope)
		g.Expect(status).To(Equal(http.StatusOK), why)
		g.Expect(a.tags(http.MethodGet, list, token)).To(Equal(http.StatusUnauthorized), why)
		status, _ = a.token(user, secret, "")
		g.Expect(status).To(Equal(http.StatusUnauthorized), why)
	}
	expectNothing("a wrong password", "wrong")
	id := a.Robots()[0].ID
	a.Edit(id, func(r *Robot) { r.Disabled = true })
	expectNothing("a robot that is disabled", secret)
	a.Edit(id, func(r *Robot) { r.Disabled = false })
	status, _ = a.token(user, secret, "")
	g.Expect(status).To(Equal(http.StatusOK))
}

func TestARobotEndsAfterWholeDays(t *testing.T) {
	g := NewWithT(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	a := newAsking(t, Options{Clock: clock})
	a.AddProject("plant")
	a.AddAdmin("admin", "Admin-password-1", "plant")
	status, _, body := a.do(http.MethodPost, "/api/v2.0/robots", `{"name":"edge","level":"project","duration":2,"secret":"Given-secret-1",
		"permissions":[{"kind":"project","namespace":"plant","access":[{"resource":"repository","action":"pull"}]}]}`, basic("admin", "Admin-password-1"))
	g.Expect(status).To(Equal(http.StatusCreated))
	var made struct{ Name, Secret string }
	g.Expect(json.Unmarshal([]byte(body), &made)).To(Succeed())
	g.Expect(made.Name).To(Equal("robot$plant+edge"))
	g.Expect(made.Secret == "Given-secret-1").To(BeFalse(), "what is given is ignored")
	clock.SetTime(clock.Now().Add(48*time.Hour - time.Minute))
	g.Expect(a.Works(made.Name, made.Secret)).To(BeTrue())
	clock.SetTime(clock.Now().Add(2 * time.Minute))
	g.Expect(a.Works(made.Name, made.Secret)).To(BeFalse())
}

func TestHowHarborAsksForALogin(t *testing.T) {
	a := newAsking(t, Options{})
	a.AddProject("plant")
	for name, test := range map[string]struct {
		path      string
		prepare   func(*http.Request)
		challenge string
	}{
		"nobody":             {"/v2/", nil, `Bearer realm="https://` + a.Host + `/service/token",service="harbor-registry"`},
		"a wrong login":      {"/v2/", basic("robot$plant+x", "wrong"), `Basic realm="harbor"`},
		"a repository":       {"/v2/plant/a/b/tags/list", nil, `Bearer realm="https://` + a.Host + `/service/token",service="harbor-registry",scope="repository:plant/a/b:pull"`},
		"an unknown project": {"/v2/unknown/a/tags/list", nil, ``},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status, challenge, _ := a.do(http.MethodGet, test.path, "", test.prepare)
			g.Expect(status).To(Equal(http.StatusUnauthorized))
			g.Expect(challenge).To(Equal(test.challenge))
		})
	}
}

func TestARobotGivesNoMoreThanItHas(t *testing.T) {
	a := newAsking(t, Options{})
	a.AddProject("plant")
	a.AddProject("other")
	user, secret := a.AddRobot("plant", "maker", "", "robot:create", "repository:pull")
	robot := func(project, action string) string {
		return `{"name":"edge","level":"project","duration":1,"permissions":[{"kind":"project","namespace":"` + project + `","access":[{"resource":"repository","action":"` + action + `"}]}]}`
	}
	for name, test := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"more":               {robot("plant", "push"), http.StatusForbidden, "equal to or more restrictive"},
		"in another project": {robot("other", "pull"), http.StatusForbidden, "FORBIDDEN"},
		"what it has":        {robot("plant", "pull"), http.StatusCreated, "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status, _, body := a.do(http.MethodPost, "/api/v2.0/robots", test.body, basic(user, secret))
			g.Expect(status).To(Equal(test.status))
			g.Expect(body).To(ContainSubstring(test.says))
		})
	}
}
