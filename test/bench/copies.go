// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// targets makes namespaces that invite the operator to keep copies of an EdgeRegistry in them.
func (w *world) targets(ctx context.Context, edge string, n int) ([]string, error) {
	names := w.names("target", n)
	return names, each(ctx, appliers, names, func(ctx context.Context, name string) error {
		return errors.Join(
			w.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}),
			w.api.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: name, Name: "edge-registry-secrets", Annotations: map[string]string{edgev1.ForAnnotation: edge},
				},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-secrets"},
				Subjects: []rbacv1.Subject{{
					Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "edge-registry-controller-manager",
				}},
			}))
	})
}

// copyTo has the publish Secret of an EdgeRegistry copied to the namespaces, and returns how long it
// takes until the last copy is there.
func (w *world) copyTo(ctx context.Context, name string, namespaces []string) (time.Duration, error) {
	done := func(edge *edgev1.EdgeRegistry) bool {
		return edge.Name == name && isReady(edge) && copied(edge, len(namespaces))
	}
	return w.untilAll(ctx, []string{name}, done, func(ctx context.Context, name string) error {
		edge := &edgev1.EdgeRegistry{}
		if err := w.api.Get(ctx, client.ObjectKey{Name: name}, edge); err != nil {
			return err
		}
		before := edge.DeepCopy()
		edge.Spec.Secrets.Publish.CopyTo = namespaces
		return w.api.Patch(ctx, edge, client.MergeFrom(before))
	})
}

// copied reports that the status counts so many copies of the publish Secret.
func copied(edge *edgev1.EdgeRegistry, n int) bool {
	for _, secret := range edge.Status.Secrets {
		if secret.Role == edgev1.SecretPublish {
			return secret.Copies != nil && int(secret.Copies.Synced) == n
		}
	}
	return false
}

// copyByBare writes as many copies by the bare client, at the concurrency of the operator's, and
// then changes each once.
func (w *world) copyByBare(ctx context.Context, original client.ObjectKey, namespaces []string) (made, changed time.Duration, err error) {
	b, err := newBare(w)
	if err != nil {
		return 0, 0, err
	}
	secret := &corev1.Secret{}
	if err := w.api.Get(ctx, original, secret); err != nil {
		return 0, 0, err
	}
	copyIn := func(namespace string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bare", Labels: secret.Labels, Annotations: secret.Annotations},
			Type:       secret.Type, Data: secret.Data,
		}
	}
	began := time.Now()
	if err := each(ctx, appliers, namespaces, func(ctx context.Context, namespace string) error {
		return b.api.Create(ctx, copyIn(namespace))
	}); err != nil {
		return 0, 0, err
	}
	made = time.Since(began)
	began = time.Now()
	err = each(ctx, appliers, namespaces, func(ctx context.Context, namespace string) error {
		return b.api.Patch(ctx, copyIn(namespace), client.RawPatch(types.MergePatchType, []byte(`{"data":{"OCP_TOKEN":"YmVuY2g="}}`)))
	})
	return made, time.Since(began), err
}
