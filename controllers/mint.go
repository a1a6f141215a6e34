// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// mint writes an anchor and has a token issued for it. The login has the token once it takes it.
func (r *EdgeRegistryReconciler) mint(ctx context.Context, s *scope, l *login, why cause) (issuedToken, *corev1.Secret, error) {
	if until := r.recall(s, l).oddUntil; s.now.Before(until) {
		return issuedToken{}, nil, s.odd(l, until)
	}
	anchor, err := r.anchorToFill(ctx, s, l, why)
	if err != nil {
		return issuedToken{}, nil, err
	}
	var token credential.Token
	if typeOf(anchor) == edgev1.TokenLongLived {
		if anchor, err = r.awaitToken(ctx, s, l, anchor); err == nil {
			token = keptToken(anchor)
		}
	} else {
		token, err = r.requestToken(ctx, s, l, anchor)
	}
	if err != nil {
		return issuedToken{}, nil, err
	}
	claims, err := credential.ReadClaims(token)
	claims = completed(claims, anchor)
	if err != nil || !s.speaksFor(claims, l) || claims.AnchorName != anchor.Name || claims.AnchorUID != anchor.UID {
		return issuedToken{}, nil, r.refuseOdd(ctx, s, l, anchor)
	}
	countMint(l.role, why)
	if typeOf(anchor) == edgev1.TokenBound {
		r.countForMint(s, l, why)
	}
	return issuedToken{Token: token, claims: claims, generation: generationOf(anchor), fresh: true, replaces: why}, anchor, nil
}

// refuseOdd revokes a token that was not what was asked for. The next would be no other: it is asked for only after a
// while, since whoever issues such tokens may do so for ever.
func (r *EdgeRegistryReconciler) refuseOdd(ctx context.Context, s *scope, l *login, anchor *corev1.Secret) error {
	const pause = time.Hour
	until := s.now.Add(pause)
	r.remember(s, l, func(m *memory) { m.oddUntil = until })
	if err := r.remove(ctx, s, anchor); err != nil {
		return err
	}
	delete(s.live.secrets, anchor.Name)
	return s.odd(l, until)
}

// odd says that tokens of a login are not what was asked for.
func (s *scope) odd(l *login, until time.Time) *blocked {
	return stalled(edgev1.ReasonRequestFailed,
		"the token issued for service account %q in project %q does not say which account and which Secret it is bound to, as one of a Kubernetes API server does: it was revoked, and the next is asked for at %s; see what answers token requests in this cluster",
		l.account, s.project, timestamp(until))
}

// anchorToFill is the anchor for the next token. One of a LongLived token that was never published is
// not lost, since its token is in it: it is used before another is made.
func (r *EdgeRegistryReconciler) anchorToFill(ctx context.Context, s *scope, l *login, why cause) (*corev1.Secret, error) {
	if anchor := s.pendingAnchor(l); anchor != nil {
		return anchor, nil
	}
	anchor, err := r.createAnchor(ctx, s, l, why)
	if err == nil && typeOf(anchor) == edgev1.TokenLongLived {
		// The cluster mints for it from now on, whether or not anybody waits for that.
		r.countForMint(s, l, why)
	}
	return anchor, err
}

// pendingAnchor is the anchor of a LongLived token that waits to be published, or nil.
func (s *scope) pendingAnchor(l *login) *corev1.Secret {
	for _, anchor := range s.anchors(l) {
		if l.tokenType() == edgev1.TokenLongLived && anchor.UID != l.token.claims.AnchorUID && isPending(anchor, l) {
			return anchor
		}
	}
	return nil
}

// requestToken has a token issued that is bound to an anchor.
func (r *EdgeRegistryReconciler) requestToken(ctx context.Context, s *scope, l *login, anchor *corev1.Secret) (credential.Token, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.project, Name: l.account}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		// No audiences: the registry hands the token to the API server, so it has to carry the API's own.
		ExpirationSeconds: ptr.To(int64(l.policy.Lifetime.Seconds())),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: anchor.Name, UID: anchor.UID},
	}}
	if err := r.SubResource("token").Create(ctx, account, request); err != nil {
		return credential.Token{}, fmt.Errorf("mint a token for service account %q in project %q: %w", l.account, s.project, err)
	}
	return credential.NewToken(request.Status.Token), nil
}

// take makes a new token the one that the Secrets are to carry.
func (r *EdgeRegistryReconciler) take(s *scope, l *login, fresh issuedToken, anchor *corev1.Secret, why cause) {
	l.token = fresh
	s.changing = true
	r.remember(s, l, func(m *memory) {
		wanted := r.wantedReview(s)
		*m = memory{
			mintedAt: s.now, minted: fresh.claims, answered: s.wish(), refused: m.refused, refusalMintedAt: m.refusalMintedAt,
			wanted: wanted, reviewed: wanted, unpublished: keepUnpublished(s, l, fresh),
		}
		if why == causeRefused {
			m.refusalMintedAt = s.now
		}
	})
	s.notes = append(s.notes, note{edgev1.ReasonTokenMinted, fmt.Sprintf("minted %s token %d, which %s, because %s%s",
		l.account, fresh.generation, lifeOf(fresh.claims), why.text, s.adviseOnSuperseded(l)), anchor})
}

// lifeOf says how long a token works.
func lifeOf(claims credential.Claims) string {
	if claims.Expires() {
		return "expires at " + claims.Expiry.Format(time.RFC3339)
	}
	return "does not expire"
}

// memory is what the operator remembers of a login from pass to pass, by its own clock. It only
// spares mints: without it, as after a restart, the next pass ends in the same state.
type memory struct {
	// mintedAt is when the login was last given a token.
	mintedAt time.Time
	// minted is what the token said of itself that was then minted, and answered what it was minted for.
	minted   credential.Claims
	answered wish
	// heldUntil is the time before which no renewal is tried again, since the last could not be proven, for heldFor.
	heldUntil time.Time
	heldFor   string
	// refused is the anchor of a token that the API server did not accept, and refusalMintedAt when
	// the operator last minted for such a cause.
	refused         types.UID
	refusalMintedAt time.Time
	// oddUntil is the time before which no token is asked for again, since the last was not what was asked for.
	oddUntil time.Time
	// unpublished is the token that was minted and waits to be published.
	unpublished *unpublishedToken
	// wanted is the review that was last wanted, turn when it may be made, and reviewed the last that was made.
	wanted, reviewed review
	turn             time.Time
	// doubted is the anchor of a token that was refused at the first look, and doubtedUntil when to look again.
	doubted      types.UID
	doubtedUntil time.Time
}

func (r *EdgeRegistryReconciler) recall(s *scope, l *login) memory {
	if known, ok := r.memories.Load(bindingName(s.edge, l.role)); ok {
		return known.(memory)
	}
	return memory{}
}

// remember changes what is remembered of a login. Passes over one EdgeRegistry follow each other.
func (r *EdgeRegistryReconciler) remember(s *scope, l *login, change func(*memory)) {
	m := r.recall(s, l)
	change(&m)
	r.memories.Store(bindingName(s.edge, l.role), m)
}
