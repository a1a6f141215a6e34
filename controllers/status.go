// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

func readyMessage(s *pass.Scope) string {
	if s.Publisher.Absent {
		return "images are " + s.Registry.ImagePrefix() + "/NAME:TAG; the Secret " + s.Puller.Secret + " (pull) is in the " + s.Home.Noun + " " + s.Home.Namespace
	}
	return "images are " + s.Registry.ImagePrefix() + "/NAME:TAG; the Secrets " + s.Publisher.Secret +
		" (push) and " + s.Puller.Secret + " (pull) are in the " + s.Home.Noun + " " + s.Home.Namespace
}

// expiryLeeway is how long the API server accepts a token after its expiry.
const expiryLeeway = time.Minute

// dropExpired removes credentials that no longer work from the status, for passes that stop before they are listed. The one in use
// stays, with its expiry, and others stay for the minute that the API server accepts them longer.
func dropExpired(edge *edgev1.EdgeRegistry, now time.Time) {
	edge.Status.Credentials = slices.DeleteFunc(edge.Status.Credentials, func(c edgev1.CredentialStatus) bool {
		return !c.Current && c.ExpiresAt != nil && !now.Before(c.ExpiresAt.Add(expiryLeeway))
	})
}

// doubtExchange is for a status whose part about an Exchange is that of an earlier pass. It is no longer known whether earlier
// logins may end, and no service is known to hold a login that was issued since.
func doubtExchange(before, edge *edgev1.EdgeRegistry) {
	if edge.Status.Exchange == nil {
		return
	}
	held := edge.Status.Exchange.DeepCopy()
	issued := currentGeneration(before) != currentGeneration(edge)
	if issued {
		held.Synced = 0
	}
	if nodes := held.Nodes; nodes != nil {
		nodes.FormerMayEnd = edgev1.AnswerUnknown
		if issued {
			*nodes = edgev1.ExchangeNodes{Total: nodes.Total, Unknown: nodes.Total, FormerMayEnd: edgev1.AnswerUnknown}
		}
	}
	edge.Status.Exchange = held
}

// currentGeneration is that of the pull login in use; zero without one.
func currentGeneration(edge *edgev1.EdgeRegistry) int64 {
	for _, c := range edge.Status.Credentials {
		if c.Role == edgev1.TokenPuller && c.Current {
			return c.Generation
		}
	}
	return 0
}

// redactStatus removes secrets from the messages of a status. The steps redact their messages already, so this catches mistakes.
func redactStatus(status *edgev1.EdgeRegistryStatus) {
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		condition.Message = credential.Redact(condition.Message)
	}
	for i := range status.Secrets {
		copies := status.Secrets[i].Copies
		if copies == nil {
			continue
		}
		for j := range copies.Failed {
			copies.Failed[j].Message = credential.Redact(copies.Failed[j].Message)
		}
	}
	if held := status.Exchange; held != nil {
		for i := range held.Failed {
			held.Failed[i].Message = credential.Redact(held.Failed[i].Message)
		}
	}
}

// report sends the notes of a pass as events.
func (r *EdgeRegistryReconciler) report(edge *edgev1.EdgeRegistry, notes []pass.Note) {
	for _, n := range notes {
		kind := corev1.EventTypeNormal
		if slices.Contains(warningReasons, n.Reason) {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(edge, n.About, kind, n.Reason, "Reconcile", "%s", text.OneLine(n.Message))
	}
}

// warningReasons are the reasons of a True condition, or of an act, that a person should look at before anything turns False.
var warningReasons = []string{edgev1.ReasonCAExpiring, edgev1.ReasonKeyExpiring, edgev1.ReasonQuotaUsedUp, edgev1.ReasonQuotaNearlyUsed, edgev1.ReasonIssuedWithWarnings, edgev1.ReasonVerifiedWithWarnings, edgev1.ReasonDeliveredWithWarnings,
	edgev1.ReasonNodesLate, edgev1.ReasonRecordLost, edgev1.ReasonHostChanged, edgev1.ReasonProjectEmptied, edgev1.ReasonPushLoginFound,
	edgev1.ReasonLoginLeftBehind, edgev1.ReasonNothingRevoked, edgev1.ReasonRobotChanged, edgev1.ReasonRobotsLeftBehind, edgev1.ReasonLeftAtIBMCloud}

// reportTransitions sends events for the conditions that changed between two statuses. Waiting before the first Ready is Normal, and
// so is waiting for a renewed credential to take effect; losing Ready, stalling, and a reason for a person to act are Warnings.
func (r *EdgeRegistryReconciler) reportTransitions(before, after *edgev1.EdgeRegistry, result pass.Result) {
	fell := meta.IsStatusConditionTrue(before.Status.Conditions, edgev1.Ready)
	for _, name := range append(slices.Clone(result.Conditions), edgev1.Ready) {
		condition := meta.FindStatusCondition(after.Status.Conditions, name)
		if condition == nil || !changed(before, condition) {
			continue
		}
		if condition.Status == metav1.ConditionUnknown && result.Pending != nil && result.Pending.Type != name {
			// It waits for another one, and that is reported.
			continue
		}
		kind := corev1.EventTypeNormal
		failed := condition.Status == metav1.ConditionFalse && condition.Reason != edgev1.ReasonPropagating &&
			(fell || meta.IsStatusConditionTrue(after.Status.Conditions, edgev1.Stalled))
		if failed || slices.Contains(warningReasons, condition.Reason) {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(after, nil, kind, condition.Reason, condition.Type, "%s", condition.Message)
	}
}

// changed reports whether a transition is worth an event. Ready repeats the reason of another condition: only its becoming True is
// new information.
func changed(before *edgev1.EdgeRegistry, condition *metav1.Condition) bool {
	old := meta.FindStatusCondition(before.Status.Conditions, condition.Type)
	turnsTrue := condition.Status == metav1.ConditionTrue
	switch {
	case condition.Type == edgev1.Ready && !turnsTrue:
		return false
	case condition.Type != edgev1.Ready && turnsTrue && old != nil && old.Status == metav1.ConditionUnknown &&
		!slices.Contains(warningReasons, condition.Reason):
		// What it waited for came, and that is reported.
		return false
	}
	if old == nil || old.Status != condition.Status || old.Reason != condition.Reason {
		return true
	}
	// Its message is the list of warnings, and another warning is news.
	return slices.Contains([]string{edgev1.ReasonVerifiedWithWarnings, edgev1.ReasonDeliveredWithWarnings, edgev1.ReasonIssuedWithWarnings}, condition.Reason) && old.Message != condition.Message
}
