// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
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
	// fresh: it was minted in this pass, and no Secret carries it yet.
	fresh bool
}

// issueTokens mints what is due. The API server keeps no list of the tokens that it issues, so each
// is bound to an anchor, a Secret that is written before: should the reply be lost, or the operator
// die before it publishes the token, the next pass finds an anchor that never was published and
// deletes it, and the token dies with it.
func (r *EdgeRegistryReconciler) issueTokens(ctx context.Context, s *scope) (done, error) {
	causes := map[*login]string{}
	for _, l := range s.logins() {
		current, cause, err := r.currentToken(ctx, s, l)
		if err != nil {
			return done{}, err
		}
		l.token, causes[l] = current, cause
	}
	shortened := ""
	for _, l := range s.logins() {
		if err := r.dropLostAnchors(ctx, s, l); err != nil {
			return done{}, err
		}
		if cause := causes[l]; cause != "" {
			if err := r.markCurrent(ctx, s, l); err != nil {
				return done{}, err
			}
			if err := r.mint(ctx, s, l, cause); err != nil {
				return done{}, err
			}
		}
		s.due(r.renewalDue(s, l, l.token.claims))
		if granted := l.token.claims.Expiry.Sub(l.token.claims.IssuedAt); granted < l.policy.Lifetime.Duration-time.Minute {
			shortened += fmt.Sprintf("; the API server granted %s of the %s asked for %s", granted, l.policy.Lifetime.Duration, l.account)
		}
	}
	if shortened != "" {
		return doneBecause(edgev1.ReasonIssuedShortened, "both tokens are issued and renewal follows what was granted%s", shortened), nil
	}
	return doneBecause(edgev1.ReasonIssued, "both tokens are issued"), nil
}

// currentToken returns the token that the published Secret carries, and why there has to be
// another one, if so. Where another's Secret is in the way, nothing is to be minted for it.
func (r *EdgeRegistryReconciler) currentToken(ctx context.Context, s *scope, l *login) (current issuedToken, cause string, err error) {
	published, err := r.ownSecret(ctx, s, l.secret)
	if err != nil {
		return issuedToken{}, "", err
	}
	if foreign := s.live.secrets[l.secret]; published == nil && foreign != nil {
		return issuedToken{}, "", notOurs(r.describe(foreign))
	}
	if published == nil {
		return issuedToken{}, "no token was published", nil
	}
	if !published.DeletionTimestamp.IsZero() {
		return issuedToken{}, "", beingDeleted(r.describe(published), published)
	}
	token, claims, intact := s.readToken(published, l)
	if !intact {
		return issuedToken{}, "the Secret was emptied or altered", nil
	}
	anchor, err := r.ownSecret(ctx, s, claims.AnchorName)
	if err != nil {
		return issuedToken{}, "", err
	}
	if anchor == nil || anchor.UID != claims.AnchorUID || !anchor.DeletionTimestamp.IsZero() {
		return issuedToken{}, "its anchor was deleted", nil
	}
	if wasPublished(anchor) && !attests(published, claims) && !attests(anchor, claims) {
		return issuedToken{}, "the Secret was altered", nil
	}
	current = issuedToken{Token: token, claims: claims, generation: generationOf(anchor)}
	return current, r.whyRenew(s, l, current, published, anchor), nil
}

// readToken returns the token that a Secret carries, and false if it is none of the login's.
func (s *scope) readToken(published *corev1.Secret, l *login) (credential.Token, credential.Claims, bool) {
	token, intact := handoff.Token(published.Data)
	if !intact {
		return credential.Token{}, credential.Claims{}, false
	}
	claims, err := credential.ReadClaims(token)
	ours := err == nil && claims.Namespace == s.project && claims.ServiceAccount == l.account && claims.AnchorName != ""
	return token, claims, ours
}

// attests reports whether a Secret records the token of these claims. The signature of a token cannot
// be checked here, so one that neither its Secret nor its anchor knows is not one that was issued.
func attests(secret *corev1.Secret, claims credential.Claims) bool {
	return secret.Annotations[credentialIDAnnotation] == claims.ID &&
		secret.Annotations[expiresAtAnnotation] == timestamp(claims.Expiry)
}

