// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

const quotaPath = "GET /api/v1/quotas"

var fine = reply{status: 200, body: `{"limit":{"storage_bytes":5,"traffic_bytes":-1},"usage":{"storage_bytes":3,"traffic_bytes":4},"new":{}}`}

// making are the calls that make something, each with its request.
var making = map[string]func(context.Context, *Client) error{
	"POST /v1/apikeys": func(ctx context.Context, c *Client) error {
		_, err := c.CreateKey(ctx, NewKey{Name: "k", IAMID: reader, AccountID: account, Value: credential.NewToken(newValue)})
		return err
	},
	"POST /v1/serviceids": func(ctx context.Context, c *Client) error {
		_, err := c.CreateServiceID(ctx, ServiceID{Name: "s", AccountID: account})
		return err
	},
	"POST /v2/policies": func(ctx context.Context, c *Client) error {
		_, err := c.CreatePolicy(ctx, Policy{IAMID: reader})
		return err
	},
}

const newValue = "a-new-value-of-at-least-32-characters"

func TestWhatIsTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		first reply
		sent  int
		want  Kind
	}{
		"too many requests":      {reply{status: 429}, 2, ""},
		"a gateway":              {reply{status: 502, body: "<html>"}, 2, ""},
		"out of service":         {reply{status: 503, header: []string{"Retry-After", "3"}}, 2, ""},
		"a gateway that waits":   {reply{status: 504}, 2, ""},
		"a connection that ends": {reply{half: true}, 2, ""},
		"an error of the server": {reply{status: 500}, 1, Unavailable},
		"forbidden":              {reply{status: 403}, 1, Forbidden},
		"a redirect":             {reply{status: 307, header: []string{"Location", "/api/v1/other"}}, 1, Unexpected},
		"asked to wait for long": {reply{status: 429, header: []string{"Retry-After", "99999999"}}, 1, Busy},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newCloud(t).on(quotaPath, tt.first, fine)
			c := w.client(nil)
			var pauses []time.Duration
			c.pause = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
			_, err := c.Quota(t.Context(), account)
			g.Expect(KindOf(err)).To(Equal(tt.want))
			g.Expect(w.asked()).To(HaveLen(tt.sent))
			g.Expect(pauses).To(HaveLen(tt.sent - 1))
			if len(tt.first.header) > 0 && tt.sent == 2 {
				g.Expect(pauses).To(Equal([]time.Duration{3 * time.Second}))
			}
			if tt.want == Busy {
				g.Expect(failed(t, err).RetryAfter).To(Equal(5 * time.Minute))
			}
		})
	}
}

func TestTriesEnd(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, reply{status: 503})
	c := w.client(nil)
	var pauses []time.Duration
	c.pause = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	_, err := c.Quota(t.Context(), account)
	g.Expect(failed(t, err)).To(HaveField("Kind", Unavailable))
	g.Expect(w.asked()).To(HaveLen(4))
	g.Expect(pauses).To(Equal([]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}))

	c.pause = func(context.Context, time.Duration) error { return context.Canceled }
	_, err = c.Quota(t.Context(), account)
	g.Expect(KindOf(err)).To(Equal(Unavailable))
	g.Expect(w.asked()).To(HaveLen(5), "nobody waits for it any more")

	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.on(quotaPath, reply{status: 503, header: []string{"Retry-After", "9"}})
	c.pause = func(context.Context, time.Duration) error { return nil }
	_, err = c.Quota(short, account)
	g.Expect(KindOf(err)).To(Equal(Unavailable))
	g.Expect(w.asked()).To(HaveLen(9))
	shorter, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	_, err = c.Quota(shorter, account)
	g.Expect(KindOf(err)).To(Equal(Unavailable))
	g.Expect(w.asked()).To(HaveLen(10), "the pause would outlast the caller")
}

