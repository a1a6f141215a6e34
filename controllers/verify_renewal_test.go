// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// tokensOf are the tokens that the Secrets carry.
func tokensOf(t *testing.T, edge *edgev1.EdgeRegistry) map[edgev1.TokenRole]credential.Token {
	t.Helper()
	tokens := map[edgev1.TokenRole]credential.Token{}
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		tokens[role] = tokenOf(secret)
	}
	return tokens
}

// expectKept checks that the Secrets carry these tokens and that they work.
func expectKept(t *testing.T, edge *edgev1.EdgeRegistry, tokens map[edgev1.TokenRole]credential.Token) {
	t.Helper()
	for role, token := range tokensOf(t, edge) {
		NewWithT(t).Expect(same(token, tokens[role])).To(BeTrue(), "the token of the %s stays", role)
		NewWithT(t).Expect(works(t, token)).To(BeTrue())
	}
}

// expectFollowed checks that the Secrets carry other tokens, and that these still work.
func expectFollowed(t *testing.T, edge *edgev1.EdgeRegistry, tokens map[edgev1.TokenRole]credential.Token) {
	t.Helper()
	expectFollowedFor(t, edge, tokens, roles...)
}

func expectFollowedFor(t *testing.T, edge *edgev1.EdgeRegistry, before map[edgev1.TokenRole]credential.Token, followed ...edgev1.TokenRole) {
	t.Helper()
	current := tokensOf(t, edge)
	for _, role := range followed {
		NewWithT(t).Expect(same(current[role], before[role])).To(BeFalse(), "the %s has another token", role)
		NewWithT(t).Expect(works(t, current[role])).To(BeTrue())
		NewWithT(t).Expect(works(t, before[role])).To(BeTrue(), "a consumer may still use it")
	}
}

// renewals is when the first of the current tokens is due, when the last is, and when half of the time
// between the last one's renewal and expiry is gone.
func renewals(t *testing.T, edge *edgev1.EdgeRegistry) (first, last, half time.Time) {
	t.Helper()
	for _, token := range reload(t, edge).Status.Credentials {
		if !token.Current {
			continue
		}
		at := token.RenewAt.Time
		if first.IsZero() || at.Before(first) {
			first = at
		}
		last, half = later(last, at), later(half, at.Add(token.ExpiresAt.Sub(at)/2))
	}
	return first, last, half
}

// onDetour leads the operator's connections to the registry by a way that the test chooses.
func onDetour(way *detour) func(*operator, *rest.Config) {
	return func(o *operator, _ *rest.Config) { o.EdgeRegistryReconciler.DialContext = way.DialContext }
}

func TestARenewalIsPutOffForARegistryThatDoesNotAnswer(t *testing.T) {
	for _, tt := range []struct {
		name        string
		cause, cure func(*detour)
		message     string
	}{
		{"it fails", func(*detour) { openShift.Registry.Fail(http.StatusServiceUnavailable) }, func(*detour) { openShift.Registry.Fail(0) }, "answered 503"},
		{"nothing listens", func(way *detour) { way.set(dials[1].dial) }, func(way *detour) { way.set(nil) }, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			way := &detour{}
			o := startOperator(t, impatient, onDetour(way))
			keepPlatform(t)
			edge := awaitReady(t, apply(t, newEdge()))
			old := tokensOf(t, edge)
			_, due, _ := renewals(t, edge)
			tt.cause(way)
			o.clock.SetTime(due)
			o.pass(t, edge)
			o.pass(t, edge)
			c := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
			g.Expect(c.Message).To(And(ContainSubstring("the renewal of edge-puller's token waits: "), ContainSubstring(tt.message),
				ContainSubstring("the token in use works until "), ContainSubstring("edge-publisher")))
			g.Expect(c.Message).NotTo(ContainSubstring("\n"))
			g.Expect(isStalled(t, edge)).To(BeFalse())
			g.Expect(o.mints(edge)).To(Equal(2), "nothing is minted for a registry that does not answer")
			g.Expect(condition(t, edge, edgev1.SecretsPublished).Status).To(Equal(metav1.ConditionTrue), "the steps after it go on")
			g.Expect(condition(t, edge, edgev1.RegistryVerified).Status).To(Equal(metav1.ConditionFalse))
			expectKept(t, edge, old)

			tt.cure(way)
			awaitReady(t, edge) // Without anybody's help.
			g.Expect(o.mints(edge)).To(Equal(4))
			expectFollowed(t, edge, old)
		})
	}
}

