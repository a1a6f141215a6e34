// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// The API server keeps no list of the tokens that it issues. So the operator creates a Secret first, and binds the token to it by the
// BoundObjectRef of the TokenRequest. If the reply is lost, or the operator stops before it publishes the token, the next pass
// finds a bound Secret whose token was never published. It deletes the Secret, which revokes the token.

// Causes of new tokens, besides those that all providers have.
var (
	causeBoundSecretDeleted = pass.Cause{Name: "AnchorDeleted", Text: "the Secret that it is bound to was deleted", Undone: true}
	causeAccountRecreated   = pass.Cause{Name: "ServiceAccountRecreated", Text: "the service account was recreated", Undone: true}
	causeInvalidated        = pass.Cause{Name: "Invalidated", Text: "the cluster invalidated it, since nobody had used it for a year"}
	causeType               = pass.Cause{Name: "TypeChanged", Text: "its type in the spec changed", Kept: true}

	// Causes are all of them.
	Causes = []pass.Cause{causeBoundSecretDeleted, causeAccountRecreated, causeInvalidated, causeType}
)

// Current implements pass.Issuer. If a Secret of somebody else has the name, that is an error, and nothing is issued.
func (s *session) Current(ctx context.Context, login *pass.Login) (pass.Cause, error) {
	l := s.of(login)
	why, err := s.readCurrent(ctx, l)
	if err != nil {
		return pass.Cause{}, err
	}
	if l.Unpublished != nil {
		works, err := s.isBound(ctx, l, *l.Unpublished)
		if err != nil {
			return pass.Cause{}, err
		}
		if !works {
			l.Unpublished = nil
		}
	}
	if pending := s.pendingTokenSecret(l); pending != nil {
		l.Begun = begun(pending)
	}
	return why, s.dropLostSecrets(ctx, l)
}

// readCurrent finds the token that the published Secret carries. It returns why another is needed, if one is.
func (s *session) readCurrent(ctx context.Context, l *login) (pass.Cause, error) {
	published, err := s.Objects.ReadPublished(ctx, s.Scope, l.Login)
	if err != nil {
		return pass.Cause{}, err
	}
	if published == nil && s.Record.Highest(l.Role) > 0 {
		return pass.CauseUnpublished.Because("Secret %s was gone", l.Secret), nil
	}
	if published == nil {
		return pass.CauseUnpublished, nil
	}
	token, claims, intact := s.readToken(published, l)
	if !intact {
		return pass.CauseEmptied.Because("Secret %s was emptied or altered", l.Secret).In(published), nil
	}
	bound, err := s.Objects.OwnSecret(ctx, s.Scope, claims.SecretName)
	if err != nil {
		return pass.Cause{}, err
	}
	if bound == nil || !bound.DeletionTimestamp.IsZero() || (claims.Expires() && bound.UID != claims.SecretUID) {
		return causeBoundSecretDeleted.Because("Secret %s, which the previous token was bound to, was deleted", claims.SecretName), nil
	}
	if !s.genuine(published, bound, token, claims) {
		return pass.CauseAltered.Because("Secret %s was altered", l.Secret).In(published), nil
	}
	l.Credential = s.credentialOf(l, token, completed(claims, bound), bound)
	return s.whyReplace(l, bound), nil
}

// whyReplace returns why a token has to be replaced; the zero Cause if it does not.
func (s *session) whyReplace(l *login, bound *corev1.Secret) pass.Cause {
	switch {
	case l.Credential.Marks[objects.AccountUIDAnnotation] != string(l.accountUID):
		return causeAccountRecreated
	case invalidated(bound):
		return causeInvalidated.In(bound)
	case typeOf(bound) != l.tokenType:
		return causeType.In(bound)
	case l.Credential.Expires() && s.askedLifetime(bound, l) != l.Policy.Lifetime.String():
		return pass.CauseLifetime.In(bound)
	default:
		return pass.Cause{}
	}
}

// credentialOf returns the credential of a bound Secret's token.
func (s *session) credentialOf(l *login, token credential.Token, claims credential.Claims, bound *corev1.Secret) pass.Credential {
	c := pass.Credential{
		Token:      token,
		Identity:   pass.Identity{ID: string(bound.UID), IssuedAt: claims.IssuedAt, Expiry: claims.Expiry},
		Generation: generationOf(bound),
		Issuance:   pass.Cause{Name: s.causeOf(bound)},
		Marks: map[string]string{
			objects.BoundUIDAnnotation:   string(bound.UID),
			objects.AccountUIDAnnotation: string(claims.ServiceAccountUID),
		},
		About: bound,
	}
	if claims.ID != "" {
		// A token that does not expire has no id, nor has one of an API server before 1.30.
		c.Marks[objects.CredentialIDAnnotation] = claims.ID
	}
	c.Superseded = s.adviseOnSuperseded(l, bound.UID)
	c.Advice = s.adviseOnKept(l, c.Superseded)
	return c
}

// readToken returns the token that a Secret carries, and false if it does not belong to the login.
func (s *session) readToken(published *corev1.Secret, l *login) (credential.Token, credential.Claims, bool) {
	token, intact := handoff.Token(published.Data)
	if !intact {
		return credential.Token{}, credential.Claims{}, false
	}
	claims, err := credential.ReadClaims(token)
	return token, claims, err == nil && s.speaksFor(claims, l)
}

// speaksFor reports whether claims belong to a token that was minted for a login.
func (s *session) speaksFor(claims credential.Claims, l *login) bool {
	return claims.Namespace == s.Home.Namespace && claims.ServiceAccount == l.Account && generationIn(claims.SecretName, l.Secret) != 0
}

