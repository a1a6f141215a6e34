// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/net/http/httpproxy"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

func TestTheCallsReadWhatAnExchangeAnswers(t *testing.T) {
	for name, o := range map[string]exchangetest.Options{"new": {}, "old": {OldDates: true, SeesAll: true}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ctx := t.Context()
			w := newWorld(t, o)
			version, err := w.client.Version(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(version).To(MatchRegexp(`^2\.\d+\.0$`))

			none, err := w.client.Services(ctx, alice)
			g.Expect(err).NotTo(HaveOccurred(), "an empty list is answered with 404")
			g.Expect(none).To(BeEmpty())

			id := w.Publish(alice, exchangetest.Definition{URL: "https://example.com/a/camera", Image: image, ImageStore: `{"storeType":"dockerRegistry"}`})
			g.Expect(id).To(Equal("plant/example.com-a-camera_1.0.0_amd64"))
			w.Publish(org+"/bob", exchangetest.Definition{URL: "bobs", Image: image})
			mine, err := w.client.Services(ctx, alice)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mine).To(HaveLen(1))
			g.Expect(mine[0].ID).To(Equal(id))
			g.Expect(mine[0].Owner).To(Equal(alice))
			g.Expect(mine[0].Images).To(Equal([]string{image}))
			g.Expect(mine[0].Updated.IsZero()).To(BeFalse())
			all, err := w.client.Services(ctx, "")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(all).To(HaveLen(map[bool]int{true: 2, false: 1}[o.SeesAll]))

			entries, err := w.client.Entries(ctx, id)
			g.Expect(err).NotTo(HaveOccurred(), "no entries are answered with 404")
			g.Expect(entries).To(BeEmpty())
			for range 2 {
				g.Expect(w.client.Add(ctx, id, host, user, credential.NewToken(older))).To(Succeed())
			}
			entries, err = w.client.Entries(ctx, id)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(entries).To(HaveLen(1), "the same login twice is one entry")
			g.Expect(entries[0].Updated.IsZero()).To(BeFalse())
			g.Expect(w.client.Update(ctx, id, entries[0].ID, host, user, credential.NewToken(newer))).To(Succeed())
			g.Expect(w.logins(id)).To(Equal([]string{"factory.pull.2"}))

			g.Expect(w.client.Touch(ctx, mine[0], &Marker{Name: "factory", Generation: 7})).To(Succeed())
			g.Expect(w.ImageStore(id)).To(HaveKeyWithValue("storeType", "dockerRegistry"))
			g.Expect(w.ImageStore(id)).To(HaveKeyWithValue(markerKey, HaveKeyWithValue("generation", 7.0)))
			g.Expect(w.client.Touch(ctx, mine[0], nil)).To(Succeed())
			g.Expect(w.ImageStore(id)).To(Equal(map[string]any{"storeType": "dockerRegistry"}))

			g.Expect(w.client.Remove(ctx, id, entries[0].ID)).To(Succeed())
			g.Expect(IsKind(w.client.Remove(ctx, id, entries[0].ID), NotFound)).To(BeTrue())
			g.Expect(IsKind(w.client.Update(ctx, id, 99, host, user, credential.NewToken(newer)), NotFound)).To(BeTrue(),
				"what is not found is answered with the code of success")
			g.Expect(IsKind(w.client.Add(ctx, "plant/none_1.0.0_amd64", host, user, credential.NewToken(newer)), Unavailable)).To(BeTrue(),
				"a service that is gone is answered with 500")
			g.Expect(IsKind(w.client.Touch(ctx, Service{ID: "plant/none_1.0.0_amd64"}, nil), NotFound)).To(BeTrue())
		})
	}
}

func TestAKeyIsResolvedToItsUser(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.AddKey(org, "alice", "a-key-of-the-exchange", false)
	w.AddKey(org, "bob", "a-key-of-the-cloud", true)
	for _, tt := range []struct {
		user, password, want string
		calls                int
	}{
		{alice, password, alice, 0},
		{"apikey", "a-key-of-the-exchange", alice, 1},
		{org + "/iamapikey", "a-key-of-the-cloud", org + "/bob", 1},
	} {
		w.Forget()
		c := w.as(tt.user, tt.password)
		for range 2 {
			got, err := c.Self(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tt.want))
		}
		g.Expect(w.Calls()).To(HaveLen(tt.calls), tt.user)
	}
	_, err := w.as("apikey", "not-a-key").Self(t.Context())
	g.Expect(IsKind(err, Refused)).To(BeTrue())
}

// served answers every call alike.
func served(t *testing.T, status int, body string, header ...string) *Client {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return clientOf(t, server.URL, Options{Roots: roots, Proxy: noProxy})
}

