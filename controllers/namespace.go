// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// prepareNamespace makes sure that the namespace of the Secrets is there, and that its owner let the operator in.
func (p *run) prepareNamespace(ctx context.Context) (pass.Done, error) {
	name := p.Home.Namespace
	if objects.IsReserved(name, p.EdgeRegistryReconciler.Namespace) {
		return pass.Done{}, pass.Stalled(edgev1.ReasonReserved,
			"namespace %q is reserved for the platform or the operator: make another EdgeRegistry with another spec.secrets.namespace", name)
	}
	p.triggers.Expect(p.Edge, name)
	if err := p.consented(ctx, name); err != nil {
		return pass.Done{}, err
	}
	namespace := &corev1.Namespace{}
	if err := p.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		if apierrors.IsNotFound(err) {
			return pass.Done{}, namespaceAbsent(name)
		}
		return pass.Done{}, fmt.Errorf("read namespace %q: %w", name, err)
	}
	p.triggers.Follow(p.Edge, name, namespace.UID, corev1.SchemeGroupVersion.WithKind("SecretList")) //nolint:contextcheck // The watch outlives the pass.
	p.Edge.Status.Host, p.Edge.Status.ImagePrefix = p.Registry.Host, p.Registry.ImagePrefix()
	return pass.DoneBecause(edgev1.ReasonInvited, "namespace %q: its owner invited the operator", name), nil
}

func namespaceAbsent(name string) *pass.Blocked {
	return pass.Waiting(edgev1.ReasonNamespaceAbsent, "namespace %q, where the Secrets are to be, does not exist: create it", name)
}
