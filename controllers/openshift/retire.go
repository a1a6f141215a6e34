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

// leeway is how long after its expiry the API server takes a token.
const leeway = time.Minute

// Retire implements pass.Issuer: it marks the anchors of the tokens that the Secrets now carry as published, and
// deletes those whose token works no more.
func (s *session) Retire(ctx context.Context) error {
	for _, l := range s.logins() {
		for _, anchor := range s.anchors(l) {
			expiry := s.anchorExpiry(anchor, l)
			switch {
			case string(anchor.UID) == l.Credential.ID:
				if err := s.markPublished(ctx, l, anchor); err != nil {
					return err
				}
			case typeOf(anchor) == edgev1.TokenLongLived && s.accountOf(anchor, l) == l.accountUID:
				// It works until somebody deletes it.
			case s.Now.Before(expiry.Add(leeway)) && s.accountOf(anchor, l) == l.accountUID:
				s.Due(expiry.Add(leeway))
			case anchor.DeletionTimestamp.IsZero():
				if err := s.removeAnchor(ctx, anchor); err != nil {
					return err
				}
				s.Note(edgev1.ReasonTokenRetired,
					fmt.Sprintf("%s token %d does not work any more, and Secret %s is deleted", l.Account, generationOf(anchor), anchor.Name), anchor)
			}
		}
		s.listAlive(l)
	}
	return nil
}

// markCurrent makes sure that the anchor of the published token says so before that token is
// followed by another: an operator that died in between may not have come to it.
func (s *session) markCurrent(ctx context.Context, l *login) error {
	anchor := s.Secrets[boundSecretName(l.Secret, l.Credential.Generation)]
	if anchor == nil || string(anchor.UID) != l.Credential.ID || isMarked(anchor) {
		return nil
	}
	return s.markPublished(ctx, l, anchor)
}

// markPublished records on the anchor that its token is in use. From then on it stays until the
// token expires, even if the Secret that carries the token is deleted: a consumer may have read it.
func (s *session) markPublished(ctx context.Context, l *login, anchor *corev1.Secret) error {
	c := l.Credential
	if typeOf(anchor) == edgev1.TokenLongLived && !isMarked(anchor) {
		// The API server marks the Secret of a LongLived token when it is used.
		delete(s.Secrets, anchor.Name)
		live, err := s.Objects.OwnSecret(ctx, s.Scope, anchor.Name)
		if err != nil {
			return err
		}
		if live == nil {
			return pass.Waiting(edgev1.ReasonTokenPending, "%s was deleted as its token was published: another is made",
				s.Objects.Describe(s.Scope, anchor))
		}
		anchor = live
	}
	desired := s.desiredAnchor(l, generationOf(anchor), typeOf(anchor))
	desired.Name = anchor.Name
	desired.Annotations[objects.AccountUIDAnnotation] = c.Marks[objects.AccountUIDAnnotation]
	desired.Annotations[objects.IssuedAtAnnotation] = pass.Timestamp(c.IssuedAt)
	if c.Expires() {
		desired.Annotations[objects.LifetimeAnnotation] = s.askedLifetime(anchor, l)
		if id := c.Marks[objects.CredentialIDAnnotation]; id != "" {
			desired.Annotations[objects.CredentialIDAnnotation] = id
		}
		desired.Annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(c.Expiry)
	}
	if why := s.causeOf(anchor); why != "" {
		desired.Annotations[objects.CauseAnnotation] = why
	}
	marked, err := s.Objects.Ensure(ctx, s.Scope, desired, anchor)
	if err != nil {
		return err
	}
	s.Secrets[anchor.Name] = marked.(*corev1.Secret)
	return nil
}

// isDead reports an anchor whose token works no more, though the anchor is there yet.
func (s *session) isDead(anchor *corev1.Secret, l *login) bool {
	expired := typeOf(anchor) == edgev1.TokenBound && !s.Now.Before(s.anchorExpiry(anchor, l).Add(leeway))
	return expired || invalidated(anchor) || !anchor.DeletionTimestamp.IsZero() || s.accountOf(anchor, l) != l.accountUID
}

// listAlive lists the tokens of a login that work.
func (s *session) listAlive(l *login) {
	l.Alive = nil
	for _, anchor := range s.anchors(l) {
		if string(anchor.UID) != l.Credential.ID && s.isDead(anchor, l) {
			continue
		}
		status := edgev1.CredentialStatus{
			Role:           l.Role,
			Type:           typeOf(anchor),
			Generation:     generationOf(anchor),
			Current:        string(anchor.UID) == l.Credential.ID,
			ServiceAccount: l.Account,
			CredentialID:   anchor.Annotations[objects.CredentialIDAnnotation],
			IssuedAt:       pass.StatusTime(pass.AnnotatedTime(anchor, objects.IssuedAtAnnotation)),
		}
		if status.Type == edgev1.TokenBound {
			status.ExpiresAt = pass.StatusTime(pass.AnnotatedTime(anchor, objects.ExpiresAtAnnotation))
		}
		l.Alive = append(l.Alive, pass.Working{CredentialStatus: status, ID: string(anchor.UID)})
	}
}
