// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// verifyRegistry uses each token as its consumer would: with the published CA alone, at the published host. Getting a token proves
// nothing, since the registry's token endpoint answers without credentials too; so the rights are tried, and that the puller has no
// others.
func (p *run) verifyRegistry(ctx context.Context) (pass.Done, error) {
	policy := p.Edge.Spec.Verification
	if policy.Policy == edgev1.VerificationDisabled {
		p.Edge.Status.VerifiedAt = nil
		p.Record.Verify(p.Edge, time.Time{})
		return pass.Done{}, nil
	}
	asked := p.takeRequest()
	if due := p.verificationDue(); p.Now.Before(due) && !asked && !p.knowsRefused() && !p.appeared(ctx) {
		p.Due(due)
		p.Edge.Status.VerifiedAt = p.Record.Verified.DeepCopy()
		return p.verified(), nil
	}
	if pause := p.verdict().pause(p.Now); pause > 0 {
		return p.whileBusy(pause)
	}
	err := explainDial(p.Unreachable)
	if err == nil {
		err = p.probe(ctx)
	}
	countProbe(err)
	if pause := p.verdict().pause(p.Now); err != nil && pause > 0 {
		return p.whileBusy(pause)
	}
	if err == nil {
		verifiedAt := p.verifiedNow(p.Clock.Now())
		p.Edge.Status.VerifiedAt = pass.StatusTime(verifiedAt)
		p.Record.Verify(p.Edge, verifiedAt)
		if p.isFarAhead(verifiedAt) {
			verifiedAt = p.Now
		}
		p.Due(verifiedAt.Add(policy.Interval.Duration))
		p.lookLater()
		return p.verified(), nil
	}
	if b := pass.AsBlocked(err); b != nil {
		b.CarryOn = !slices.Contains(notForNodes, b.Reason)
		if policy.Policy == edgev1.VerificationBestEffort {
			b.Retry = policy.Interval.Duration
		}
	}
	return pass.Done{}, err
}

// notForNodes are the reasons for which a login is not brought to nodes. An unavailable registry is none of them.
var notForNodes = []string{edgev1.ReasonCredentialRefused, edgev1.ReasonPropagating, edgev1.ReasonPullDenied, edgev1.ReasonPullerCanPush}

// verified reports that the last verification succeeded, and warns of each setting of the registry that may prevent pushes or pulls
// anyway. Settings need no request to the registry: each pass checks all of them, and a change of the Config starts a pass.
func (p *run) verified() pass.Done {
	host := p.Registry.Host
	if !p.Registry.Dialect.AnyRepository {
		return p.proven()
	}
	if warnings := p.Registry.Warnings; len(warnings) > 0 {
		return pass.DoneBecause(edgev1.ReasonVerifiedWithWarnings, "%s accepts both %ss, but %s", host, p.Noun, strings.Join(warnings, "; and "))
	}
	return pass.DoneBecause(edgev1.ReasonVerified, "%s accepts both %ss: %s can push and pull, %s can only pull",
		host, p.Noun, p.Publisher.Account, p.Puller.Account)
}

// verificationDue is when the tokens are verified next: at once if this pass changed anything, if the last verification under this
// spec did not succeed, if the host does not answer, or if a later pass stopped before this step, which left the condition Unknown;
// otherwise an interval after the last one. A time that is further ahead is not waited for: a clock was wrong then, or is now, and a
// token that died since would go unnoticed.
func (p *run) verificationDue() time.Time {
	verifiedAt := p.Record.VerifiedAt(p.Edge)
	if p.Wrote || p.Unreachable != nil || verifiedAt.IsZero() || p.isFarAhead(verifiedAt) || !p.knowsProof() {
		return p.Now
	}
	for _, l := range p.Logins() {
		if l.Credential.IssuedAt.After(verifiedAt) {
			return p.Now
		}
	}
	return verifiedAt.Add(p.Edge.Spec.Verification.Interval.Duration)
}

// isFarAhead reports whether the time of a verification is too far ahead to be waited for.
func (p *run) isFarAhead(verifiedAt time.Time) bool {
	return verifiedAt.After(p.Now.Add(p.Edge.Spec.Verification.Interval.Duration))
}

// verifiedNow is the time of a verification, never before the tokens were issued, since the API server's clock may be ahead of the
// operator's.
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

