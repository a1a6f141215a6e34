// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// verifyRegistry uses each token as its consumer would: with the published CA alone, against the
// published host. A login by itself proves nothing, since the registry's token endpoint answers
// without credentials too; so the rights are tried, and that the puller has no more than its own.
func (p *run) verifyRegistry(ctx context.Context) (pass.Done, error) {
	policy := p.Edge.Spec.Verification
	if policy.Policy == edgev1.VerificationDisabled {
		p.Edge.Status.VerifiedAt = nil
		p.Record.Verify(p.Edge, time.Time{})
		return pass.Done{}, nil
	}
	if due := p.verificationDue(); p.Now.Before(due) && !p.knowsRefused() {
		p.Due(due)
		p.Edge.Status.VerifiedAt = p.Record.Verified.DeepCopy()
		return p.verified(), nil
	}
	err := explainDial(p.Unreachable)
	if err == nil {
		err = p.probe(ctx)
	}
	countProbe(err)
	if err == nil {
		verifiedAt := p.verifiedNow(p.Clock.Now())
		p.Edge.Status.VerifiedAt = pass.StatusTime(verifiedAt)
		p.Record.Verify(p.Edge, verifiedAt)
		if p.isFarAhead(verifiedAt) {
			verifiedAt = p.Now
		}
		p.Due(verifiedAt.Add(policy.Interval.Duration))
		return p.verified(), nil
	}
	if b := pass.AsBlocked(err); b != nil && policy.Policy == edgev1.VerificationBestEffort {
		b.Retry = policy.Interval.Duration
	}
	return pass.Done{}, err
}

// verified says that the last trial was a success, and of each setting of the registry that may
// keep people from pushing or nodes from pulling all the same. A setting takes no trial to judge: each
// pass looks at all of them again, and a change of the Config makes a pass.
func (p *run) verified() pass.Done {
	host := p.Registry.Host
	if warnings := p.Registry.Warnings; len(warnings) > 0 {
		return pass.DoneBecause(edgev1.ReasonVerifiedWithWarnings, "%s accepts both tokens, but %s", host, strings.Join(warnings, "; and "))
	}
	return pass.DoneBecause(edgev1.ReasonVerified, "%s accepts both tokens: %s can push and pull, %s can only pull",
		host, p.Publisher.Account, p.Puller.Account)
}

// verificationDue is when the tokens are to be tried next: at once if this pass changed anything, the last trial was
// not a success under this spec, the host does not answer, or a pass since did not come as far as here, which left the
// condition Unknown; else an interval after the last trial. A time that is further ahead than that is not waited for: one of
// the clocks was wrong then, or is now, and a token that died since would go unnoticed for as long.
func (p *run) verificationDue() time.Time {
	verifiedAt := p.Record.VerifiedAt(p.Edge)
	if p.Wrote || p.Unreachable != nil || verifiedAt.IsZero() || p.isFarAhead(verifiedAt) {
		return p.Now
	}
	for _, l := range p.Logins() {
		if l.Credential.IssuedAt.After(verifiedAt) {
			return p.Now
		}
	}
	return verifiedAt.Add(p.Edge.Spec.Verification.Interval.Duration)
}

// isFarAhead reports a time of a trial that is not to be waited for.
func (p *run) isFarAhead(verifiedAt time.Time) bool {
	return verifiedAt.After(p.Now.Add(p.Edge.Spec.Verification.Interval.Duration))
}

// verifiedNow is the time of a trial, never before the tokens were issued, though the API server's
// clock may be ahead of the operator's.
func (p *run) verifiedNow(now time.Time) time.Time {
	for _, l := range p.Logins() {
		if l.Credential.IssuedAt.After(now) {
			now = l.Credential.IssuedAt
		}
	}
	return now.Truncate(time.Second)
}

func (p *run) probe(ctx context.Context) error {
	return p.atRegistry(ctx, func(ctx context.Context, client *registry.Client) error {
		for _, l := range p.Logins() {
			if err := p.try(ctx, l, client); err != nil {
				return err
			}
		}
		return nil
	})
}

