// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// prepareNamespace makes sure that the namespace of the Secrets exists, and that its owner invited the operator.
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

// purpose is what a namespace is needed for, in messages.
type purpose struct{ absent, terminating string }

var (
	forCopies  = purpose{"create it, or take it off copyTo", "it gets its copy when it is there again"}
	forSecrets = purpose{"create it, since the Secrets are to be there", "the Secrets are made again when it is there again"}
)

// consented makes sure that the namespace of the Secrets exists, that it is the same as before, and that its owner invited the
// operator to keep Secrets there for this EdgeRegistry. It returns the namespace's UID, also if it has changed.
func (p *run) consented(ctx context.Context, name string) (types.UID, error) {
	namespace, err := p.readNamespace(ctx, name, forSecrets)
	if err != nil {
		return "", err
	}
	invitation, listed, err := p.invitation(ctx, name, "")
	if err != nil {
		return "", err
	}
	p.BindingsListed = listed
	if !invitation.Valid {
		return "", p.notInvited(name, invitation)
	}
	return namespace.UID, consent.SameNamespace(p.Scope, "namespace", name, namespace.UID)
}

// invitation looks for the invitation in a namespace, now or at least as of since. Without the right to read there is none.
func (p *run) invitation(ctx context.Context, namespace, since string) (found consent.Invitation, listed string, err error) {
	bindings, listed, err := consent.Bindings(ctx, p.WithWatch, namespace, since)
	if err != nil && !apierrors.IsForbidden(err) {
		return found, "", err
	}
	username, err := p.Username(ctx)
	return consent.Find(bindings, consent.Secrets, namespace, username, p.Edge.Name), listed, err
}

// consentSeen holds the UIDs of a target and of the invitation in it, as they were last read. A RoleBinding is deleted with its
// namespace, and no other one gets its UID. So while the invitation is the same, the namespace is too, and need not be read. Any event
// about the namespace invalidates this: a namespace that was removed by force may leave its contents to the next of its name.
type consentSeen struct{ namespace, invitation types.UID }

// consents are those that were seen in the targets of one EdgeRegistry, by the names of the targets.
type consents map[string]consentSeen

// retain drops the consents of all other targets, and of those that had an event.
func (w consents) retain(wanted, news sets.Set[string]) {
	for namespace := range w {
		if !wanted.Has(namespace) || news.Has(namespace) {
			delete(w, namespace)
		}
	}
}

// consentedCopy is consented for a target. It reads the invitation at least as new as the pass's own list. It does not read the
// namespace if all copies there are known and the invitation is the one that was seen before.
func (p *run) consentedCopy(ctx context.Context, name string, known bool) (consentSeen, error) {
	invitation, _, err := p.invitation(ctx, name, p.unlessAway(p.BindingsListed))
	if err != nil {
		return consentSeen{}, err
	}
	before := (*pass.Part[consents](p.Memory))[name]
	if known && invitation.Valid && invitation.UID == before.invitation && before.invitation != "" {
		return before, consent.SameNamespace(p.Scope, "namespace", name, before.namespace)
	}
	// Read after the invitation: if another namespace had taken the name in between, that invitation would be gone.
	namespace, err := p.readNamespace(ctx, name, forCopies)
	if err != nil {
		return consentSeen{}, err
	}
	if !invitation.Valid {
		return consentSeen{}, p.notInvited(name, invitation)
	}
	return consentSeen{namespace.UID, invitation.UID}, consent.SameNamespace(p.Scope, "namespace", name, namespace.UID)
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

// notInvited returns the error for a missing invitation, with the command for the owner of the namespace.
func (p *run) notInvited(namespace string, found consent.Invitation) *pass.Blocked {
	return pass.Stalled(edgev1.ReasonNotInvited, "namespace %q: %s", namespace, found.Missing(p.Edge.Name))
}

// mayCopy makes sure that the owner of a target invited the operator to keep copies there for this EdgeRegistry. A known copy proves
// nothing by itself: somebody who had read the copy could recreate the namespace and put the same copy there.
func (p *run) mayCopy(ctx context.Context, job *copyJob) error {
	known := true
	for _, due := range job.due {
		known = known && due.at != ""
	}
	found, err := p.consentedCopy(ctx, job.namespace, known)
	if b := pass.AsBlocked(err); b != nil && b.Reason == edgev1.ReasonNamespaceReplaced && p.Record.Served[job.namespace] == "" && p.isServed(job.due) {
		err = nil
	}
	if err == nil {
		job.consent = found
	}
	return err
}

// isServed reports whether a namespace holds the published Secret, or the last one. Then it was served before, also if the record of
// that is lost: nobody there gets anything new.
func (p *run) isServed(due map[*publication]dueCopy) bool {
	for pub, copied := range due {
		live, published := copied.live, p.Secrets[pub.Secret]
		if live != nil && published != nil && objects.OwnedBy(live, p.Edge.UID) && carriesSame(live, published) {
			return true
		}
	}
	return false
}

// carriesSame reports whether two Secrets carry the same token.
func carriesSame(a, b *corev1.Secret) bool {
	one, intact := handoff.Token(a.Data)
	other, known := handoff.Token(b.Data)
	return intact && known && one.Equal(other)
}
