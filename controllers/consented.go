// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// consented returns nil if the owner of a namespace lets the operator keep Secrets there, and otherwise why not, as a
// *pass.Blocked if a person or time can mend it.
func (p *run) consented(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{}
	err := p.Get(ctx, client.ObjectKey{Name: name}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return namespaceAbsent(name)
	case err != nil:
		return fmt.Errorf("read namespace %q: %w", name, err)
	case !namespace.DeletionTimestamp.IsZero() || namespace.Status.Phase == corev1.NamespaceTerminating:
		return pass.Waiting(edgev1.ReasonNamespaceTerminating, "namespace %q is being deleted: the Secrets are made again when it is there again", name)
	}
	// To read one of the Secrets takes the invitation.
	_, err = p.Objects.ReadSecret(ctx, name, p.Puller.Secret)
	switch known := p.explainCopy(ctx, name, err); {
	case known == nil:
		return nil
	case known.Reason == edgev1.ReasonNotInvited:
		known.Retry = retryCopies
		return known
	case errors.As(err, new(apierrors.APIStatus)):
		return fmt.Errorf("try the rights in namespace %q: %w", name, err)
	default:
		return err
	}
}
