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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/workqueue"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
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
	failures map[string]*pass.Blocked
}

// planCopies finds out which targets can be reached, by watching them. Which namespaces may hold a
// copy is written before a copy is made, so that one which is taken off copyTo is cleaned whatever
// happens between: only the namespaces that let the operator in are added.
func (p *run) planCopies(ctx context.Context, publications []*publication) {
	refused, reachable := map[string]*pass.Blocked{}, sets.New[string]()
	for _, pub := range publications {
		pub.copies.targets = slices.Sorted(slices.Values(secretSpec(p.Edge, pub.Role).CopyTo))
		for _, namespace := range pub.copies.targets {
			if p.mayHoldCopy(namespace) {
				reachable.Insert(namespace)
				continue
			}
			refused[namespace] = pass.Stalled(edgev1.ReasonReserved,
				"namespace %q is the operator's own, the platform's or the %s itself: take it off copyTo", namespace, p.Home.Noun)
		}
	}
	p.triggers.RetainTargets(p.Edge, reachable)
	for _, job := range p.runCopyJobs(ctx, sets.List(reachable), func(ctx context.Context, job *copyJob) {
		err := p.triggers.Reach(p.Edge, job.namespace) //nolint:contextcheck // The watch outlives the pass.
		job.why = p.explainCopy(ctx, job.namespace, err)
	}) {
		if job.why != nil {
			refused[job.namespace] = job.why
		}
	}
	for _, pub := range publications {
		pub.copies.failures = map[string]*pass.Blocked{}
		pub.copies.listed = p.copiedTo(p.Secrets[pub.Secret])
		holders := sets.New(pub.copies.listed...)
		for _, namespace := range pub.copies.targets {
			if why := refused[namespace]; why != nil {
				pub.copies.failures[namespace] = why
			} else {
				holders.Insert(namespace)
			}
		}
		pub.copies.holders = sets.List(holders)
	}
}

