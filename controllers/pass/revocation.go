// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Revocation is a request of a person to end one credential before its time.
type Revocation struct {
	Role       edgev1.TokenRole
	Generation int64
}

// Revoking is the progress of a request to end one credential.
type Revoking struct {
	// Asked is the request as it was written.
	Asked string `json:"asked"`
	// Begun: the issuer was asked to end it, or is about to be. Handled: nothing is left to do for the request.
	Begun   bool `json:"begun,omitempty"`
	Handled bool `json:"handled,omitempty"`
}

// ParseRevocation reads a request, ROLE/GENERATION as the status names credentials. It reports false for anything else.
func ParseRevocation(text string) (Revocation, bool) {
	role, number, _ := strings.Cut(text, "/")
	generation, err := strconv.ParseInt(number, 10, 64)
	known := role == string(edgev1.TokenPublisher) || role == string(edgev1.TokenPuller)
	if err != nil || generation < 1 || !known || strconv.FormatInt(generation, 10) != number {
		return Revocation{}, false
	}
	return Revocation{edgev1.TokenRole(role), generation}, true
}

// RevocationAsked returns the request that is not handled yet; false if there is none, or none that can be parsed.
func (s *Scope) RevocationAsked() (Revocation, bool) {
	asked, on := s.Edge.Annotations[edgev1.RevokeAnnotation], s.Record.Revoking
	if asked == on.Asked && on.Handled {
		return Revocation{}, false
	}
	return ParseRevocation(asked)
}

// End records that a credential was ended.
func (r *Record) End(id string, at time.Time) {
	if known := r.Find(id); known != nil && known.EndedAt.IsZero() {
		known.EndedAt = metav1.NewTime(at.UTC().Truncate(time.Second))
	}
}
