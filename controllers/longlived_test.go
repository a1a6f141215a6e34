// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/long_lived.go, on a control plane.

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func longLived(e *edgev1.EdgeRegistry) {
	e.Spec.OpenShift.Publisher.Token.Type, e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived, edgev1.TokenLongLived
}

// knowKept shows the canary the tokens that no TokenRequest issued.
func knowKept(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	for _, token := range tokensOf(t, edge) {
		canary.know(token)
	}
}

func TestALongLivedTokenIsKeptInItsSecret(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	var mu sync.Mutex
	born := map[string]string{}
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if a.is(http.MethodPost, "/secrets") && strings.HasSuffix(a.object.GetName(), "-1") {
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(born, a.object.GetLabels())
			maps.Copy(born, a.object.GetAnnotations())
		}
		return on()
	})
	edge := awaitReady(t, apply(t, newEdge(longLived, func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Pull.Labels = map[string]edgev1.LabelValue{"team": "edge"}
		e.Spec.Secrets.Pull.Annotations = map[string]edgev1.AnnotationValue{"example.com/team": "edge"}
	})))
	knowKept(t, edge)
	mu.Lock()
	g.Expect(born).NotTo(Or(HaveKey("team"), HaveKey("example.com/team")), "nothing of the spec's is on a token Secret at its creation either")
	mu.Unlock()
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		tokenSecret := secretOf(t, edge, secret.Name+"-1")
		account := serviceAccountOf(t, edge, claims.ServiceAccount)
		expectOwned(t, edge, tokenSecret)
		g.Expect(tokenSecret.Type).To(Equal(corev1.SecretTypeServiceAccountToken))
		g.Expect(keptToken(tokenSecret).Equal(tokenOf(secret))).To(BeTrue())
		g.Expect(works(t, tokenOf(secret))).To(BeTrue())
		g.Expect(claims.Expires()).To(BeFalse())
		g.Expect(claims.ServiceAccountUID).To(Equal(account.UID))
		g.Expect(account.Secrets).To(BeEmpty(), "the cluster purges what is listed there")
		g.Expect(tokenSecret.Annotations).To(Equal(map[string]string{
			objects.GenerationAnnotation: "1", objects.AccountUIDAnnotation: string(account.UID), objects.CauseAnnotation: pass.CauseUnpublished.Name,
			objects.IssuedAtAnnotation:   pass.Timestamp(tokenSecret.CreationTimestamp.Time),
			corev1.ServiceAccountNameKey: account.Name, corev1.ServiceAccountUIDKey: string(account.UID),
			"argocd.argoproj.io/compare-options": "IgnoreExtraneous", "argocd.argoproj.io/sync-options": "Prune=false",
			descriptionAnnotation: "Token 1 of service account " + account.Name + ", which does not expire. Deleting this Secret revokes it, wherever it is in use.",
		}), "nothing of the spec's is on it")
		labels := maps.Clone(tokenSecret.Labels)
		delete(labels, "kubernetes.io/legacy-token-last-used")
		g.Expect(labels).To(Equal(map[string]string{
			objects.ManagedByLabel: objects.FieldManager, objects.EdgeLabel: edge.Name, objects.UIDLabel: string(edge.UID), objects.KindLabel: objects.KindBound, objects.RoleLabel: objects.RoleValue(role)}))
		for _, absent := range []string{objects.ExpiresAtAnnotation, objects.CredentialIDAnnotation} {
			g.Expect(secret.Annotations).NotTo(HaveKey(absent))
		}
		g.Expect(statusOfTokens(edge, role)).To(HaveExactElements(And(
			HaveField("Type", edgev1.TokenLongLived), HaveField("Current", true), HaveField("Generation", int64(1)), HaveField("CredentialID", ""),
			HaveField("ExpiresAt", BeNil()), HaveField("RenewAt", BeNil()), HaveField("IssuedAt.Unix()", tokenSecret.CreationTimestamp.Unix()))))
	}
	g.Expect(edge.Status.ExpiresAt).To(BeNil())
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "minted edge-puller token 1 of Secret "+edge.Name+"-pull-1 in "+edge.Name+", which does not expire, because none was published")
	g.Expect(o.mints(edge)).To(BeZero(), "no TokenRequest is made")

	o.pass(t, edge)
	before := projectState(t, edge)
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Puller.Token.Lifetime = metav1.Duration{Duration: time.Hour}
	})
	o.advance(600 * 24 * time.Hour)
	o.pass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before), "neither time nor a lifetime mean anything to it")
}

