// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about who holds up what a person wants to end.

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// Who has a stolen token with edit alters a Secret before each pass, and has used up what the operator repairs. A person who
// revokes the token is answered all the same.
func TestARivalHoldsNoRevocationUp(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	stolen := tokensOf(t, edge)[edgev1.TokenPublisher]
	alter := func() {
		for _, name := range []string{pass.PublishSecretName(edge), pass.PullSecretName(edge)} {
			edit(t, secretOf(t, edge, name), func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere") })
		}
	}
	for range 12 {
		alter()
		o.pass(t, edge)
	}
	g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonContested))
	annotate(t, edge, edgev1.RevokeAnnotation, "Publisher/1")
	for range 3 {
		alter()
		o.advance(5*time.Minute + time.Second)
		o.pass(t, edge)
	}
	expectDead(t, stolen)
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(Equal("Publisher/1"))
}

// The owner of the namespace of the Secrets withdraws the invitation, to keep a robot alive that a person wants to end. The person is
// told, and once the owner lets the operator in again the robot ends.
func TestARevocationThatANamespaceHoldsUpIsTold(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	leaked := publishedLogin(t, edge, "-pull")
	g.Expect(admin.DeleteAllOf(t.Context(), &rbacv1.RoleBinding{}, client.InNamespace(edge.Spec.Secrets.Namespace))).To(Succeed())
	annotate(t, edge, edgev1.RevokeAnnotation, "Puller/1")
	o.comesTo(t, edge, edgev1.Ready, edgev1.ReasonNotInvited)
	g.Expect(condition(t, edge, edgev1.Ready).Message).To(HaveSuffix("Puller/1 is not revoked before that: to end it at once, end it at its issuer"))
	g.Expect(reload(t, edge).Status.LastHandledRevocation).To(BeEmpty())
	inviteCopies(t, edge.Spec.Secrets.Namespace, edge.Name)
	o.advance(time.Hour)
	o.settles(t, edge)
	g.Expect(p.Works(leaked.user, leaked.secret)).To(BeFalse())
}

// Who has a stolen token with edit removes what its Secret is found by, or makes it look disabled. It ends all the same.
func TestADisguisedBoundSecretEndsWithItsRevocation(t *testing.T) {
	lasting := func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.Token.Type = edgev1.TokenLongLived }
	for name, test := range map[string]struct {
		change   func(*edgev1.EdgeRegistry)
		disguise func(*corev1.Secret)
	}{
		"without labels":                    {nil, func(s *corev1.Secret) { s.Labels = nil }},
		"without an owner":                  {nil, func(s *corev1.Secret) { s.OwnerReferences = nil }},
		"without anything":                  {nil, func(s *corev1.Secret) { s.Labels, s.Annotations, s.OwnerReferences = nil, nil, nil }},
		"of another role":                   {nil, func(s *corev1.Secret) { s.Labels[objects.RoleLabel] = objects.RoleValue(edgev1.TokenPuller) }},
		"a lasting one that looks disabled": {lasting, func(s *corev1.Secret) { s.Labels["kubernetes.io/legacy-token-invalid-since"] = "2026-01-01" }},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			recorder := &eventRecorder{}
			o.Recorder = recorder
			edge := newEdge()
			if test.change != nil {
				test.change(edge)
			}
			edge = o.settles(t, apply(t, edge))
			stolen := tokensOf(t, edge)[edgev1.TokenPublisher]
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			o.settles(t, edge)
			bound := pass.PublishSecretName(edge) + "-1"
			edit(t, secretOf(t, edge, bound), test.disguise)
			annotate(t, edge, edgev1.RevokeAnnotation, "Publisher/1")
			o.pass(t, edge)
			g.Expect(projectState(t, edge)).NotTo(HaveKey("Secret " + bound))
			expectDead(t, stolen)
			g.Expect(recorder.of(edgev1.ReasonTokenRevoked)).To(HaveLen(1))
			g.Expect(works(t, tokensOf(t, edge)[edgev1.TokenPublisher])).To(BeTrue())
		})
	}
}

// The same in a deletion.
func TestADisguisedBoundSecretEndsWithItsEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.settles(t, edge)
	bound := pass.PublishSecretName(edge) + "-1"
	edit(t, secretOf(t, edge, bound), func(s *corev1.Secret) { s.Labels, s.Annotations, s.OwnerReferences = nil, nil, nil })
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(projectState(t, edge)).NotTo(HaveKey("Secret " + bound))
}