// whyRenew returns why a token that works has to be followed by another, or nothing.
func (r *EdgeRegistryReconciler) whyRenew(s *scope, l *login, current issuedToken, published, anchor *corev1.Secret) string {
	requested := s.edge.Annotations[edgev1.RotateAnnotation]
	switch {
	case current.claims.ServiceAccountUID != l.accountUID:
		return "the service account was made anew"
	case string(published.Data[handoff.KeyHost]) != s.host:
		return "the host changed"
	case requested != "" && published.Annotations[rotationAnnotation] != requested:
		return "rotation was requested"
	case askedLifetime(anchor, l) != l.policy.Lifetime.Duration.String():
		return "its lifetime in the spec changed"
	case !s.now.Before(r.renewalDue(s, l, current.claims)):
		return "renewal was due"
	default:
		return ""
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

// mint writes an anchor, then has a token issued that is bound to it.
func (r *EdgeRegistryReconciler) mint(ctx context.Context, s *scope, l *login, cause string) error {
	anchor, err := r.createAnchor(ctx, s, l)
	if err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.project, Name: l.account}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		// No audiences: the registry hands the token to the API server, so it has to carry the API's own.
		ExpirationSeconds: ptr.To(int64(l.policy.Lifetime.Seconds())),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: anchor.Name, UID: anchor.UID},
	}}
	if err := r.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("mint a token for service account %q in project %q: %w", l.account, s.project, err)
	}
	token := credential.NewToken(request.Status.Token)
	claims, err := credential.ReadClaims(token)
	if err != nil {
		return fmt.Errorf("read the token minted for service account %q in project %q: %w", l.account, s.project, err)
	}
	l.token = issuedToken{Token: token, claims: claims, generation: generationOf(anchor), fresh: true}
	s.wrote, s.changing = true, true
	r.minted.Store(bindingName(s.edge, l.role), s.now)
	s.notes = append(s.notes, note{edgev1.ReasonTokenMinted, fmt.Sprintf("minted %s token %d, which expires at %s, because %s",
		l.account, l.token.generation, claims.Expiry.Format(time.RFC3339), cause), anchor})
	return nil
}

// renewalDue is when the operator renews a token: at renewAt, but not before half of that time has
// passed since it minted the last one. To a clock that is ahead of the API server's by more than a
// short token's life every new token looks due, and would be followed at once.
func (r *EdgeRegistryReconciler) renewalDue(s *scope, l *login, claims credential.Claims) time.Time {
	due := renewAt(s.edge.UID, l.role, l.policy, claims)
	last, known := r.minted.Load(bindingName(s.edge, l.role))
	if !known {
		return due
	}
	if pause := last.(time.Time).Add(due.Sub(claims.IssuedAt) / 2); pause.After(due) {
		return pause
	}
	return due
}

// maxListed is how many tokens of a role the status lists, the newest.
const maxListed = 20

// describeTokens lists the tokens that work, for the status.
func describeTokens(s *scope) {
	s.edge.Status.Tokens = nil
	var first time.Time
	for _, l := range s.logins() {
		anchors := s.anchors(l)
		for _, anchor := range anchors[max(0, len(anchors)-maxListed):] {
			status := edgev1.TokenStatus{
				Role:           l.role,
				Generation:     generationOf(anchor),
				Current:        anchor.UID == l.token.claims.AnchorUID,
				ServiceAccount: l.account,
				CredentialID:   anchor.Annotations[credentialIDAnnotation],
				IssuedAt:       statusTime(annotatedTime(anchor, issuedAtAnnotation)),
				ExpiresAt:      statusTime(annotatedTime(anchor, expiresAtAnnotation)),
			}
			if status.Current {
				status.RenewAt = statusTime(renewAt(s.edge.UID, l.role, l.policy, l.token.claims))
				if first.IsZero() || l.token.claims.Expiry.Before(first) {
					first = l.token.claims.Expiry
				}
			}
			s.edge.Status.Tokens = append(s.edge.Status.Tokens, status)
		}
	}
	s.edge.Status.ExpiresAt = statusTime(first)
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
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(string(uid) + string(role)))
	jitter := 1 - 0.05*float64(hash.Sum32())/(1<<32)
	return claims.IssuedAt.Add(time.Duration(float64(granted) * share * jitter)).Truncate(time.Second)
}

func timestamp(t time.Time) string {
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
