// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what a holder of edit in the project can do by Secrets that look like bound ones.

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// fake makes a Secret that looks like the bound Secret of a token that is in use, but for its name.
func (m *tenant) fake(name string) *corev1.Secret {
	m.t.Helper()
	fake := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: openshift.ProjectName(m.edge), Name: name,
			Labels: map[string]string{objects.KindLabel: objects.KindBound, objects.RoleLabel: "publisher"},
			Annotations: map[string]string{
				objects.GenerationAnnotation: "7", objects.IssuedAtAnnotation: pass.Timestamp(m.now()),
				objects.ExpiresAtAnnotation: pass.Timestamp(m.now().Add(10000 * time.Hour)),
			},
		},
		StringData: map[string]string{"mine": "yes"},
	}
	objects.Own(fake, m.edge, true)
	NewWithT(m.t).Expect(m.Create(m.t.Context(), fake)).To(Succeed())
	return fake
}

// tokenBoundTo has the API server issue a token of an account, as `edit` allows, that is bound to a Secret of the tenant's.
func (m *tenant) tokenBoundTo(secret *corev1.Secret, account string) credential.Token {
	m.t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To(int64((2160 * time.Hour).Seconds())),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID},
	}}
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: account}}
	NewWithT(m.t).Expect(m.SubResource("token").Create(m.t.Context(), owner, request)).To(Succeed())
	return credential.NewToken(request.Status.Token)
}

// A Secret with everything that a bound Secret has but the name is nothing to the operator.
func TestASecretThatLooksLikeABoundOneHoldsNobodyUp(t *testing.T) {
	for _, suffix := range []string{
		"-9223372036854775807", "-9223372036854775808", "-99999999999999999999", "-1000000000", "-01", "--1", "-0", "-x", "-2.0", ".2",
	} {
		t.Run(suffix, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			edge := o.settles(t, apply(t, newEdge()))
			m := newTenant(t, o, edge)
			fake := m.fake(pass.PublishSecretName(edge) + suffix)
			o.pass(t, edge)
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			o.pass(t, edge)
			o.settles(t, edge)
			_, claims := published(t, edge, edgev1.TokenPublisher)
			g.Expect(claims.SecretName).To(Equal(pass.PublishSecretName(edge) + "-2"))
			g.Expect(statusOfTokens(edge, edgev1.TokenPublisher)).To(HaveExactElements(
				HaveField("Generation", int64(1)), And(HaveField("Generation", int64(2)), HaveField("Current", true))))
			g.Expect(secretOf(t, edge, fake.Name).ResourceVersion).To(Equal(fake.ResourceVersion), "it is left alone")
			writes := len(o.wire.writes())
			o.pass(t, edge)
			g.Expect(o.wire.writes()[writes:]).To(BeEmpty(), "and costs nothing")
		})
	}
}

