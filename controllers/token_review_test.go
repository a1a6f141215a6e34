// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

// purge is a cluster whose API server refuses the earlier tokens, as with another signing key. Passes over several
// EdgeRegistries are made by a stepped clock, when the operator asks for them.
type purge struct {
	clock *clocktesting.FakePassiveClock
	*EdgeRegistryReconciler
	due map[*edgev1.EdgeRegistry]time.Time

	mu sync.Mutex
	// refusals is how often each token is refused still; own how often the operator is.
	refusals map[string]int
	own      int
	// rotated: the API server publishes other keys than at first.
	rotated bool
	mints   int
	reviews []time.Time
}

const everytime = 1 << 20

func newPurge(t *testing.T) *purge {
	t.Helper()
	p := &purge{
		clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)),
		due:   map[*edgev1.EdgeRegistry]time.Time{}, refusals: map[string]int{},
	}
	p.restart(t)
	return p
}

// restart has another process take over.
func (p *purge) restart(t *testing.T) {
	t.Helper()
	p.EdgeRegistryReconciler = newDirect(t, p.clock, func(next http.RoundTripper) http.RoundTripper {
		return apiserver.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if p.refuses(r) {
				return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
			}
			response, err := next.RoundTrip(r)
			if err == nil && p.rotated && r.URL.Path == "/openid/v1/jwks" {
				_ = response.Body.Close()
				response.Body = io.NopCloser(strings.NewReader(`{"keys":[]}`))
			}
			return response, err
		})
	})
	keys, err := p.API.Get().AbsPath("/openid/v1/jwks").DoRaw(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(keys)).To(ContainSubstring("\"kid\""), "the operator may read the keys")
	p.CompareSigningKeys(t.Context())
}

func (p *purge) refuses(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	as := r.Header.Get("Authorization")
	if as == "Bearer "+operatorConfig.BearerToken {
		if strings.HasSuffix(r.URL.Path, "/token") {
			p.mints++
		}
		p.own--
		return p.own >= 0
	}
	if strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") {
		p.reviews = append(p.reviews, p.clock.Now())
	}
	p.refusals[as]--
	return p.refusals[as] >= 0
}

// install makes EdgeRegistries, and settles them.
func (p *purge) install(t *testing.T, count int, mods ...func(*edgev1.EdgeRegistry)) (edges []*edgev1.EdgeRegistry) {
	t.Helper()
	for range count {
		edge := apply(t, newEdge(mods...))
		edges = append(edges, edge)
		p.due[edge] = p.clock.Now()
		// The platform makes its route in its own time.
		NewWithT(t).Eventually(func() metav1.ConditionStatus {
			p.run(t, 5*time.Second)
			return condition(t, edge, edgev1.Ready).Status
		}).WithTimeout(soon).WithPolling(often).Should(Equal(metav1.ConditionTrue))
	}
	return edges
}

// refuse has the tokens that are published refused so often.
func (p *purge) refuse(t *testing.T, times int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for edge := range p.due {
		for _, token := range tokensOf(t, edge) {
			p.refusals["Bearer "+token.Reveal()] = times
		}
	}
	p.mints, p.reviews = 0, nil
}

// wakeAll has a pass over each made now, as a start and a watch do.
func (p *purge) wakeAll(*testing.T) {
	for edge := range p.due {
		p.due[edge] = p.clock.Now()
	}
}

// run lets time pass.
func (p *purge) run(t *testing.T, length time.Duration) {
	t.Helper()
	end := p.clock.Now().Add(length)
	for {
		var first *edgev1.EdgeRegistry
		for edge, due := range p.due {
			if first == nil || due.Before(p.due[first]) {
				first = edge
			}
		}
		if p.due[first].After(end) {
			break
		}
		if p.due[first].After(p.clock.Now()) {
			p.clock.SetTime(p.due[first])
		}
		result, err := makePass(t, p.EdgeRegistryReconciler, first)
		wait := max(result.RequeueAfter, time.Second)
		if err == nil && result.RequeueAfter == 0 {
			wait = time.Hour
		}
		p.due[first] = p.clock.Now().Add(wait)
	}
	p.clock.SetTime(end)
}