func TestWhatMakesSomethingIsSentOnce(t *testing.T) {
	for route, send := range making {
		for name, bad := range map[string]reply{
			"too many requests": {status: 429}, "a gateway": {status: 502}, "out of service": {status: 503}, "cut": {cut: true}, "half": {half: true},
			"an error": {status: 500}, "forbidden": {status: 403},
		} {
			t.Run(route+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				w := newCloud(t).on(route, bad)
				g.Expect(send(t.Context(), w.client(nil))).NotTo(Succeed())
				g.Expect(paths(w.asked())).To(Equal(route))
			})
		}
	}
}

func TestATokenThatIsRefusedIsExchangedOnce(t *testing.T) {
	refused := map[string]reply{
		"401":                       {status: 401},
		"by its code, IAM":          {status: 400, body: `{"errors":[{"code":"invalid_token","message":"x"}]}`},
		"by its code, the registry": {status: 403, body: `{"code":"CRG0014E","message":"x","request-id":"1"}`},
	}
	for name, no := range refused {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newCloud(t)
			c := w.client(nil)
			_, err := c.Account(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			w.on(quotaPath, no, fine)
			_, err = c.Quota(t.Context(), account)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(w.exchanged()).To(Equal(2))
			calls := w.asked()
			g.Expect(calls).To(HaveLen(2))
			g.Expect(calls[0].header.Get("Authorization") == "Bearer "+jwt(1, account)).To(BeTrue())
			g.Expect(calls[1].header.Get("Authorization") == "Bearer "+jwt(2, account)).To(BeTrue())

			w.on(quotaPath, no)
			_, err = c.Quota(t.Context(), account)
			g.Expect(failed(t, err).Kind).To(Equal(Unauthorized))
			g.Expect(w.asked()).To(HaveLen(4), "once more, and not again")
			g.Expect(w.exchanged()).To(Equal(3))
			w.on(quotaPath, fine)
			_, err = c.Quota(t.Context(), account)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, reply{status: 401})
	c := w.client(nil)
	_, err := c.Quota(t.Context(), account)
	g.Expect(KindOf(err)).To(Equal(Unauthorized))
	g.Expect(w.asked()).To(HaveLen(1), "a token that is new is not exchanged again")
	g.Expect(c.tokens.cached).To(BeEmpty(), "nor is it kept")

	for route, send := range making {
		w, no := newCloud(t), reply{status: 401}
		c := w.client(nil)
		_, err := c.Account(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		w.on(route, no, reply{status: 201, body: `{"id":"an-id","iam_id":"iam-an-id"}`})
		g.Expect(send(t.Context(), c)).To(Succeed(), route)
		g.Expect(w.asked()).To(HaveLen(2), "what is refused made nothing")
	}
}

func TestATokenThatTookThePlaceOfARefusedOneIsKept(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	c := w.client(nil)
	_, err := c.Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	c.tokens.drop(c.place(), credential.NewToken(jwt(7, account)))
	_, err = c.Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.exchanged()).To(Equal(1))
}

func TestACredentialGoesNowhereElse(t *testing.T) {
	g := NewWithT(t)
	thief := newCloud(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newCloud(t)
		w.on(quotaPath, reply{status: status, header: []string{"Location", thief.URL + "/api/v1/quotas"}})
		_, err := w.client(nil).Quota(t.Context(), account)
		g.Expect(failed(t, err)).To(And(HaveField("Kind", Unexpected), HaveField("Status", status)))
		w.on("POST /identity/token", reply{status: status, header: []string{"Location", thief.URL + "/identity/token"}})
		_, err = w.client(nil).Account(t.Context())
		g.Expect(KindOf(err)).To(Equal(Unexpected))
	}
	g.Expect(thief.all()).To(BeEmpty())

	plain := httptest.NewServer(thief)
	defer plain.Close()
	_, err := New(Config{Endpoints: Endpoints{IAM: plain.URL}, Key: credential.NewToken(ownKey)}).Account(t.Context())
	g.Expect(KindOf(err)).To(Equal(Unexpected))
	g.Expect(thief.all()).To(BeEmpty(), "a key was sent without TLS")

	w := newCloud(t)
	strangers := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}}
	_, err = New(Config{HTTP: strangers, Endpoints: Endpoints{IAM: w.URL}, Key: credential.NewToken(ownKey)}).Account(t.Context())
	g.Expect(failed(t, err).Kind).To(Equal(Untrusted))
	g.Expect(w.all()).To(BeEmpty())
	g.Expect(strangers.CheckRedirect).To(BeNil(), "the client of the caller is as it was")

	client := w.client(nil)
	client.endpoints = EndpointsOf("us-east", false)
	client.endpoints.IAM = w.URL
	_, err = client.Quota(t.Context(), account)
	g.Expect(KindOf(err)).To(Equal(Unexpected), "a region that is not known has no registry")
}

