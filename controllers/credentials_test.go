// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func same(a, b credential.Token) bool { return a.Reveal() == b.Reveal() }

// published is the Secret that carries the token of a role, and what that token says of itself.
func published(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) (*corev1.Secret, credential.Claims) {
	t.Helper()
	name := pass.PullSecretName(edge)
	if role == edgev1.TokenPublisher {
		name = pass.PublishSecretName(edge)
	}
	secret := secretOf(t, edge, name)
	claims, err := credential.ReadClaims(tokenOf(secret))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return secret, claims
}

// boundSecretsOf returns the Secrets that the tokens of a role are bound to, or kept in, the oldest first.
func boundSecretsOf(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) []corev1.Secret {
	t.Helper()
	list := &corev1.SecretList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(openshift.ProjectName(edge)),
		client.MatchingLabels{objects.EdgeLabel: edge.Name, objects.KindLabel: objects.KindBound, objects.RoleLabel: objects.RoleValue(role)})).To(Succeed())
	slices.SortFunc(list.Items, func(a, b corev1.Secret) int { return int(generationOf(&a) - generationOf(&b)) })
	return list.Items
}

// boundSecretOf is that of the published token.
func boundSecretOf(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) *corev1.Secret {
	t.Helper()
	_, claims := published(t, edge, role)
	return secretOf(t, edge, claims.SecretName)
}

// mintsFor is how many tokens the operator asked for of one account.
func (o *operator) mintsFor(edge *edgev1.EdgeRegistry, account string) int {
	path := "POST /api/v1/namespaces/" + openshift.ProjectName(edge) + "/serviceaccounts/" + account + "/token"
	return len(o.wire.matching(func(request string) bool { return request == path }))
}

// granting makes the API server grant a lifetime of the test's choice, as one does whose
// --service-account-max-token-expiration is lower than what is asked for. Zero grants what is asked.
func (o *operator) granting(seconds func() int64, asked func(authenticationv1.TokenRequestSpec)) {
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if !a.is(http.MethodPost, "/token") {
			return on()
		}
		request := &authenticationv1.TokenRequest{}
		body := requestBody(a.Request)
		if _, _, err := bodyDecoder.Decode(body, nil, request); err != nil {
			_ = json.Unmarshal(body, request)
		}
		asked(*request.Spec.DeepCopy())
		if grant := seconds(); grant > 0 {
			request.Spec.ExpirationSeconds = &grant
			body, _ = json.Marshal(request)
			a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			a.Header.Set("Content-Type", "application/json")
		}
		return on()
	})
}

func TestTokenIsBoundToItsSecret(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	var mu sync.Mutex
	asked := map[string]authenticationv1.TokenRequestSpec{}
	o.granting(func() int64 { return 0 }, func(spec authenticationv1.TokenRequestSpec) {
		mu.Lock()
		defer mu.Unlock()
		asked[spec.BoundObjectRef.Name] = spec
	})
	lifetimes := map[edgev1.TokenRole]time.Duration{edgev1.TokenPublisher: 24 * time.Hour, edgev1.TokenPuller: 2160 * time.Hour}
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.Token.Lifetime.Duration = lifetimes[edgev1.TokenPublisher]
	})))
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		bound := boundSecretOf(t, edge, role)
		g.Expect(bound.Name).To(Equal(secret.Name + "-1"))
		g.Expect(claims.SecretUID).To(Equal(bound.UID))
		g.Expect(claims.Namespace).To(Equal(edge.Name))
		g.Expect(claims.ServiceAccountUID).To(Equal(serviceAccountOf(t, edge, claims.ServiceAccount).UID))
		g.Expect(claims.Expiry.Sub(claims.IssuedAt)).To(Equal(lifetimes[role]))
		spec := asked[bound.Name]
		g.Expect(spec.Audiences).To(BeEmpty())
		g.Expect(*spec.ExpirationSeconds).To(Equal(int64(lifetimes[role].Seconds())))
		g.Expect(spec.BoundObjectRef.UID).To(Equal(bound.UID))
		g.Expect(works(t, tokenOf(secret))).To(BeTrue())

		expectOwned(t, edge, bound)
		g.Expect(bound.Data).To(BeEmpty())
		g.Expect(bound.Type).To(Equal(corev1.SecretTypeOpaque))
		g.Expect(bound.Annotations).To(Equal(map[string]string{
			objects.GenerationAnnotation: "1", objects.LifetimeAnnotation: lifetimes[role].String(), objects.CredentialIDAnnotation: claims.ID,
			objects.AccountUIDAnnotation: string(claims.ServiceAccountUID), objects.CauseAnnotation: pass.CauseUnpublished.Name,
			objects.IssuedAtAnnotation: pass.Timestamp(claims.IssuedAt), objects.ExpiresAtAnnotation: pass.Timestamp(claims.Expiry),
			"argocd.argoproj.io/compare-options": "IgnoreExtraneous", "argocd.argoproj.io/sync-options": "Prune=false",
			descriptionAnnotation: "Empty on purpose. Token 1 of service account " + claims.ServiceAccount +
				" is bound to this Secret: deleting it revokes that token, wherever it is in use.",
		}))
		g.Expect(statusOfTokens(edge, role)).To(HaveExactElements(And(
			HaveField("Generation", int64(1)), HaveField("Current", true), HaveField("CredentialID", claims.ID),
			HaveField("ServiceAccount", claims.ServiceAccount), HaveField("ExpiresAt.Unix()", claims.Expiry.Unix()),
			HaveField("IssuedAt.Unix()", claims.IssuedAt.Unix()))))
	}
	g.Expect(o.mints(edge)).To(Equal(2))
	_, first := published(t, edge, edgev1.TokenPublisher)
	g.Expect(edge.Status.ExpiresAt.Unix()).To(Equal(first.Expiry.Unix()), "the first to expire counts")
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssued))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-publisher token 1", pass.Timestamp(first.Expiry))
}