func TestARegistryThatStaysAwayHoldsARenewalUpForHalfOfItsTime(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, impatient)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, edge)
	first, _, half := renewals(t, edge)
	openShift.Registry.Fail(http.StatusServiceUnavailable)
	o.clock.SetTime(first.Add(29 * 24 * time.Hour))
	o.pass(t, edge)
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
	g.Expect(o.mints(edge)).To(Equal(2))

	o.clock.SetTime(half)
	o.pass(t, edge)
	o.pass(t, edge)
	awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssued))
	g.Expect(o.mints(edge)).To(Equal(4), "unproven, and once")
	expectFollowed(t, edge, old)
}

func TestAPolicySaysWhatARenewalWaitsFor(t *testing.T) {
	for _, policy := range []edgev1.VerificationPolicy{edgev1.VerificationBestEffort, edgev1.VerificationDisabled} {
		t.Run(string(policy), func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t, impatient)
			keepPlatform(t)
			edge := awaitReady(t, apply(t, newEdge(withPolicy(policy))))
			old := tokensOf(t, edge)
			openShift.Registry.Fail(http.StatusServiceUnavailable)
			asked := len(openShift.Registry.Requests())
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			o.pass(t, edge)
			awaitReady(t, edge)
			g.Expect(o.mints(edge)).To(Equal(4))
			expectFollowed(t, edge, old)
			g.Expect(len(openShift.Registry.Requests()) > asked).To(Equal(policy == edgev1.VerificationBestEffort), "the registry was asked")
		})
	}
}

func TestATokenThatTheRegistryRefusesNeverReplacesOneThatWorks(t *testing.T) {
	for _, policy := range []edgev1.VerificationPolicy{edgev1.VerificationRequired, edgev1.VerificationBestEffort} {
		t.Run(string(policy), func(t *testing.T) {
			g := NewWithT(t)
			way, lost := &detour{}, &breakage{at: func(ask) bool { return false }}
			o := startOperator(t, onDetour(way))
			edge := awaitReady(t, apply(t, newEdge(withPolicy(policy))))
			old := tokensOf(t, edge)
			lost.install(o)
			way.set(refusingRegistry(t))
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			o.pass(t, edge)
			c := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
			g.Expect(c.Message).To(And(ContainSubstring("the renewal of edge-publisher's token waits: registry "+openShift.Host()+" refuses"),
				ContainSubstring("the token in use works until ")))
			g.Expect(eventNotes(t, edge, edgev1.ReasonTokenMinted)).To(HaveLen(2), "only of what was published is told")
			for range 3 {
				o.pass(t, edge)
			}
			annotate(t, edge, edgev1.RotateAnnotation, "now, really")
			o.pass(t, edge)
			g.Expect(o.mints(edge)).To(Equal(4), "whoever wakes the operator")
			expectKept(t, edge, old)
			expectRevoked(t, lost, 2)
			g.Expect(eventNotes(t, edge, edgev1.ReasonTokenRetired)).To(BeEmpty(), "they were revoked at once, not found by a later pass")
			g.Expect(reload(t, edge).Status.Credentials).To(HaveLen(2))

			o.advance(29 * time.Minute)
			o.pass(t, edge)
			g.Expect(o.mints(edge)).To(Equal(4))
			o.advance(time.Minute)
			o.pass(t, edge)
			o.pass(t, edge)
			g.Expect(o.mints(edge)).To(Equal(6), "one more after an interval of the verification")
			expectKept(t, edge, old)
			expectRevoked(t, lost, 4)

			way.set(nil)
			o.advance(30 * time.Minute)
			o.pass(t, edge)
			awaitReady(t, edge)
			g.Expect(o.mints(edge)).To(Equal(8))
			g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("now, really"))
			expectFollowed(t, edge, old)
			g.Expect(reload(t, edge).Status.Credentials).To(HaveLen(4))
		})
	}
}

// expectRevoked checks that as many tokens were minted since, and that none of them works.
func expectRevoked(t *testing.T, b *breakage, count int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	NewWithT(t).Expect(b.minted).To(HaveLen(count))
	for _, token := range b.minted {
		expectDead(t, token)
	}
}

