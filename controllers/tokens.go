// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// issuedToken is a token with what it says of itself and the generation of its anchor.
type issuedToken struct {
	credential.Token
	claims     credential.Claims
	generation int64
	// fresh: no Secret carries it yet.
	fresh bool
	// replaces is why it was minted.
	replaces cause
}

// cause is why a login needs another token. The zero value is none.
type cause struct {
	// name is the cause in metrics and on the anchor, text in sentences.
	name, text string
	// kept: the token in use works, and stays in use until its successor is proven.
	kept bool
	// undone: somebody took away or altered what the operator made.
	undone bool
	// seen is which object shows the cause, where somebody may have altered it.
	seen evidence
}

// evidence is one of the two Secrets that tell of a token.
type evidence int

const (
	inSecret evidence = iota + 1
	inAnchor
)

var (
	causeUnpublished   = cause{name: "Unpublished", text: "no token was published", undone: true}
	causeEmptied       = cause{name: "Altered", text: "the Secret was emptied or altered", undone: true, seen: inSecret}
	causeAltered       = cause{name: "Altered", text: "the Secret was altered", undone: true, seen: inSecret}
	causeAnchorDeleted = cause{name: "AnchorDeleted", text: "its anchor was deleted", undone: true}
	causeAccountAnew   = cause{name: "ServiceAccountAnew", text: "the service account was made anew", undone: true}
	causeInvalidated   = cause{name: "Invalidated", text: "the cluster invalidated it, since nobody had used it for a year", seen: inAnchor}
	causeRefused       = cause{name: "Refused", text: "the API server does not accept it any more", seen: inSecret}
	causeHost          = cause{name: "HostChanged", text: "the host changed", seen: inSecret}
	causeRotation      = cause{name: "Rotation", text: "rotation was requested", seen: inSecret}
	causeType          = cause{name: "TypeChanged", text: "its type in the spec changed", seen: inAnchor}
	causeLifetime      = cause{name: "LifetimeChanged", text: "its lifetime in the spec changed", seen: inAnchor}
	causeDue           = cause{name: "Due", text: "renewal was due", seen: inSecret}

	allCauses = []cause{
		causeUnpublished, causeEmptied, causeAltered, causeAnchorDeleted, causeAccountAnew, causeInvalidated,
		causeRefused, causeHost, causeRotation, causeType, causeLifetime, causeDue,
	}
)

// issueTokens mints what is due. The API server keeps no list of the tokens that it issues, so each
// is bound to an anchor, a Secret that is written before: should the reply be lost, or the operator
// die before it publishes the token, the next pass finds an anchor that never was published and
// deletes it, and the token dies with it.
func (r *EdgeRegistryReconciler) issueTokens(ctx context.Context, s *scope) (done, error) {
	causes := map[*login]cause{}
	for _, l := range s.logins() {
		current, why, err := r.currentToken(ctx, s, l)
		if err != nil {
			return done{}, err
		}
		l.token, causes[l] = current, why
	}
	var postponed []*blocked
	for _, l := range s.logins() {
		err := r.replaceToken(ctx, s, l, causes[l])
		var b *blocked
		switch {
		case err == nil:
			s.dueRenewal(r, l)
		case errors.As(err, &b) && b.carryOn:
			postponed = append(postponed, b)
		default:
			return done{}, err
		}
	}
	if len(postponed) > 0 {
		return done{}, together(postponed)
	}
	return describeIssued(s), nil
}

// replaceToken gives a login another token, if there is a cause. One that works stays until its
// successor is proven; where nothing works, the new token is published at once.
func (r *EdgeRegistryReconciler) replaceToken(ctx context.Context, s *scope, l *login, why cause) error {
	held := why.kept && s.now.Before(r.recall(s, l).heldUntil)
	kept, err := r.unpublished(ctx, s, l, why)
	if err != nil {
		return err
	}
	if err := r.dropLostAnchors(ctx, s, l, kept, why != cause{} && !held); err != nil {
		return err
	}
	if (why == cause{}) {
		return nil
	}
	if kept == nil && s.pendingAnchor(l) == nil {
		if err := r.mayMint(s, l, why); err != nil {
			return err
		}
	}
	// An operator that died after it published the token may not have come to its mark.
	if err := r.markCurrent(ctx, s, l); err != nil {
		return err
	}
	if kept != nil {
		l.token, s.changing = kept.issuedToken, true
		return nil
	}
	if why.kept && s.edge.Spec.Verification.Policy != edgev1.VerificationDisabled {
		return r.renew(ctx, s, l, why)
	}
	fresh, anchor, err := r.mint(ctx, s, l, why)
	if err != nil {
		return err
	}
	r.take(s, l, fresh, anchor, why)
	return nil
}

