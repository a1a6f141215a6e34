// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

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
	before, now := edge.DeepCopy(), r.Clock.Now()
	pass.Introduce(edge)
	meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionUnknown,
		Reason:             edgev1.ReasonSuspended,
		Message:            suspendedMessage(edge, now),
		ObservedGeneration: edge.Generation,
	})
	pass.SetWaiting(edge, edgev1.ReasonSuspended, "spec.suspend is true")
	meta.RemoveStatusCondition(&edge.Status.Conditions, edgev1.Reconciling)
	meta.RemoveStatusCondition(&edge.Status.Conditions, edgev1.Stalled)
	dropExpired(edge, now)
	doubtExchange(before, edge)
	// What the status says of time turns untrue by itself.
	var next ctrl.Result
	if at := firstEnd(edge, now); !at.IsZero() {
		next.RequeueAfter = at.Sub(now)
	}
	return r.conclude(ctx, before, edge, corev1.EventTypeNormal, next, nil)
}

// firstEnd is when the status has to be written again, because a credential that it lists has ended; zero for never.
func firstEnd(edge *edgev1.EdgeRegistry, now time.Time) (first time.Time) {
	for _, c := range edge.Status.Credentials {
		if c.ExpiresAt == nil {
			continue
		}
		if at := c.ExpiresAt.Add(expiryLeeway); at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func suspendedMessage(edge *edgev1.EdgeRegistry, now time.Time) string {
	message := "spec.suspend is true: nothing is written, repaired or renewed before it is false"
	at, noun := edge.Status.ExpiresAt, "login"
	if edge.Spec.OpenShift != nil {
		noun = "token"
	}
	switch {
	case at == nil:
		return message
	case at.Time.Before(now):
		return message + "; the first " + noun + " in use expired at " + pass.Timestamp(at.Time) + ", and the Secrets still hold it"
	default:
		return message + "; the first " + noun + " in use expires at " + pass.Timestamp(at.Time)
	}
}