// try finds out what one token may do. Rights that this pass changed take a moment to be effective at the API server: it retries for
// that long before it reports a wrong one.
func (p *run) try(ctx context.Context, l *pass.Login, client *registry.Client) error {
	const rightsDelay = 2 * time.Second
	var denial error
	err := wait.PollUntilContextTimeout(ctx, rightsDelay/10, rightsDelay, true, func(context.Context) (bool, error) {
		access, err := client.Probe(ctx, p.trialPlace(), l.User, l.Credential.Token)
		if err != nil {
			return false, p.weighRefusal(ctx, l, p.unlessSettling(l, p.explainProbe(l, err)))
		}
		p.note(l, access)
		denial = p.unlessSettling(l, p.judgeAccess(l, access))
		return denial == nil || !p.Wrote || l.Supplied != "", nil
	})
	if err != nil && !wait.Interrupted(err) {
		return err
	}
	return denial
}

func (p *run) judgeAccess(l *pass.Login, access registry.Access) error {
	publisher, images := l.Role == edgev1.TokenPublisher, p.triedImages()
	switch {
	case access.Unproven == registry.NoRepository:
		return nil
	case !access.Pull:
		return pass.Waiting(edgev1.ReasonPullDenied, "%s may not pull from %s: %s", l.Account, images, l.PullAdvice)
	case publisher && !access.Push && access.Unproven == "":
		return pass.Waiting(edgev1.ReasonPushDenied, "%s may not push to %s: %s", l.Account, images, l.PushAdvice)
	case !publisher && access.Push:
		return pass.Stalled(edgev1.ReasonPullerCanPush,
			"%s may push to %s, and so may every node that holds its %s: %s", l.Account, images, p.Noun, l.TooMuch)
	case access.ReadOnly && !p.Registry.ReadOnly:
		return pass.Waiting(edgev1.ReasonRegistryUnavailable,
			"registry %s refuses pushes as read-only, though %s: wait until its pods have that setting; %s",
			p.Registry.Host, cmp.Or(p.Registry.Advice.ReadOnly, "it is not set to"), p.Registry.State)
	default:
		return nil
	}
}

func (p *run) explainProbe(l *pass.Login, err error) error {
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

		registry.OtherTokenHost: edgev1.ReasonTokenHostNotAllowed,
	}
	message := failure.Error()
	if failure.Kind == registry.Untrusted {
		message += p.describeProxy()
	}
	if l.Supplied != "" {
		message += "; the login is that of " + l.Supplied
		p.verdict().noteBusy(failure, p.Now)
	}
	if failure.Kind == registry.Unavailable && p.Registry.State != "" {
		message += "; " + p.Registry.State
	}
	return pass.Waiting(reasons[failure.Kind], "%s", message)
}

// explainDial turns a failed connection into a reason of the verification.
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

// verdict is what the process remembers of a busy registry. It only saves requests.
type verdict struct {
	// busyUntil is the time before which the registry asked not to be asked again, the busy-th time in a row, and busyFor
	// what it answered.
	busyUntil time.Time
	busy      int
	busyFor   string
	// lookAt is when an absent repository is looked for next, and looks how often it was looked for in a row.
	lookAt time.Time
	looks  int
}

func (p *run) verdict() *verdict { return pass.Part[verdict](p.Memory) }

// note records what a login was found to be allowed to. At a registry where everything can be tried, success is all there is to
// record.
func (p *run) note(l *pass.Login, found registry.Access) {
	v := p.verdict()
	v.busy, v.busyUntil = 0, time.Time{}
	if !p.Registry.Dialect.AnyRepository {
		p.Record.NoteFound(l.Role, found)
	}
}

// noteBusy remembers until when a busy registry is not asked: as long as it says, or else a minute, and twice as long each time.
func (v *verdict) noteBusy(failure *registry.Error, now time.Time) {
	const most = 5 * time.Minute
	if !failure.Busy() {
		return
	}
	wait := failure.RetryAfter
	if wait <= 0 {
		wait = min(time.Minute<<min(v.busy, 3), most)
	}
	v.busy++
	v.busyUntil, v.busyFor = now.Add(wait), failure.Error()
}

// pause is how long the registry is not asked.
func (v *verdict) pause(now time.Time) time.Duration {
	return pass.LeftOf(v.busyUntil, now, 5*time.Minute)
}

// appeared reports whether the repository for trying the rights exists now, after it was absent at the last verification. The first
// push creates it, which no watch reports, so it is looked for before the next verification is due.
func (p *run) appeared(ctx context.Context) bool {
	v := p.verdict()
	if pause := p.lookLater(); pause > 0 || !p.missesRepository() || v.pause(p.Now) > 0 {
		return false
	}
	v.looks++
	v.lookAt = p.Now.Add(v.lookPause(p.Edge.Spec.Verification.Interval.Duration))
	p.Due(v.lookAt)
	var there bool
	err := p.atRegistry(ctx, func(ctx context.Context, client *registry.Client) (err error) {
		there, err = client.Shows(ctx, p.trialPlace(), p.Puller.User, p.Puller.Credential.Token)
		return err
	})
	var failure *registry.Error
	if errors.As(err, &failure) {
		// The next verification reports what is wrong.
		v.noteBusy(failure, p.Now)
	}
	return there
}