func expectGeneration(t *testing.T, edge *edgev1.EdgeRegistry, generation string) {
	t.Helper()
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		NewWithT(t).Expect(secret.Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, generation), "%s of %s", role, edge.Name)
	}
}

// occasionsToReview are what has all tokens reviewed before the interval is over.
var occasionsToReview = []struct {
	what string
	come func(p *purge, t *testing.T)
}{
	{"the API server refuses the operator itself", func(p *purge, t *testing.T) { p.own = 1; p.wakeAll(t) }},
	{"the API server's keys are others", func(p *purge, t *testing.T) {
		p.rotated = true
		p.CompareSigningKeys(t.Context())
		p.wakeAll(t)
	}},
	{"the operator is restarted", func(p *purge, t *testing.T) { p.restart(t); p.wakeAll(t) }},
	{"a person asks for it", func(p *purge, t *testing.T) {
		for edge := range p.due {
			poke(t, edge)
		}
		p.wakeAll(t)
	}},
}

func TestDeadTokensAreReplacedWithinAMinuteOfAnOccasion(t *testing.T) {
	for _, o := range occasionsToReview {
		t.Run(o.what, func(t *testing.T) {
			g := NewWithT(t)
			p := newPurge(t)
			edges := append(p.install(t, 1), p.install(t, 1, longLived)...)
			edges = append(edges, p.install(t, 1, withPolicy(edgev1.VerificationDisabled))...)
			p.refuse(t, everytime)
			p.wakeAll(t)
			p.run(t, 10*time.Second)
			g.Expect(p.reviews).To(BeEmpty(), "nothing gave occasion")
			o.come(p, t)
			p.run(t, 50*time.Second)
			for _, edge := range edges {
				expectGeneration(t, edge, "2")
			}
			g.Expect(p.mints).To(Equal(4), "two for each of the two whose tokens are requested")
			p.run(t, time.Hour)
			for _, edge := range edges {
				awaitReady(t, edge)
				expectGeneration(t, edge, "2")
			}
		})
	}
}

func TestNothingIsMintedForAMomentsRefusal(t *testing.T) {
	for _, o := range occasionsToReview {
		t.Run(o.what, func(t *testing.T) {
			g := NewWithT(t)
			p := newPurge(t)
			edges := append(p.install(t, 1), p.install(t, 1, longLived)...)
			p.refuse(t, 1)
			o.come(p, t)
			p.run(t, time.Minute)
			g.Expect(p.reviews).To(HaveLen(8), "each token twice")
			p.run(t, time.Hour)
			g.Expect(p.mints).To(BeZero())
			for _, edge := range edges {
				expectGeneration(t, edge, "1")
				awaitReady(t, edge)
			}
		})
	}
}

// A token that stays refused though it is new is the API server's own trouble: one mint in an interval.
func TestReviewsMintOnceInAnInterval(t *testing.T) {
	g := NewWithT(t)
	p := newPurge(t)
	edge := p.install(t, 1)[0]
	p.refuse(t, everytime)
	poke(t, edge)
	p.wakeAll(t)
	p.run(t, time.Minute)
	expectGeneration(t, edge, "2")
	p.refuse(t, everytime)
	for range 5 {
		poke(t, edge)
		p.wakeAll(t)
		p.run(t, time.Minute)
	}
	g.Expect(p.mints).To(BeZero())
	p.run(t, 30*time.Minute)
	expectGeneration(t, edge, "3")
}

// Each takes a third of a second to install, so all hundred are there with LONG=1.
func TestReviewsOfManyAreSpreadAndDoneWithinAMinute(t *testing.T) {
	g := NewWithT(t)
	count := 20
	if os.Getenv("LONG") != "" {
		count = 100
	}
	p := newPurge(t)
	edges := p.install(t, count)
	p.refuse(t, everytime)
	occasionsToReview[1].come(p, t)
	p.run(t, time.Minute)
	for _, edge := range edges {
		expectGeneration(t, edge, "2")
	}
	g.Expect(p.mints).To(Equal(2 * count))
	atOnce := map[int64]int{}
	for _, at := range p.reviews {
		atOnce[at.Unix()]++
	}
	// Each of ten seconds has its share of the first looks, and of the second looks of those before it.
	g.Expect(len(atOnce)).To(BeNumerically(">=", 6), "seconds in which tokens were reviewed: %v", atOnce)
}
