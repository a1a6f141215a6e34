// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// isSummary reports a condition that sums up those of the steps.
func isSummary(condition string) bool {
	return condition == edgev1.Ready || condition == edgev1.Reconciling || condition == edgev1.Stalled
}

// setCondition writes what a step found, and returns its condition; nil for a step that does not apply.
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
		// What others wrote, such as the registry operator, may be of several lines.
		Message:            text.OneLine(message),
		ObservedGeneration: edge.Generation,
	}
	meta.SetStatusCondition(&edge.Status.Conditions, condition)
	return &condition
}

// SetWaiting says of the conditions of all steps that nobody looked after them in this pass, and why. What was true in an
// earlier pass may be so no more. One that is absent stays absent.
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

// Summarize derives Ready, Reconciling and Stalled. pending is the condition that holds Ready up; nil when none does, and
// then message is what Ready says.
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

// Introduce says which generation of the EdgeRegistry the status speaks of, and whose registry it is.
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

// setProgress keeps one of the conditions that are present only while true. One that stays true
// keeps the time since when.
func setProgress(conditions *[]metav1.Condition, name string, present bool, ready metav1.Condition) {
	if !present {
		meta.RemoveStatusCondition(conditions, name)
		return
	}
	ready.Type, ready.Status = name, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, ready)
}
