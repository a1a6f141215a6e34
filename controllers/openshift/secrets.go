// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

// A tenant decides how many Secrets in the project carry the EdgeRegistry's label, and how large they are. So the operator lists
// only metadata, in a limited number of pages, and reads values by name.
const (
	secretsPage  = 500
	secretsPages = 4
	// maxPending is how many token Secrets of a role that are not on record are read with their values.
	maxPending = 5
)

// readSecrets reads the Secrets in the project that carry the EdgeRegistry's label.
func (s *session) readSecrets(ctx context.Context) error {
	list := &metav1.PartialObjectMetadataList{}
	pending := map[*login]int{}
	for range secretsPages {
		options := []client.ListOption{
			client.InNamespace(s.Home.Namespace), client.MatchingLabels{objects.EdgeLabel: s.Edge.Name},
			client.Limit(secretsPage), client.Continue(list.Continue),
		}
		list = &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		if err := s.List(ctx, list, options...); err != nil {
			return fmt.Errorf("list the Secrets of project %q: %w", s.Home.Namespace, err)
		}
		s.SecretsListed = list.ResourceVersion
		for i := range list.Items {
			if err := s.readSecret(ctx, &list.Items[i], pending); err != nil {
				return err
			}
		}
		if list.Continue == "" {
			return nil
		}
	}
	return nil
}

// readSecret adds one Secret to s.Secrets. It reads the values of published Secrets and of token Secrets.
func (s *session) readSecret(ctx context.Context, metadata *metav1.PartialObjectMetadata, pending map[*login]int) error {
	name := metadata.Name
	whole := name == s.publisher.Secret || name == s.puller.Secret
	for _, l := range s.logins() {
		if generationIn(name, l.Secret) == 0 || metadata.Annotations[corev1.ServiceAccountNameKey] == "" || !objects.OwnedBy(metadata, s.Edge.UID) {
			continue
		}
		if s.Record.Find(string(metadata.UID)) == nil {
			pending[l]++
		}
		whole = whole || pending[l] <= maxPending
	}
	if !whole {
		s.Secrets[name] = &corev1.Secret{ObjectMeta: metadata.ObjectMeta, Type: corev1.SecretTypeOpaque}
		return nil
	}
	secret, err := s.Objects.ReadSecret(ctx, s.Home.Namespace, name)
	if err == nil && secret != nil {
		s.Secrets[name] = secret
	}
	return err
}
