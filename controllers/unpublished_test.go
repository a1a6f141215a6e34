// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about one mint for one cause, whatever refuses the publication, across credentials.go and secrets.go.

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// refusedPublication is how an API server refuses a write, for ever.
type refusedPublication struct {
	name    string
	code    int
	reason  metav1.StatusReason
	message string
	// wantMessage is what the condition has to say.
	wantMessage string
}

var refusedPublications = []refusedPublication{
	{"by a webhook", http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "sealed.example.test" denied the request: use sealed Secrets`, "sealed.example.test"},
	{"by an admission policy", http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, `ValidatingAdmissionPolicy 'no-dockerconfig' denied request`, "no-dockerconfig"},
	{"by a webhook that fails", http.StatusInternalServerError, metav1.StatusReasonInternalError, `failed calling webhook "down.example.test"`, "down.example.test"},
	{"by a quota", http.StatusForbidden, metav1.StatusReasonForbidden, "secrets is forbidden: exceeded quota: small, requested: count/secrets=1", "small"},
	{"by RBAC", http.StatusForbidden, metav1.StatusReasonForbidden, `secrets is forbidden: User "operator" cannot create resource "secrets"`, "cannot create"},
	{"by a conflict", http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified", "5 passes in a row"},
}

// answer answers a write as refused.
func (f refusedPublication) answer(r *http.Request) *http.Response {
	body, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(f.code), Reason: f.reason, Message: f.message,
	})
	return &http.Response{
		StatusCode: f.code, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// install has the writes of both published Secrets refused while refusing is true.
func (f refusedPublication) install(o *operator, refusing *atomic.Bool) {
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		name := a.object.GetName()
		write := a.Method == http.MethodPost || a.Method == http.MethodPatch
		if refusing.Load() && write && strings.Contains(a.URL.Path, "/secrets") && (strings.HasSuffix(name, "-publish") || strings.HasSuffix(name, "-pull")) {
			return f.answer(a.Request), nil
		}
		return on()
	})
}

// anHour makes passes over an hour of the operator's clock.
func anHour(t *testing.T, o *operator, edge *edgev1.EdgeRegistry) {
	t.Helper()
	for range 6 {
		o.clock.SetTime(o.clock.Now().Add(10 * time.Minute))
		o.pass(t, edge)
	}
}

func TestOneMintForOneCauseHoweverLongItsPublicationIsRefused(t *testing.T) {
	for _, refused := range refusedPublications {
		t.Run(refused.name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			refusing := &atomic.Bool{}
			refusing.Store(true)
			refused.install(o, refusing)
			edge := apply(t, newEdge())
			g.Eventually(func() int { o.pass(t, edge); return o.mints(edge) }).WithTimeout(soon).WithPolling(often).Should(Equal(2))
			anHour(t, o, edge)
			g.Expect(o.mints(edge)).To(Equal(2), "one for each login")
			c := condition(t, edge, edgev1.SecretsPublished)
			g.Expect(c.Status).NotTo(Equal(metav1.ConditionTrue))
			g.Expect(c.Message).To(ContainSubstring(refused.wantMessage))
			lost := boundSecretsOf(t, edge, edgev1.TokenPuller)
			g.Expect(lost).To(HaveLen(1))

			o = directOperator(t)
			refused.install(o, refusing)
			o.pass(t, edge)
			anHour(t, o, edge)
			g.Expect(o.mints(edge)).To(Equal(2), "one more for each login after a restart")
			kept := boundSecretsOf(t, edge, edgev1.TokenPuller)
			g.Expect(kept).To(HaveLen(1), "the token that was lost is revoked")
			g.Expect(kept[0].UID).NotTo(Equal(lost[0].UID))

			refusing.Store(false)
			o.advance(pass.RetryCap)
			o.settles(t, edge)
			g.Expect(o.mints(edge)).To(Equal(2), "the token that was kept is published")
			secret, claims := published(t, edge, edgev1.TokenPuller)
			g.Expect(claims.SecretUID).To(Equal(kept[0].UID))
			g.Expect(works(t, tokenOf(secret))).To(BeTrue())
		})
	}
}

func TestOneMintForARotationWhosePublicationIsRefused(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	refusing := &atomic.Bool{}
	refusing.Store(true)
	refusedPublications[0].install(o, refusing)
	annotate(t, edge, edgev1.RotateAnnotation, "one")
	o.pass(t, edge)
	anHour(t, o, edge)
	g.Expect(o.mints(edge)).To(Equal(4), "one more for each login")
	annotate(t, edge, edgev1.RotateAnnotation, "two")
	anHour(t, o, edge)
	g.Expect(o.mints(edge)).To(Equal(6), "another request is another cause")

	refusing.Store(false)
	o.settles(t, edge)
	g.Expect(o.mints(edge)).To(Equal(6))
	g.Expect(edge.Status.LastHandledRotation).To(Equal("two"))
	g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(HaveLen(2), "what answered the first request is revoked")
}

// What the cluster itself refuses: an admission policy on the type of the published Secrets, which lets those that tokens
// are bound to pass; a quota that ends with these; and Secrets that somebody made immutable, which the operator replaces.
func TestOneMintForOneCauseWhateverTheClusterRefuses(t *testing.T) {
	o := startOperator(t)

	t.Run("by an admission policy", func(t *testing.T) {
		g := NewWithT(t)
		namespace := makeNamespace(t)
		invite(t, namespace.Name)
		policy := &admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "sealed-" + namespace.Name},
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				FailurePolicy: ptr.To(admissionv1.Fail),
				MatchConstraints: &admissionv1.MatchResources{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace.Name}},
					ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
						Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
						Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
					}}},
				},
				Validations: []admissionv1.Validation{{
					Expression: "object.type != 'kubernetes.io/dockerconfigjson'", Message: "registry logins are kept sealed here",
				}},
			},
		}
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			},
		}
		for _, object := range []client.Object{policy, binding} {
			g.Expect(admin.Create(t.Context(), object)).To(Succeed())
			t.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
		}
		probe := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "probe"}, Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte("{}")},
		}
		g.Eventually(func() error { return admin.Create(t.Context(), probe.DeepCopy(), client.DryRunAll) }).
			WithTimeout(soon).WithPolling(often).Should(MatchError(ContainSubstring("sealed here")), "the policy is in force")
		expectOneMintEach(t, o, namespace.Name, edgev1.ReasonRequestFailed, "registry logins are kept sealed here")
	})

	t.Run("by a quota", func(t *testing.T) {
		g := NewWithT(t)
		namespace := makeNamespace(t)
		invite(t, namespace.Name)
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "small"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("2")}},
		}
		g.Expect(admin.Create(t.Context(), quota)).To(Succeed())
		// What the quota controller, which does not run here, finds in a new namespace.
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"count/secrets": resource.MustParse("0")}}
		g.Expect(admin.Status().Update(t.Context(), quota)).To(Succeed())
		expectOneMintEach(t, o, namespace.Name, edgev1.ReasonQuotaExceeded, "exceeded quota: small")
	})

	t.Run("by Secrets that are immutable", func(t *testing.T) {
		g := NewWithT(t)
		edge := awaitReady(t, apply(t, newEdge()))
		for _, role := range roles {
			secret, _ := published(t, edge, role)
			secret.Immutable = ptr.To(true)
			g.Expect(admin.Update(t.Context(), secret)).To(Succeed())
		}
		annotate(t, edge, edgev1.RotateAnnotation, "one")
		anHour(t, o, edge)
		awaitReady(t, edge)
		g.Expect(o.mints(edge)).To(Equal(4), "the Secrets are replaced, and nothing is minted for that")
	})
}

// expectOneMintEach has an EdgeRegistry served in a project whose Secrets are refused.
func expectOneMintEach(t *testing.T, o *operator, project, reason, wantMessage string) {
	t.Helper()
	g := NewWithT(t)
	edge := apply(t, newEdge(inProject(project)))
	awaitReason(t, edge, edgev1.SecretsPublished, reason)
	anHour(t, o, edge)
	g.Expect(condition(t, edge, edgev1.SecretsPublished).Message).To(ContainSubstring(wantMessage))
	expectEvent(t, edge, reason, wantMessage)
	g.Expect(o.mints(edge)).To(Equal(2), "one for each login")
}
