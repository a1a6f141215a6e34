// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// suspend writes the status of an EdgeRegistry whose spec.suspend is true, and does nothing else.
func (r *EdgeRegistryReconciler) suspend(ctx context.Context, edge *edgev1.EdgeRegistry) (ctrl.Result, error) {
	// Events of its watches would change nothing.
	r.triggers.Forget(edge.UID)
	before := edge.DeepCopy()
	pass.Introduce(edge)
	meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionUnknown,
		Reason:             edgev1.ReasonSuspended,
		Message:            suspendedMessage(edge),
		ObservedGeneration: edge.Generation,
	})
	pass.SetWaiting(edge, edgev1.ReasonSuspended, "spec.suspend is true")
	meta.RemoveStatusCondition(&edge.Status.Conditions, edgev1.Reconciling)
	meta.RemoveStatusCondition(&edge.Status.Conditions, edgev1.Stalled)
	return r.conclude(ctx, before, edge, corev1.EventTypeNormal)
}

func suspendedMessage(edge *edgev1.EdgeRegistry) string {
	message := "spec.suspend is true: nothing is written, repaired or renewed before it is false"
	at := edge.Status.ExpiresAt
	switch {
	case at == nil:
		return message
	case edge.Spec.OpenShift == nil:
		return message + "; the first login in use ends at " + pass.Timestamp(at.Time)
	default:
		return message + "; the first token in use expires at " + pass.Timestamp(at.Time)
	}
}
