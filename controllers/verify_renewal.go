// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// renew issues a successor for a working credential, and uses it once the registry has accepted it. A successor that is refused, or
// that cannot be tried although verification is required, is revoked, and the credential in use stays.
func (p *run) renew(ctx context.Context, l *pass.Login, why pass.Cause) error {
	if m := p.memory(l); p.isHeld(l, why) {
		p.Due(m.heldUntil)
		return p.postponed(l, m.heldFor)
	}
	required := p.mustBeProven(l)
	if required {
		// Nothing is issued while the registry does not answer: each attempt would mint another token.
		if err := p.registryAnswers(ctx); err != nil {
			return p.postponed(l, text.Of(err))
		}
	}
	fresh, err := p.issue(ctx, l, why)
	if err != nil {
		return stillPending(err)
	}
	err = p.prove(ctx, l, fresh)
	if err == nil || (!required && !refused(err)) {
		p.take(l, fresh, why)
		return nil
	}
	if refused(err) && p.settles(fresh) {
		// It stays as it is, and is tried again.
		return p.postponedFor(l, p.settling(l, fresh))
	}
	m := p.memory(l)
	m.heldUntil, m.heldFor, m.heldOf = p.Now.Add(p.holdAfter(l, err)), text.Of(err), why.Successor
	p.Due(m.heldUntil)
	if err := p.session.Revoke(ctx, l, fresh); err != nil {
		return err
	}
	return p.postponed(l, m.heldFor)
}

// holdAfter is how long no successor is tried after one that was not proven. For a supplied one nothing is issued, so the pause only
// spares the registry, unless it refused the successor.
func (p *run) holdAfter(l *pass.Login, err error) time.Duration {
	if l.Supplied == "" || refused(err) {
		return p.holdTime(l.Credential.Identity)
	}
	var failure *registry.Error
	if errors.As(err, &failure) && failure.RetryAfter > 0 {
		return failure.RetryAfter
	}
	return pass.RetryCap
}

// postponed lets later steps run with the credential in use.
func (p *run) postponed(l *pass.Login, because string) *pass.Blocked {
	life := "does not expire"
	if c := l.Credential; c.Expires() {
		life = "works until " + pass.Timestamp(c.Expiry)
	}
	b := pass.Waiting(edgev1.ReasonProofFailed, "the renewal of %s's %s waits: %s; the %s in use %s", l.Account, p.Noun, because, p.Noun, life)
	if l.Supplied != "" {
		b = pass.Waiting(edgev1.ReasonProofFailed, "the new login of %s in %s is not published: %s; the previous one stays", l.Account, l.Supplied, because)
	}
	// What nobody vouches for is left where it is, and goes no further.
	b.CarryOn = !l.Credential.Unvouched
	return b
}

// postponedFor is the same with another reason.
func (p *run) postponedFor(l *pass.Login, why *pass.Blocked) *pass.Blocked {
	b := p.postponed(l, why.Message)
	b.Reason = why.Reason
	return b
}

// settles reports whether a refusal of a credential proves nothing yet.
func (p *run) settles(c pass.Credential) bool { return p.Now.Before(c.Settles) }

// settling is the wait until a new credential is effective everywhere.
func (p *run) settling(l *pass.Login, c pass.Credential) *pass.Blocked {
	b := pass.Waiting(edgev1.ReasonPropagating, "registry %s does not take %s yet: a new key or right may take until %s to count, and is tried again until then",
		p.Registry.Host, l.Name(c.Generation), pass.Timestamp(c.Settles))
	// Most count within seconds.
	b.Retry = min(max(p.Now.Sub(c.IssuedAt), 2*time.Second), pass.RetryWaiting)
	return b
}

// unlessSettling turns a refusal or a denial into a wait as long as it proves nothing.
func (p *run) unlessSettling(l *pass.Login, err error) error {
	b := pass.AsBlocked(err)
	if b == nil || !p.settles(l.Credential) || !slices.Contains([]string{
		edgev1.ReasonCredentialRefused, edgev1.ReasonPullDenied, edgev1.ReasonPushDenied,
	}, b.Reason) {
		return err
	}
	return p.settling(l, l.Credential)
}

// stillPending lets later steps run while the cluster completes a successor.
func stillPending(err error) error {
	if b := pass.AsBlocked(err); b != nil && b.Reason == edgev1.ReasonTokenPending {
		b.CarryOn = true
		b.Message += "; the token in use stays"
	}
	return err
}

// registryAnswers returns why the registry does not answer, or nil. It asks once in a pass.
func (p *run) registryAnswers(ctx context.Context) error {
	if p.Unreachable != nil {
		return p.Unreachable
	}
	if !p.askedRegistry {
		p.askedRegistry = true
		p.silence = p.atRegistry(ctx, func(ctx context.Context, c *registry.Client) error { return c.Answers(ctx) })
	}
	return p.silence
}

// prove checks a new credential at the registry, with the host and the CA that it is published with. What it may do there, the
// verification checks.
func (p *run) prove(ctx context.Context, l *pass.Login, fresh pass.Credential) error {
	err := p.atRegistry(ctx, func(ctx context.Context, c *registry.Client) error {
		return c.Accepts(ctx, p.trialPlace(), cmp.Or(fresh.User, l.User), fresh.Token)
	})
	if refused(err) && l.Supplied == "" {
		return &refusal{err: err, host: p.Registry.Host, noun: p.Noun}
	}
	return err
}

func refused(err error) bool {
	var failure *registry.Error
	return errors.As(err, &failure) && failure.Kind == registry.Refused
}

// refusal is the error for a new credential that the registry refused.
type refusal struct {
	err        error
	host, noun string
}

func (f *refusal) Error() string {
	return fmt.Sprintf("registry %s refuses a %s that its issuer made a moment ago: look at the registry, and at the issuer", f.host, f.noun)
}

func (f *refusal) Unwrap() error { return f.err }