func statusOfTokens(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) []edgev1.CredentialStatus {
	return slices.DeleteFunc(slices.Clone(edge.Status.Credentials), func(token edgev1.CredentialStatus) bool { return token.Role != role })
}

func TestTokenOfAServerThatGrantsLess(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	const hour = int64(3600)
	grant := hour
	var mu sync.Mutex
	o.granting(func() int64 { mu.Lock(); defer mu.Unlock(); return grant }, func(authenticationv1.TokenRequestSpec) {})
	edge := awaitReady(t, apply(t, newEdge()))
	c := condition(t, edge, edgev1.CredentialsIssued)
	g.Expect(c.Reason).To(Equal(edgev1.ReasonIssuedShortened))
	g.Expect(c.Message).To(And(ContainSubstring("granted 1h0m0s of the 2160h0m0s asked for edge-publisher"), ContainSubstring("edge-puller")))
	old := map[edgev1.TokenRole]credential.Token{}
	var renewal, expiry time.Time
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		old[role] = tokenOf(secret)
		renewAt := statusOfTokens(edge, role)[0].RenewAt.Time
		// Two thirds of the lifetime ahead of the expiry, and up to a twentieth earlier.
		g.Expect(renewAt).To(BeTemporally(">=", claims.IssuedAt.Add(19*time.Minute)))
		g.Expect(renewAt).To(BeTemporally("<=", claims.IssuedAt.Add(20*time.Minute)))
		renewal, expiry = later(renewal, renewAt), later(expiry, claims.Expiry)
	}
	o.clock.SetTime(renewal.Add(-2 * time.Minute))
	o.pass(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2), "a short grant is no cause to mint")

	mu.Lock()
	grant = 0
	mu.Unlock()
	o.clock.SetTime(renewal)
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(o.mints(edge)).To(Equal(4))
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssued))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 2", "renewal was due")
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		g.Expect(works(t, old[role])).To(BeTrue(), "a consumer may still use it")
		g.Expect(works(t, tokenOf(secret))).To(BeTrue())
		g.Expect(statusOfTokens(edge, role)).To(HaveExactElements(
			And(HaveField("Generation", int64(1)), HaveField("Current", false), HaveField("RenewAt", BeNil())),
			And(HaveField("Generation", int64(2)), HaveField("Current", true), HaveField("CredentialID", claims.ID))))
	}

	// The API server takes a token for another minute after its expiry.
	o.clock.SetTime(expiry.Add(30 * time.Second))
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status.Credentials).To(HaveLen(4))
	o.clock.SetTime(expiry.Add(61 * time.Second))
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status.Credentials).To(HaveLen(2))
	for _, role := range roles {
		g.Expect(boundSecretsOf(t, edge, role)).To(HaveExactElements(HaveField("Name", boundSecretOf(t, edge, role).Name)))
		expectDead(t, old[role])
	}
	expectEvent(t, edge, edgev1.ReasonTokenRetired, "edge-publisher token 1 does not work any more")
	g.Expect(o.mints(edge)).To(Equal(4))
}

