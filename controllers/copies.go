// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// copyWorkers is how many copies of an EdgeRegistry are worked on at once.
	copyWorkers = 16
	// maxFailedCopies is how many failures the status lists for each Secret.
	maxFailedCopies = 20
	// retryCopies is when to look again for what no watch tells of, such as an invitation.
	retryCopies = 30 * time.Second
)

// copySet is where one Secret is to be copied to, where copies may be, and what became of them.
type copySet struct {
	// targets are the namespaces of copyTo, by name.
	targets []string
	// listed are the namespaces that may have held a copy before this pass, and holders those that
	// may now: both as the published Secret records them.
	listed, holders []string
	// failures say why a target has not the copy that it should have, or a namespace that is no
	// target any more has one still.
	failures map[string]*blocked
}

// planCopies finds out which targets can be reached, by watching them. Which namespaces may hold a
// copy is written before a copy is made, so that one which is taken off copyTo is cleaned whatever
// happens between: only the namespaces that let the operator in are added.
func (r *EdgeRegistryReconciler) planCopies(ctx context.Context, s *scope, publications []*publication) {
	refused, reachable := map[string]*blocked{}, sets.New[string]()
	for _, p := range publications {
		p.copies.targets = slices.Sorted(slices.Values(s.secretSpec(p.login).CopyTo))
		for _, namespace := range p.copies.targets {
			if r.mayHoldCopy(s, namespace) {
				reachable.Insert(namespace)
				continue
			}
			refused[namespace] = stalled(edgev1.ReasonReserved,
				"namespace %q is the operator's own, the platform's or the project itself: take it off copyTo", namespace)
		}
	}
	r.wakers.retainTargets(s.edge.Name, reachable)
	for _, e := range runErrands(ctx, s, sets.List(reachable), func(ctx context.Context, e *errand) {
		err := r.wakers.reach(s.edge.Name, e.namespace) //nolint:contextcheck // The watch outlives the pass.
		e.why = r.explainCopy(ctx, e.namespace, err)
	}) {
		if e.why != nil {
			refused[e.namespace] = e.why
		}
	}
	for _, p := range publications {
		p.copies.failures = map[string]*blocked{}
		p.copies.listed = r.copiedTo(s, s.live.secrets[p.secret])
		holders := sets.New(p.copies.listed...)
		for _, namespace := range p.copies.targets {
			if why := refused[namespace]; why != nil {
				p.copies.failures[namespace] = why
			} else {
				holders.Insert(namespace)
			}
		}
		p.copies.holders = sets.List(holders)
	}
}

