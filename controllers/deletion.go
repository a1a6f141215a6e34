// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// cleanupFinalizer keeps an EdgeRegistry until the operator has undone what garbage collection
// cannot undo. It is on every EdgeRegistry before anything is done for it.
const cleanupFinalizer = "edge.open-horizon.io/cleanup"

// cleanup is one part of a deletion. Each bears that what it removes is gone already, and each may
// run again after the others.
type cleanup struct {
	what string
	run  func(context.Context, *scope) error
}

// cleanups are in their order: the right to work in the project is given up last.
func (r *EdgeRegistryReconciler) cleanups() []cleanup {
	return []cleanup{
		{"remove the copies of the Secrets", r.removeCopies},
		{"revoke the tokens", r.revokeTokens},
		{"restore the default route", r.restoreDefaultRoute},
		{"leave the project", r.leaveProject},
	}
}

// hold puts the finalizer on. The patch fails if the EdgeRegistry is not as it was read, so that a
// pass that began from an old copy does nothing.
func (r *EdgeRegistryReconciler) hold(ctx context.Context, edge *edgev1.EdgeRegistry) error {
	before := edge.DeepCopy()
	if !controllerutil.AddFinalizer(edge, cleanupFinalizer) {
		return nil
	}
	return r.writeFinalizers(ctx, before, edge)
}

// delete undoes what was done for an EdgeRegistry that is being deleted, then lets it go.
func (r *EdgeRegistryReconciler) delete(ctx context.Context, edge *edgev1.EdgeRegistry) (ctrl.Result, error) {
	r.wakers.forget(edge.Name)
	before := edge.DeepCopy()
	if !controllerutil.RemoveFinalizer(edge, cleanupFinalizer) {
		return ctrl.Result{}, nil
	}
	s := newScope(before, r.Clock.Now())
	_ = r.recallConflicts(s) // Whoever waits for a deletion does so already.
	passErr := r.cleanUp(ctx, s)
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err()
	}
	r.tell(before, s.notes)
	if passErr == nil {
		passErr = client.IgnoreNotFound(r.writeFinalizers(ctx, before, edge))
	}
	untold := r.conflicted(s, passErr)
	switch {
	case passErr == nil:
		return ctrl.Result{}, nil
	case untold:
		return retrySoon(), nil
	}
	held := before.DeepCopy()
	setWaiting(held, stepConditions, edgev1.ReasonDeletionPending, "the EdgeRegistry is being deleted")
	summarize(held, heldUp(held, passErr), isStall(passErr))
	if result, err := r.conclude(ctx, before, held, corev1.EventTypeWarning); err != nil || result != (ctrl.Result{}) {
		return result, err
	}
	return outcome(passErr, s.now, s.next)
}

func (r *EdgeRegistryReconciler) cleanUp(ctx context.Context, s *scope) error {
	for _, c := range r.cleanups() {
		if err := c.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return nil
}

// heldUp is what the status says of a deletion that cannot go on.
func heldUp(edge *edgev1.EdgeRegistry, err error) *metav1.Condition {
	return &metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionFalse,
		Reason:             edgev1.ReasonDeletionPending,
		Message:            flat("the deletion is held up, and tried again: cannot " + err.Error()),
		ObservedGeneration: edge.Generation,
	}
}

func isStall(err error) bool {
	var b *blocked
	return errors.As(err, &b) && b.stalled
}

// writeFinalizers patches the finalizers, unless the EdgeRegistry was changed meanwhile.
func (r *EdgeRegistryReconciler) writeFinalizers(ctx context.Context, before, after *edgev1.EdgeRegistry) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.Patch(ctx, after, patch, client.FieldOwner(fieldManager))
	r.noteWrite(after, err)
	if err != nil {
		return fmt.Errorf("write the finalizers of EdgeRegistry %q: %w", before.Name, err)
	}
	return nil
}

// conclude writes the status of an EdgeRegistry that no pass is made over, and tells of a new
// reason of Ready.
func (r *EdgeRegistryReconciler) conclude(ctx context.Context, before, after *edgev1.EdgeRegistry, kind string) (ctrl.Result, error) {
	observe(after)
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return ctrl.Result{}, nil
	}
	if err := r.writeStatus(ctx, before, after); err != nil {
		return outcomeOfWrite(err)
	}
	ready := meta.FindStatusCondition(after.Status.Conditions, edgev1.Ready)
	if old := meta.FindStatusCondition(before.Status.Conditions, edgev1.Ready); old == nil || old.Reason != ready.Reason {
		r.Recorder.Eventf(after, nil, kind, ready.Reason, ready.Type, "%s", ready.Message)
	}
	return ctrl.Result{}, nil
}

// revokeTokens deletes everything in the project that a token of this EdgeRegistry depends on or is
// kept in. It does not wait for garbage collection, which deletes nothing when the EdgeRegistry is
// deleted with --cascade=orphan.
func (r *EdgeRegistryReconciler) revokeTokens(ctx context.Context, s *scope) error {
	place, err := r.whatIsLeft(ctx, s)
	if err != nil || place == nil {
		return err
	}
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	// All of them and their metadata alone: one that lost its labels is found, and no foreign Secret is read.
	if err := r.List(ctx, secrets, client.InNamespace(s.project)); err != nil {
		return place.excuse(err)
	}
	revoked := 0
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if !madeFor(secret, s.edge.UID) {
			continue
		}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Delete(ctx, secret, client.Preconditions{UID: ptr.To(secret.UID)})
		switch {
		case err == nil:
			revoked++
		case apierrors.IsNotFound(err):
			// It went by itself.
		default:
			// A conflict too: whether another has taken its name shows when the next pass reads them again.
			return place.excuse(fmt.Errorf("delete Secret %q in project %q: %w", secret.Name, s.project, err))
		}
	}
	if revoked > 0 {
		s.notes = append(s.notes, note{reason: edgev1.ReasonTokensRevoked, message: fmt.Sprintf(
			"the tokens of %s and %s in project %q are revoked", s.publisher.account, s.puller.account, s.project)})
	}
	if slices.Contains(s.edge.Finalizers, metav1.FinalizerOrphanDependents) {
		// What an operator that is about to lose its lease makes before the collector has been here would stay.
		return &blocked{reason: edgev1.ReasonDeletionPending, retry: retrySoon().RequeueAfter,
			message: "the garbage collector has not released the objects yet, as --cascade=orphan asks"}
	}
	return nil
}

// madeFor reports whether the operator made an object for the EdgeRegistry of a UID, also after
// garbage collection took the owner off it.
func madeFor(object client.Object, uid types.UID) bool {
	return ownedBy(object, uid) || (uid != "" && object.GetLabels()[uidLabel] == string(uid))
}