// A server that grants ten minutes of ninety days, to a spec that renews as early as it may.
func TestTokenOfAServerThatGrantsLittleIsMintedOncePerWindow(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	o.granting(func() int64 { return 600 }, func(authenticationv1.TokenRequestSpec) {})
	edge := awaitReady(t, apply(t, newEdge(withPolicy(edgev1.VerificationDisabled), func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.Token.RenewBefore = &metav1.Duration{Duration: 1944 * time.Hour}
		e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived
	})))
	knowKept(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(Equal(
		"both tokens are issued and renewal follows what was granted; the API server granted 10m0s of the 2160h0m0s asked for edge-publisher"))
	for window := range 3 {
		due := later(statusOfTokens(reload(t, edge), edgev1.TokenPublisher)[window].RenewAt.Time, o.clock.Now())
		for _, at := range []time.Time{due.Add(-10 * time.Second), due.Add(-10 * time.Second)} {
			o.clock.SetTime(later(at, o.clock.Now()))
			o.pass(t, edge)
		}
		g.Expect(o.mints(edge)).To(Equal(1+window), "none before it is due")
		// The next tokens are stamped by the API server's clock, to which this one runs ahead.
		o.advance(time.Minute)
		for range 3 {
			o.pass(t, edge)
		}
		g.Expect(o.mints(edge)).To(Equal(2+window), "one when it is due")
	}
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Reason).To(Equal(edgev1.ReasonIssuedShortened))
}

func TestTokenIsMintedOnceForAnotherHost(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	changeConfig(t, func(c *imageregistryv1.Config) {
		c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "other", Hostname: appsHost("other")}}
	})
	edge := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, edge)
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "other" })
	awaitReady(t, edge)
	o.pass(t, edge)
	g.Expect(edge.Status.Host).To(Equal(appsHost("other")))
	g.Expect(o.mints(edge)).To(Equal(4))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 2 of Secret "+edge.Name+"-pull-2", "the host changed")
	g.Expect(eventNotes(t, edge, edgev1.ReasonHostChanged)).To(HaveExactElements(And(
		ContainSubstring("was "+openShift.Host()+" and is "+appsHost("other")), ContainSubstring("run the new node-bootstrap.sh on every node"),
		ContainSubstring("publish the services again"))))
	expectFollowed(t, edge, old)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestTokenIsMintedOnceForEachCause(t *testing.T) {
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	const kept, dead = true, false
	drop := func(object func() client.Object) func(*testing.T) {
		return func(t *testing.T) { NewWithT(t).Expect(admin.Delete(t.Context(), object())).To(Succeed()) }
	}
	secret := func() *corev1.Secret { s, _ := published(t, edge, edgev1.TokenPublisher); return s }
	alter := func(change func(*corev1.Secret)) func(*testing.T) {
		return func(t *testing.T) { edit(t, secret(), change) }
	}
	bound := func(change func(*corev1.Secret)) func(*testing.T) {
		return func(t *testing.T) { edit(t, boundSecretOf(t, edge, edgev1.TokenPublisher), change) }
	}
	rotate := func(value string) func(*testing.T) {
		return func(t *testing.T) { annotate(t, edge, edgev1.RotateAnnotation, value) }
	}
	for _, tt := range []struct {
		name              string
		act               func(*testing.T)
		publisher, puller int
		old               bool // what becomes of the publisher's token that was published
		cause             string
	}{
		{"rotation is requested", rotate("2026-01-01"), 1, 1, kept, "rotation was requested"},
		{"rotation is requested again", rotate("2026-01-02"), 1, 1, kept, "rotation was requested"},
		{"the request is taken away", rotate(""), 0, 0, kept, ""},
		{"the published Secret is deleted", drop(func() client.Object { return secret() }), 1, 0, kept, "-publish was gone"},
		{"the bound Secret is deleted", drop(func() client.Object { return boundSecretOf(t, edge, edgev1.TokenPublisher) }), 1, 0, dead, "which the previous token was bound to, was deleted"},
		{"the service account is deleted", drop(func() client.Object { return serviceAccountOf(t, edge, "edge-publisher") }), 1, 0, dead, "the service account was recreated"},
		{"the lifetime changes", func(t *testing.T) {
			edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.Token.Lifetime.Duration = 100 * time.Hour })
		}, 1, 0, kept, "its lifetime in the spec changed"},
		{"OCP_TOKEN is emptied", alter(func(s *corev1.Secret) { s.Data[handoff.KeyToken] = nil }), 1, 0, kept, "emptied or altered"},
		{"OCP_TOKEN is altered", alter(func(s *corev1.Secret) { s.Data[handoff.KeyToken] = []byte("x.y.z") }), 1, 0, kept, "altered"},
		{"the login is altered", alter(func(s *corev1.Secret) { s.Data[handoff.KeyDockerConfigJSON] = []byte(`{"auths":{}}`) }), 1, 0, kept, "emptied or altered"},
		{"the published Secret is emptied", alter(func(s *corev1.Secret) {
			s.Data = map[string][]byte{handoff.KeyDockerConfigJSON: []byte(`{}`)}
		}), 1, 0, kept, "emptied or altered"},
		{"the host in the Secret is altered", alter(func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere.test") }), 0, 0, kept, ""},
		{"the lifetime on the bound Secret is altered", bound(func(s *corev1.Secret) { s.Annotations[objects.LifetimeAnnotation] = "1h0m0s" }), 0, 0, kept, ""},
		{"the handled rotation is altered", alter(func(s *corev1.Secret) { s.Annotations[objects.RotationAnnotation] = "2026-02-01" }), 0, 0, kept, ""},
		{"the Secret loses our label", alter(func(s *corev1.Secret) { delete(s.Labels, objects.EdgeLabel) }), 0, 0, kept, ""},
		{"the Secret loses all labels and annotations", alter(func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil }), 0, 0, kept, ""},
		{"the bound Secret loses our label", bound(func(s *corev1.Secret) { delete(s.Labels, objects.EdgeLabel) }), 0, 0, kept, ""},
		{"the bound Secret loses its kind", bound(func(s *corev1.Secret) { delete(s.Labels, objects.KindLabel) }), 0, 0, kept, ""},
		{"the bound Secret loses all labels and annotations", bound(func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil }), 0, 0, kept, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			old := tokenOf(secret())
			boundBefore := len(boundSecretsOf(t, edge, edgev1.TokenPublisher))
			issued, publisher, puller := canary.count(), o.mintsFor(edge, "edge-publisher"), o.mintsFor(edge, "edge-puller")
			tt.act(t)
			o.pass(t, edge)
			o.pass(t, edge)
			awaitReady(t, edge)
			g.Expect(o.mintsFor(edge, "edge-publisher")-publisher).To(Equal(tt.publisher), "tokens of the publisher")
			g.Expect(o.mintsFor(edge, "edge-puller")-puller).To(Equal(tt.puller), "tokens of the puller")
			g.Expect(canary.count() - issued).To(Equal(tt.publisher + tt.puller))
			g.Expect(same(tokenOf(secret()), old)).To(Equal(tt.publisher == 0), "the published token stays when nothing was minted")
			g.Expect(works(t, tokenOf(secret()))).To(BeTrue())
			if tt.old == dead {
				expectDead(t, old)
			} else {
				g.Expect(works(t, old)).To(BeTrue())
				g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(HaveLen(boundBefore + tt.publisher))
			}
			expectOwned(t, edge, secret())
			for _, a := range boundSecretsOf(t, edge, edgev1.TokenPublisher) {
				expectOwned(t, edge, &a)
			}
			g.Expect(statusOfTokens(edge, edgev1.TokenPublisher)).To(ContainElement(And(HaveField("Current", true), HaveField("RenewAt", Not(BeNil())))))
			if tt.cause != "" {
				expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-publisher token", tt.cause)
			}
			if strings.HasPrefix(tt.name, "rotation") || strings.HasPrefix(tt.name, "the request") {
				g.Expect(edge.Status.LastHandledRotation).To(HavePrefix("2026-01-0"))
			}
		})
	}
}

