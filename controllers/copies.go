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
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

const (
	// copyWorkers is how many copies of an EdgeRegistry are handled concurrently.
	copyWorkers = 16
	// maxFailedCopies is how many failures the status lists for each Secret.
	maxFailedCopies = 20
)

// copySet is the plan for the copies of one Secret, and the results.
type copySet struct {
	wantedCopy
	// before is the digest of the content that was desired until now, and change the merge patch to the new one; nil if that is
	// unknown or the same.
	before watches.Digest
	change objects.Change
	// targets are the namespaces of copyTo, by name.
	targets []string
	// holders are the namespaces that may hold a copy, as the record has it.
	holders []string
	// due are the copies that have to be written, by namespace.
	due map[string]dueCopy
	// failures say why a target lacks its copy, or why a namespace that is no longer a target still has one.
	failures map[string]*pass.Blocked
}

// wantedCopy is a desired copy without its namespace, with its digest.
type wantedCopy struct {
	template *corev1.Secret
	digest   watches.Digest
}

// lastWanted is the desired copy of each role when the copies were last written.
type lastWanted map[edgev1.TokenRole]wantedCopy

// dueCopy is a copy that has to be written.
type dueCopy struct {
	// live is the copy as it was read; nil if it is absent or was not read.
	live *corev1.Secret
	// at is the version at which it is known to have the content that was desired before; empty if it was read.
	at string
}

// in returns the copy for a namespace.
func (c *copySet) in(namespace string) *corev1.Secret {
	desired := c.template.DeepCopy()
	desired.Namespace = namespace
	return desired
}

// planCopies finds out which copies have to be written, and whether they may be. A namespace is put on record before a copy is made
// there, so that the copy is removed after the namespace was removed from copyTo, whatever happens in between.
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
	pauses, seen := p.whatIsKnown(wanted)
	over, waiting := pauses.Over(p.Now, sets.List(wanted))
	maps.Copy(refused, waiting)
	for _, job := range p.runCopyJobs(ctx, over, func(ctx context.Context, job *copyJob) {
		job.err = p.lookAt(ctx, job, publications)
		job.why = p.explainCopy(ctx, job.namespace, job.err)
	}) {
		if job.why != nil || len(job.due) == 0 {
			pauses.Note(p.Now, job.namespace, job.why)
		}
		if job.why != nil {
			refused[job.namespace] = job.why
			continue
		}
		if job.consent != (consentSeen{}) {
			consent.Serve(p.Scope, job.namespace, job.consent.namespace)
			seen[job.namespace] = job.consent
		}
		for pub, due := range job.due {
			pub.copies.due[job.namespace] = due
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

// whatIsKnown returns the pauses of the targets that cannot be served, and the consents in those that are. An event about a target
// ends both. A new spec, and the annotations that make the operator act, end the pauses.
func (p *run) whatIsKnown(wanted sets.Set[string]) (*consent.Pauses, consents) {
	news := sets.New[string]()
	for namespace := range wanted {
		if p.triggers.TakeNews(p.Edge.UID, namespace) {
			news.Insert(namespace)
		}
	}
	pauses := pass.Part[consent.Pauses](p.Memory)
	asked := fmt.Sprint(p.Edge.Generation, " ", p.Edge.Annotations[edgev1.ReconcileAnnotation], " ", p.Edge.Annotations[edgev1.AcceptAnnotation])
	pauses.Begin(asked, wanted, news.Has)
	seen := pass.Part[consents](p.Memory)
	if *seen == nil {
		*seen = consents{}
	}
	seen.retain(wanted, news)
	return pauses, *seen
}

// planCopiesOf returns the plan for one Secret, before anything was read.
func (p *run) planCopiesOf(pub *publication) error {
	wanted, err := copyOf(pub.desired, p.Edge)
	if err != nil {
		return err
	}
	pub.copies = copySet{
		wantedCopy: *wanted,
		targets:    slices.Sorted(slices.Values(secretSpec(p.Edge, pub.Role).CopyTo)),
		holders:    p.Record.Copies[pub.Role],
		due:        map[string]dueCopy{}, failures: map[string]*pass.Blocked{},
	}
	if before, known := (*pass.Part[lastWanted](p.Memory))[pub.Role]; known && before.digest != wanted.digest {
		pub.copies.before = before.digest
		pub.copies.change, err = objects.ChangeFrom(before.template, wanted.template)
	}
	return err
}

// lookAt finds out what has to be written in one target, and whether its owner allows it. If all is known to be right, it sends no
// request.
func (p *run) lookAt(ctx context.Context, job *copyJob, publications []*publication) error {
	job.due = map[*publication]dueCopy{}
	for _, pub := range publications {
		if !slices.Contains(pub.copies.targets, job.namespace) {
			continue
		}
		due, err := p.findDue(ctx, job, pub)
		if err != nil {
			return err
		}
		if due != nil {
			job.due[pub] = *due
		}
	}
	if len(job.due) == 0 {
		return nil
	}
	return p.mayCopy(ctx, job)
}

// findDue finds out whether a copy has to be written; nil if it is known or found to be right. It reads nothing in a namespace that
// can have no copy, or whose copy is known to have the content that was desired until now.
func (p *run) findDue(ctx context.Context, job *copyJob, pub *publication) (*dueCopy, error) {
	c := &pub.copies
	switch digest, at := p.triggers.Known(p.Edge.UID, job.namespace, c.template.Name); {
	case at != "" && digest == c.digest:
		return nil, nil //nolint:nilnil // Nothing is due.
	case at != "" && c.change != nil && digest == c.before && p.Record.Served[job.namespace] != "":
		return &dueCopy{at: at}, nil
	}
	if !slices.Contains(c.holders, job.namespace) && !p.Record.Lost {
		return &dueCopy{}, nil
	}
	if err := p.triggers.Reach(p.Edge, job.namespace, p.unlessAway(p.SecretsListed)); err != nil { //nolint:contextcheck // The watch outlives the pass.
		return nil, err
	}
	live, err := p.Objects.ReadSecret(ctx, job.namespace, c.template.Name)
	if err != nil || live == nil {
		return &dueCopy{}, err
	}
	right, err := p.Objects.IsAsDesired(job.scope, c.in(job.namespace), live)
	if err != nil || !right {
		return &dueCopy{live: live}, err
	}
	p.triggers.Settle(p.Edge.UID, job.namespace, live.Name, c.digest, live.ResourceVersion)
	return nil, nil //nolint:nilnil // Nothing is due.
}

// unlessAway returns a resource version, unless the API server went away since it was read.
func (p *run) unlessAway(version string) string {
	if p.outages != p.triggers.Outages() {
		return ""
	}
	return version
}

// syncCopies writes the copies of a Secret that are due, and deletes those in namespaces that are no longer targets. Then it drops
// those from the list of the namespaces that may hold one.
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
	holders, pauses := sets.New(c.holders...), pass.Part[consent.Pauses](p.Memory)
	for _, job := range jobs {
		refused := job.why != nil && (job.why.Reason == edgev1.ReasonNotInvited || job.why.Reason == edgev1.ReasonNamespaceAbsent)
		switch {
		case targets.Has(job.namespace):
			pauses.Note(p.Now, job.namespace, job.why)
			if job.why != nil {
				c.failures[job.namespace] = job.why
			}
			if refused && c.due[job.namespace] == (dueCopy{}) {
				holders.Delete(job.namespace)
			}
		case job.why != nil && job.why.Reason != edgev1.ReasonNamespaceAbsent:
			c.failures[job.namespace] = job.why
		default:
			holders.Delete(job.namespace)
		}
	}
	c.holders = sets.List(holders)
	p.Record.MayHold(pub.Role, c.holders)
	p.rememberWanted(pub)
	return nil
}

// rememberWanted notes the desired copies, so that the next desired state can be sent as a change.
func (p *run) rememberWanted(pub *publication) {
	last := pass.Part[lastWanted](p.Memory)
	if *last == nil {
		*last = lastWanted{}
	}
	if len(pub.copies.targets) == 0 {
		delete(*last, pub.Role)
		return
	}
	(*last)[pub.Role] = pub.copies.wantedCopy
}

// writeCopy writes one copy. If it is not what it was known to be, it is read first, and repaired by what it is.
func (p *run) writeCopy(ctx context.Context, job *copyJob, pub *publication) error {
	c := &pub.copies
	desired, due := c.in(job.namespace), c.due[job.namespace]
	var made client.Object
	var err error
	if due.at != "" {
		if made, err = p.Objects.Amend(ctx, job.scope, desired, due.at, c.change); objects.IsOther(err) {
			due.live, err = p.Objects.ReadSecret(ctx, job.namespace, desired.Name)
		}
	}
	if made == nil && err == nil {
		made, err = p.Objects.Ensure(ctx, job.scope, desired, due.live)
	}
	if err != nil {
		return err
	}
	p.triggers.Settle(p.Edge.UID, job.namespace, c.template.Name, c.digest, made.GetResourceVersion())
	return nil
}

// deleteCopy deletes a copy, but no object that is not this EdgeRegistry's.
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
		return pass.Waiting(edgev1.ReasonConflict, "%s is being deleted, held by the finalizers %v: see who takes them off", p.Objects.Describe(p.Scope, live), live.Finalizers)
	}
	return nil
}

