// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// reviewSpread is over how long the reviews of all EdgeRegistries are spread.
	reviewSpread = 10 * time.Second
	// secondLook is how much later a token that the API server refused is looked at again. It may have been the trouble
	// of a moment.
	secondLook = 3 * time.Second
)

// review is what a token has to be asked for: an occasion of this process, and what a person wants. The zero value is none.
type review struct {
	occasion  int64
	requested string
}

// cameUp reports whether a time is there that was at most so far ahead, and has the next pass made at it if not.
func (s *scope) cameUp(at time.Time, ahead time.Duration) bool {
	if leftOf(at, s.now, ahead) == 0 {
		return true
	}
	s.due(at)
	return false
}

// wantedReview is the review that each token has to have had.
func (r *EdgeRegistryReconciler) wantedReview(s *scope) review {
	return review{r.occasions.count(), s.edge.Annotations[edgev1.ReconcileAnnotation]}
}

// reviewToken asks the API server about a token before the registry is asked again: after a start, when the API server
// refused the operator itself, and when a person wants it. A token counts as refused once a second look finds it so. No
// answer is no refusal: the token stays in use, and the next pass asks again.
func (r *EdgeRegistryReconciler) reviewToken(ctx context.Context, s *scope, l *login, current issuedToken) {
	wanted, anchor := r.wantedReview(s), current.claims.AnchorUID
	r.queueReview(s, l, wanted)
	m := r.recall(s, l)
	if m.reviewed == wanted || m.refused == anchor || !s.cameUp(m.turn, reviewSpread) {
		return
	}
	if m.doubted == anchor && !s.cameUp(m.doubtedUntil, secondLook) {
		return
	}
	dead, err := r.isDead(ctx, current.Token)
	switch {
	case err != nil:
		logf.FromContext(ctx).V(1).Info("A token could not be reviewed", "account", l.account, "cause", err.Error())
		s.due(s.now.Add(retryWaiting))
	case dead && m.doubted != anchor:
		r.remember(s, l, func(m *memory) { m.doubted, m.doubtedUntil = anchor, s.now.Add(secondLook) })
		s.due(s.now.Add(secondLook))
	default:
		r.remember(s, l, func(m *memory) {
			m.reviewed, m.doubted = wanted, ""
			if dead {
				m.refused = anchor
			}
		})
	}
}

// queueReview notes when a review that was not wanted before has its turn: at once if a person asked for it, else when
// the others leave room for it.
func (r *EdgeRegistryReconciler) queueReview(s *scope, l *login, wanted review) {
	m := r.recall(s, l)
	if m.wanted == wanted {
		return
	}
	turn := s.now.Add(time.Duration(float64(reviewSpread) * placeOf(string(s.edge.UID))))
	if (m.wanted != review{}) && m.wanted.requested != wanted.requested {
		turn = s.now
	}
	r.remember(s, l, func(m *memory) { m.wanted, m.turn = wanted, turn })
}
