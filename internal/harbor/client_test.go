// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// world is a stand-in with a project and an account that may do all with its robots.
type world struct {
	*harbor.Harbor
	clock  *clocktesting.FakePassiveClock
	secret string
	client *Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakePassiveClock(time.Now())}
	var err error
	w.Harbor, err = harbor.New(t.Context(), harbor.Options{Clock: w.clock})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(w.Close)
	w.AddProject("plant")
	user, secret := w.AddRobot("plant", "maker", "", "project:read", "robot:create", "robot:list", "robot:read", "robot:update", "robot:delete", "repository:pull", "repository:push")
	w.secret = secret
	w.client = w.as(user, secret)
	return w
}

func (w *world) as(user, secret string) *Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.CA.PEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return New(Config{Host: w.Host, Transport: transport, User: user, Password: credential.NewToken(secret)})
}

func (w *world) make(t *testing.T, name string) Made {
	t.Helper()
	made, err := w.client.CreateRobot(t.Context(), Wanted{Project: "plant", Name: name, Description: "a test", Days: 40})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return made
}

func TestTheLifeOfARobot(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	project, err := w.client.Project(t.Context(), "plant")
	g.Expect(err).NotTo(HaveOccurred())
	made := w.make(t, "edge-1")
	g.Expect(made.Name).To(Equal("robot$plant+edge-1"))
	g.Expect(w.client.Accepts(t.Context(), made.Name, made.Secret)).To(BeTrue())

	listed, err := w.client.Robots(t.Context(), project)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed).To(HaveLen(2))
	read, err := w.client.Robot(t.Context(), made.ID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.Description).To(Equal("a test"))
	g.Expect(read.Duration).To(Equal(int64(40)))
	g.Expect(time.Unix(read.ExpiresAt, 0)).To(BeTemporally("~", made.CreationTime.AddDate(0, 0, 40), 2*time.Second))

	second, err := w.client.RefreshSecret(t.Context(), made.ID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.client.Accepts(t.Context(), made.Name, made.Secret)).To(BeFalse(), "another secret ends the previous one")
	g.Expect(w.client.Accepts(t.Context(), made.Name, second)).To(BeTrue())

	g.Expect(w.client.DisableRobot(t.Context(), read)).To(Succeed())
	g.Expect(w.client.Accepts(t.Context(), made.Name, second)).To(BeFalse())
	after, err := w.client.Robot(t.Context(), made.ID)
	g.Expect(err).NotTo(HaveOccurred())
	read.Disable = true
	g.Expect(after).To(Equal(read), "nothing else of it changes")

	g.Expect(w.client.DeleteRobot(t.Context(), made.ID)).To(Succeed())
	g.Expect(w.client.DeleteRobot(t.Context(), made.ID)).To(Succeed(), "what is gone is deleted")
	_, err = w.client.Robot(t.Context(), made.ID)
	g.Expect(KindOf(err)).To(Equal(NotFound))
}

func TestAnAccountIsToldWhatItMayDo(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	w.AddProject("other")
	w.AddAdmin("ada", "Administers-1", "plant")
	w.AddMaintainer("mary", "Maintains-it-1", "plant")
	plant, err := w.client.Project(t.Context(), "plant")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.client.Permissions(t.Context(), plant)).To(ConsistOf(
		".:read", "robot:create", "robot:list", "robot:read", "robot:update", "robot:delete", "repository:pull", "repository:push"))
	g.Expect(w.as("ada", "Administers-1").Permissions(t.Context(), plant)).To(ContainElements("robot:create", "robot:list", "repository:push"))
	g.Expect(w.as("mary", "Maintains-it-1").Permissions(t.Context(), plant)).To(And(ContainElement("robot:list"), Not(ContainElement("robot:create"))))
	g.Expect(w.client.Permissions(t.Context(), Project{ID: plant.ID + 1, Name: "other"})).To(BeEmpty(), "of another project it is told null")
	_, err = w.as("ada", "wrong").Permissions(t.Context(), plant)
	g.Expect(KindOf(err)).To(Equal(Unauthorized))
}

func TestALongListIsReadToItsEnd(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	for range 250 {
		w.AddRobot("plant", "other", "")
	}
	project, err := w.client.Project(t.Context(), "plant")
	g.Expect(err).NotTo(HaveOccurred())
	listed, err := w.client.Robots(t.Context(), project)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed).To(HaveLen(251))
}