// atRegistry has the registry asked, as a consumer would: with the published CA alone.
func (p *run) atRegistry(ctx context.Context, ask func(context.Context, *registry.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.probeTimeout())
	defer cancel()
	roots, err := trust.Pool(p.CA)
	if err != nil {
		return err
	}
	transport := p.transport(roots, p.Reached)
	defer transport.CloseIdleConnections()
	client := registry.New(p.Registry.Host, transport, p.Registry.Dialect)
	client.Advice = p.Registry.Advice.Probe
	return ask(ctx, client)
}

// try finds what one token may do. Rights that this pass changed take a moment to count at the API
// server: it tries again for that long before it speaks of a wrong one.
func (p *run) try(ctx context.Context, l *pass.Login, client *registry.Client) error {
	const rightsDelay = 2 * time.Second
	var denial error
	err := wait.PollUntilContextTimeout(ctx, rightsDelay/10, rightsDelay, true, func(context.Context) (bool, error) {
		access, err := client.Probe(ctx, p.Registry.Repository, l.User, l.Credential.Token)
		if err != nil {
			return false, p.weighRefusal(ctx, l, p.explainProbe(err))
		}
		denial = p.judgeAccess(l, access)
		return denial == nil || !p.Wrote, nil
	})
	if err != nil && !wait.Interrupted(err) {
		return err
	}
	return denial
}

func (p *run) judgeAccess(l *pass.Login, access registry.Access) error {
	publisher, images := l.Role == edgev1.TokenPublisher, p.Registry.ImagePrefix()
	switch {
	case !access.Pull:
		return pass.Waiting(edgev1.ReasonPullDenied, "%s may not pull from %s: %s", l.Account, images, l.PullAdvice)
	case publisher && !access.Push:
		return pass.Waiting(edgev1.ReasonPushDenied, "%s may not push to %s: %s", l.Account, images, l.PushAdvice)
	case !publisher && access.Push:
		tooMuch := pass.Stalled(edgev1.ReasonPullerCanPush,
			"%s may push to %s, and so may every node that holds its token: %s", l.Account, images, l.TooMuch)
		// No watch tells that another's role binding is gone.
		tooMuch.Retry = time.Minute
		return tooMuch
	case access.ReadOnly && !p.Registry.ReadOnly:
		return pass.Waiting(edgev1.ReasonRegistryUnavailable,
			"registry %s refuses pushes as read-only, though %s: wait until its pods have that setting; %s",
			p.Registry.Host, cmp.Or(p.Registry.Advice.ReadOnly, "it is not set to"), p.Registry.State)
	default:
		return nil
	}
}

func (p *run) explainProbe(err error) error {
	var failure *registry.Error
	if !errors.As(err, &failure) {
		return err
	}
	reasons := map[registry.Kind]string{
		registry.Unresolvable: edgev1.ReasonRegistryUnresolvable,
		registry.Unreachable:  edgev1.ReasonRegistryUnreachable,
		registry.Untrusted:    edgev1.ReasonRegistryUntrusted,
		registry.Refused:      edgev1.ReasonCredentialRefused,
		registry.Unavailable:  edgev1.ReasonRegistryUnavailable,
		registry.Unexpected:   edgev1.ReasonRegistryUnexpected,
	}
	message := failure.Error()
	if failure.Kind == registry.Unavailable && p.Registry.State != "" {
		message += "; " + p.Registry.State
	}
	return pass.Waiting(reasons[failure.Kind], "%s", message)
}

// explainDial says in the words of the verification why the route could not be asked.
func explainDial(err error) error {
	if err == nil {
		return nil
	}
	reasons := map[trust.Kind]string{
		trust.Unresolvable: edgev1.ReasonRegistryUnresolvable,
		trust.NotTLS:       edgev1.ReasonRegistryUnexpected,
	}
	var failure *trust.Error
	if errors.As(err, &failure) && reasons[failure.Kind] != "" {
		return pass.Waiting(reasons[failure.Kind], "%s", text.Of(err))
	}
	return pass.Waiting(edgev1.ReasonRegistryUnreachable, "%s", text.Of(err))
}

func (p *run) probeTimeout() time.Duration {
	if p.ProbeTimeout > 0 {
		return p.ProbeTimeout
	}
	return 30 * time.Second
}
