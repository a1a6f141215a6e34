// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about copies: what the tests of them share.

import (
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// makeTarget makes a namespace of somebody else's, who invites the operator to copy there.
func makeTarget(t *testing.T) string {
	t.Helper()
	namespace := makeNamespace(t).Name
	inviteCopies(t, namespace)
	return namespace
}

func inviteCopies(t *testing.T, namespace string, edges ...string) *rbacv1.RoleBinding {
	t.Helper()
	invitation := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "edge-registry-secrets", Labels: testInvitation,
			Annotations: map[string]string{edgev1.ForAnnotation: strings.Join(edges, ",")},
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: consent.Secrets.ClusterRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
	}
	NewWithT(t).Expect(admin.Create(t.Context(), invitation)).To(Succeed())
	return invitation
}

func copyPublishTo(namespaces ...string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.CopyTo = namespaces }
}

func copyPullTo(namespaces ...string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Pull.CopyTo = namespaces }
}

// copyIn returns the Secret of a name in a namespace.
func copyIn(t *testing.T, namespace, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, secret)).To(Succeed())
	return secret
}

func noCopyIn(t *testing.T, namespace, name string) bool {
	t.Helper()
	return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &corev1.Secret{}))
}

// expectCopy checks that a namespace has the copy that it should have, of the Secret as it is now.
func expectCopy(t *testing.T, edge *edgev1.EdgeRegistry, namespace, name string) *corev1.Secret {
	t.Helper()
	g := NewWithT(t)
	original, copied := secretOf(t, edge, name), copyIn(t, namespace, name)
	for key, value := range original.Data {
		held(t, copied.Data, key, string(value))
	}
	g.Expect(copied.Data).To(HaveLen(len(original.Data)))
	g.Expect(copied.Type).To(Equal(original.Type))
	wanted := maps.Clone(original.Labels)
	wanted[objects.KindLabel] += objects.KindCopy
	g.Expect(copied.Labels).To(Equal(wanted))
	wanted = maps.Clone(original.Annotations)
	for _, key := range []string{objects.RotationAnnotation, objects.BoundUIDAnnotation, objects.AccountUIDAnnotation} {
		delete(wanted, key)
	}
	g.Expect(copied.Annotations).To(Equal(wanted))
	expectOwned(t, edge, copied)
	return copied
}

// copiesOf is what the status says of the copies of a Secret.
func copiesOf(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.SecretRole) edgev1.CopiesStatus {
	t.Helper()
	for _, secret := range reload(t, edge).Status.Secrets {
		if secret.Role == role && secret.Copies != nil {
			return *secret.Copies
		}
	}
	return edgev1.CopiesStatus{}
}

// failures are the failed namespaces of a status with their reasons.
func failures(status edgev1.CopiesStatus) map[string]string {
	found := map[string]string{}
	for _, failure := range status.Failed {
		found[failure.Namespace] = failure.Reason
	}
	return found
}

// awaitFailures waits until the copies of the publish Secret fail in these namespaces, by reason.
func awaitFailures(t *testing.T, edge *edgev1.EdgeRegistry, want map[string]string) {
	t.Helper()
	NewWithT(t).Eventually(func() map[string]string {
		return failures(copiesOf(t, edge, edgev1.SecretPublish))
	}).WithTimeout(soon).WithPolling(often).Should(Equal(want))
}

// recorded is the list of the namespaces that may hold a copy of a Secret, by the record.
func recorded(t *testing.T, edge *edgev1.EdgeRegistry, name string) string {
	t.Helper()
	role := edgev1.TokenPuller
	if name == pass.PublishSecretName(edge) {
		role = edgev1.TokenPublisher
	}
	return strings.Join(recordOf(t, edge).Copies[role], ",")
}

// inTarget are the requests about Secrets in a namespace.
func (o *operator) inTarget(namespace string) []string {
	return o.wire.matching(func(request string) bool { return strings.Contains(request, "/namespaces/"+namespace+"/secrets") })
}

func sortedNames(namespaces ...string) string {
	slices.Sort(namespaces)
	return strings.Join(namespaces, ",")
}
