// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tokens that their issuer does not accept any more, from token_review.go to the Secrets.

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

// renewable gives the operator an identity that can be renewed while it runs, as that of a pod is.
func renewable(t *testing.T) (mod func(*operator, *rest.Config), renew func()) {
	t.Helper()
	identity := &atomic.Pointer[string]{}
	identity.Store(&operatorConfig.BearerToken)
	mod = func(_ *operator, cfg *rest.Config) {
		cfg.BearerToken = ""
		cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return apiserver.RoundTripper(func(r *http.Request) (*http.Response, error) {
				// What carries a token already is not the operator's own request.
				if r.Header.Get("Authorization") == "" {
					r = r.Clone(r.Context())
					r.Header.Set("Authorization", "Bearer "+*identity.Load())
				}
				return next.RoundTrip(r)
			})
		})
	}
	return mod, func() {
		cfg, err := control.ServiceAccount(t.Context(), operatorNamespace, operatorAccount)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		identity.Store(&cfg.BearerToken)
	}
}

func TestTokensOfAPurgedSigningKeyAreReplacedOnce(t *testing.T) {
	g := NewWithT(t)
	identity, renewIdentity := renewable(t)
	o := startOperator(t, identity)
	bound := awaitReady(t, apply(t, newEdge()))
	lasting := awaitReady(t, apply(t, newEdge(longLived)))
	restore, err := control.ReplaceSigningKey(t.Context())
	t.Cleanup(func() { NewWithT(t).Expect(restore(context.Background())).To(Succeed()) })
	g.Expect(err).NotTo(HaveOccurred())
	renewIdentity()
	for _, edge := range []*edgev1.EdgeRegistry{bound, lasting} {
		for _, token := range tokensOf(t, edge) {
			g.Expect(works(t, token)).To(BeFalse())
		}
	}

	o.advance(31 * time.Minute)
	for _, edge := range []*edgev1.EdgeRegistry{bound, lasting} {
		g.Eventually(func() string {
			secret, _ := published(t, edge, edgev1.TokenPuller)
			return secret.Annotations[objects.GenerationAnnotation]
		}).WithTimeout(2 * soon).WithPolling(often).Should(Equal("2"))
		heals(t, edge)
		o.pass(t, edge)
		for _, token := range tokensOf(t, edge) {
			g.Expect(works(t, token)).To(BeTrue())
		}
		for _, role := range roles {
			secret, _ := published(t, edge, role)
			g.Expect(secret.Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "2"))
		}
		expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 2", "its issuer does not accept it any more")
		expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-publisher token 2", "its issuer does not accept it any more")
	}
	g.Expect(o.mints(bound)).To(Equal(4))
}

// disowned has the API server answer to each token but the operator's own that it does not know it.
func (o *operator) disowned() (asked *atomic.Int64) { return o.answering(http.StatusUnauthorized) }

// answering has the API server answer with a status to each token but the operator's own.
func (o *operator) answering(status int) (asked *atomic.Int64) {
	asked = &atomic.Int64{}
	own := "Bearer " + operatorConfig.BearerToken
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(a.URL.Path, "/selfsubjectreviews") && a.Header.Get("Authorization") != own {
			asked.Add(1)
			return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}, Request: a.Request}, nil
		}
		return on()
	})
	return asked
}

func TestARefusedCredentialIsReplacedAtMostOnceInAnInterval(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge()))
	asked := o.disowned()
	way.set(refusingRegistry(t))
	o.advance(31 * time.Minute)
	poke(t, edge)
	g.Eventually(func() int { return o.mintsFor(edge, "edge-publisher") }).WithTimeout(soon).WithPolling(often).Should(Equal(2))
	for range 4 {
		o.pass(t, edge)
	}
	g.Expect(asked.Load()).To(BeNumerically(">", 1), "the API server is asked itself")
	g.Expect(o.mintsFor(edge, "edge-publisher")).To(Equal(2))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Message).To(
		ContainSubstring("its issuer does not accept edge-publisher's token either, and another is issued at 20"))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-publisher token 2", "its issuer does not accept it any more")

	o.advance(29 * time.Minute)
	o.pass(t, edge)
	o.pass(t, edge)
	g.Expect(o.mintsFor(edge, "edge-publisher")).To(Equal(2))
	o.advance(time.Minute)
	o.pass(t, edge)
	o.pass(t, edge)
	g.Expect(o.mintsFor(edge, "edge-publisher")).To(Equal(3))

	// A restart forgets when that was. The bound Secret says it.
	o.stop(t)
	again := startOperator(t, onDetour(way))
	again.disowned()
	for range 3 {
		again.pass(t, edge)
	}
	g.Expect(again.mints(edge)).To(BeZero())
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonCredentialRefused))
}

func TestATokenThatTheAPIServerAcceptsAgainIsKept(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, edge)
	refusals := &atomic.Int64{}
	own := "Bearer " + operatorConfig.BearerToken
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		// One of several API servers lags behind: it refuses once.
		if strings.HasSuffix(a.URL.Path, "/selfsubjectreviews") && a.Header.Get("Authorization") != own && refusals.Add(1) == 1 {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Header: http.Header{}, Request: a.Request}, nil
		}
		return on()
	})
	way.set(refusingRegistry(t))
	o.advance(31 * time.Minute)
	o.pass(t, edge)
	o.pass(t, edge)
	g.Eventually(refusals.Load).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", 1))
	way.set(nil)
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2))
	expectKept(t, edge, old)
}

func TestATokenIsKeptWhileTheAPIServerDoesNotSayThatItIsDead(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, edge)
	way.set(refusingRegistry(t))
	o.advance(31 * time.Minute)
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		asked := o.answering(status)
		o.pass(t, edge)
		o.pass(t, edge)
		g.Expect(asked.Load()).To(BeNumerically(">", 0), "asked, and answered %d", status)
		g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonCredentialRefused))
	}
	way.set(nil)
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2))
	expectKept(t, edge, old)
}

// No verification comes due in the minute of the test's clock. The operator's watches, refused and then accepted again,
// have the tokens looked at.
func TestASigningKeyThatEndsTheOperatorsOwnTokenHasAllReviewed(t *testing.T) {
	g := NewWithT(t)
	identity, renewIdentity := renewable(t)
	o := startOperator(t, identity)
	edges := []*edgev1.EdgeRegistry{awaitReady(t, apply(t, newEdge())), awaitReady(t, apply(t, newEdge(longLived)))}
	restore, err := control.ReplaceSigningKey(t.Context())
	t.Cleanup(func() { NewWithT(t).Expect(restore(context.Background())).To(Succeed()) })
	g.Expect(err).NotTo(HaveOccurred())
	renewIdentity()
	g.Eventually(o.Occasions.Count).WithTimeout(2 * soon).WithPolling(often).Should(BeNumerically(">", 1))
	for _, edge := range edges {
		g.Eventually(func(g Gomega) {
			o.advance(time.Second)
			for _, role := range roles {
				secret, _ := published(t, edge, role)
				g.Expect(secret.Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "2"))
			}
		}).WithTimeout(2 * soon).WithPolling(often).Should(Succeed())
		for _, token := range tokensOf(t, edge) {
			g.Expect(works(t, token)).To(BeTrue())
		}
	}
	g.Expect(o.mints(edges[0])).To(Equal(4))
}
