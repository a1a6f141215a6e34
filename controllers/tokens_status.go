// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"hash/fnv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// maxListed is how many tokens of a role the status lists, the newest.
const maxListed = 20

// describeTokens lists the tokens that work, for the status.
func describeTokens(s *scope) {
	s.edge.Status.Credentials = nil
	var first time.Time
	for _, l := range s.logins() {
		if claims := l.token.claims; claims.Expires() && (first.IsZero() || claims.Expiry.Before(first)) {
			first = claims.Expiry
		}
		for _, anchor := range s.listed(l) {
			status := edgev1.CredentialStatus{
				Role:           l.role,
				Type:           typeOf(anchor),
				Generation:     generationOf(anchor),
				Current:        anchor.UID == l.token.claims.AnchorUID,
				ServiceAccount: l.account,
				CredentialID:   anchor.Annotations[credentialIDAnnotation],
				IssuedAt:       statusTime(annotatedTime(anchor, issuedAtAnnotation)),
			}
			if status.Type == edgev1.TokenBound {
				status.ExpiresAt = statusTime(annotatedTime(anchor, expiresAtAnnotation))
			}
			if claims := l.token.claims; status.Current && claims.Expires() {
				status.RenewAt = statusTime(renewAt(s.edge.UID, l.role, l.policy, claims))
			}
			s.edge.Status.Credentials = append(s.edge.Status.Credentials, status)
		}
	}
	s.edge.Status.ExpiresAt = statusTime(first)
}

// listed are the anchors that the status lists, and that of the token in use whatever others seem to be later.
func (s *scope) listed(l *login) []*corev1.Secret {
	all := s.anchors(l)
	listed := all[max(0, len(all)-maxListed):]
	for i, anchor := range all {
		if anchor.UID == l.token.claims.AnchorUID && i < len(all)-maxListed {
			return append([]*corev1.Secret{anchor}, listed[1:]...)
		}
	}
	return listed
}

// renewAt is when a token is followed by the next: renewBefore ahead of its expiry, both in
// proportion to what was granted, and up to a twentieth of that time earlier, so that tokens that
// were minted together are not renewed together.
func renewAt(uid types.UID, role edgev1.TokenRole, policy edgev1.TokenSpec, claims credential.Claims) time.Time {
	granted := claims.Expiry.Sub(claims.IssuedAt)
	renewBefore := policy.Lifetime.Duration * 2 / 3
	if policy.RenewBefore != nil {
		renewBefore = policy.RenewBefore.Duration
	}
	share := 1 - float64(renewBefore)/float64(policy.Lifetime.Duration)
	jitter := 1 - 0.05*placeOf(string(uid)+string(role))
	return claims.IssuedAt.Add(time.Duration(float64(granted) * share * jitter)).Truncate(time.Second)
}

// placeOf is the place of a name between 0 and 1, always the same, by which what is due for many at once is spread.
func placeOf(name string) float64 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	return float64(hash.Sum32()) / (1 << 32)
}

// timestamp is a time as an annotation has it; nothing for the zero time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// annotatedTime reads a time from an annotation; the zero time when there is none.
func annotatedTime(object client.Object, key string) time.Time {
	t, err := time.Parse(time.RFC3339, object.GetAnnotations()[key])
	if err != nil {
		return time.Time{}
	}
	return t
}

func statusTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return ptr.To(metav1.NewTime(t))
}