// lookLater requests a pass for the next look at an absent repository, and returns how long that takes.
func (p *run) lookLater() time.Duration {
	v := p.verdict()
	if !p.missesRepository() {
		v.looks, v.lookAt = 0, time.Time{}
		return 0
	}
	most := v.lookPause(p.Edge.Spec.Verification.Interval.Duration)
	if v.lookAt.IsZero() {
		v.lookAt = p.Now.Add(most)
	}
	pause := pass.LeftOf(v.lookAt, p.Now, most)
	if pause > 0 {
		p.Due(p.Now.Add(pause))
	}
	return pause
}

// lookPause is a minute, and twice as long after each look, up to the verification interval.
func (v *verdict) lookPause(interval time.Duration) time.Duration {
	return min(time.Minute<<min(v.looks, 16), interval)
}

func (p *run) missesRepository() bool {
	for _, l := range p.Logins() {
		if p.Record.Found[l.Role].Unproven == registry.RepositoryAbsent {
			return true
		}
	}
	return false
}

// verdictIntervals is for how many intervals the last verdict counts while the registry is busy.
const verdictIntervals = 3

// whileBusy keeps the last verdict while the registry is busy, until it is too old.
func (p *run) whileBusy(pause time.Duration) (pass.Done, error) {
	p.Due(p.Now.Add(pause))
	verifiedAt := p.Record.VerifiedAt(p.Edge)
	if verifiedAt.IsZero() || !p.knowsProof() || p.Now.After(verifiedAt.Add(verdictIntervals*p.Edge.Spec.Verification.Interval.Duration)) {
		b := pass.Waiting(edgev1.ReasonRegistryUnavailable, "%s", p.verdict().busyFor)
		b.Retry, b.CarryOn = pause, true
		return pass.Done{}, b
	}
	last := p.proven()
	last.Message += "; so it was at " + pass.Timestamp(verifiedAt) + ", and the registry is too busy to be asked again"
	return last, nil
}

// knowsProof reports whether the last verification's findings about each login are known.
func (p *run) knowsProof() bool {
	if p.Registry.Dialect.AnyRepository {
		return true
	}
	for _, l := range p.Logins() {
		if _, known := p.Record.Found[l.Role]; !known {
			return false
		}
	}
	return true
}

// proven says what the last verification found, and no more: a login that is not refused a push may still not push, as at a cache.
func (p *run) proven() pass.Done {
	host, images := p.Registry.Host, p.triedImages()
	var accounts, rights []string
	reason, because := edgev1.ReasonVerified, ""
	for _, l := range p.Logins() {
		found := p.Record.Found[l.Role]
		accounts = append(accounts, l.Account)
		switch {
		case found.Anonymous && found.Unproven == registry.NoRepository:
			return pass.DoneBecause(edgev1.ReasonAnonymousPull, "%s asks nobody for a login: what is published proves nothing, and nodes need none", host)
		case found.Unproven == registry.NoRepository:
			reason, because = edgev1.ReasonNotProven, "no repository is named to try that on: set spec.verification.repository to one that is there"
		case found.Unproven == registry.RepositoryAbsent:
			reason, because = edgev1.ReasonNotProven, fmt.Sprintf("repository %s does not exist yet: the first push makes it", images)
		case found.Anonymous && reason == edgev1.ReasonVerified:
			reason = edgev1.ReasonAnonymousPull
		}
		pushes := "is refused a push"
		if found.Push {
			pushes = "is not refused a push"
		}
		rights = append(rights, fmt.Sprintf("%s can pull from %s and %s", l.Account, images, pushes))
	}
	accepted := host + " accepts " + strings.Join(accounts, " and ")
	switch reason {
	case edgev1.ReasonNotProven:
		return pass.DoneBecause(reason, "%s; what they may do was not proven, since %s", accepted, because)
	case edgev1.ReasonAnonymousPull:
		return pass.DoneBecause(reason, "%s: %s; but everybody may pull from there, so that the pull proves nothing of a login, and nodes need none",
			accepted, strings.Join(rights, ", "))
	default:
		return pass.DoneBecause(reason, "%s: %s", accepted, strings.Join(rights, ", "))
	}
}

// trialPlace is what the rights are tried on: any repository in the project, or the one that the spec names.
func (p *run) trialPlace() string {
	if p.Registry.Dialect.AnyRepository {
		return p.Registry.Repository
	}
	return p.Registry.Trial
}

// triedImages is how messages name what the registry is asked about.
func (p *run) triedImages() string {
	if p.Registry.Dialect.AnyRepository {
		return p.Registry.ImagePrefix()
	}
	return p.Registry.Host + "/" + p.Registry.Trial
}