func TestTokenRotationIsAnsweredWithItsValue(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := newEdge()
	edge.Annotations = map[string]string{edgev1.RotateAnnotation: "from the start"}
	awaitReady(t, apply(t, edge))
	g.Expect(edge.Status.LastHandledRotation).To(Equal("from the start"))
	g.Expect(o.mints(edge)).To(Equal(2), "the first tokens answer it")
	annotate(t, edge, edgev1.RotateAnnotation, "today")
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("today"))
	annotate(t, edge, edgev1.RotateAnnotation, "")
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("today"))
	g.Expect(o.mints(edge)).To(Equal(4))
}

func TestTokenWhoseSecretNameIsTaken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	project := makeNamespace(t)
	invite(t, project.Name)
	edge := newEdge(inProject(project.Name))
	edge.GenerateName, edge.Name = "", "edge-taken-"+stamp()
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: project.Name, Name: edge.Name + "-publish-1", Labels: map[string]string{
			objects.EdgeLabel: edge.Name, objects.KindLabel: objects.KindBound, objects.RoleLabel: "publisher", objects.ManagedByLabel: objects.FieldManager}},
		StringData: map[string]string{"mine": "yes"},
	}
	g.Expect(admin.Create(t.Context(), foreign)).To(Succeed())
	awaitReady(t, apply(t, edge))
	_, claims := published(t, edge, edgev1.TokenPublisher)
	g.Expect(claims.SecretName).To(Equal(edge.Name + "-publish-2"))
	g.Expect(statusOfTokens(edge, edgev1.TokenPublisher)).To(HaveExactElements(HaveField("Generation", int64(2))))
	after := secretOf(t, edge, foreign.Name)
	g.Expect(after.ResourceVersion).To(Equal(foreign.ResourceVersion))
	writes := len(o.wire.writes())
	o.pass(t, edge)
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
}
