// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestAKeyIsExchangedAsIAMTakesIt(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	got, err := w.client(nil).Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(Account{ID: account, IAMID: "iam-ServiceId-own"}))
	calls := w.all()
	g.Expect(paths(calls)).To(Equal("POST /identity/token"))
	g.Expect(calls[0].header.Get("Content-Type")).To(Equal("application/x-www-form-urlencoded"))
	g.Expect(calls[0].header.Get("Accept")).To(Equal("application/json"))
	g.Expect(calls[0].header).NotTo(HaveKey("Authorization"))
	form, err := url.ParseQuery(calls[0].body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(form.Get("apikey") == ownKey).To(BeTrue())
	form.Del("apikey")
	g.Expect(form).To(Equal(url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "response_type": {"cloud_iam"}}))
}

func TestAnAccountIsReadOutOfATokenOnly(t *testing.T) {
	for _, token := range []string{"opaque", "a.b.c", jwt(1, ""), "e30.e30.c2ln"} {
		w := newCloud(t).on("POST /identity/token", reply{status: 200, body: fmt.Sprintf(`{"access_token":%q,"expires_in":3600}`, token)})
		_, err := w.client(nil).Account(t.Context())
		NewWithT(t).Expect(failed(t, err).Kind).To(Equal(Unexpected))
	}
}

func TestATokenIsKeptUntilFourFifthsOfItsLifeAreOver(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	var shared Tokens
	first, second := w.client(&shared), w.client(&shared)
	ask := func(c *Client) {
		_, err := c.Account(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
	}
	ask(first)
	w.clock.SetTime(w.clock.Now().Add(48*time.Minute - time.Second))
	ask(second)
	g.Expect(w.exchanged()).To(Equal(1))
	w.clock.SetTime(w.clock.Now().Add(time.Second))
	ask(first)
	g.Expect(w.exchanged()).To(Equal(2), "at 80 % of its life")
	ask(second)
	g.Expect(w.exchanged()).To(Equal(2))

	ask(w.clientOf("another-key-of-the-account", &shared))
	g.Expect(w.exchanged()).To(Equal(3), "another key has another token")
	other := newCloud(t)
	elsewhere := other.client(&shared)
	ask(elsewhere)
	g.Expect(other.exchanged()).To(Equal(1), "another IAM gives another token")
	ask(first)
	g.Expect(w.exchanged()).To(Equal(3))

	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	ask(first)
	g.Expect(shared.cached).To(HaveLen(1), "what is over is dropped: here those of the other key and the other IAM")
}

func TestHowLongATokenIsGivenOut(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		expiration time.Time
		expiresIn  int64
		want       time.Duration
	}{
		"both":                             {now.Add(time.Hour), 3600, 48 * time.Minute},
		"a short one":                      {now.Add(15 * time.Minute), 900, 12 * time.Minute},
		"an expiration only":               {now.Add(time.Hour), 0, 48 * time.Minute},
		"a life only":                      {time.Time{}, 3600, 48 * time.Minute},
		"this clock is slow by five hours": {now.Add(6 * time.Hour), 3600, 48 * time.Minute},
		"this clock is fast by a half":     {now.Add(30 * time.Minute), 3600, 24 * time.Minute},
	} {
		unix := tt.expiration.Unix()
		if tt.expiration.IsZero() {
			unix = 0
		}
		NewWithT(t).Expect(usable(now, unix, tt.expiresIn)).To(Equal(tt.want), name)
	}
	NewWithT(t).Expect(usable(now, now.Unix()-1, 3600)).To(BeNumerically("<", 0), "one that is over is not kept")
}

func TestOneRequestForATokenRunsAtATime(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	w.held = make(chan struct{})
	var shared Tokens
	var all sync.WaitGroup
	results := make(chan error, 20)
	all.Go(func() { _, err := w.client(&shared).Account(t.Context()); results <- err })
	<-w.waits
	for range 19 {
		all.Go(func() { _, err := w.client(&shared).Account(t.Context()); results <- err })
	}

	inner, cancel := context.WithCancel(t.Context())
	impatient := waiting{inner, make(chan struct{}, 10)}
	gone := make(chan error)
	go func() { _, err := w.client(&shared).Account(impatient); gone <- err }()
	<-impatient.waits
	cancel()
	err := <-gone
	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "who waits ends with its context")
	g.Expect(failed(t, err).Kind).To(Equal(Unavailable))

	close(w.held)
	all.Wait()
	for range 20 {
		g.Expect(<-results).To(Succeed())
	}
	g.Expect(w.exchanged()).To(Equal(1))
}