func TestALongLivedTokenIsReplacedOnRequestAndTheOneBeforeGoesOn(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived })))
	knowKept(t, edge)
	first := tokensOf(t, edge)
	g.Expect(edge.Status.ExpiresAt.Unix()).To(Equal(statusOfTokens(edge, edgev1.TokenPublisher)[0].ExpiresAt.Unix()), "only what expires counts")
	annotate(t, edge, edgev1.RotateAnnotation, "one")
	o.pass(t, edge)
	awaitReady(t, edge)
	knowKept(t, edge)
	expectFollowed(t, edge, first)
	old := pass.PullSecretName(edge) + "-1"
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring(
		"earlier tokens of edge-puller that do not expire go on working: delete the Secret " + old + " in project"))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 2 of Secret "+edge.Name+"-pull-2 in "+edge.Name+", which does not expire, because rotation was requested", "delete the Secret "+old)

	o.advance(600 * 24 * time.Hour)
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(works(t, first[edgev1.TokenPuller])).To(BeTrue(), "the operator retires none")
	g.Expect(statusOfTokens(edge, edgev1.TokenPuller)).To(HaveExactElements(
		And(HaveField("Generation", int64(1)), HaveField("Current", false), HaveField("Type", edgev1.TokenLongLived), HaveField("ExpiresAt", BeNil())),
		And(HaveField("Generation", int64(2)), HaveField("Current", true))))

	g.Expect(admin.Delete(t.Context(), secretOf(t, edge, old))).To(Succeed())
	o.pass(t, edge)
	expectDead(t, first[edgev1.TokenPuller])
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).NotTo(ContainSubstring(old))
	g.Expect(statusOfTokens(edge, edgev1.TokenPuller)).To(HaveLen(1), "and nothing replaces it")
}

func TestTheTypeOfATokenChangesInBothDirections(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	become := func(to edgev1.TokenType) {
		editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = to })
		awaitReady(t, edge)
		o.pass(t, edge)
		o.pass(t, edge)
		awaitReady(t, edge)
	}
	bound := tokensOf(t, edge)
	become(edgev1.TokenLongLived)
	knowKept(t, edge)
	lasting := tokensOf(t, edge)
	g.Expect(same(lasting[edgev1.TokenPublisher], bound[edgev1.TokenPublisher])).To(BeTrue(), "the other role's stays")
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 2 of Secret "+edge.Name+"-pull-2 in "+edge.Name+", which does not expire, because its type in the spec changed")
	expectAllWork(t, bound)
	expectAllWork(t, lasting)
	g.Expect(statusOfTokens(edge, edgev1.TokenPuller)).To(HaveExactElements(
		And(HaveField("Type", edgev1.TokenBound), HaveField("Current", false), HaveField("ExpiresAt", Not(BeNil()))),
		And(HaveField("Type", edgev1.TokenLongLived), HaveField("Current", true), HaveField("ExpiresAt", BeNil()))))

	become(edgev1.TokenBound)
	again := tokensOf(t, edge)
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token 3 of Secret "+edge.Name+"-pull-3 in "+edge.Name+", which expires at", "because its type in the spec changed", "delete the Secret "+pass.PullSecretName(edge)+"-2")
	expectAllWork(t, again)
	expectAllWork(t, lasting)
	g.Expect(statusOfTokens(edge, edgev1.TokenPuller)).To(HaveExactElements(
		HaveField("Type", edgev1.TokenBound), And(HaveField("Type", edgev1.TokenLongLived), HaveField("Current", false)),
		And(HaveField("Type", edgev1.TokenBound), HaveField("Current", true), HaveField("RenewAt", Not(BeNil())))))
	g.Expect(o.mintsFor(edge, "edge-puller")).To(Equal(2))

	_, claims := published(t, edge, edgev1.TokenPuller)
	o.clock.SetTime(claims.Expiry.Add(2 * time.Minute))
	o.pass(t, edge)
	g.Expect(statusOfTokens(reload(t, edge), edgev1.TokenPuller)).To(HaveExactElements(
		And(HaveField("Type", edgev1.TokenLongLived), HaveField("Generation", int64(2))), HaveField("Generation", int64(4))), "what expired goes, the lasting one stays")
	g.Expect(works(t, lasting[edgev1.TokenPuller])).To(BeTrue())
}

