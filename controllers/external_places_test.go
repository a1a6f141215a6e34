// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about where the Secrets of another registry lie, which CA is published for it, and which other host may give its
// tokens.

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

func TestNamespacesOfTheSecretsThatCannotBeUsed(t *testing.T) {
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	prepared := func(t *testing.T) *edgev1.EdgeRegistry {
		t.Helper()
		edge := r.external(t)
		r.supplyBoth(t, edge)
		return edge
	}
	for name, test := range map[string]struct {
		prepare   func(*testing.T, *edgev1.EdgeRegistry)
		condition string
		reason    string
	}{
		"absent": {func(_ *testing.T, edge *edgev1.EdgeRegistry) { edge.Spec.Secrets.Namespace += "-gone" }, edgev1.NamespaceReady, edgev1.ReasonNamespaceAbsent},
		"on its way out": {func(t *testing.T, edge *edgev1.EdgeRegistry) {
			t.Helper()
			namespace := edge.Spec.Secrets.Namespace
			inviteCopies(t, namespace, edge.Name)
			held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "held", Finalizers: []string{"example.com/held"}}}
			NewWithT(t).Expect(admin.Create(t.Context(), held)).To(Succeed())
			t.Cleanup(func() {
				_ = admin.Patch(context.Background(), held, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
			})
			NewWithT(t).Expect(admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		}, edgev1.NamespaceReady, edgev1.ReasonNamespaceTerminating},
		"that invites another": {func(t *testing.T, edge *edgev1.EdgeRegistry) {
			t.Helper()
			invitation := inviteCopies(t, edge.Spec.Secrets.Namespace, "another")
			edit(t, invitation, func(b *rbacv1.RoleBinding) { b.Labels = nil }) // By that apply would add the name.
		}, edgev1.NamespaceReady, edgev1.ReasonNotInvited},
		"with a quota": {func(t *testing.T, edge *edgev1.EdgeRegistry) {
			t.Helper()
			inviteCopies(t, edge.Spec.Secrets.Namespace, edge.Name)
			quota := &corev1.ResourceQuota{
				ObjectMeta: metav1.ObjectMeta{Namespace: edge.Spec.Secrets.Namespace, Name: "small"},
				Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("0")}},
			}
			g := NewWithT(t)
			g.Expect(admin.Create(t.Context(), quota)).To(Succeed())
			// What the quota controller, which does not run here, finds in a new namespace.
			quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"count/secrets": resource.MustParse("0")}}
			g.Expect(admin.Status().Update(t.Context(), quota)).To(Succeed())
		}, edgev1.SecretsPublished, edgev1.ReasonQuotaExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			edge := prepared(t)
			test.prepare(t, edge)
			apply(t, edge)
			awaitReason(t, edge, test.condition, test.reason)
			g := NewWithT(t)
			g.Expect(noCopyIn(t, edge.Spec.Secrets.Namespace, edge.Name+"-pull")).To(BeTrue())
		})
	}
}

// An owner who withdraws an invitation keeps what was published, and the operator goes no further.
func TestAnInvitationOfSecretsThatIsWithdrawn(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	edge := r.external(t)
	invitation := inviteCopies(t, edge.Spec.Secrets.Namespace, edge.Name)
	r.supplyBoth(t, edge)
	awaitReady(t, apply(t, edge))
	published := contents(t, edge.Spec.Secrets.Namespace)
	delete(published, "*v1.RoleBinding "+invitation.Name)
	g.Expect(admin.Delete(t.Context(), invitation)).To(Succeed())
	poke(t, edge)
	awaitReason(t, edge, edgev1.NamespaceReady, edgev1.ReasonNotInvited)
	g.Expect(contents(t, edge.Spec.Secrets.Namespace)).To(Equal(published))
}