// waiting signals when somebody waits for its end.
type waiting struct {
	context.Context
	waits chan struct{}
}

func (w waiting) Done() <-chan struct{} {
	w.waits <- struct{}{}
	return w.Context.Done()
}

func TestAFailedExchangeIsNotKept(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on("POST /identity/token", reply{status: 400, body: `{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}`})
	c := w.client(nil)
	for range 2 {
		_, err := c.Account(t.Context())
		g.Expect(failed(t, err).Kind).To(Equal(KeyRefused))
	}
	g.Expect(w.exchanged()).To(Equal(2))
	w.on("POST /identity/token")
	_, err := c.Account(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
}

func TestWhoWaitsAsksItselfIfTheFirstGivesUp(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t)
	w.held = make(chan struct{})
	var shared Tokens
	first, cancel := context.WithCancel(t.Context())
	gone, done := make(chan error), make(chan error)
	go func() { _, err := w.client(&shared).Account(first); gone <- err }()
	<-w.waits
	go func() { _, err := w.client(&shared).Account(t.Context()); done <- err }()
	cancel()
	g.Expect(errors.Is(<-gone, context.Canceled)).To(BeTrue())
	<-w.waits
	close(w.held)
	g.Expect(<-done).To(Succeed())
	g.Expect(w.exchanged()).To(Equal(2))
}

func TestWhenAKeyIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		reply reply
		want  Kind
	}{
		"unknown, with 400":       {reply{status: 400, body: `{"context":{"requestId":"r-1"},"errorCode":"BXNIM0415E","errorMessage":"no"}`}, KeyRefused},
		"with 401":                {reply{status: 401, body: `{"errorCode":"BXNIM0999E","errorMessage":"disabled"}`}, KeyRefused},
		"in the other form":       {errorOf(400, "BXNIM0415E", "no"), KeyRefused},
		"400 of something else":   {reply{status: 400, body: `<html></html>`}, Unexpected},
		"401 of a proxy":          {reply{status: 401, body: `{"code":"proxy","message":"log in"}`}, Unexpected},
		"forbidden":               {reply{status: 403, body: `{"errorCode":"BXNIM0001E"}`}, Forbidden},
		"too many":                {reply{status: 429, body: `{"errorCode":"BXNIM0415E"}`}, Busy},
		"out of order":            {reply{status: 503, body: `{"errorCode":"BXNIM0415E"}`}, Unavailable},
		"a token that is none":    {reply{status: 200, body: `{"access_token":""}`}, Unexpected},
		"a token with a line":     {reply{status: 200, body: `{"access_token":"a\nb"}`}, Unexpected},
		"a page that is no token": {reply{status: 200, body: `<html></html>`}, Unexpected},
		"elsewhere":               {reply{status: 302, header: []string{"Location", "/login"}}, Unexpected},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t).on("POST /identity/token", tt.reply)
			err := w.client(nil).Works(t.Context(), credential.NewToken("some-other-key-that-is-tried"))
			NewWithT(t).Expect(failed(t, err).Kind).To(Equal(tt.want))
		})
	}
	g := NewWithT(t)
	w := newCloud(t)
	c := w.client(nil)
	for range 2 {
		g.Expect(c.Works(t.Context(), credential.NewToken("some-other-key-that-is-tried"))).To(Succeed())
	}
	g.Expect(w.exchanged()).To(Equal(2), "what works is asked each time")
	g.Expect(c.tokens.cached).To(BeEmpty())
	g.Expect(failed(t, c.Works(t.Context(), credential.Token{})).Kind).To(Equal(KeyRefused))
	g.Expect(w.exchanged()).To(Equal(2))
}