// removeCopies deletes every copy that the EdgeRegistry may have, as far as the operator is invited. Garbage collection deletes the
// rest. An error means that a retry makes sense.
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

// copyJob is what a pass does in one namespace. It has a scope of its own, since many run concurrently.
type copyJob struct {
	namespace string
	scope     *pass.Scope
	// consent is what was seen in the namespace, if the copies may be written; empty otherwise.
	consent consentSeen
	// due are the copies that have to be written.
	due map[*publication]dueCopy
	// err is the error, and why explains it for the status; nil if there was none.
	err error
	why *pass.Blocked
}

// runCopyJobs runs a job in each namespace, many concurrently, and adds their notes to the pass.
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

// copyOf returns the copy of a Secret, without a namespace and without the annotations that only count in the project.
func copyOf(original *corev1.Secret, edge *edgev1.EdgeRegistry) (*wantedCopy, error) {
	template := original.DeepCopy()
	template.Namespace = ""
	template.Labels[objects.KindLabel] += objects.KindCopy
	for _, key := range []string{objects.RotationAnnotation, objects.BoundUIDAnnotation, objects.AccountUIDAnnotation} {
		delete(template.Annotations, key)
	}
	objects.Own(template, edge, false)
	content, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("prepare the copies of Secret %q: %w", original.Name, err)
	}
	return &wantedCopy{template, sha256.Sum256(content)}, nil
}

// mayHoldCopy reports whether a copy may be in a namespace. Admission refuses the platform's namespaces already, but does not know
// the operator's own.
func (p *run) mayHoldCopy(namespace string) bool {
	return len(validation.IsDNS1123Label(namespace)) == 0 && namespace != p.Home.Namespace && !objects.IsReserved(namespace, p.Namespace)
}