// Where a public CA verifies the host nothing is published for it, and what an admin's bundle holds is.
func TestWhichCAIsPublishedForAnotherRegistry(t *testing.T) {
	for name, test := range map[string]struct {
		public, bundle bool
	}{"a public one": {public: true}, "that of a bundle": {bundle: true}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := startOtherRegistry(t)
			startOperator(t, anyHost, func(o *operator, _ *rest.Config) {
				o.SystemRoots = x509.NewCertPool()
				if test.public {
					o.SystemRoots.AddCert(r.ca.Certificate())
				}
			})
			edge := r.external(t)
			inviteCopies(t, edge.Spec.Secrets.Namespace, edge.Name)
			push, pull := r.supplyBoth(t, edge)
			for _, supplied := range []*corev1.Secret{push, pull} {
				edit(t, supplied, func(s *corev1.Secret) { delete(s.Data, handoff.KeyCA) })
			}
			if test.bundle {
				createForTest(t, bundleOf(edge.Name, "ca.crt", r.ca.PEM()))
				withBundleRef(edge.Name, "ca.crt")(edge)
			}
			awaitReady(t, apply(t, edge))
			for _, role := range []string{"-publish", "-pull"} {
				data := publishedTo(t, edge, role).Data
				if test.public {
					g.Expect(data).NotTo(HaveKey(handoff.KeyCA), "absent, and not empty")
					g.Expect(string(data[handoff.KeyNodeBootstrap])).NotTo(ContainSubstring("BEGIN CERTIFICATE"))
				} else {
					g.Expect(data[handoff.KeyCA]).To(Equal(r.ca.PEM()))
				}
			}
			g.Expect(edge.Status.CA == nil).To(Equal(test.public))
		})
	}
}

// giveTokensAt has the registry have its tokens given by another one, which asks for the login.
func (r *otherRegistry) giveTokensAt(tokens *otherRegistry) {
	r.answer = func(w http.ResponseWriter, req *http.Request) bool {
		user, given := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer of-")
		fail := func(status int, code string) bool {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
			return true
		}
		switch {
		case !given:
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="plant"`, tokens.host))
			return fail(http.StatusUnauthorized, "UNAUTHORIZED")
		case req.Method == http.MethodPatch && user == pushUser:
			return fail(http.StatusNotFound, "BLOB_UPLOAD_INVALID")
		case req.Method == http.MethodPatch:
			return fail(http.StatusForbidden, "DENIED")
		default:
			_, _ = io.WriteString(w, `{"tags":[]}`)
			return true
		}
	}
	tokens.answer = func(w http.ResponseWriter, req *http.Request) bool {
		user, password, _ := req.BasicAuth()
		if tokens.passwords[user] == "" || tokens.passwords[user] != password {
			return false
		}
		_, _ = fmt.Fprintf(w, `{"token":"of-%s"}`, user)
		return true
	}
}

// A login goes to no other host than the registry until the Secrets of both say that it may.
func TestTokensOfAnotherHostAreAskedForOnlyWhereBothSecretsAllowIt(t *testing.T) {
	g := NewWithT(t)
	r, tokens := startOtherRegistry(t), startOtherRegistry(t)
	r.giveTokensAt(tokens)
	startOperator(t, anyHost, func(o *operator, _ *rest.Config) {
		o.SystemRoots = x509.NewCertPool()
		o.SystemRoots.AddCert(tokens.ca.Certificate())
	})
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace, edge.Name)
	push, pull := r.supplyBoth(t, edge)
	apply(t, edge)
	allow := func(secret *corev1.Secret) {
		edit(t, secret, func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/token-hosts"] = tokens.host })
	}
	refused := awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonTokenHostNotAllowed)
	g.Expect(refused.Message).To(And(ContainSubstring(tokens.host), ContainSubstring("name it in the annotation")))
	allow(push)
	poke(t, edge)
	awaitRest(t)
	awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonTokenHostNotAllowed)
	tokens.change(func() { g.Expect(tokens.requests).To(BeEmpty(), "no login was sent") })
	allow(pull)
	poke(t, edge)
	awaitReady(t, edge)
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
	r.change(func() { g.Expect(r.users).To(HaveEach(BeEmpty()), "the registry itself is shown tokens alone") })
}