func TestALongLivedTokenIsMintedOnceForEachCause(t *testing.T) {
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(longLived)))
	knowKept(t, edge)
	secret := func() *corev1.Secret { s, _ := published(t, edge, edgev1.TokenPuller); return s }
	tokenSecret := func() *corev1.Secret { return boundSecretOf(t, edge, edgev1.TokenPuller) }
	for _, tt := range []struct {
		name  string
		act   func(t *testing.T)
		mints int
		dies  bool
		cause string
	}{
		{"the token Secret is deleted", func(t *testing.T) { NewWithT(t).Expect(admin.Delete(t.Context(), tokenSecret())).To(Succeed()) }, 1, true, "which the previous token was bound to, was deleted"},
		{"the token in its Secret is altered", func(t *testing.T) {
			edit(t, tokenSecret(), func(s *corev1.Secret) { s.Data[corev1.ServiceAccountTokenKey] = []byte("a.b.c") })
		}, 1, true, "was altered"},
		{"the published token is altered", func(t *testing.T) {
			edit(t, secret(), func(s *corev1.Secret) { s.Data[handoff.KeyToken] = []byte("a.b.c") })
		}, 1, false, "emptied or altered"},
		{"the published Secret is deleted", func(t *testing.T) { NewWithT(t).Expect(admin.Delete(t.Context(), secret())).To(Succeed()) }, 1, false, "-pull was gone"},
		{"the cluster invalidates it", func(t *testing.T) {
			edit(t, tokenSecret(), func(s *corev1.Secret) { s.Labels[invalidSinceLabel] = "2026-01-01" })
		}, 1, true, "the cluster invalidated it, since nobody had used it for a year"},
		{"the token Secret loses our labels and annotations", func(t *testing.T) {
			edit(t, tokenSecret(), func(s *corev1.Secret) {
				s.Labels = nil
				maps.DeleteFunc(s.Annotations, func(key, _ string) bool { return strings.Contains(key, "open-horizon") })
			})
		}, 0, false, ""},
		{"the service account is deleted", func(t *testing.T) {
			NewWithT(t).Expect(admin.Delete(t.Context(), serviceAccountOf(t, edge, "edge-puller"))).To(Succeed())
		}, 1, true, "edge-puller"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			old, oldName := tokenOf(secret()), tokenSecret().Name
			tt.act(t)
			o.pass(t, edge)
			o.pass(t, edge)
			awaitReady(t, edge)
			knowKept(t, edge)
			g.Expect(generationOf(tokenSecret()) - generationOf(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: oldName}})).To(Equal(int64(tt.mints)))
			g.Expect(same(old, tokenOf(secret()))).To(Equal(tt.mints == 0))
			g.Expect(works(t, tokenOf(secret()))).To(BeTrue())
			if tt.dies {
				expectDead(t, old)
			} else {
				g.Expect(works(t, old)).To(BeTrue())
			}
			if tt.cause != "" {
				expectEvent(t, edge, edgev1.ReasonTokenMinted, "edge-puller token", tt.cause)
			}
			expectOwned(t, edge, tokenSecret())
		})
	}
	NewWithT(t).Expect(o.mints(edge)).To(BeZero())
}

func TestALongLivedTokenThatTheClusterWouldPurgeIsWarnedOf(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(longLived)))
	knowKept(t, edge)
	account := serviceAccountOf(t, edge, "edge-puller")
	name := pass.PullSecretName(edge) + "-1"
	edit(t, account, func(a *corev1.ServiceAccount) { a.Secrets = []corev1.ObjectReference{{Name: name}} })
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring(
		`service account "edge-puller" names the Secret ` + name + " in its list of secrets, so the cluster revokes what nobody uses for a year: take it off that list"))
	g.Expect(serviceAccountOf(t, edge, "edge-puller").Secrets).To(HaveLen(1), "the list is left to others")
	edit(t, account, func(a *corev1.ServiceAccount) { a.Secrets = nil })
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(Equal("both tokens are issued"))
}

func TestALongLivedTokenIsWaitedForWhileNobodyFillsIt(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	established := awaitReady(t, apply(t, newEdge()))
	old := tokensOf(t, established)
	project := makeNamespace(t)
	invite(t, project.Name)
	edge := newEdge(inProject(project.Name), longLived)
	control.StopControllers()
	t.Cleanup(func() { NewWithT(t).Expect(control.StartControllers(context.Background())).To(Succeed()) })
	apply(t, edge)
	c := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonTokenPending)
	g.Expect(c.Message).To(And(ContainSubstring("edge-publisher"), ContainSubstring("see whether kube-controller-manager works")))
	o.pass(t, edge)
	g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(HaveLen(1), "one token Secret, however often it looks")
	waits := boundSecretsOf(t, edge, edgev1.TokenPublisher)[0].UID
	// What has a token that works goes on with it.
	editEdge(t, established, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived })
	c = awaitReason(t, established, edgev1.CredentialsIssued, edgev1.ReasonTokenPending)
	g.Expect(c.Message).To(ContainSubstring("the token in use stays"))
	g.Expect(condition(t, established, edgev1.RegistryVerified).Status).To(Equal(metav1.ConditionTrue))
	expectKept(t, established, old)

	g.Expect(control.StartControllers(t.Context())).To(Succeed())
	awaitReady(t, edge)
	awaitReady(t, established)
	knowKept(t, edge)
	knowKept(t, established)
	g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(HaveExactElements(HaveField("UID", waits)))
	expectFollowedFor(t, established, old, edgev1.TokenPuller)
}

