// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// unpublishedToken is a bound token that was minted and that no Secret carries yet, since its publication was refused.
// It is kept in the memory of this process alone: a mint cannot be undone, and whatever refuses the publication may do
// so for ever. A LongLived token needs none of this: the cluster keeps it in its anchor.
type unpublishedToken struct {
	issuedToken
	edge     types.UID
	lifetime string
	rotation string
}

// keepUnpublished is what to remember of a token that was just minted.
func keepUnpublished(s *scope, l *login, fresh issuedToken) *unpublishedToken {
	if !fresh.claims.Expires() {
		return nil
	}
	return &unpublishedToken{
		issuedToken: fresh,
		edge:        s.edge.UID,
		lifetime:    l.policy.Lifetime.Duration.String(),
		rotation:    s.edge.Annotations[edgev1.RotateAnnotation],
	}
}

// unpublished returns the token that waits for its publication, or nil. One that is of no use any more is forgotten, and
// its anchor is then one that was lost.
func (r *EdgeRegistryReconciler) unpublished(ctx context.Context, s *scope, l *login, why cause) (*unpublishedToken, error) {
	kept := r.recall(s, l).unpublished
	if kept == nil {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	fits := kept.fits(s, l, why) && s.now.Before(r.renewalDue(s, l, kept.claims))
	if fits {
		anchor, err := r.ownSecret(ctx, s, kept.claims.AnchorName)
		if err != nil {
			return nil, err
		}
		fits = anchor != nil && anchor.UID == kept.claims.AnchorUID && anchor.DeletionTimestamp.IsZero()
	}
	if !fits {
		r.forgetUnpublished(s, l)
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	return kept, nil
}

// fits reports whether a token is what would be minted now.
func (t *unpublishedToken) fits(s *scope, l *login, why cause) bool {
	switch {
	case why == cause{}, t.edge != s.edge.UID, t.claims.ServiceAccountUID != l.accountUID:
		return false
	case l.tokenType() != edgev1.TokenBound, t.lifetime != l.policy.Lifetime.Duration.String():
		return false
	case t.rotation != s.edge.Annotations[edgev1.RotateAnnotation]:
		return false
	case why.kept && !t.replaces.kept:
		// It was minted where nothing worked, so the registry was not asked about it.
		return false
	default:
		// What makes the API server refuse the token in use came after this one was minted, and may concern it too.
		return why != causeRefused || t.replaces == causeRefused
	}
}

// forgetUnpublished drops the token that waits for its publication.
func (r *EdgeRegistryReconciler) forgetUnpublished(s *scope, l *login) {
	if r.recall(s, l).unpublished != nil {
		r.remember(s, l, func(m *memory) { m.unpublished = nil })
	}
}