// spread makes the copies of a Secret, and removes those from the namespaces that are no target any
// more. Then it drops those from the list of the namespaces that may hold one.
func (r *EdgeRegistryReconciler) spread(ctx context.Context, s *scope, p *publication) error {
	template, want, err := copyOf(p.desired)
	if err != nil {
		return err
	}
	targets, listed := sets.New(p.copies.targets...), sets.New(p.copies.listed...)
	namespaces := slices.DeleteFunc(slices.Clone(p.copies.holders), func(namespace string) bool { return p.copies.failures[namespace] != nil })
	errands := runErrands(ctx, s, namespaces, func(ctx context.Context, e *errand) {
		if targets.Has(e.namespace) {
			e.err = r.deliver(ctx, e, template, want, listed.Has(e.namespace))
		} else {
			e.err = r.withdraw(ctx, e, p.secret, ownedBy)
		}
		e.why = r.explainCopy(ctx, e.namespace, e.err)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	holders := sets.New(p.copies.holders...)
	for _, e := range errands {
		s.notes = append(s.notes, e.scope.notes...)
		switch {
		case e.why != nil && (targets.Has(e.namespace) || e.why.reason != edgev1.ReasonNamespaceAbsent):
			p.copies.failures[e.namespace] = e.why
		case !targets.Has(e.namespace):
			holders.Delete(e.namespace)
		}
	}
	if len(holders) == len(p.copies.holders) {
		return nil
	}
	p.copies.holders = sets.List(holders)
	return r.publish(ctx, s, p)
}

// deliver makes one copy as it should be, if it is not known to be so. A namespace where a copy may
// be already is looked at first, so that nothing is written where all is well.
func (r *EdgeRegistryReconciler) deliver(ctx context.Context, e *errand, template *corev1.Secret, want digest, listed bool) error {
	if r.wakers.isSettled(e.scope.edge.Name, e.namespace, template.Name, want) {
		return nil
	}
	desired := template.DeepCopy()
	desired.Namespace = e.namespace
	var live *corev1.Secret
	if listed {
		var err error
		if live, err = r.readCopy(ctx, e.namespace, desired.Name); err != nil {
			return err
		}
	}
	made, err := r.ensure(ctx, e.scope, desired, live)
	if err != nil {
		return err
	}
	r.wakers.settle(e.scope.edge.Name, e.namespace, desired.Name, want, made.GetResourceVersion())
	return nil
}

// withdraw deletes a copy, but nothing that is not this EdgeRegistry's.
func (r *EdgeRegistryReconciler) withdraw(ctx context.Context, e *errand, name string, ours func(client.Object, types.UID) bool) error {
	live, err := r.readCopy(ctx, e.namespace, name)
	if err != nil || live == nil || !ours(live, e.scope.edge.UID) {
		return err
	}
	if live.DeletionTimestamp.IsZero() {
		if err := r.remove(ctx, e.scope, live); err != nil {
			return err
		}
		e.scope.notes = append(e.scope.notes, note{edgev1.ReasonCopyRemoved,
			fmt.Sprintf("removed the copy of Secret %q from namespace %q", name, e.namespace), live})
	}
	if len(live.Finalizers) > 0 {
		return waiting(edgev1.ReasonConflict, "%s is being deleted, held by the finalizers %v", r.describe(live), live.Finalizers)
	}
	return nil
}

// removeCopies deletes every copy that the EdgeRegistry may have, as far as it is let in. What stays
// behind falls to garbage collection. An error means that it is worth trying again.
func (r *EdgeRegistryReconciler) removeCopies(ctx context.Context, s *scope) error {
	var errs []error
	for _, l := range s.logins() {
		published, err := r.readCopy(ctx, s.project, l.secret)
		if err != nil && !apierrors.IsForbidden(err) {
			errs = append(errs, err)
			continue
		}
		namespaces := sets.New(r.copiedTo(s, published)...)
		for _, namespace := range s.secretSpec(l).CopyTo {
			if r.mayHoldCopy(s, namespace) {
				namespaces.Insert(namespace)
			}
		}
		errands := runErrands(ctx, s, sets.List(namespaces), func(ctx context.Context, e *errand) {
			e.err = r.withdraw(ctx, e, l.secret, madeFor)
		})
		for _, e := range errands {
			s.notes = append(s.notes, e.scope.notes...)
			var b *blocked
			if e.err != nil && !errors.As(e.err, &b) && !apierrors.IsForbidden(e.err) {
				errs = append(errs, e.err)
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// readCopy returns the Secret of a name in a namespace, or nil.
func (r *EdgeRegistryReconciler) readCopy(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %q in namespace %q: %w", name, namespace, err)
	}
	return secret, nil
}

// errand is what a pass does in one namespace. It has a scope of its own, for many run at once.
type errand struct {
	namespace string
	scope     *scope
	err       error
	// why is what err means.
	why *blocked
}

// runErrands does the same in many namespaces, each whatever becomes of the others.
func runErrands(ctx context.Context, s *scope, namespaces []string, do func(context.Context, *errand)) []*errand {
	errands := make([]*errand, len(namespaces))
	for i, namespace := range namespaces {
		errands[i] = &errand{namespace: namespace, scope: &scope{
			edge: s.edge, now: s.now, established: s.established, changing: s.changing,
		}}
	}
	workqueue.ParallelizeUntil(ctx, copyWorkers, len(errands), func(i int) {
		do(ctx, errands[i])
	})
	return errands
}

// copyOf is a Secret as it is copied: with everything but what the operator judges it by in the
// project, and without a namespace.
func copyOf(original *corev1.Secret) (*corev1.Secret, digest, error) {
	template := original.DeepCopy()
	template.Namespace = ""
	template.Labels[kindLabel] += kindCopy
	for _, key := range []string{copiedToAnnotation, rotationAnnotation, anchorUIDAnnotation, accountUIDAnnotation} {
		delete(template.Annotations, key)
	}
	content, err := json.Marshal(template)
	if err != nil {
		return nil, digest{}, fmt.Errorf("prepare the copies of Secret %q: %w", original.Name, err)
	}
	return template, sha256.Sum256(content), nil
}

func isCopy(object client.Object) bool {
	return strings.HasSuffix(object.GetLabels()[kindLabel], kindCopy)
}

// copiedTo are the namespaces that may hold a copy, as the published Secret records them.
func (r *EdgeRegistryReconciler) copiedTo(s *scope, published *corev1.Secret) []string {
	if published == nil || !madeFor(published, s.edge.UID) {
		return nil
	}
	namespaces := strings.Split(published.Annotations[copiedToAnnotation], ",")
	// Whoever may edit the Secret may have written anything there.
	namespaces = slices.DeleteFunc(namespaces, func(namespace string) bool { return !r.mayHoldCopy(s, namespace) })
	return sets.List(sets.New(namespaces...))
}

func setCopiedTo(secret *corev1.Secret, namespaces []string) {
	delete(secret.Annotations, copiedToAnnotation)
	if len(namespaces) > 0 {
		secret.Annotations[copiedToAnnotation] = strings.Join(namespaces, ",")
	}
}

// mayHoldCopy tells a namespace that a copy may be in from one that copies never go to. Admission
// refuses the platform's names already; it cannot know the operator's own namespace.
func (r *EdgeRegistryReconciler) mayHoldCopy(s *scope, namespace string) bool {
	return len(validation.IsDNS1123Label(namespace)) == 0 && namespace != s.project && !reservedProject(namespace, r.Namespace)
}
