// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// mayCopy makes sure that the owner of a namespace lets the operator keep copies there for this EdgeRegistry, and returns the
// namespace's UID. due are the copies that are to be written, as they were read.
func (p *run) mayCopy(ctx context.Context, namespace string, due map[*publication]*corev1.Secret) (types.UID, error) {
	uid, err := p.consented(ctx, namespace)
	if b := pass.AsBlocked(err); b != nil && b.Reason == edgev1.ReasonNamespaceReplaced && p.Record.Served[namespace] == "" && p.isServed(due) {
		return uid, nil
	}
	return uid, err
}

// consented makes sure that a namespace is there, that it is the one of before, and that its owner invited the operator to keep
// Secrets there for this EdgeRegistry. It returns the namespace's UID.
func (p *run) consented(ctx context.Context, name string) (types.UID, error) {
	namespace, err := p.readNamespace(ctx, name)
	if err != nil {
		return "", err
	}
	bindings, err := consent.Bindings(ctx, p.WithWatch, name)
	if apierrors.IsForbidden(err) {
		return "", p.notInvited(ctx, name, nil)
	}
	if err != nil {
		return "", err
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
func (p *run) readNamespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{}
	err := p.Get(ctx, client.ObjectKey{Name: name}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return nil, pass.Waiting(edgev1.ReasonNamespaceAbsent, "namespace %q does not exist: create it, or take it off copyTo", name)
	case err != nil:
		return nil, fmt.Errorf("read namespace %q: %w", name, err)
	case !namespace.DeletionTimestamp.IsZero():
		return nil, terminating(name)
	default:
		return namespace, nil
	}
}

// notInvited says how the owner of a namespace lets the operator keep Secrets there. bindings are those of the namespace, as
// far as they can be read.
func (p *run) notInvited(ctx context.Context, namespace string, bindings []rbacv1.RoleBinding) *pass.Blocked {
	username, _ := p.Username(ctx)
	invitation := consent.Find(bindings, consent.Secrets, namespace, username, p.Edge.Name)
	return pass.Stalled(edgev1.ReasonNotInvited, "namespace %q: %s", namespace, invitation.Missing(p.Edge.Name))
}

// isServed reports that a namespace holds what was published, or was until now. It was served, then, also if the record
// of that is lost: nobody gets what they do not have.
func (p *run) isServed(due map[*publication]*corev1.Secret) bool {
	for pub, live := range due {
		published := p.Secrets[pub.Secret]
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

// A target that cannot be served because it is absent, or because its owner did not invite the operator, is asked again after
// retryCopies, then after pauses that grow to maxCopyPause: an EdgeRegistry may name a thousand of them. An event about the
// namespace, a new spec and the annotation edge.open-horizon.io/reconcile end a pause.
const (
	retryCopies  = 30 * time.Second
	maxCopyPause = 8 * time.Minute
)

// copyPauses are the pauses of the targets of one EdgeRegistry.
type copyPauses struct {
	asked   string
	targets map[string]*copyPause
}

type copyPause struct {
	until time.Time
	next  time.Duration
	why   *pass.Blocked
}

// copyPauses returns the pauses of those that are targets still.
func (p *run) copyPauses(wanted sets.Set[string]) *copyPauses {
	pauses := pass.Part[copyPauses](p.Memory)
	asked := fmt.Sprint(p.Edge.Generation, " ", p.Edge.Annotations[edgev1.ReconcileAnnotation], " ", p.Edge.Annotations[edgev1.AcceptAnnotation])
	if pauses.asked != asked || pauses.targets == nil {
		*pauses = copyPauses{asked: asked, targets: map[string]*copyPause{}}
	}
	for namespace := range pauses.targets {
		if !wanted.Has(namespace) || p.triggers.TakeNews(p.Edge.UID, namespace) {
			delete(pauses.targets, namespace)
		}
	}
	return pauses
}

// over are the namespaces of a list that are not waited for. Of the others refused says why.
func (c *copyPauses) over(now time.Time, namespaces []string, refused map[string]*pass.Blocked) []string {
	var over []string
	for _, namespace := range namespaces {
		if pause := c.targets[namespace]; pause != nil && now.Before(pause.until) {
			refused[namespace] = pause.why
			continue
		}
		over = append(over, namespace)
	}
	return over
}

// note notes what became of a target.
func (c *copyPauses) note(now time.Time, job *copyJob) {
	if job.why == nil || (job.why.Reason != edgev1.ReasonNamespaceAbsent && job.why.Reason != edgev1.ReasonNotInvited) {
		delete(c.targets, job.namespace)
		return
	}
	pause := c.targets[job.namespace]
	if pause == nil {
		pause = &copyPause{next: retryCopies}
		c.targets[job.namespace] = pause
	}
	pause.until, pause.why = now.Add(pause.next), job.why
	pause.next = min(2*pause.next, maxCopyPause)
}

// retryCopies is when to look again at the copies that could not be written: when the first pause ends, or after the
// shortest one where there is none.
func (p *run) retryCopies(publications []*publication) time.Duration {
	pauses, first := pass.Part[copyPauses](p.Memory), maxCopyPause
	for _, pub := range publications {
		for namespace := range pub.copies.failures {
			left := retryCopies
			if pause := pauses.targets[namespace]; pause != nil {
				left = pause.until.Sub(p.Now)
			}
			first = min(first, left)
		}
	}
	return max(first, time.Second)
}
