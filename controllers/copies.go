// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/workqueue"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

const (
	// copyWorkers is how many copies of an EdgeRegistry are worked on at once.
	copyWorkers = 16
	// maxFailedCopies is how many failures the status lists for each Secret.
	maxFailedCopies = 20
)

// copySet is where one Secret is to be copied to, where copies may be, and what became of them.
type copySet struct {
	// template is a copy without its namespace, and want of all that is wanted of it.
	template *corev1.Secret
	want     watches.Digest
	// targets are the namespaces of copyTo, by name.
	targets []string
	// holders are the namespaces that may hold a copy, as the record has it.
	holders []string
	// due are the copies that have to be written, as they were read, by namespace; nil for one that was not found.
	due map[string]*corev1.Secret
	// failures say why a target has not the copy that it should have, or a namespace that is no
	// target any more has one still.
	failures map[string]*pass.Blocked
}

// in is the copy for a namespace.
func (c *copySet) in(namespace string) *corev1.Secret {
	desired := c.template.DeepCopy()
	desired.Namespace = namespace
	return desired
}

// planCopies finds out which copies have to be written, and whether they may be. Which namespaces may hold a copy is put on
// record before a copy is made, so that one which is taken off copyTo is cleaned whatever happens between.
func (p *run) planCopies(ctx context.Context, publications []*publication) error {
	refused, wanted := map[string]*pass.Blocked{}, sets.New[string]()
	for _, pub := range publications {
		if err := p.planCopiesOf(pub); err != nil {
			return err
		}
		for _, namespace := range pub.copies.targets {
			if p.mayHoldCopy(namespace) {
				wanted.Insert(namespace)
				continue
			}
			refused[namespace] = pass.Stalled(edgev1.ReasonReserved,
				"namespace %q is the operator's own, the platform's or the %s itself: take it off copyTo", namespace, p.Home.Noun)
		}
	}
	p.triggers.RetainTargets(p.Edge, wanted)
	pauses := p.copyPauses(wanted)
	over, waiting := pauses.Over(p.Now, sets.List(wanted))
	maps.Copy(refused, waiting)
	for _, job := range p.runCopyJobs(ctx, over, func(ctx context.Context, job *copyJob) {
		job.err = p.lookAt(ctx, job, publications)
		job.why = p.explainCopy(ctx, job.namespace, job.err)
	}) {
		pauses.Note(p.Now, job.namespace, job.why)
		if job.why != nil {
			refused[job.namespace] = job.why
			continue
		}
		if job.uid != "" {
			consent.Serve(p.Scope, job.namespace, job.uid)
		}
		for pub, live := range job.due {
			pub.copies.due[job.namespace] = live
		}
	}
	for _, pub := range publications {
		holders := sets.New(pub.copies.holders...)
		for _, namespace := range pub.copies.targets {
			if why := refused[namespace]; why != nil {
				pub.copies.failures[namespace] = why
			} else {
				holders.Insert(namespace)
			}
		}
		pub.copies.holders = sets.List(holders)
		p.Settled = p.Settled && slices.Equal(pub.copies.holders, p.Record.Copies[pub.Role])
	}
	return ctx.Err()
}

// copyPauses are the pauses of the targets that cannot be served. An event about a target, a new spec, and the annotations
// that make the operator act end them.
func (p *run) copyPauses(wanted sets.Set[string]) *consent.Pauses {
	pauses := pass.Part[consent.Pauses](p.Memory)
	asked := fmt.Sprint(p.Edge.Generation, " ", p.Edge.Annotations[edgev1.ReconcileAnnotation], " ", p.Edge.Annotations[edgev1.AcceptAnnotation])
	pauses.Begin(asked, wanted, func(namespace string) bool { return p.triggers.TakeNews(p.Edge.UID, namespace) })
	return pauses
}

// planCopiesOf is the plan for one Secret before anything was looked at.
func (p *run) planCopiesOf(pub *publication) error {
	template, want, err := copyOf(pub.desired)
	pub.copies = copySet{
		template: template, want: want,
		targets: slices.Sorted(slices.Values(secretSpec(p.Edge, pub.Role).CopyTo)),
		holders: p.Record.Copies[pub.Role],
		due:     map[string]*corev1.Secret{}, failures: map[string]*pass.Blocked{},
	}
	return err
}

