// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

// renew mints a successor for a token that works, and takes it once the registry has accepted it. A
// successor that is refused, or that nobody can try where the verification is required, is revoked,
// and the token in use stays.
func (r *EdgeRegistryReconciler) renew(ctx context.Context, s *scope, l *login, why cause) error {
	if m := r.recall(s, l); s.now.Before(m.heldUntil) {
		s.due(m.heldUntil)
		return s.postponed(l, m.heldFor)
	}
	required := s.mustBeProven(l)
	if required {
		// Nothing is minted for a registry that does not answer: there would be a token for each time that it is asked.
		if err := r.registryAnswers(ctx, s); err != nil {
			return s.postponed(l, oneLine(err))
		}
	}
	fresh, anchor, err := r.mint(ctx, s, l, why)
	if err != nil {
		return stillPending(err)
	}
	err = r.prove(ctx, s, l, fresh.Token)
	if err == nil || (!required && !refused(err)) {
		if anchor, err = r.readAgain(ctx, s, l, anchor); err != nil {
			return err
		}
		r.take(s, l, fresh, anchor, why)
		return nil
	}
	r.remember(s, l, func(m *memory) {
		m.heldUntil, m.heldFor = s.now.Add(s.holdTime(l.token.claims)), oneLine(err)
		s.due(m.heldUntil)
	})
	if err := r.remove(ctx, s, anchor); err != nil {
		return err
	}
	delete(s.live.secrets, anchor.Name)
	return s.postponed(l, oneLine(err))
}

// mustBeProven reports whether a token is only followed by one that the registry was seen to accept.
// From half of the time between its renewal and its expiry on, an unproven successor is better than
// none: consumers need the rest of that time to take it.
func (s *scope) mustBeProven(l *login) bool {
	if s.edge.Spec.Verification.Policy != edgev1.VerificationRequired {
		return false
	}
	claims := l.token.claims
	if !claims.Expires() {
		return true
	}
	due := renewAt(s.edge.UID, l.role, l.policy, claims)
	return s.now.Before(due.Add(claims.Expiry.Sub(due) / 2))
}

// holdTime is how long no further successor is minted after one that was not proven: an interval of
// the verification, but less where the token in use has not long to go.
func (s *scope) holdTime(inUse credential.Claims) time.Duration {
	hold := s.edge.Spec.Verification.Interval.Duration
	if inUse.Expires() {
		hold = min(hold, inUse.Expiry.Sub(s.now)/4)
	}
	return max(hold, retryWaiting)
}

// postponed lets the steps after this one go on with the token that is in use.
func (s *scope) postponed(l *login, because string) *blocked {
	life := "does not expire"
	if claims := l.token.claims; claims.Expires() {
		life = "works until " + claims.Expiry.Format(time.RFC3339)
	}
	b := waiting(edgev1.ReasonProofFailed, "the renewal of %s's token waits: %s; the token in use %s", l.account, because, life)
	b.carryOn = true
	return b
}

// stillPending lets the steps after this one go on while the cluster fills the anchor of a successor.
func stillPending(err error) error {
	var b *blocked
	if errors.As(err, &b) && b.reason == edgev1.ReasonTokenPending {
		b.carryOn = true
		b.message += "; the token in use stays"
	}
	return err
}

// registryAnswers returns why the registry cannot be asked, or nil. It asks once in a pass.
func (r *EdgeRegistryReconciler) registryAnswers(ctx context.Context, s *scope) error {
	if s.unreachable != nil {
		return s.unreachable
	}
	if !s.askedRegistry {
		s.askedRegistry = true
		s.silence = r.atRegistry(ctx, s, func(ctx context.Context, c *registry.Client) error { return c.Answers(ctx) })
	}
	return s.silence
}

// prove has the registry judge a new token, at the host and over the CA that it is published with.
// What the token may do there is for the verification to find.
func (r *EdgeRegistryReconciler) prove(ctx context.Context, s *scope, l *login, token credential.Token) error {
	err := r.atRegistry(ctx, s, func(ctx context.Context, c *registry.Client) error {
		return c.Accepts(ctx, s.project, l.user, token)
	})
	if refused(err) {
		return &refusal{err: err, host: s.host}
	}
	return err
}

func refused(err error) bool {
	var failure *registry.Error
	return errors.As(err, &failure) && failure.Kind == registry.Refused
}

// refusal is that of a token which the API server issued a moment ago, of which its own text does not know.
type refusal struct {
	err  error
	host string
}

func (f *refusal) Error() string {
	return fmt.Sprintf("registry %s refuses a token that the API server issued a moment ago: look at the registry's pods, and at the API servers", f.host)
}

func (f *refusal) Unwrap() error { return f.err }

// readAgain returns an anchor as it is now: the API server marks the Secret of a LongLived token when it is used.
func (r *EdgeRegistryReconciler) readAgain(ctx context.Context, s *scope, l *login, anchor *corev1.Secret) (*corev1.Secret, error) {
	if typeOf(anchor) != edgev1.TokenLongLived {
		return anchor, nil
	}
	delete(s.live.secrets, anchor.Name)
	live, err := r.ownSecret(ctx, s, anchor.Name)
	if err == nil && live == nil {
		r.useUpWish(s, l)
		err = waiting(edgev1.ReasonTokenPending, "%s was deleted before its token was published: another is made", r.describe(anchor))
	}
	return live, err
}