// tokenName is what messages call the token of a login.
func tokenName(s *scope, l *login) string {
	return fmt.Sprintf("the token of %s in project %q", l.account, s.project)
}

// together is one wait for all that wait.
func together(waits []*blocked) *blocked {
	all := *waits[0]
	for _, b := range waits[1:] {
		all.message += "; " + b.message
	}
	return &all
}

// dueRenewal notes when a login's token is to be renewed.
func (s *scope) dueRenewal(r *EdgeRegistryReconciler, l *login) {
	if l.token.claims.Expires() {
		s.due(r.renewalDue(s, l, l.token.claims))
	}
}

// currentToken returns the token that the published Secret carries, and why there has to be
// another one, if so. Where another's Secret is in the way, nothing is to be minted for it.
func (r *EdgeRegistryReconciler) currentToken(ctx context.Context, s *scope, l *login) (issuedToken, cause, error) {
	published, err := r.ownSecret(ctx, s, l.secret)
	if err != nil {
		return issuedToken{}, cause{}, err
	}
	if foreign := s.live.secrets[l.secret]; published == nil && foreign != nil {
		return issuedToken{}, cause{}, notOurs(r.describe(foreign))
	}
	if published == nil {
		return issuedToken{}, causeUnpublished, nil
	}
	l.published = published
	if !published.DeletionTimestamp.IsZero() {
		return issuedToken{}, cause{}, beingDeleted(r.describe(published), published)
	}
	token, claims, intact := s.readToken(published, l)
	if !intact {
		return issuedToken{}, causeEmptied, nil
	}
	anchor, err := r.ownSecret(ctx, s, claims.AnchorName)
	if err != nil {
		return issuedToken{}, cause{}, err
	}
	if anchor == nil || !anchor.DeletionTimestamp.IsZero() || (claims.Expires() && anchor.UID != claims.AnchorUID) {
		return issuedToken{}, causeAnchorDeleted, nil
	}
	if !genuine(published, anchor, token, claims) {
		return issuedToken{}, causeAltered, nil
	}
	l.anchor = anchor
	current := issuedToken{Token: token, claims: completed(claims, anchor), generation: generationOf(anchor)}
	why, err := r.whyReplace(ctx, s, l, current, published, anchor)
	return current, why, err
}

// readToken returns the token that a Secret carries, and false if it is none of the login's.
func (s *scope) readToken(published *corev1.Secret, l *login) (credential.Token, credential.Claims, bool) {
	token, intact := handoff.Token(published.Data)
	if !intact {
		return credential.Token{}, credential.Claims{}, false
	}
	claims, err := credential.ReadClaims(token)
	return token, claims, err == nil && s.speaksFor(claims, l)
}

// speaksFor reports whether claims are of a token that was minted for a login.
func (s *scope) speaksFor(claims credential.Claims, l *login) bool {
	return claims.Namespace == s.project && claims.ServiceAccount == l.account && generationIn(claims.AnchorName, l.secret) != 0
}

// genuine reports whether a token is one that was issued. Its signature cannot be checked here. So a
// token that expires has to be known to the Secret that carries it or to its anchor, and one that
// does not expire has to be the one that the cluster keeps in its anchor.
func genuine(published, anchor *corev1.Secret, token credential.Token, claims credential.Claims) bool {
	if !claims.Expires() {
		return typeOf(anchor) == edgev1.TokenLongLived && keptToken(anchor).Equal(token)
	}
	return typeOf(anchor) == edgev1.TokenBound &&
		(!wasPublished(anchor) || attests(published, claims) || attests(anchor, claims))
}

// attests reports whether a Secret records the token of these claims. Before Kubernetes 1.30 a token
// has no id, and none is recorded: then its expiry tells it, with the UID of its anchor, that the caller compared.
func attests(secret *corev1.Secret, claims credential.Claims) bool {
	return secret.Annotations[credentialIDAnnotation] == claims.ID &&
		secret.Annotations[expiresAtAnnotation] == timestamp(claims.Expiry)
}