// lookAt finds out what has to be written in one target, and whether its owner lets the operator. Where all is as it should
// be, nobody is asked anything.
func (p *run) lookAt(ctx context.Context, job *copyJob, publications []*publication) error {
	if err := p.triggers.Reach(p.Edge, job.namespace); err != nil { //nolint:contextcheck // The watch outlives the pass.
		return err
	}
	job.due = map[*publication]*corev1.Secret{}
	for _, pub := range publications {
		if !slices.Contains(pub.copies.targets, job.namespace) {
			continue
		}
		settled, live, err := p.isSettled(ctx, job, pub)
		if err != nil {
			return err
		}
		if !settled {
			job.due[pub] = live
		}
	}
	if len(job.due) == 0 {
		return nil
	}
	var err error
	job.uid, err = p.mayCopy(ctx, job.namespace, job.due)
	return err
}

// isSettled reports whether a copy is known or found to be as it should be, and otherwise returns what was found. A
// namespace that can have none is not asked.
func (p *run) isSettled(ctx context.Context, job *copyJob, pub *publication) (bool, *corev1.Secret, error) {
	c := &pub.copies
	if p.triggers.IsSettled(p.Edge.UID, job.namespace, c.template.Name, c.want) {
		return true, nil, nil
	}
	if !slices.Contains(c.holders, job.namespace) && !p.Record.Lost {
		return false, nil, nil
	}
	live, err := p.Objects.ReadSecret(ctx, job.namespace, c.template.Name)
	if err != nil || live == nil {
		return false, nil, err
	}
	desired := c.in(job.namespace)
	right, err := p.Objects.IsAsDesired(job.scope, desired, live)
	if right {
		p.triggers.Settle(p.Edge.UID, job.namespace, desired.Name, c.want, live.ResourceVersion)
	}
	return right, live, err
}

// syncCopies writes the copies of a Secret that are due, and removes those from the namespaces that are no target any
// more. Then it drops those from the list of the namespaces that may hold one.
func (p *run) syncCopies(ctx context.Context, pub *publication) error {
	c := &pub.copies
	targets := sets.New(c.targets...)
	namespaces := slices.DeleteFunc(slices.Clone(c.holders), func(namespace string) bool {
		_, due := c.due[namespace]
		return c.failures[namespace] != nil || (targets.Has(namespace) && !due)
	})
	jobs := p.runCopyJobs(ctx, namespaces, func(ctx context.Context, job *copyJob) {
		if targets.Has(job.namespace) {
			job.err = p.writeCopy(ctx, job, pub)
		} else {
			job.err = p.deleteCopy(ctx, job, pub.Secret, objects.OwnedBy)
		}
		job.why = p.explainCopy(ctx, job.namespace, job.err)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	holders := sets.New(c.holders...)
	for _, job := range jobs {
		switch {
		case job.why != nil && (targets.Has(job.namespace) || job.why.Reason != edgev1.ReasonNamespaceAbsent):
			c.failures[job.namespace] = job.why
		case !targets.Has(job.namespace):
			holders.Delete(job.namespace)
		}
	}
	c.holders = sets.List(holders)
	p.Record.MayHold(pub.Role, c.holders)
	return nil
}

// writeCopy makes one copy as it should be.
func (p *run) writeCopy(ctx context.Context, job *copyJob, pub *publication) error {
	desired := pub.copies.in(job.namespace)
	made, err := p.Objects.Ensure(ctx, job.scope, desired, pub.copies.due[job.namespace])
	if err != nil {
		return err
	}
	p.triggers.Settle(p.Edge.UID, job.namespace, desired.Name, pub.copies.want, made.GetResourceVersion())
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
		namespaces := sets.New(p.Record.Copies[l.Role]...)
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
	// uid is the namespace's, where the operator was asked to write and may; empty otherwise.
	uid types.UID
	// due are the copies that have to be written, as they were read.
	due map[*publication]*corev1.Secret
	// err is why it could not be done, and why says that in words; nil when it could.
	err error
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
	for _, key := range []string{objects.RotationAnnotation, objects.AnchorUIDAnnotation, objects.AccountUIDAnnotation} {
		delete(template.Annotations, key)
	}
	content, err := json.Marshal(template)
	if err != nil {
		return nil, watches.Digest{}, fmt.Errorf("prepare the copies of Secret %q: %w", original.Name, err)
	}
	return template, sha256.Sum256(content), nil
}

// mayHoldCopy tells a namespace that a copy may be in from one that copies never go to. Admission
// refuses the platform's names already; it cannot know the operator's own namespace.
func (p *run) mayHoldCopy(namespace string) bool {
	return len(validation.IsDNS1123Label(namespace)) == 0 && namespace != p.Home.Namespace && !objects.IsReserved(namespace, p.Namespace)
}
