// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// OwnSecret returns a Secret of the EdgeRegistry in its home, or nil. One that lost its label is not among those that the pass
// has listed, so it is read by name.
func (w *Writer) OwnSecret(ctx context.Context, s *pass.Scope, name string) (*corev1.Secret, error) {
	secret := s.Secrets[name]
	if secret == nil && s.Free.Has(name) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if secret == nil {
		secret = &corev1.Secret{}
		err := w.Get(ctx, client.ObjectKey{Namespace: s.Home.Namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // Absence is an answer here.
		}
		if err != nil {
			return nil, fmt.Errorf("read Secret %q in %s %q: %w", name, s.Home.Noun, s.Home.Namespace, err)
		}
		s.Secrets[name] = secret
	}
	if !OwnedBy(secret, s.Edge.UID) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	return secret, nil
}

// ReadPublished reads the published Secret of a login, sets it there and returns it; nil if there is none. If a Secret of that name
// is somebody else's, or is being deleted, that is an error.
func (w *Writer) ReadPublished(ctx context.Context, s *pass.Scope, l *pass.Login) (*corev1.Secret, error) {
	published, err := w.OwnSecret(ctx, s, l.Secret)
	switch foreign := s.Secrets[l.Secret]; {
	case err != nil:
		return nil, err
	case published == nil && foreign != nil:
		return nil, NotOurs(w.Describe(s, foreign))
	case published != nil && !published.DeletionTimestamp.IsZero():
		return nil, BeingDeleted(w.Describe(s, published), published)
	}
	l.Published = published
	return published, nil
}

// ReadSecret reads a Secret; nil if there is none.
func (w *Writer) ReadSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %q in namespace %q: %w", name, namespace, err)
	}
	return secret, nil
}
