// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

// prepareNamespace makes sure that the namespace of the Secrets is there, and that its owner let the operator in.
func (p *run) prepareNamespace(ctx context.Context) (pass.Done, error) {
	name := p.Home.Namespace
	if objects.IsReserved(name, p.EdgeRegistryReconciler.Namespace) {
		return pass.Done{}, pass.Stalled(edgev1.ReasonReserved,
			"namespace %q is reserved for the platform or the operator: make another EdgeRegistry with another spec.secrets.namespace", name)
	}
	p.triggers.Expect(p.Edge, name)
	uid, err := p.consented(ctx, name)
	if err != nil {
		return pass.Done{}, err
	}
	consent.Serve(p.Scope, name, uid)
	p.triggers.Follow(p.Edge, name, uid, watches.Listed{Kind: corev1.SchemeGroupVersion.WithKind("SecretList")}) //nolint:contextcheck // The watch outlives the pass.
	p.Edge.Status.Host, p.Edge.Status.ImagePrefix = p.Registry.Host, p.Registry.ImagePrefix()
	return pass.DoneBecause(edgev1.ReasonInvited, "namespace %q: its owner invited the operator for this EdgeRegistry", name), nil
}
