// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	causeAnnotation           = "edge.open-horizon.io/token-cause"
	lifetimeAnnotation        = "edge.open-horizon.io/token-lifetime"
	handledRotationAnnotation = "edge.open-horizon.io/handled-rotation"
)

// oncePerCause compares the cause on a bound Secret with what can be seen of it. A renewal that was due goes by the clock, and
// a token that was altered or is refused by more than the journal has: clock_test.go and drift_test.go count those.
func oncePerCause(h *history, ch change) string {
	if ch.before == nil || ch.after == nil || !isPublished(ch.after) {
		return ""
	}
	before, after := ch.before.(*corev1.Secret), ch.after.(*corev1.Secret)
	same := func(key string) bool { return before.Annotations[key] == after.Annotations[key] }
	bound := h.bound(after)
	if bound == nil || before.Annotations[boundUIDAnnotation] == "" || same(boundUIDAnnotation) {
		return ""
	}
	old := h.bound(before)
	cause := bound.Annotations[causeAnnotation]
	unseen := map[string]bool{
		"Unpublished":             true,
		"Rotation":                same(handledRotationAnnotation),
		"HostChanged":             string(before.Data[handoff.KeyHost]) == string(after.Data[handoff.KeyHost]),
		"ServiceAccountRecreated": same(accountUIDAnnotation),
		"AnchorDeleted":           old != nil && old.DeletionTimestamp.IsZero(),
		"TypeChanged":             old != nil && old.Type == bound.Type,
		"LifetimeChanged":         old != nil && old.Annotations[lifetimeAnnotation] == bound.Annotations[lifetimeAnnotation],
	}
	if unseen[cause] {
		return fmt.Sprintf("token %d gave way to token %d for the cause %s", generation(before), generation(after), cause)
	}
	return ""
}

// bound is the Secret that the token of a published Secret is bound to; nil if it is gone.
func (h *history) bound(secret *corev1.Secret) *corev1.Secret {
	for uid, object := range h.alive {
		if bound, ok := object.(*corev1.Secret); ok && string(uid) == secret.Annotations[boundUIDAnnotation] {
			return bound
		}
	}
	return nil
}

// tokenOutlivesItsUse is about tokens that would still work: those of an account that is gone are dead already.
func tokenOutlivesItsUse(h *history, ch change) string {
	if ch.after != nil || !isBoundSecret(ch.before) || !h.wanted() {
		return ""
	}
	bound := ch.before
	for _, object := range h.alive {
		secret, ok := object.(*corev1.Secret)
		if !ok || (!isPublished(secret) && !isCopy(secret)) {
			continue
		}
		for _, token := range held(secret) {
			claims, err := credential.ReadClaims(token)
			matches := err == nil && claims.Namespace == bound.GetNamespace() && claims.SecretName == bound.GetName() &&
				(claims.SecretUID == "" || claims.SecretUID == bound.GetUID())
			if matches && h.alive[claims.ServiceAccountUID] != nil {
				return fmt.Sprintf("Secret %s/%s holds its token", secret.Namespace, secret.Name)
			}
		}
	}
	return ""
}

// held are the tokens that a Secret of consumers holds: its own, and the puller's for the Exchange.
func held(secret *corev1.Secret) []credential.Token {
	own, _ := handoff.Token(secret.Data)
	forNodes := string(secret.Data[handoff.KeyRegistryAuth])
	return []credential.Token{own, credential.NewToken(forNodes[strings.LastIndex(forNodes, ":")+1:])}
}
