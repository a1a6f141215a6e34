// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// isSummary reports whether a condition sums up those of the steps.
func isSummary(condition string) bool {
	return condition == edgev1.Ready || condition == edgev1.Reconciling || condition == edgev1.Stalled
}

// setCondition sets the condition of a step, and returns it; nil for a step that does not apply.
func setCondition(edge *edgev1.EdgeRegistry, name string, result Done, err error) *metav1.Condition {
	status, reason, message := metav1.ConditionTrue, result.Reason, result.Message
	if err != nil {
		status, reason, message = Verdict(err)
	} else if result == (Done{}) {
		meta.RemoveStatusCondition(&edge.Status.Conditions, name)
		return nil
	}
	condition := metav1.Condition{
		Type:   name,
		Status: status,
		Reason: reason,
		// Text of others, such as the registry operator, may have several lines.
		Message:            text.OneLine(message),
		ObservedGeneration: edge.Generation,
	}
	meta.SetStatusCondition(&edge.Status.Conditions, condition)
	return &condition
}

// SetWaiting sets the conditions of all steps to Unknown, with the reason why they did not run in this pass: what was true in an
// earlier pass may have changed. An absent condition stays absent.
func SetWaiting(edge *edgev1.EdgeRegistry, reason, message string) {
	for i := range edge.Status.Conditions {
		if name := edge.Status.Conditions[i].Type; !isSummary(name) {
			setWaiting(edge, name, reason, message)
		}
	}
}

func setWaiting(edge *edgev1.EdgeRegistry, name, reason, message string) {
	if meta.FindStatusCondition(edge.Status.Conditions, name) == nil {
		return
	}
	meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
		Type:               name,
		Status:             metav1.ConditionUnknown,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: edge.Generation,
	})
}

// Summarize derives Ready, Reconciling and Stalled. pending is the condition that keeps Ready from being True; if it is nil,
// message is the message of Ready.
func Summarize(edge *edgev1.EdgeRegistry, pending *metav1.Condition, isStalled bool, message string) {
	Introduce(edge)
	conditions := &edge.Status.Conditions
	ready := metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionTrue,
		Reason:             edgev1.ReasonReady,
		Message:            message,
		ObservedGeneration: edge.Generation,
	}
	if pending != nil {
		ready.Status, ready.Reason, ready.Message = pending.Status, pending.Reason, pending.Message
	}
	meta.SetStatusCondition(conditions, ready)
	setProgress(conditions, edgev1.Stalled, pending != nil && isStalled, ready)
	setProgress(conditions, edgev1.Reconciling, pending != nil && !isStalled, ready)
}

// Introduce sets status.observedGeneration and status.provider.
func Introduce(edge *edgev1.EdgeRegistry) {
	edge.Status.ObservedGeneration = edge.Generation
	edge.Status.Provider = ProviderOf(edge)
}

// ProviderOf is the provider of an EdgeRegistry; empty for one that this version does not know.
func ProviderOf(edge *edgev1.EdgeRegistry) string {
	switch {
	case edge.Spec.OpenShift != nil:
		return edgev1.ProviderOpenShift
	case edge.Spec.IBMCloud != nil:
		return edgev1.ProviderIBMCloud
	case edge.Spec.External != nil:
		return edgev1.ProviderExternal
	default:
		return ""
	}
}

// setProgress sets or removes a condition that is present only while true. One that stays true keeps its transition time.
func setProgress(conditions *[]metav1.Condition, name string, present bool, ready metav1.Condition) {
	if !present {
		meta.RemoveStatusCondition(conditions, name)
		return
	}
	ready.Type, ready.Status = name, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, ready)
}
