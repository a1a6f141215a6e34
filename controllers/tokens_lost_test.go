// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tokens that are lost between their issue and their publication, across credentials.go and openshift/issuer.go.

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// breakage fails one request of the operator, and may fail all after it.
type breakage struct {
	// at names the request, by what it does to what.
	at func(a ask) bool
	// answered: the API server does what it is asked, and the answer is lost.
	answered bool
	// fatal: nothing gets through any more, as when the operator dies there.
	fatal bool

	mu     sync.Mutex
	broken bool
	// asked is how many TokenRequests had been made when it broke.
	asked int
	// minted are all tokens that were issued, also those of lost answers.
	minted []credential.Token
}

func (b *breakage) install(o *operator) {
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.broken && b.fatal {
			return cut(nil, nil)
		}
		if !b.broken && a.is(http.MethodPost, "/token") {
			b.asked++
		}
		hit := !b.broken && a.Method != http.MethodGet && b.at(a)
		b.broken = b.broken || hit
		if hit && !b.answered {
			return cut(nil, nil)
		}
		response, err := on()
		if err == nil && a.is(http.MethodPost, "/token") {
			b.minted = append(b.minted, tokenIn(response))
		}
		if hit {
			return cut(response, err)
		}
		return response, err
	})
}

func (b *breakage) happened() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

func TestTokenThatIsLostOnTheWay(t *testing.T) {
	secretPost := func(suffix string) func(a ask) bool {
		return func(a ask) bool {
			return a.is(http.MethodPost, "/secrets") && strings.HasSuffix(a.object.GetName(), suffix)
		}
	}
	tokenOfAccount := func(account string) func(a ask) bool {
		return func(a ask) bool { return a.is(http.MethodPost, "/serviceaccounts/"+account+"/token") }
	}
	mark := func(suffix string) func(a ask) bool {
		return func(a ask) bool { return a.Method == http.MethodPatch && strings.HasSuffix(a.URL.Path, suffix) }
	}
	for _, tt := range []struct {
		name string
		at   func(a ask) bool
		// again is how many tokens have to be minted afterwards by an operator that dies: before the request, and after it.
		again [2]int
		// alive is the same for one that goes on, and has in memory what it minted.
		alive int
	}{
		{"at the publisher's bound Secret", secretPost("-publish-1"), [2]int{2, 2}, 2},
		{"at the publisher's TokenRequest", tokenOfAccount("edge-publisher"), [2]int{2, 2}, 2},
		{"at the puller's bound Secret", secretPost("-pull-1"), [2]int{2, 2}, 1},
		{"at the puller's TokenRequest", tokenOfAccount("edge-puller"), [2]int{2, 2}, 1},
		{"at the pull Secret", secretPost("-pull"), [2]int{2, 1}, 0},
		{"at the publish Secret", secretPost("-publish"), [2]int{1, 0}, 0},
		{"at the mark of the publisher's bound Secret", mark("-publish-1"), [2]int{0, 0}, 0},
		{"at the mark of the puller's bound Secret", mark("-pull-1"), [2]int{0, 0}, 0},
	} {
		for _, answered := range []bool{false, true} {
			for _, fatal := range []bool{false, true} {
				name := tt.name + ", " + map[bool]string{false: "before it", true: "after it"}[answered] +
					map[bool]string{false: ", and tries again", true: ", and dies"}[fatal]
				t.Run(name, func(t *testing.T) {
					again := tt.again[0]
					if answered {
						again = tt.again[1]
					}
					if !fatal {
						again = tt.alive
					}
					loseAndRecover(t, &breakage{at: tt.at, answered: answered, fatal: fatal}, again)
				})
			}
		}
	}
}

func loseAndRecover(t *testing.T, b *breakage, again int) {
	g := NewWithT(t)
	o := startOperator(t)
	b.install(o)
	edge := apply(t, newEdge())
	g.Eventually(b.happened).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	if b.fatal {
		o.stop(t)
		o = startOperator(t)
	}
	heals(t, edge)
	o.pass(t, edge)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fatal {
		b.asked = 0 // That was another operator.
	}
	g.Expect(o.mints(edge)-b.asked).To(Equal(again), "tokens minted afterwards")
	var current []credential.Token
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		current = append(current, tokenOf(secret))
		g.Expect(boundSecretsOf(t, edge, role)).To(HaveExactElements(HaveField("UID", claims.SecretUID)))
		g.Expect(works(t, tokenOf(secret))).To(BeTrue())
	}
	for _, token := range b.minted {
		if !slices.ContainsFunc(current, func(c credential.Token) bool { return same(c, token) }) {
			expectDead(t, token)
		}
	}
	secrets := &corev1.SecretList{}
	g.Expect(admin.List(t.Context(), secrets, client.InNamespace(edge.Name), client.MatchingLabels{objects.EdgeLabel: edge.Name})).To(Succeed())
	g.Expect(secrets.Items).To(HaveLen(4))
	g.Expect(reload(t, edge).Status.Credentials).To(HaveLen(2))
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssued))
}

func TestTokenThatWasPublishedOutlivesACrashBeforeItsMark(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	b := &breakage{fatal: true, at: func(a ask) bool { return a.Method == http.MethodPatch && strings.HasSuffix(a.URL.Path, "-publish-1") }}
	b.install(o)
	edge := apply(t, newEdge())
	g.Eventually(b.happened).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	o.stop(t)
	g.Expect(secretOf(t, edge, pass.PublishSecretName(edge)+"-1").Annotations).NotTo(HaveKey(objects.IssuedAtAnnotation))
	old := tokenOf(secretOf(t, edge, pass.PublishSecretName(edge)))
	annotate(t, edge, edgev1.RotateAnnotation, "now")

	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("now"))
	g.Expect(works(t, old)).To(BeTrue(), "a consumer may have read it")
	g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(HaveLen(2))
	g.Expect(o.mints(edge)).To(Equal(2))
}