func TestWhatGoesWrong(t *testing.T) {
	for name, test := range map[string]struct {
		fault *standin.Fault
		kind  Kind
		says  string
	}{
		"a lost reply":         {standin.LostReply(nil), Unavailable, "there is no answer"},
		"no time left":         {standin.Hang(nil), Unavailable, "it took too long"},
		"500 after the act":    {&standin.Fault{Commit: true, Status: 500}, Unavailable, "it cannot serve now, with 500"},
		"too many requests":    {&standin.Fault{Status: 429}, Unavailable, "429"},
		"a page":               {standin.HTML(nil, 200), Unexpected, "malformed"},
		"a firewall":           {standin.HTML(nil, 403), Unexpected, "not expected, with 403"},
		"a page, not found":    {standin.HTML(nil, 404), Unexpected, "not expected, with 404"},
		"a redirect":           {&standin.Fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.example.com/"}}}, Unexpected, "leads to another place"},
		"a right is missing":   {&standin.Fault{Status: 403, Body: `{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}`}, Forbidden, "lacks the permission robot:create"},
		"a refused account":    {&standin.Fault{Status: 401, Body: `{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`}, Unauthorized, "the account is refused, with 401 Unauthorized (UNAUTHORIZED: unauthorized)"},
		"a name that is taken": {&standin.Fault{Status: 409, Body: `{"errors":[{"code":"CONFLICT","message":"robot\nexists"}]}`}, Exists, "CONFLICT: robot exists"},
		"more than it has":     {&standin.Fault{Status: 403, Body: `{"errors":[{"code":"DENIED","message":"permission scope is invalid"}]}`}, Forbidden, "permission scope is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t)
			w.client.timeout = time.Second
			w.Inject(test.fault)
			w.Forget()
			_, err := w.client.CreateRobot(t.Context(), Wanted{Project: "plant", Name: "edge-1", Days: 1})
			g.Expect(KindOf(err)).To(Equal(test.kind), "%v", err)
			g.Expect(err).To(MatchError(And(HavePrefix("Harbor at "+w.Host+", on the attempt to make robot edge-1 in project plant: "), ContainSubstring(test.says))))
			g.Expect(w.Matching(harbor.Writes)).To(HaveLen(1), "a request is sent once")
		})
	}
}

// A gateway that answers everything with a page has deleted and accepted nothing.
func TestAPageIsNoSuccess(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	made := w.make(t, "edge-1")
	page := standin.HTML(nil, 200)
	page.Always = true
	w.Inject(page)
	g.Expect(KindOf(w.client.DeleteRobot(t.Context(), made.ID))).To(Equal(Unexpected))
	_, err := w.client.Accepts(t.Context(), made.Name, made.Secret)
	g.Expect(KindOf(err)).To(Equal(Unexpected))
	w.Heal()
	g.Expect(w.client.Accepts(t.Context(), made.Name, made.Secret)).To(BeTrue())
}

// Whatever a server repeats of a secret: none is in an error.
func TestNoSecretIsInAnError(t *testing.T) {
	w := newWorld(t)
	for name, form := range map[string]string{
		"as it is": w.secret, "in base64": base64.StdEncoding.EncodeToString([]byte("maker:" + w.secret)),
		"in a URL": url.QueryEscape(w.secret),
	} {
		t.Run(name, func(t *testing.T) {
			w.Inject(&standin.Fault{Status: 400, Body: `{"errors":[{"code":"BAD_REQUEST","message":"saw ` + form + `"}]}`})
			_, err := w.client.CreateRobot(t.Context(), Wanted{Project: "plant", Name: "edge-1", Days: 1})
			NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("BAD_REQUEST: saw"), Not(ContainSubstring(form)))))
		})
	}
}

func TestAHostThatIsNotTrustedIsToldNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	client := New(Config{Host: w.Host, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}, User: "u", Password: credential.NewToken("a-password")})
	_, err := client.Project(t.Context(), "plant")
	g.Expect(KindOf(err)).To(Equal(Untrusted))
	g.Expect(w.Matching(harbor.API)).To(BeEmpty())
}
