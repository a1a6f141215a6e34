// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// leeway is how long after its expiry the API server still accepts a token.
const leeway = time.Minute

// Retire implements pass.Issuer: it marks the bound Secrets of the published tokens, and deletes those whose token does not
// work any more.
func (s *session) Retire(ctx context.Context) error {
	for _, l := range s.logins() {
		for _, bound := range s.boundSecrets(l) {
			expiry := s.expiryOf(bound, l)
			switch {
			case string(bound.UID) == l.Credential.ID:
				if err := s.markPublished(ctx, l, bound); err != nil {
					return err
				}
			case typeOf(bound) == edgev1.TokenLongLived && s.accountOf(bound, l) == l.accountUID:
				// It works until somebody deletes it.
			case s.Now.Before(expiry.Add(leeway)) && s.accountOf(bound, l) == l.accountUID:
				s.Due(expiry.Add(leeway))
			case bound.DeletionTimestamp.IsZero():
				if err := s.removeBoundSecret(ctx, bound); err != nil {
					return err
				}
				s.Note(edgev1.ReasonTokenRetired,
					fmt.Sprintf("%s token %d does not work any more, and Secret %s is deleted", l.Account, generationOf(bound), bound.Name), bound)
			}
		}
		s.listAlive(l)
	}
	return nil
}

// markCurrent makes sure that the bound Secret of the published token is marked before another token is issued. An operator that
// stopped in between may not have marked it.
func (s *session) markCurrent(ctx context.Context, l *login) error {
	bound := s.Secrets[boundSecretName(l.Secret, l.Credential.Generation)]
	if bound == nil || string(bound.UID) != l.Credential.ID || isMarked(bound) {
		return nil
	}
	return s.markPublished(ctx, l, bound)
}

// markPublished marks a bound Secret as that of a published token. From then on it stays until the token expires, even if the
// Secret that carries the token is deleted: a consumer may have read it.
func (s *session) markPublished(ctx context.Context, l *login, bound *corev1.Secret) error {
	c := l.Credential
	if typeOf(bound) == edgev1.TokenLongLived && !isMarked(bound) {
		// The API server marks the Secret of a LongLived token when it is used.
		delete(s.Secrets, bound.Name)
		live, err := s.Objects.OwnSecret(ctx, s.Scope, bound.Name)
		if err != nil {
			return err
		}
		if live == nil {
			return pass.Waiting(edgev1.ReasonTokenPending, "%s was deleted as its token was published: another is made",
				s.Objects.Describe(s.Scope, bound))
		}
		bound = live
	}
	desired := s.desiredBoundSecret(l, generationOf(bound), typeOf(bound))
	desired.Name = bound.Name
	desired.Annotations[objects.AccountUIDAnnotation] = c.Marks[objects.AccountUIDAnnotation]
	desired.Annotations[objects.IssuedAtAnnotation] = pass.Timestamp(c.IssuedAt)
	if c.Expires() {
		desired.Annotations[objects.LifetimeAnnotation] = s.askedLifetime(bound, l)
		if id := c.Marks[objects.CredentialIDAnnotation]; id != "" {
			desired.Annotations[objects.CredentialIDAnnotation] = id
		}
		desired.Annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(c.Expiry)
	}
	if why := s.causeOf(bound); why != "" {
		desired.Annotations[objects.CauseAnnotation] = why
	}
	marked, err := s.Objects.Ensure(ctx, s.Scope, desired, bound)
	if err != nil {
		return err
	}
	s.Secrets[bound.Name] = marked.(*corev1.Secret)
	return nil
}

// isDead reports whether the token of a bound Secret that still exists has stopped working.
func (s *session) isDead(bound *corev1.Secret, l *login) bool {
	expired := typeOf(bound) == edgev1.TokenBound && !s.Now.Before(s.expiryOf(bound, l).Add(leeway))
	return expired || invalidated(bound) || !bound.DeletionTimestamp.IsZero() || s.accountOf(bound, l) != l.accountUID
}

// listAlive lists the tokens of a login that work.
func (s *session) listAlive(l *login) {
	l.Alive = nil
	for _, bound := range s.boundSecrets(l) {
		if string(bound.UID) != l.Credential.ID && s.isDead(bound, l) {
			continue
		}
		status := edgev1.CredentialStatus{
			Role:           l.Role,
			Type:           typeOf(bound),
			Generation:     generationOf(bound),
			Current:        string(bound.UID) == l.Credential.ID,
			ServiceAccount: l.Account,
			CredentialID:   bound.Annotations[objects.CredentialIDAnnotation],
			IssuedAt:       pass.StatusTime(pass.AnnotatedTime(bound, objects.IssuedAtAnnotation)),
		}
		if status.Type == edgev1.TokenBound {
			status.ExpiresAt = pass.StatusTime(pass.AnnotatedTime(bound, objects.ExpiresAtAnnotation))
		}
		l.Alive = append(l.Alive, pass.Working{CredentialStatus: status, ID: string(bound.UID)})
	}
}