// genuine reports whether a token was issued by the cluster. Its signature is not checked here. So it has to be on record, and one
// that does not expire has to equal the one in its token Secret. If the record was lost, the annotations of the Secrets count once.
// That is safe: a writer of these Secrets who presents a token of the account had that token already.
func (s *session) genuine(published, bound *corev1.Secret, token credential.Token, claims credential.Claims) bool {
	if !claims.Expires() && (typeOf(bound) != edgev1.TokenLongLived || !keptToken(bound).Equal(token)) {
		return false
	}
	issued := s.onRecord(bound)
	switch {
	case issued != nil:
		return issued.Marks[objects.CredentialIDAnnotation] == claims.ID && issued.ExpiresAt.Time.Equal(claims.Expiry)
	case !s.Record.Lost:
		return false
	default:
		return !claims.Expires() || !s.wasPublished(bound) || attests(published, claims) || attests(bound, claims)
	}
}

// attests reports whether the annotations of a Secret name the token of these claims. Before Kubernetes 1.30 a token has no id. Then
// its expiry identifies it, together with the UID of its Secret, which the caller compared.
func attests(secret *corev1.Secret, claims credential.Claims) bool {
	return secret.Annotations[objects.CredentialIDAnnotation] == claims.ID &&
		secret.Annotations[objects.ExpiresAtAnnotation] == pass.Timestamp(claims.Expiry)
}

// isBound reports whether the Secret of a Bound token still exists, and the service account too.
func (s *session) isBound(ctx context.Context, l *login, c pass.Credential) (bool, error) {
	if l.tokenType != edgev1.TokenBound || c.Marks[objects.AccountUIDAnnotation] != string(l.accountUID) {
		return false, nil
	}
	bound, err := s.Objects.OwnSecret(ctx, s.Scope, boundSecretName(l.Secret, c.Generation))
	return bound != nil && string(bound.UID) == c.ID && bound.DeletionTimestamp.IsZero(), err
}

// Issue implements pass.Issuer: it creates a bound Secret and has a token issued for it.
func (s *session) Issue(ctx context.Context, login *pass.Login, why pass.Cause) (pass.Credential, error) {
	l := s.of(login)
	// An operator that stopped right after a publication may not have marked the token as published.
	if err := s.markCurrent(ctx, l); err != nil {
		return pass.Credential{}, err
	}
	if until := s.remembered().malformed[l.Role]; s.Now.Before(until) {
		return pass.Credential{}, s.malformed(l, until)
	}
	if err := s.refusePusher(ctx, l); err != nil {
		return pass.Credential{}, err
	}
	bound, err := s.boundSecretToFill(ctx, l, why)
	if err != nil {
		return pass.Credential{}, err
	}
	var token credential.Token
	if typeOf(bound) == edgev1.TokenLongLived {
		if bound, err = s.awaitToken(ctx, l, bound); err == nil {
			token = keptToken(bound)
		}
	} else {
		token, err = s.requestToken(ctx, l, bound)
	}
	if err != nil {
		return pass.Credential{}, err
	}
	claims, err := credential.ReadClaims(token)
	claims = completed(claims, bound)
	if err != nil || !s.speaksFor(claims, l) || claims.SecretName != bound.Name || claims.SecretUID != bound.UID {
		return pass.Credential{}, s.refuseMalformed(ctx, l, bound)
	}
	return s.credentialOf(l, token, claims, bound), nil
}

// refuseMalformed revokes a token that is not what was asked for. The next would probably be the same, so it is only requested
// after a pause.
func (s *session) refuseMalformed(ctx context.Context, l *login, bound *corev1.Secret) error {
	const pause = time.Hour
	until := s.Now.Add(pause)
	if s.remembered().malformed == nil {
		s.remembered().malformed = map[edgev1.TokenRole]time.Time{}
	}
	s.remembered().malformed[l.Role] = until
	if err := s.removeBoundSecret(ctx, bound); err != nil {
		return err
	}
	return s.malformed(l, until)
}

// malformed says that a token of a login was not what was asked for.
func (s *session) malformed(l *login, until time.Time) *pass.Blocked {
	return pass.Stalled(edgev1.ReasonRequestFailed,
		"the token issued for service account %q in project %q does not say which account and which Secret it is bound to, as one of a Kubernetes API server does: it was revoked, and the next is asked for at %s; see what answers token requests in this cluster",
		l.Account, s.Home.Namespace, pass.Timestamp(until))
}

// requestToken has a token issued that is bound to a Secret.
func (s *session) requestToken(ctx context.Context, l *login, bound *corev1.Secret) (credential.Token, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Home.Namespace, Name: l.Account}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		// No audiences: the registry hands the token to the API server, so it has to carry the API's own.
		ExpirationSeconds: ptr.To(int64(l.Policy.Lifetime.Seconds())),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID},
	}}
	if err := s.SubResource("token").Create(ctx, account, request); err != nil {
		return credential.Token{}, fmt.Errorf("mint a token for service account %q in project %q: %w", l.Account, s.Home.Namespace, err)
	}
	return credential.NewToken(request.Status.Token), nil
}

// Revoke implements pass.Issuer: it deletes the bound Secret. An editor of the project can remove its labels and its owner, but cannot
// change its UID.
func (s *session) Revoke(ctx context.Context, login *pass.Login, c pass.Credential) error {
	name := boundSecretName(login.Secret, c.Generation)
	bound := s.Secrets[name]
	if bound == nil {
		var err error
		if bound, err = s.Objects.ReadSecret(ctx, s.Home.Namespace, name); err != nil {
			return err
		}
	}
	if bound == nil || string(bound.UID) != c.ID {
		return nil
	}
	return s.removeBoundSecret(ctx, bound)
}

// Dead implements pass.Issuer.
func (s *session) Dead(ctx context.Context, login *pass.Login) (bool, error) {
	return s.Refuses(ctx, login.Credential.Token)
}