// syncCopies makes the copies of a Secret, and removes those from the namespaces that are no target any
// more. Then it drops those from the list of the namespaces that may hold one.
func (p *run) syncCopies(ctx context.Context, pub *publication) error {
	template, want, err := copyOf(pub.desired)
	if err != nil {
		return err
	}
	targets, listed := sets.New(pub.copies.targets...), sets.New(pub.copies.listed...)
	namespaces := slices.DeleteFunc(slices.Clone(pub.copies.holders), func(namespace string) bool { return pub.copies.failures[namespace] != nil })
	jobs := p.runCopyJobs(ctx, namespaces, func(ctx context.Context, job *copyJob) {
		if targets.Has(job.namespace) {
			job.err = p.writeCopy(ctx, job, template, want, listed.Has(job.namespace))
		} else {
			job.err = p.deleteCopy(ctx, job, pub.Secret, objects.OwnedBy)
		}
		job.why = p.explainCopy(ctx, job.namespace, job.err)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	holders := sets.New(pub.copies.holders...)
	for _, job := range jobs {
		switch {
		case job.why != nil && (targets.Has(job.namespace) || job.why.Reason != edgev1.ReasonNamespaceAbsent):
			pub.copies.failures[job.namespace] = job.why
		case !targets.Has(job.namespace):
			holders.Delete(job.namespace)
		}
	}
	if len(holders) == len(pub.copies.holders) {
		return nil
	}
	pub.copies.holders = sets.List(holders)
	return p.publish(ctx, pub)
}

// writeCopy makes one copy as it should be, if it is not known to be so. A namespace where a copy may
// be already is looked at first, so that nothing is written where all is well.
func (p *run) writeCopy(ctx context.Context, job *copyJob, template *corev1.Secret, want watches.Digest, listed bool) error {
	if p.triggers.IsSettled(p.Edge.UID, job.namespace, template.Name, want) {
		return nil
	}
	desired := template.DeepCopy()
	desired.Namespace = job.namespace
	var live *corev1.Secret
	if listed {
		var err error
		if live, err = p.Objects.ReadSecret(ctx, job.namespace, desired.Name); err != nil {
			return err
		}
	}
	made, err := p.Objects.Ensure(ctx, job.scope, desired, live)
	if err != nil {
		return err
	}
	p.triggers.Settle(p.Edge.UID, job.namespace, desired.Name, want, made.GetResourceVersion())
	return nil
}

// deleteCopy deletes a copy, but nothing that is not this EdgeRegistry's.
func (p *run) deleteCopy(ctx context.Context, job *copyJob, name string, ours func(metav1.Object, types.UID) bool) error {
	live, err := p.Objects.ReadSecret(ctx, job.namespace, name)
	if err != nil || live == nil || !ours(live, p.Edge.UID) {
		return err
	}
	if live.DeletionTimestamp.IsZero() {
		if err := p.Objects.Remove(ctx, job.scope, live); err != nil {
			return err
		}
		job.scope.Note(edgev1.ReasonCopyRemoved, fmt.Sprintf("removed the copy of Secret %q from namespace %q", name, job.namespace), live)
	}
	if len(live.Finalizers) > 0 {
		return pass.Waiting(edgev1.ReasonConflict, "%s is being deleted, held by the finalizers %v", p.Objects.Describe(p.Scope, live), live.Finalizers)
	}
	return nil
}

// removeCopies deletes every copy that the EdgeRegistry may have, as far as it is let in. What stays
// behind falls to garbage collection. An error means that it is worth trying again.
func (p *run) removeCopies(ctx context.Context) error {
	var errs []error
	for _, l := range p.Logins() {
		published, err := p.Objects.ReadSecret(ctx, p.Home.Namespace, l.Secret)
		if err != nil && !apierrors.IsForbidden(err) {
			errs = append(errs, err)
			continue
		}
		namespaces := sets.New(p.copiedTo(published)...)
		for _, namespace := range secretSpec(p.Edge, l.Role).CopyTo {
			if p.mayHoldCopy(namespace) {
				namespaces.Insert(namespace)
			}
		}
		for _, job := range p.runCopyJobs(ctx, sets.List(namespaces), func(ctx context.Context, job *copyJob) {
			job.err = p.deleteCopy(ctx, job, l.Secret, objects.MadeFor)
		}) {
			if job.err != nil && pass.AsBlocked(job.err) == nil && !apierrors.IsForbidden(job.err) {
				errs = append(errs, job.err)
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// copyJob is what a pass does in one namespace. It has a scope of its own, for many run at once.
type copyJob struct {
	namespace string
	scope     *pass.Scope
	err       error
	// why says the error in words.
	why *pass.Blocked
}

// runCopyJobs does something in each namespace, many at once, and notes in the pass what each did.
func (p *run) runCopyJobs(ctx context.Context, namespaces []string, do func(context.Context, *copyJob)) []*copyJob {
	jobs := make([]*copyJob, len(namespaces))
	for i, namespace := range namespaces {
		jobs[i] = &copyJob{namespace: namespace, scope: p.Branch()}
	}
	workqueue.ParallelizeUntil(ctx, copyWorkers, len(jobs), func(i int) { do(ctx, jobs[i]) })
	for _, job := range jobs {
		p.Notes = append(p.Notes, job.scope.Notes...)
	}
	return jobs
}

// copyOf is a Secret as it is copied: with everything but what the operator judges it by in the
// project, and without a namespace.
func copyOf(original *corev1.Secret) (*corev1.Secret, watches.Digest, error) {
	template := original.DeepCopy()
	template.Namespace = ""
	template.Labels[objects.KindLabel] += objects.KindCopy
	for _, key := range []string{objects.CopiedToAnnotation, objects.RotationAnnotation, objects.AnchorUIDAnnotation, objects.AccountUIDAnnotation} {
		delete(template.Annotations, key)
	}
	content, err := json.Marshal(template)
	if err != nil {
		return nil, watches.Digest{}, fmt.Errorf("prepare the copies of Secret %q: %w", original.Name, err)
	}
	return template, sha256.Sum256(content), nil
}

// copiedTo are the namespaces that may hold a copy, as the published Secret records them.
func (p *run) copiedTo(published *corev1.Secret) []string {
	if published == nil || !objects.MadeFor(published, p.Edge.UID) {
		return nil
	}
	namespaces := strings.Split(published.Annotations[objects.CopiedToAnnotation], ",")
	// Whoever may edit the Secret may have written anything there.
	namespaces = slices.DeleteFunc(namespaces, func(namespace string) bool { return !p.mayHoldCopy(namespace) })
	return sets.List(sets.New(namespaces...))
}

func setCopiedTo(secret *corev1.Secret, namespaces []string) {
	delete(secret.Annotations, objects.CopiedToAnnotation)
	if len(namespaces) > 0 {
		secret.Annotations[objects.CopiedToAnnotation] = strings.Join(namespaces, ",")
	}
}

// mayHoldCopy tells a namespace that a copy may be in from one that copies never go to. Admission
// refuses the platform's names already; it cannot know the operator's own namespace.
func (p *run) mayHoldCopy(namespace string) bool {
	return len(validation.IsDNS1123Label(namespace)) == 0 && namespace != p.Home.Namespace && !objects.IsReserved(namespace, p.Namespace)
}