// A token of ten minutes would be dead before an interval of the verification is over.
func TestARefusedRenewalIsTriedAgainBeforeAShortTokenExpires(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		short := edgev1.TokenSpec{Lifetime: metav1.Duration{Duration: 10 * time.Minute}}
		e.Spec.OpenShift.Publisher.Token, e.Spec.OpenShift.Puller.Token = short, short
	})))
	old := tokensOf(t, edge)
	_, due, _ := renewals(t, edge)
	way.set(refusingRegistry(t))
	o.clock.SetTime(due)
	o.pass(t, edge)
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
	way.set(nil)
	o.advance(2 * time.Minute)
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(o.mints(edge)).To(Equal(6))
	expectFollowed(t, edge, old)
}

func TestWhereNothingWorksATokenIsPublishedUnproven(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(*testing.T, *edgev1.EdgeRegistry)
	}{
		{"the Secret was emptied", func(t *testing.T, edge *edgev1.EdgeRegistry) {
			edit(t, secretOf(t, edge, pass.PullSecretName(edge)), func(s *corev1.Secret) { s.Data = map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{}`)} })
		}},
		{"the bound Secret was deleted", func(t *testing.T, edge *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(admin.Delete(t.Context(), boundSecretOf(t, edge, edgev1.TokenPuller))).To(Succeed())
		}},
		{"the account was deleted", func(t *testing.T, edge *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(admin.Delete(t.Context(), serviceAccountOf(t, edge, "edge-puller"))).To(Succeed())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			way := &detour{}
			o := startOperator(t, onDetour(way))
			edge := awaitReady(t, apply(t, newEdge()))
			way.set(refusingRegistry(t))
			tt.act(t, edge)
			o.pass(t, edge)
			g.Expect(o.mints(edge)).To(Equal(3))
			g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssued))
			token := tokenOf(secretOf(t, edge, pass.PullSecretName(edge)))
			g.Expect(works(t, token)).To(BeTrue())
			way.set(nil)
			heals(t, edge)
			g.Expect(same(token, tokenOf(secretOf(t, edge, pass.PullSecretName(edge))))).To(BeTrue())
			g.Expect(o.mints(edge)).To(Equal(3))
		})
	}
}

// An operator dies at each request of a renewal; what the registry is asked comes between the token
// and the Secret, so that to die there is to die before the Secret.
func TestARenewalSurvivesADeathAtEachOfItsRequests(t *testing.T) {
	request := func(method, suffix string) func(a ask) bool {
		return func(a ask) bool {
			return a.Method == method && (strings.HasSuffix(a.URL.Path, suffix) || (a.object != nil && strings.HasSuffix(a.object.GetName(), suffix)))
		}
	}
	for _, tt := range []struct {
		name    string
		at      func(a ask) bool
		refused bool
	}{
		{"at the publisher's bound Secret", request(http.MethodPost, "-publish-2"), false},
		{"at the publisher's TokenRequest", request(http.MethodPost, "/edge-publisher/token"), false},
		{"at the puller's bound Secret", request(http.MethodPost, "-pull-2"), false},
		{"at the puller's TokenRequest", request(http.MethodPost, "/edge-puller/token"), false},
		{"at the pull Secret", request(http.MethodPatch, "-pull"), false},
		{"at the publish Secret", request(http.MethodPatch, "-publish"), false},
		{"at the mark of the publisher's bound Secret", request(http.MethodPatch, "-publish-2"), false},
		{"at the mark of the puller's bound Secret", request(http.MethodPatch, "-pull-2"), false},
		{"when it revokes a refused token", request(http.MethodDelete, "-publish-2"), true},
	} {
		for _, answered := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{false: ", before it", true: ", after it"}[answered], func(t *testing.T) {
				dieAtRenewal(t, &breakage{at: tt.at, answered: answered, fatal: true}, tt.refused)
			})
		}
	}
}

func dieAtRenewal(t *testing.T, b *breakage, refused bool) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, edge)
	b.install(o)
	if refused {
		way.set(refusingRegistry(t))
	}
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	g.Eventually(b.happened).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	o.stop(t)
	expectAllWork(t, old)

	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("now"))
	expectFollowed(t, edge, old)
	current := tokensOf(t, edge)
	for _, role := range roles {
		g.Expect(boundSecretsOf(t, edge, role)).To(HaveLen(2), "the previous one and the current one")
	}
	for _, token := range b.minted {
		if !slices.ContainsFunc(roles, func(role edgev1.TokenRole) bool { return same(current[role], token) }) {
			expectDead(t, token)
		}
	}
}

func expectAllWork(t *testing.T, tokens map[edgev1.TokenRole]credential.Token) {
	t.Helper()
	for role, token := range tokens {
		NewWithT(t).Expect(works(t, token)).To(BeTrue(), "the token of the %s", role)
	}
}