func clientOf(t *testing.T, address string, o Options) *Client {
	t.Helper()
	login, problems := ParseLogin(map[string]string{KeyURL: address + "/v1", KeyOrg: org, KeyAuth: alice + ":" + password})
	NewWithT(t).Expect(problems).To(BeEmpty())
	c := NewExchanges(time.Now).Client(login, o)
	t.Cleanup(c.Close)
	return c
}

func TestEveryAnswerHasAKind(t *testing.T) {
	said := func(code string) string { return fmt.Sprintf(`{"code":%q,"msg":"the token is %s"}`, code, newer) }
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   Kind
		whole  bool
	}{
		{"a wrong password", 401, said("invalid-credentials"), Refused, true},
		{"another's service", 403, said("access-denied"), Denied, false},
		{"a firewall", 403, "<html>" + newer + "</html>", Unexpected, false},
		{"a proxy that asks for a login", 401, "<html></html>", Unexpected, false},
		{"a code that nobody knows", 403, said("evil" + newer), Unexpected, false},
		{"it is there", 403, said("already-exists"), Conflict, false},
		{"it is there, in a newer way", 409, said("already-exists"), Conflict, false},
		{"it is not there", 404, said("not-found"), NotFound, false},
		{"it is not there, with the code of success", 404, said("ok"), NotFound, false},
		{"no Exchange's address", 404, `{"code":"not-found","msg":"unrecognized route"}`, Unexpected, false},
		{"no page", 404, "not found", Unexpected, false},
		{"a bad request", 400, said("invalid-input"), Invalid, false},
		{"a service that is gone", 500, said("internal_error"), Unavailable, false},
		{"the database is away", 502, said("database-connection-error"), Unavailable, true},
		{"a router without a pod", 503, "<html></html>", Unavailable, true},
		{"too many", 429, "", Unavailable, true},
		{"a redirect", 302, "", Unexpected, false},
		{"a page in the place of an answer", 200, "<html></html>", Unexpected, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			c := served(t, tt.status, tt.body, "Location", "https://evil.example/", "Retry-After", "7")
			err := c.Update(t.Context(), "plant/a", 1, host, user, credential.NewToken(newer))
			var failure *Error
			g.Expect(errors.As(err, &failure)).To(BeTrue())
			g.Expect(failure.Kind).To(Equal(tt.want))
			g.Expect(failure.Whole()).To(Equal(tt.whole))
			g.Expect(failure.RetryAfter).To(Equal(7 * time.Second))
			holdsNoSecret(t, err)
			g.Expect(err.Error()).NotTo(ContainSubstring("evil"))
			g.Expect(err.Error()).To(ContainSubstring("update login 1 of plant/a"))
			g.Expect(err.Error()).NotTo(ContainSubstring("\n"))

			_, err = c.Entries(t.Context(), "plant/a")
			g.Expect(err).To(HaveOccurred())
			holdsNoSecret(t, err)
			_, err = c.Services(t.Context(), "")
			g.Expect(err).To(HaveOccurred())
			holdsNoSecret(t, err)
		})
	}
}

// holdsNoSecret says of an error that it has one, and does not print it.
func holdsNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{password, newer, older} {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			if strings.Contains(text, secret) || strings.Contains(text, secret[len(secret)-12:]) {
				t.Error("an error holds a secret")
			}
		}
	}
}

func TestAListIsReadOnlyIfItIsOne(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   int
		kind   Kind
	}{
		{"a list", 200, `{"lastIndex":0,"services":{"plant/a":{},"plant/b":{"deployment":"","extra":[1,{"x":2}]}}}`, 2, ""},
		{"an empty list", 404, `{"services":{},"lastIndex":0}`, 0, ""},
		{"services of another organisation", 200, `{"services":{"other/a":{},"plant/a/b":{},"plant/c":{}}}`, 1, ""},
		{"what is optional is absent or null", 200, `{"services":{"plant/a":{"imageStore":null,"lastUpdated":null,"clusterDeployment":null}}}`, 1, ""},
		{"an image store that is no object", 200, `{"services":{"plant/a":{"imageStore":"x"}}}`, 1, ""},
		{"an organisation that is not there", 404, `{"code":"not-found","msg":"unrecognized route"}`, 0, Unexpected},
		{"half a list", 200, `{"services":{"plant/a":{}`, 0, Unexpected},
		{"an array", 200, `[]`, 0, Unexpected},
		{"services that are none", 200, `{"services":[1]}`, 0, Unexpected},
		{"a service that is none", 200, `{"services":{"plant/a":7}}`, 0, Unexpected},
		{"nothing", 200, "", 0, Unexpected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := served(t, tt.status, tt.body).Services(t.Context(), "")
			if tt.kind != "" {
				g.Expect(IsKind(err, tt.kind)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(HaveLen(tt.want))
		})
	}
}