// Nor do those that hold the last possible numbers, or a published Secret with such a number.
func TestTheLastGenerationIsFollowedByTheLowestThatIsFree(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(*tenant)
		want int64
	}{
		{"a bound Secret has the last number", func(m *tenant) {
			m.fake(boundSecretName(pass.PublishSecretName(m.edge), lastGeneration))
		}, 2},
		{"a bound Secret has the last but one", func(m *tenant) {
			m.fake(boundSecretName(pass.PublishSecretName(m.edge), lastGeneration-1))
		}, lastGeneration},
		{"the Secret tells of the last number and is without a token", func(m *tenant) {
			m.alter(pass.PublishSecretName(m.edge), func(s *corev1.Secret) {
				s.Annotations[objects.GenerationAnnotation] = strconv.Itoa(lastGeneration)
				s.Data = map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{}`)}
			})
		}, 2},
		{"the Secret tells of a number beyond and is without a token", func(m *tenant) {
			m.alter(pass.PublishSecretName(m.edge), func(s *corev1.Secret) {
				s.Annotations[objects.GenerationAnnotation] = "9223372036854775807"
				s.Data = map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{}`)}
			})
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			edge := o.settles(t, apply(t, newEdge()))
			old := tokensOf(t, edge)[edgev1.TokenPublisher]
			tt.act(newTenant(t, o, edge))
			o.pass(t, edge)
			o.settles(t, edge)
			if _, claims := published(t, edge, edgev1.TokenPublisher); claims.SecretName == pass.PublishSecretName(edge)+"-1" {
				annotate(t, edge, edgev1.RotateAnnotation, "now")
				o.pass(t, edge)
				o.settles(t, edge)
			}
			names := []string{pass.PublishSecretName(edge) + "-1"}
			for i, want := range []int64{tt.want, (tt.want + 1) % lastGeneration} {
				// After the last number comes the first that is free: the first of all has the token that is still in use.
				want = max(want, 2)
				secret, claims := published(t, edge, edgev1.TokenPublisher)
				g.Expect(claims.SecretName).To(Equal(boundSecretName(secret.Name, want)))
				g.Expect(secret.Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, strconv.FormatInt(want, 10)))
				g.Expect(names).NotTo(ContainElement(claims.SecretName))
				names = append(names, claims.SecretName)
				g.Expect(works(t, tokenOf(secret))).To(BeTrue())
				annotate(t, edge, edgev1.RotateAnnotation, fmt.Sprintf("again-%d", i))
				o.pass(t, edge)
				o.settles(t, edge)
			}
			g.Expect(works(t, old)).To(BeTrue(), "a consumer may still use it")
		})
	}
}

// What a published token says of its bound Secret counts only if the operator would have named it so: also once the record, which knows
// what was issued, is lost.
func TestATokenThatIsBoundToAFakeSecretIsReplaced(t *testing.T) {
	for name, lost := range map[string]bool{"on record": false, "the record is lost": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			edge := o.settles(t, apply(t, newEdge()))
			m := newTenant(t, o, edge)
			fake := m.fake(pass.PublishSecretName(edge) + "-9223372036854775807")
			publish := secretOf(t, edge, pass.PublishSecretName(edge))
			theirs := m.tokenBoundTo(fake, "edge-publisher")
			claims, err := credential.ReadClaims(theirs)
			g.Expect(err).NotTo(HaveOccurred())
			data := m.dataWith(theirs, publish)
			m.alter(publish.Name, func(s *corev1.Secret) {
				s.Data = data
				s.Annotations[objects.CredentialIDAnnotation], s.Annotations[objects.ExpiresAtAnnotation] = claims.ID, pass.Timestamp(claims.Expiry)
			})
			if lost {
				deleteRecord(t, edge)
				o = directOperator(t)
			}
			o.pass(t, edge)
			o.settles(t, edge)
			secret, claims := published(t, edge, edgev1.TokenPublisher)
			g.Expect(claims.SecretName).To(Equal(publish.Name + "-2"))
			g.Expect(tokenOf(secret).Equal(theirs)).To(BeFalse())
			g.Expect(works(t, tokenOf(secret))).To(BeTrue())
			g.Expect(secretOf(t, edge, fake.Name).ResourceVersion).To(Equal(fake.ResourceVersion))
		})
	}
}

// Nor do many bound Secrets that seem to be later hide the token in use from the status, and when it expires from the metrics.
func TestBoundSecretsThatSeemLaterDoNotHideTheTokenInUse(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	expiresAt := edge.Status.ExpiresAt.Time
	m := newTenant(t, o, edge)
	for i := range maxListed + 1 {
		m.fake(boundSecretName(pass.PublishSecretName(edge), int64(100+i)))
	}
	o.pass(t, edge)
	awaitReady(t, edge)
	listed := statusOfTokens(edge, edgev1.TokenPublisher)
	g.Expect(listed).To(HaveLen(maxListed))
	g.Expect(slices.IndexFunc(listed, func(s edgev1.CredentialStatus) bool { return s.Current && s.RenewAt != nil })).To(BeZero())
	g.Expect(edge.Status.ExpiresAt.Time).To(BeTemporally("==", expiresAt))
}
