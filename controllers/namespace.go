// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// prepareNamespace makes sure that the namespace of the Secrets is there, and that its owner let the operator in.
func (p *run) prepareNamespace(ctx context.Context) (pass.Done, error) {
	name := p.Home.Namespace
	if objects.IsReserved(name, p.EdgeRegistryReconciler.Namespace) {
		return pass.Done{}, pass.Stalled(edgev1.ReasonReserved,
			"namespace %q is reserved for the platform or the operator: make another EdgeRegistry with another spec.secrets.namespace", name)
	}
	p.triggers.Expect(p.Edge, name)
	uid, err := p.consented(ctx, name, forSecrets)
	if err != nil {
		return pass.Done{}, err
	}
	consent.Serve(p.Scope, name, uid)
	p.triggers.Follow(p.Edge, name, uid, watches.Listed{Kind: corev1.SchemeGroupVersion.WithKind("SecretList")}) //nolint:contextcheck // The watch outlives the pass.
	p.Edge.Status.Host, p.Edge.Status.ImagePrefix = p.Registry.Host, p.Registry.ImagePrefix()
	return pass.DoneBecause(edgev1.ReasonInvited, "namespace %q: its owner invited the operator for this EdgeRegistry", name), nil
}

// purpose is what a namespace is wanted for, as messages have it.
type purpose struct{ absent, terminating string }

var (
	forCopies  = purpose{"create it, or take it off copyTo", "it gets its copy when it is there again"}
	forSecrets = purpose{"create it, since the Secrets are to be there", "the Secrets are made again when it is there again"}
)

// consented makes sure that a namespace is there, that it is the one of before, and that its owner invited the operator to keep
// Secrets there for this EdgeRegistry. It returns the namespace's UID, also if it is another than before.
func (p *run) consented(ctx context.Context, name string, use purpose) (types.UID, error) {
	namespace, err := p.readNamespace(ctx, name, use)
	if err != nil {
		return "", err
	}
	since := ""
	if use == forCopies {
		// A pass that asks many judges all by one moment, which is its own.
		since = p.unlessAway(p.BindingsListed)
	}
	bindings, listed, err := consent.Bindings(ctx, p.WithWatch, name, since)
	if apierrors.IsForbidden(err) {
		return "", p.notInvited(ctx, name, nil)
	}
	if err != nil {
		return "", err
	}
	if use == forSecrets {
		p.BindingsListed = listed
	}
	username, err := p.Username(ctx)
	if err != nil {
		return "", err
	}
	if !consent.Find(bindings, consent.Secrets, name, username, p.Edge.Name).Valid {
		return "", p.notInvited(ctx, name, bindings)
	}
	return namespace.UID, consent.SameNamespace(p.Scope, "namespace", name, namespace.UID)
}

// readNamespace returns a namespace in which something can be written.
func (p *run) readNamespace(ctx context.Context, name string, use purpose) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{}
	err := p.Get(ctx, client.ObjectKey{Name: name}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return nil, pass.Waiting(edgev1.ReasonNamespaceAbsent, "namespace %q does not exist: %s", name, use.absent)
	case err != nil:
		return nil, fmt.Errorf("read namespace %q: %w", name, err)
	case !namespace.DeletionTimestamp.IsZero() || namespace.Status.Phase == corev1.NamespaceTerminating:
		return nil, terminating(name, use)
	default:
		return namespace, nil
	}
}

func terminating(namespace string, use purpose) *pass.Blocked {
	return pass.Waiting(edgev1.ReasonNamespaceTerminating, "namespace %q is being deleted: %s", namespace, use.terminating)
}

// notInvited says how the owner of a namespace lets the operator keep Secrets there. bindings are those of the namespace, as
// far as they can be read.
func (p *run) notInvited(ctx context.Context, namespace string, bindings []rbacv1.RoleBinding) *pass.Blocked {
	username, _ := p.Username(ctx)
	invitation := consent.Find(bindings, consent.Secrets, namespace, username, p.Edge.Name)
	return pass.Stalled(edgev1.ReasonNotInvited, "namespace %q: %s", namespace, invitation.Missing(p.Edge.Name))
}

// mayCopy makes sure that the owner of a namespace lets the operator keep copies there for this EdgeRegistry, and returns the
// namespace's UID. due are the copies that are to be written. A copy that is known is no proof of it: whoever made the namespace
// again, and had read the copy before, can have put the same there.
func (p *run) mayCopy(ctx context.Context, namespace string, due map[*publication]dueCopy) (types.UID, error) {
	uid, err := p.consented(ctx, namespace, forCopies)
	if b := pass.AsBlocked(err); b != nil && b.Reason == edgev1.ReasonNamespaceReplaced && p.Record.Served[namespace] == "" && p.isServed(due) {
		return uid, nil
	}
	return uid, err
}

// isServed reports that a namespace holds what was published, or was until now. It was served, then, also if the record
// of that is lost: nobody gets what they do not have.
func (p *run) isServed(due map[*publication]dueCopy) bool {
	for pub, copied := range due {
		live, published := copied.live, p.Secrets[pub.Secret]
		if live != nil && published != nil && objects.OwnedBy(live, p.Edge.UID) && carriesSame(live, published) {
			return true
		}
	}
	return false
}

// carriesSame reports two Secrets that carry the same token.
func carriesSame(a, b *corev1.Secret) bool {
	one, intact := handoff.Token(a.Data)
	other, known := handoff.Token(b.Data)
	return intact && known && one.Equal(other)
}