func TestEntriesAreNoneOnlyIfTheExchangeSaysSo(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		kind   Kind
	}{
		{404, " [] \n", ""},
		{404, "", Unexpected},
		{404, "<html></html>", Unexpected},
		{404, `{"code":"not-found","msg":"x"}`, NotFound},
		{200, "[]", ""},
		{200, "{}", Unexpected},
		{200, `[{"dockAuthId":1},{"dockAuthId":2,"token":null}]`, ""},
	} {
		g := NewWithT(t)
		_, err := served(t, tt.status, tt.body).Entries(t.Context(), "plant/a")
		if tt.kind == "" {
			g.Expect(err).NotTo(HaveOccurred(), tt.body)
			continue
		}
		g.Expect(IsKind(err, tt.kind)).To(BeTrue(), "%d %s: %v", tt.status, tt.body, err)
	}
}

func TestAnAnswerIsReadUpToALimit(t *testing.T) {
	g := NewWithT(t)
	_, err := served(t, 200, "["+strings.Repeat(" ", maxBody)+"]").Entries(t.Context(), "plant/a")
	g.Expect(IsKind(err, Unexpected)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("too large")))
}

func TestAllNodesOfALargeFleetAreRead(t *testing.T) {
	g := NewWithT(t)
	const fleet = 50_000
	pairs := make([]string, fleet)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`["plant/gateway-of-line-%05d","2026-03-01T09:00:00.000Z[UTC]"]`, i)
	}
	nodes, _, err := served(t, 201, `{"nodes":[`+strings.Join(pairs, ",")+`]}`).Nodes(t.Context(), Service{ID: "plant/camera_1.0.0_amd64"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(nodes).To(HaveLen(fleet))
}

func TestALoginGoesNowhereElse(t *testing.T) {
	g := NewWithT(t)
	var asked atomic.Int32
	thief := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		_, err := served(t, status, "", "Location", thief.URL+"/v1").Services(t.Context(), "")
		g.Expect(IsKind(err, Unexpected)).To(BeTrue())
	}
	g.Expect(asked.Load()).To(BeZero())

	w := newWorld(t, exchangetest.Options{})
	_, err := clientOf(t, strings.TrimSuffix(w.URL, "/v1"), Options{Roots: x509.NewCertPool(), Proxy: noProxy}).Services(t.Context(), "")
	g.Expect(IsKind(err, Untrusted)).To(BeTrue())
	g.Expect(w.Calls()).To(BeEmpty(), "a login was sent to a host that is not verified")
	holdsNoSecret(t, err)
}

func TestFailuresOfTheWayHaveAKind(t *testing.T) {
	g := NewWithT(t)
	plain := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g.Expect(r.Header).NotTo(HaveKey("Authorization"))
		rw.WriteHeader(http.StatusBadRequest)
	}))
	defer plain.Close()
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	silent := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	silent.StartTLS()
	defer silent.Close()
	trusting := x509.NewCertPool()
	trusting.AddCert(silent.Certificate())
	missing := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	short, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, address string
		ctx           context.Context
		options       Options
		want          Kind
	}{
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), t.Context(), Options{}, Unexpected},
		{"nobody listens", gone.URL, t.Context(), Options{}, Unreachable},
		{"no such name", "https://exchange.example", t.Context(), Options{DialContext: missing}, Unresolvable},
		{"the caller gave up", silent.URL, short, Options{Roots: trusting}, Unreachable},
	} {
		tt.options.Proxy = noProxy
		_, err := clientOf(t, tt.address, tt.options).Services(tt.ctx, "")
		g.Expect(IsKind(err, tt.want)).To(BeTrue(), "%s: %v", tt.name, err)
		g.Expect(isWhole(err)).To(Equal(tt.want != Unexpected), tt.name)
		holdsNoSecret(t, err)
	}
}

func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" {
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		tunnels.Add(1)
		there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", addressOf(w.URL))
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, _ := http.NewResponseController(rw).Hijack()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	defer proxy.Close()
	// The certificate of the stand-in names example.com.
	through := func(noProxy string) *Client {
		choose := (&httpproxy.Config{HTTPSProxy: proxy.URL, NoProxy: noProxy}).ProxyFunc()
		direct := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "example.com:443" {
				addr = addressOf(w.URL)
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		return clientOf(t, "https://example.com", Options{
			Roots: w.Roots, DialContext: direct, Proxy: func(r *http.Request) (*url.URL, error) { return choose(r.URL) },
		})
	}
	_, err := through("").Services(t.Context(), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tunnels.Load()).To(BeEquivalentTo(1))
	_, err = through("example.com").Services(t.Context(), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tunnels.Load()).To(BeEquivalentTo(1), "NO_PROXY names the host")
}

func addressOf(address string) string {
	u, _ := url.Parse(address)
	return u.Host
}