func TestTheContextOfTheCallerBoundsACall(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, reply{hang: true})
	c := w.client(nil)
	_, err := c.Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Quota(ctx, account)
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
	g.Expect(failed(t, err).Kind).To(Equal(Unavailable))
	g.Expect(w.asked()).To(HaveLen(1))

	_, err = c.Quota(ctx, account)
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
	g.Expect(w.asked()).To(HaveLen(1), "nothing is sent for who is gone")
}

func TestARequestIsGivenUpAfterAWhile(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, reply{hang: true})
	c := w.client(nil)
	g.Expect(c.timeout).To(Equal(30 * time.Second))
	_, err := c.Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	c.timeout = 50 * time.Millisecond
	_, err = c.Quota(t.Context(), account)
	g.Expect(failed(t, err)).To(And(HaveField("Kind", Unavailable), HaveField("Text", remote.TooSlow)))
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeFalse(), "the caller's time is not over")
	g.Expect(w.asked()).To(HaveLen(1))
}

func TestAnAnswerIsReadUpToALimit(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, reply{status: 200, body: strings.Repeat(" ", remote.MaxBody) + "{}"})
	_, err := w.client(nil).Quota(t.Context(), account)
	g.Expect(failed(t, err)).To(And(HaveField("Kind", Unexpected), HaveField("Text", remote.TooLarge)))
	w.on(quotaPath, reply{status: 200, body: fine.body + strings.Repeat(" ", remote.MaxBody-len(fine.body))})
	_, err = w.client(nil).Quota(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
}

// A gateway in the way may answer with a page, and call that success.
func TestAPageIsNoSuccess(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on("DELETE /v1/apikeys/ApiKey-1", reply{status: 200, body: "\n<!DOCTYPE html><title>Sign in</title>"})
	g.Expect(failed(t, w.client(nil).DeleteKey(t.Context(), "ApiKey-1"))).To(And(HaveField("Kind", Unexpected), HaveField("Text", malformed)))
	w.on("DELETE /v1/apikeys/ApiKey-1", reply{status: 204})
	g.Expect(w.client(nil).DeleteKey(t.Context(), "ApiKey-1")).To(Succeed())
}

func TestNothingIsAskedAboutWhatIsNoID(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	c := w.client(nil)
	for _, id := range []string{"", "..", "a/b", "a?b", "a b", "../apikeys"} {
		_, activity := c.KeyActivity(t.Context(), id)
		_, keys := c.Keys(t.Context(), account, id)
		_, policies := c.Policies(t.Context(), account, id)
		_, ids := c.ServiceIDs(t.Context(), id, "")
		_, quota := c.Quota(t.Context(), id)
		_, made := c.CreateNamespace(t.Context(), account, id, "")
		_, policy := c.CreatePolicy(t.Context(), Policy{IAMID: id})
		for _, err := range []error{
			activity, keys, policies, ids, quota, made, policy, c.DeleteKey(t.Context(), id), c.DeleteServiceID(t.Context(), id),
			c.DeletePolicy(t.Context(), id), c.DeleteNamespace(t.Context(), account, id), c.DisableKey(t.Context(), id),
		} {
			g.Expect(failed(t, err)).To(And(HaveField("Kind", Unexpected), HaveField("Text", noID)), "%q", id)
		}
	}
	g.Expect(w.asked()).To(BeEmpty())
}