func TestAnUnpublishedLongLivedTokenIsUsedAfterADeathAndDroppedIfNotNeeded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		needed bool
	}{{"it is still needed", true}, {"it is not needed any more", false}} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			edge := awaitReady(t, apply(t, newEdge()))
			old := tokensOf(t, edge)
			b := &breakage{fatal: true, at: func(a ask) bool {
				return a.Method == http.MethodPatch && strings.HasSuffix(a.URL.Path, "/"+pass.PullSecretName(edge))
			}}
			b.install(o)
			editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenLongLived })
			g.Eventually(b.happened).WithTimeout(soon).WithPolling(often).Should(BeTrue())
			o.stop(t)
			lost := boundSecretsOf(t, edge, edgev1.TokenPuller)[1]
			canary.know(keptToken(&lost))
			g.Expect(works(t, keptToken(&lost))).To(BeTrue())
			if !tt.needed {
				editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Type = edgev1.TokenBound })
			}
			o = startOperator(t)
			o.pass(t, edge)
			awaitReady(t, edge)
			kept := boundSecretsOf(t, edge, edgev1.TokenPuller)
			if tt.needed {
				g.Expect(kept).To(HaveLen(2))
				g.Expect(tokenOf(secretOf(t, edge, pass.PullSecretName(edge))).Equal(keptToken(&lost))).To(BeTrue())
				expectAllWork(t, old)
				return
			}
			g.Expect(kept).To(HaveLen(1))
			expectKept(t, edge, old)
			expectDead(t, keptToken(&lost))
		})
	}
}

func TestALongLivedTokenIsProvenToo(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, onDetour(way))
	edge := awaitReady(t, apply(t, newEdge(longLived)))
	knowKept(t, edge)
	old := tokensOf(t, edge)
	way.set(refusingRegistry(t))
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	c := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
	g.Expect(c.Message).To(ContainSubstring("the token in use does not expire"))
	expectKept(t, edge, old)
	for _, role := range roles {
		g.Expect(boundSecretsOf(t, edge, role)).To(HaveLen(1), "what was refused is revoked")
	}
	o.pass(t, edge)
	created := len(o.wire.matching(func(request string) bool {
		return strings.HasPrefix(request, "POST ") && strings.HasSuffix(request, "/namespaces/"+openshift.ProjectName(edge)+"/secrets")
	}))
	g.Expect(created).To(Equal(6), "two published Secrets, two token Secrets, and one more token Secret for each")
	way.set(nil)
	o.advance(30 * time.Minute)
	o.pass(t, edge)
	awaitReady(t, edge)
	knowKept(t, edge)
	expectFollowed(t, edge, old)
}

// The cluster fills any Secret of this type for whoever may make Secrets, and leaves a token that is
// there already: what is not a token of the login's is not published.
func TestATokenSecretOfSomebodyElseIsNeverPublished(t *testing.T) {
	for name, plant := range map[string]func(*corev1.Secret){
		"of another account": func(s *corev1.Secret) { s.Annotations[corev1.ServiceAccountNameKey] = "edge-publisher" },
		"with a token that somebody put there": func(s *corev1.Secret) {
			s.Data = map[string][]byte{corev1.ServiceAccountTokenKey: []byte("a.b.c")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			edge := awaitReady(t, apply(t, newEdge(longLived)))
			knowKept(t, edge)
			planted := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: openshift.ProjectName(edge), Name: pass.PullSecretName(edge) + "-2",
					Labels:      map[string]string{objects.KindLabel: objects.KindBound, objects.RoleLabel: "puller"},
					Annotations: map[string]string{corev1.ServiceAccountNameKey: "edge-puller"},
				},
				Type: corev1.SecretTypeServiceAccountToken,
			}
			plant(planted)
			objects.Own(planted, edge, true)
			// One pass sees both the Secret and the request.
			o.stop(t)
			g.Expect(admin.Create(t.Context(), planted)).To(Succeed())
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			o = startOperator(t)
			o.pass(t, edge)
			awaitReady(t, edge)
			knowKept(t, edge)
			g.Expect(edge.Status.LastHandledRotation).To(Equal("now"))
			tokenSecret := boundSecretOf(t, edge, edgev1.TokenPuller)
			_, claims := published(t, edge, edgev1.TokenPuller)
			g.Expect(claims.ServiceAccount).To(Equal("edge-puller"))
			g.Expect(tokenSecret.UID).NotTo(Equal(planted.UID))
			g.Expect(works(t, tokenOf(secretOf(t, edge, pass.PullSecretName(edge))))).To(BeTrue())
			gone := &corev1.Secret{}
			err := admin.Get(t.Context(), client.ObjectKeyFromObject(planted), gone)
			g.Expect(err != nil || gone.UID != planted.UID).To(BeTrue())
		})
	}
}
