// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// stepConditions are the conditions of the steps, in the order of the pass.
var stepConditions = []string{
	edgev1.RegistryExposed,
	edgev1.ProjectReady,
	edgev1.AccessGranted,
	edgev1.RegistryTrusted,
	edgev1.CredentialsIssued,
	edgev1.SecretsPublished,
	edgev1.RegistryVerified,
}

// note is an act to tell in an event.
type note struct {
	reason  string
	message string
	// about is the object that the act was on, or nil. It also keeps the events of several objects apart.
	about client.Object
}

func setCondition(edge *edgev1.EdgeRegistry, condition string, result done, err error) {
	status, reason, message := metav1.ConditionTrue, result.reason, result.message
	if err != nil {
		status, reason, message = verdict(err)
	} else if result == (done{}) {
		meta.RemoveStatusCondition(&edge.Status.Conditions, condition)
		return
	}
	meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
		Type:   condition,
		Status: status,
		Reason: reason,
		// What others wrote, such as the registry operator, may be of several lines.
		Message:            flat(message),
		ObservedGeneration: edge.Generation,
	})
}

// setWaiting says of conditions that nobody looked after them in this pass, and why. What was true in an earlier pass may
// be so no more. One that is absent stays absent.
func setWaiting(edge *edgev1.EdgeRegistry, conditions []string, reason, message string) {
	for _, name := range conditions {
		if meta.FindStatusCondition(edge.Status.Conditions, name) == nil {
			continue
		}
		meta.SetStatusCondition(&edge.Status.Conditions, metav1.Condition{
			Type:               name,
			Status:             metav1.ConditionUnknown,
			Reason:             reason,
			Message:            message,
			ObservedGeneration: edge.Generation,
		})
	}
}

// summarize derives Ready, Reconciling and Stalled from the conditions of the steps and from the
// error of the pass.
func summarize(edge *edgev1.EdgeRegistry, pending *metav1.Condition, isStalled bool) {
	introduce(edge)
	conditions := &edge.Status.Conditions
	ready := metav1.Condition{
		Type:               edgev1.Ready,
		Status:             metav1.ConditionTrue,
		Reason:             edgev1.ReasonReady,
		Message:            readyMessage(edge),
		ObservedGeneration: edge.Generation,
	}
	if pending != nil {
		ready.Status, ready.Reason, ready.Message = pending.Status, pending.Reason, pending.Message
	}
	meta.SetStatusCondition(conditions, ready)
	setProgress(conditions, edgev1.Stalled, pending != nil && isStalled, ready)
	setProgress(conditions, edgev1.Reconciling, pending != nil && !isStalled, ready)
}

// introduce says which generation of the EdgeRegistry the status speaks of, and whose registry it is.
func introduce(edge *edgev1.EdgeRegistry) {
	edge.Status.ObservedGeneration = edge.Generation
	edge.Status.Provider = ""
	if edge.Spec.OpenShift != nil {
		edge.Status.Provider = edgev1.ProviderOpenShift
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

// firstPending returns the first condition in step order that is not True, or nil. A verification
// that is only best effort does not count.
func firstPending(edge *edgev1.EdgeRegistry) *metav1.Condition {
	for _, name := range stepConditions {
		if name == edgev1.RegistryVerified && edge.Spec.Verification.Policy != edgev1.VerificationRequired {
			continue
		}
		condition := meta.FindStatusCondition(edge.Status.Conditions, name)
		if condition == nil {
			return &metav1.Condition{
				Type:    name,
				Status:  metav1.ConditionUnknown,
				Reason:  edgev1.ReasonPending,
				Message: "the operator has not come to " + name + " yet",
			}
		}
		if condition.Status != metav1.ConditionTrue {
			return condition
		}
	}
	return nil
}

func readyMessage(edge *edgev1.EdgeRegistry) string {
	return "images are " + edge.Status.ImagePrefix + "/NAME:TAG; the Secrets " + publishSecretName(edge) +
		" (push) and " + pullSecretName(edge) + " (pull) are in the project " + projectName(edge)
}

// tell records the acts of a pass as events.
func (r *EdgeRegistryReconciler) tell(edge *edgev1.EdgeRegistry, notes []note) {
	for _, n := range notes {
		var related runtime.Object
		if n.about != nil {
			related = n.about
		}
		r.Recorder.Eventf(edge, related, corev1.EventTypeNormal, n.reason, "Reconcile", "%s", flat(n.message))
	}
}

// cautions are the reasons of a True condition that ask a person to act before it turns False.
var cautions = []string{edgev1.ReasonCAExpiring, edgev1.ReasonVerifiedWithWarnings}

// tellTransitions records the conditions that changed between two statuses as events. To wait for
// something on the way to the first Ready is normal; to lose Ready, or to stall, is a warning, and
// so is a caution.
func (r *EdgeRegistryReconciler) tellTransitions(before, after *edgev1.EdgeRegistry) {
	fell := meta.IsStatusConditionTrue(before.Status.Conditions, edgev1.Ready)
	pending := firstPending(after)
	for _, name := range append(slices.Clone(stepConditions), edgev1.Ready) {
		condition := meta.FindStatusCondition(after.Status.Conditions, name)
		if condition == nil || !changed(before, condition) {
			continue
		}
		if condition.Status == metav1.ConditionUnknown && pending != nil && pending.Type != name {
			// It waits for another one, and that is told.
			continue
		}
		kind := corev1.EventTypeNormal
		failed := condition.Status == metav1.ConditionFalse && (fell || meta.IsStatusConditionTrue(after.Status.Conditions, edgev1.Stalled))
		if failed || slices.Contains(cautions, condition.Reason) {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(after, nil, kind, condition.Reason, condition.Type, "%s", condition.Message)
	}
}

// changed reports a transition worth an event. Ready repeats the reason of the condition that holds
// it up: only its turning True says something of its own.
func changed(before *edgev1.EdgeRegistry, condition *metav1.Condition) bool {
	old := meta.FindStatusCondition(before.Status.Conditions, condition.Type)
	turnsTrue := condition.Status == metav1.ConditionTrue
	switch {
	case condition.Type == edgev1.Ready && !turnsTrue:
		return false
	case condition.Type != edgev1.Ready && turnsTrue && old != nil && old.Status == metav1.ConditionUnknown &&
		!slices.Contains(cautions, condition.Reason):
		// What it waited for came, and that is told.
		return false
	}
	if old == nil || old.Status != condition.Status || old.Reason != condition.Reason {
		return true
	}
	// Its message is the list of warnings, and another warning is news.
	return condition.Reason == edgev1.ReasonVerifiedWithWarnings && old.Message != condition.Message
}

// oneLine is the text of an error for a condition.
func oneLine(err error) string {
	return flat(err.Error())
}

// flat makes a text one line, and no longer than the API server takes in an event.
func flat(text string) string {
	const limit, ellipsis = 1024, "…"
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit-len(ellipsis)], "") + ellipsis
	}
	return text
}
