// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"
)

const (
	plant = "acc-plant"
	other = "acc-other"

	iamURL  = "https://" + IAMHost
	usURL   = "https://us.icr.io"
	deURL   = "https://de.icr.io"
	sensors = "sensors"
)

// world is a cloud with two accounts and a clock that tests move.
type world struct {
	*Cloud
	t      *testing.T
	clock  *clocktesting.FakePassiveClock
	client *http.Client
	owner  Key
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakePassiveClock(time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC))}
	o.Clock = w.clock
	w.Cloud = New(o)
	t.Cleanup(w.Close)
	w.client = clientOf(t, w.Cloud)
	w.AddAccount(plant, AccountOptions{})
	w.AddAccount(other, AccountOptions{})
	w.owner = w.AddKey(w.Owner(plant))
	return w
}

// clientOf is a client that reaches a cloud by its names.
func clientOf(t *testing.T, c *Cloud) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(c.CA.Certificate())
	transport := &http.Transport{DialContext: c.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// advance moves the clock.
func (w *world) advance(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// settle lets everything be seen that was written.
func (w *world) settle() { w.advance(10 * time.Minute) }

// answer is the answer to a request, and its body as JSON.
type answer struct {
	status int
	text   string
	header http.Header
}

// into reads the body.
func (w *world) into(a answer, into any) {
	w.t.Helper()
	NewWithT(w.t).Expect(json.Unmarshal([]byte(a.text), into)).To(Succeed())
}

// body reads a body that is an object.
func (w *world) body(a answer) map[string]any {
	w.t.Helper()
	body := map[string]any{}
	w.into(a, &body)
	return body
}

// send sends a request with headers, as NAME: VALUE.
func (w *world) send(method, target, body string, headers ...string) answer {
	w.t.Helper()
	g := NewWithT(w.t)
	req, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return answer{resp.StatusCode, strings.TrimSpace(string(got)), resp.Header}
}

// exchange asks for a token for the value of a key.
func (w *world) trade(value string) answer {
	w.t.Helper()
	form := url.Values{"grant_type": {apikeyGrant}, "apikey": {value}, "response_type": {"cloud_iam"}}
	return w.send("POST", iamURL+"/identity/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

// token is one for a key.
func (w *world) token(k Key) string {
	w.t.Helper()
	traded := w.trade(k.Value())
	NewWithT(w.t).Expect(traded.status).To(Equal(http.StatusOK))
	return w.body(traded)["access_token"].(string)
}

// as sends a request with a fresh token of a key, and the header Account.
func (w *world) as(k Key, method, target, body string, headers ...string) answer {
	w.t.Helper()
	return w.send(method, target, body, append([]string{"Authorization: Bearer " + w.token(k), "Account: " + plant}, headers...)...)
}

func TestATokenIsSignedAndSaysWhoCalls(t *testing.T) {
	w := newWorld(t, Options{TokenLife: 20 * time.Second})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "builder")
	traded := w.trade(who.Value())
	g.Expect(traded.status).To(Equal(http.StatusOK))
	body := w.body(traded)
	g.Expect(body).To(HaveKeyWithValue("expires_in", 20.0))
	g.Expect(body).To(HaveKeyWithValue("expiration", float64(w.clock.Now().Unix()+20)))

	token := body["access_token"].(string)
	said, good := w.verify(token, iamIssuer)
	g.Expect(good).To(BeTrue())
	g.Expect(said.IAMID).To(Equal(who.IAMID))
	g.Expect(said.Account.BSS).To(Equal(plant))
	g.Expect(said.SubType).To(Equal("ServiceId"))

	bearer := "Authorization: Bearer " + token
	g.Expect(w.send("GET", iamURL+"/v1/serviceids", "", bearer).status).To(Equal(http.StatusOK))
	g.Expect(w.send("GET", iamURL+"/v1/serviceids", "", bearer+"x").status).To(Equal(http.StatusUnauthorized), "another signature")
	w.advance(20 * time.Second)
	g.Expect(w.send("GET", iamURL+"/v1/serviceids", "", bearer).status).To(Equal(http.StatusUnauthorized), "an expired token")
}

func TestATokenIsGivenForAFormAlone(t *testing.T) {
	w := newWorld(t, Options{})
	form := url.Values{"grant_type": {apikeyGrant}, "apikey": {w.owner.Value()}}
	another := url.Values{"grant_type": {"urn:another"}, "apikey": {w.owner.Value()}}
	for name, c := range map[string]struct {
		body, kind string
		status     int
	}{
		"a form":            {form.Encode(), "application/x-www-form-urlencoded", http.StatusOK},
		"a form of UTF-8":   {form.Encode(), "application/x-www-form-urlencoded; charset=utf-8", http.StatusOK},
		"JSON":              {`{"apikey":"x"}`, "application/json", http.StatusBadRequest},
		"another grant":     {another.Encode(), "application/x-www-form-urlencoded", http.StatusBadRequest},
		"no key, but a bit": {"grant_type=" + url.QueryEscape(apikeyGrant) + "&apikey=x", "application/x-www-form-urlencoded", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.send("POST", iamURL+"/identity/token", c.body, "Content-Type: "+c.kind)
			NewWithT(t).Expect(got.status).To(Equal(c.status))
		})
	}
}
