// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// What no longer works is not listed as what works, though its Secret is there yet.
func TestDeadTokensAreNotListed(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "factory", UID: "u"}, Spec: edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}}}
	s := (&Provider{}).begin(pass.NewScope(edge, now, &pass.Memory{}))
	l := &s.puller
	l.accountUID, l.Credential.ID = "account", "5"
	bound := func(generation int, expires time.Duration, changes ...func(*corev1.Secret)) {
		id := strconv.Itoa(generation)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "factory-pull-" + id, UID: types.UID(id), Annotations: map[string]string{
			objects.AccountUIDAnnotation: "account", objects.ExpiresAtAnnotation: pass.Timestamp(now.Add(expires)),
		}, Labels: map[string]string{objects.KindLabel: objects.KindBound, objects.RoleLabel: "puller"}}}
		objects.Own(secret, edge, true)
		for _, change := range changes {
			change(secret)
		}
		s.Secrets[secret.Name] = secret
	}
	bound(1, -leeway)
	bound(2, time.Hour)
	bound(3, time.Hour, func(s *corev1.Secret) { s.DeletionTimestamp = &metav1.Time{Time: now} })
	bound(4, time.Hour, func(s *corev1.Secret) { s.Annotations[objects.AccountUIDAnnotation] = "one before" })
	bound(5, time.Hour)
	bound(6, time.Hour, func(s *corev1.Secret) {
		s.Type, s.Labels[invalidSinceLabel] = corev1.SecretTypeServiceAccountToken, "2025-12-01"
	})
	s.listAlive(l)
	g.Expect(l.Alive).To(HaveExactElements(HaveField("Generation", int64(2)), And(HaveField("Generation", int64(5)), HaveField("Current", true))))
}
