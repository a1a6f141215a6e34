// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// ensureFinalizer sets the finalizer. The patch fails if the EdgeRegistry has changed since it was read, so that a pass with a stale
// version does nothing.
func (r *EdgeRegistryReconciler) ensureFinalizer(ctx context.Context, edge *edgev1.EdgeRegistry) error {
	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, objects.CleanupFinalizer) {
		return nil
	}
	return r.writeFinalizers(ctx, before, edge)
}

// delete undoes what was done for an EdgeRegistry that is being deleted, then removes the finalizer.
func (r *EdgeRegistryReconciler) delete(ctx context.Context, edge *edgev1.EdgeRegistry) (ctrl.Result, error) {
	r.triggers.Forget(edge.UID)
	before := edge.DeepCopy()
	if !controllerutil.RemoveFinalizer(edge, objects.CleanupFinalizer) {
		return r.leave(ctx, before)
	}
	s := pass.NewScope(before, r.Clock.Now(), r.memories.Of(before))
	passErr := r.openRecord(ctx, s)
	if passErr == nil {
		passErr = r.cleanUp(ctx, s)
	}
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	r.report(before, s.Notes)
	if passErr == nil {
		passErr = client.IgnoreNotFound(r.writeFinalizers(ctx, before, edge))
	}
	unreported := s.CountConflict(passErr)
	switch {
	case passErr == nil && len(edge.Finalizers) > 0:
		return r.leave(ctx, edge)
	case passErr == nil:
		return ctrl.Result{}, nil
	case unreported:
		return pass.RetrySoon(), nil
	}
	held := before.DeepCopy()
	dropExpired(held, s.Now)
	doubtExchange(before, held)
	pass.SetWaiting(held, edgev1.ReasonDeletionPending, "the EdgeRegistry is being deleted")
	pass.Summarize(held, deletionBlocked(held, passErr), pass.IsStalled(passErr), "")
	s.Pace(passErr)
	next, err := pass.Outcome(passErr, s.Now, s.Next)
	return r.conclude(ctx, before, held, kindOfWait(passErr), next, err)
}

// leave says of an EdgeRegistry that others keep from going that nothing is left of what was done for it.
func (r *EdgeRegistryReconciler) leave(ctx context.Context, edge *edgev1.EdgeRegistry) (ctrl.Result, error) {
	left := edge.DeepCopy()
	left.Status.ExpiresAt = nil
	left.Status.Credentials = slices.DeleteFunc(left.Status.Credentials, func(c edgev1.CredentialStatus) bool { return c.SuppliedBy == "" })
	doubtExchange(edge, left)
	pass.SetWaiting(left, edgev1.ReasonDeletionPending, "the EdgeRegistry is being deleted")
	pass.Summarize(left, deletionPending(left, fmt.Sprintf(
		"the operator has ended its work for this EdgeRegistry, and others keep it from going: see who takes off the finalizers %s", strings.Join(left.Finalizers, ", "))), false, "")
	return r.conclude(ctx, edge, left, corev1.EventTypeNormal, ctrl.Result{}, nil)
}

// kindOfWait is the type of the event about a blocked deletion: Normal if the cause ends by itself, or the wait is given up in time.
func kindOfWait(err error) string {
	if b := pass.AsBlocked(err); b != nil && !b.Stalled {
		return corev1.EventTypeNormal
	}
	return corev1.EventTypeWarning
}

// cleanUp undoes what was done for an EdgeRegistry. Without a known provider, nothing was done.
func (r *EdgeRegistryReconciler) cleanUp(ctx context.Context, s *pass.Scope) error {
	p := r.begin(s)
	if p == nil {
		return nil
	}
	for _, c := range p.cleanups() {
		if err := c.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.What, err)
		}
	}
	return nil
}

// deletionBlocked returns the status of an EdgeRegistry whose deletion cannot go on.
func deletionBlocked(edge *edgev1.EdgeRegistry, err error) *metav1.Condition {
	return deletionPending(edge, "the deletion is held up, and tried again: cannot "+err.Error())
}

func deletionPending(edge *edgev1.EdgeRegistry, message string) *metav1.Condition {
	return &metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionFalse,
		Reason:             edgev1.ReasonDeletionPending,
		Message:            text.OneLine(message),
		ObservedGeneration: edge.Generation,
	}
}

// writeFinalizers patches the finalizers, unless the EdgeRegistry was changed meanwhile.
func (r *EdgeRegistryReconciler) writeFinalizers(ctx context.Context, before, after *edgev1.EdgeRegistry) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.Patch(ctx, after, patch, client.FieldOwner(objects.FieldManager))
	r.noteWrite(after, err)
	if err != nil {
		return fmt.Errorf("write the finalizers of EdgeRegistry %q: %w", before.Name, err)
	}
	return nil
}

// conclude writes the status of an EdgeRegistry whose steps do not run, and reports a new reason of Ready. Then it returns next and
// nextErr.
func (r *EdgeRegistryReconciler) conclude(
	ctx context.Context, before, after *edgev1.EdgeRegistry, kind string, next ctrl.Result, nextErr error,
) (ctrl.Result, error) {
	observe(after, nextLook(r.Clock.Now(), next, nextErr))
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return next, nextErr
	}
	if err := r.writeStatus(ctx, before, after); err != nil {
		return outcomeOfWrite(err)
	}
	ready := meta.FindStatusCondition(after.Status.Conditions, edgev1.Ready)
	if old := meta.FindStatusCondition(before.Status.Conditions, edgev1.Ready); old == nil || old.Reason != ready.Reason {
		r.Recorder.Eventf(after, nil, kind, ready.Reason, ready.Type, "%s", ready.Message)
	}
	return next, nextErr
}