// whyReplace returns why a token that was issued has to be followed by another, if so.
func (r *EdgeRegistryReconciler) whyReplace(
	ctx context.Context, s *scope, l *login, current issuedToken, published, anchor *corev1.Secret,
) (cause, error) {
	if current.claims.ServiceAccountUID != l.accountUID {
		return causeAccountAnew, nil
	}
	if invalidated(anchor) {
		return causeInvalidated, nil
	}
	r.reviewToken(ctx, s, l, current)
	if dead, err := r.confirmRefused(ctx, s, l, current, anchor); err != nil || dead {
		return causeRefused, err
	}
	// What names a host that the route does not have any more is of no use to keep.
	if string(published.Data[handoff.KeyHost]) != s.host {
		return causeHost, nil
	}
	why := r.whyRenew(s, l, current, published, anchor)
	why.kept = why != cause{} && (!current.claims.Expires() || s.now.Before(current.claims.Expiry))
	return why, nil
}

// whyRenew returns why a token that works has to be followed by another, if so.
func (r *EdgeRegistryReconciler) whyRenew(s *scope, l *login, current issuedToken, published, anchor *corev1.Secret) cause {
	requested := s.edge.Annotations[edgev1.RotateAnnotation]
	expires := current.claims.Expires()
	switch {
	case requested != "" && published.Annotations[rotationAnnotation] != requested:
		return causeRotation
	case typeOf(anchor) != l.tokenType():
		return causeType
	case expires && askedLifetime(anchor, l) != l.policy.Lifetime.Duration.String():
		return causeLifetime
	case expires && !s.now.Before(r.renewalDue(s, l, current.claims)):
		return causeDue
	default:
		return cause{}
	}
}

// ownSecret returns a Secret of the EdgeRegistry's, or nil. One that lost its label is not among
// those that the pass has read, so it is asked for by name.
func (r *EdgeRegistryReconciler) ownSecret(ctx context.Context, s *scope, name string) (*corev1.Secret, error) {
	secret := s.live.secrets[name]
	if secret == nil && s.live.free.Has(name) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if secret == nil {
		secret = &corev1.Secret{}
		err := r.Get(ctx, client.ObjectKey{Namespace: s.project, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // Absence is an answer here.
		}
		if err != nil {
			return nil, fmt.Errorf("read Secret %q in project %q: %w", name, s.project, err)
		}
		s.live.secrets[name] = secret
	}
	if !ownedBy(secret, s.edge.UID) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	return secret, nil
}

// renewalDue is when the operator renews a token: at renewAt, but not before half of that time has
// passed since it minted the last one. To a clock that is ahead of the API server's by more than a
// short token's life every new token looks due, and would be followed at once.
func (r *EdgeRegistryReconciler) renewalDue(s *scope, l *login, claims credential.Claims) time.Time {
	due := renewAt(s.edge.UID, l.role, l.policy, claims)
	m := r.recall(s, l)
	last := m.mintedAt
	if last.IsZero() || (m.unpublished != nil && m.unpublished.claims.AnchorUID != claims.AnchorUID) {
		// What was minted since and waits to be published does not make the token in use less due.
		return due
	}
	if pause := last.Add(due.Sub(claims.IssuedAt) / 2); pause.After(due) {
		return pause
	}
	return due
}

// describeIssued says what the tokens are, and what a person should know of those that do not expire.
func describeIssued(s *scope) done {
	reason, message := edgev1.ReasonIssued, []string{"both tokens are issued"}
	for _, l := range s.logins() {
		claims := l.token.claims
		if granted := claims.Expiry.Sub(claims.IssuedAt); claims.Expires() && granted < l.policy.Lifetime.Duration-time.Minute {
			if reason == edgev1.ReasonIssued {
				message[0] += " and renewal follows what was granted"
			}
			reason = edgev1.ReasonIssuedShortened
			message = append(message, fmt.Sprintf("the API server granted %s of the %s asked for %s", granted, l.policy.Lifetime.Duration, l.account))
		}
		message = append(message, s.adviseOnKept(l)...)
	}
	return doneBecause(reason, "%s", strings.Join(message, "; "))
}
