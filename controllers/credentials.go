// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// loginMemory is what the process remembers of a login. It only saves mints: without it, as after a restart, the next pass ends in
// the same state.
type loginMemory struct {
	// mintedAt is when a credential was last minted for the login, minted its identity, and answered the wish that it was for.
	mintedAt time.Time
	minted   pass.Identity
	answered wish
	// heldUntil is the time before which renewal is not retried, since the last successor could not be proven, because of heldFor.
	// heldOf identifies that successor, where successors can be distinguished.
	heldUntil time.Time
	heldFor   string
	heldOf    string
	// refused is the credential that its issuer did not accept, and refusalMintedAt when the operator last minted for such a
	// cause.
	refused         string
	refusalMintedAt time.Time
	// unpublished is a credential that was issued and accepted, and that no Secret carries yet, since its publication was refused:
	// a mint cannot be undone, and whatever refuses the publication may do so for ever. One that does not expire is kept by its
	// issuer instead.
	unpublished *pass.Credential
	review      reviewMemory
}

// logins are the memories of both logins.
type logins struct{ publisher, puller loginMemory }

func (p *run) memory(l *pass.Login) *loginMemory {
	both := pass.Part[logins](p.Memory)
	if l.Role == edgev1.TokenPublisher {
		return &both.publisher
	}
	return &both.puller
}

// issueCredentials makes the issuer issue what is due. A working credential stays until its successor is proven; if nothing works,
// the new one is published at once.
func (p *run) issueCredentials(ctx context.Context) (pass.Done, error) {
	causes := map[*pass.Login]pass.Cause{}
	var postponed []*pass.Blocked
	for _, l := range p.Logins() {
		l.Unpublished = p.memory(l).unpublished
		why, err := p.session.Current(ctx, l)
		if err == nil {
			why, err = p.whyReplace(ctx, l, why)
		}
		if b := pass.AsBlocked(err); b != nil && b.CarryOn {
			// There is no other to take, and the one in use stays.
			postponed = append(postponed, b)
			continue
		}
		if err != nil {
			return pass.Done{}, err
		}
		causes[l] = why
	}
	for l, why := range p.inOrder(causes) {
		err := p.replace(ctx, l, why)
		b := pass.AsBlocked(err)
		switch {
		case err == nil:
			if renewed(l) {
				p.Due(p.renewalDue(l, l.Credential.Identity))
			}
		case b != nil && b.CarryOn:
			postponed = append(postponed, b)
		default:
			return pass.Done{}, err
		}
	}
	if len(postponed) > 0 {
		return pass.Done{}, pass.Together(postponed)
	}
	return p.describeIssued(), nil
}

// inOrder iterates over causes in the order of the logins.
func (p *run) inOrder(causes map[*pass.Login]pass.Cause) iter.Seq2[*pass.Login, pass.Cause] {
	return func(yield func(*pass.Login, pass.Cause) bool) {
		for _, l := range p.Logins() {
			if why, known := causes[l]; known && !yield(l, why) {
				return
			}
		}
	}
}

// renewed reports whether the credential of a login is renewed before it expires.
func renewed(l *pass.Login) bool { return l.Credential.Expires() && l.Supplied == "" }

// whyReplace returns why a login needs another credential, by its issuer and by what only the shared step knows.
func (p *run) whyReplace(ctx context.Context, l *pass.Login, why pass.Cause) (pass.Cause, error) {
	if l.Supplied != "" || (!why.IsZero() && !why.Kept) {
		return why, nil
	}
	p.review(ctx, l)
	if dead, err := p.confirmRefused(ctx, l); err != nil || dead {
		return pass.CauseRefused.In(l.Published), err
	}
	asked := p.asked(l)
	expires := l.Credential.Expires()
	switch {
	case expires && p.publishedHost(l) != p.Registry.Host:
		// A credential for a host that the registry no longer has is of no use. But each time that a host goes and comes back, a
		// credential that does not expire would get a successor, and all of them would work for ever.
		return pass.CauseHost, nil
	case !asked.IsZero():
		why = asked
	case why.IsZero() && expires && !p.Now.Before(p.renewalDue(l, l.Credential.Identity)):
		why = pass.CauseDue.In(l.Published)
	}
	why.Kept = why.Kept && (!expires || p.Now.Before(l.Credential.Expiry))
	return why, nil
}

// publishedHost is the host that the credential in use was published with.
func (p *run) publishedHost(l *pass.Login) string {
	if known := p.Record.Find(l.Credential.ID); known != nil && known.Host != "" {
		return known.Host
	}
	return string(l.Published.Data[handoff.KeyHost])
}

// replace issues another credential for a login, if there is a cause.
func (p *run) replace(ctx context.Context, l *pass.Login, why pass.Cause) error {
	held := why.Kept && p.isHeld(l, why)
	if err := p.dropUnwanted(ctx, l, why, held); err != nil || why.IsZero() {
		return err
	}
	if l.Unpublished == nil && l.Begun == nil {
		if err := p.mayMint(l, why); err != nil {
			return err
		}
	}
	if l.Unpublished != nil {
		l.Use(*l.Unpublished)
		p.Settled = false
		return nil
	}
	if why.Kept && p.Edge.Spec.Verification.Policy != edgev1.VerificationDisabled {
		return p.renew(ctx, l, why)
	}
	fresh, err := p.issue(ctx, l, why)
	if err != nil {
		return err
	}
	p.take(l, fresh, why)
	return nil
}

// isHeld reports whether the successor that a cause asks for must not be tried yet.
func (p *run) isHeld(l *pass.Login, why pass.Cause) bool {
	m := p.memory(l)
	return m.heldOf == why.Successor && p.Now.Before(m.heldUntil)
}

// dropUnwanted revokes what was issued or begun for a cause that no longer exists.
func (p *run) dropUnwanted(ctx context.Context, l *pass.Login, why pass.Cause, held bool) error {
	switch kept := l.Unpublished; {
	case kept == nil || kept.ID == l.Credential.ID:
		// It was published, although the answer to that was lost.
		p.memory(l).unpublished, l.Unpublished = nil, nil
	case !p.fits(l, *kept, why):
		p.memory(l).unpublished = nil
		if err := p.revokeLost(ctx, l, &l.Unpublished); err != nil {
			return err
		}
	}
	if why.IsZero() || held {
		return p.revokeLost(ctx, l, &l.Begun)
	}
	return nil
}

// revokeLost revokes a credential that no Secret will carry, if there is one.
func (p *run) revokeLost(ctx context.Context, l *pass.Login, lost **pass.Credential) error {
	c := *lost
	if c == nil {
		return nil
	}
	if err := p.session.Revoke(ctx, l, *c); err != nil {
		return err
	}
	*lost = nil
	p.NoteLost(l, c.Generation, c.About)
	return nil
}

// fits reports whether a credential that waits to be published is what would be issued now.
func (p *run) fits(l *pass.Login, kept pass.Credential, why pass.Cause) bool {
	switch {
	case why.IsZero(), kept.Wish != p.WishFor(l):
		return false
	case why.Kept && !kept.Issuance.Kept:
		// It was issued when nothing worked, so it was not proven at the registry.
		return false
	case why.Name == pass.CauseRefused.Name && kept.Issuance.Name != pass.CauseRefused.Name:
		// The reason for the refusal of the one in use came after this one was issued, and may concern it too.
		return false
	default:
		return p.Now.Before(p.renewalDue(l, kept.Identity))
	}
}

// issue makes the issuer issue a credential. take makes it the login's.
func (p *run) issue(ctx context.Context, l *pass.Login, why pass.Cause) (pass.Credential, error) {
	existed := l.Begun != nil
	fresh, err := p.session.Issue(ctx, l, why)
	b := pass.AsBlocked(err)
	pending := b != nil && b.Reason == edgev1.ReasonTokenPending
	existed = existed || fresh.Resumed
	if !existed && (err == nil || pending) {
		// Its issue goes on from now on, whether or not a pass waits for it.
		p.countForMint(l, why)
	}
	if pending && l.Begun == nil {
		// It was deleted before it was in use: deleting the next one counts as a rival's act.
		p.useUpWish(l)
	}
	if err != nil {
		return pass.Credential{}, err
	}
	if l.Supplied == "" && !fresh.Resumed {
		countMint(l.Role, why)
	}
	fresh.Fresh, fresh.Issuance, fresh.Wish = true, why, p.WishFor(l)
	return fresh, nil
}

// take makes a new credential the one that is to be published.
func (p *run) take(l *pass.Login, fresh pass.Credential, why pass.Cause) {
	l.Use(fresh)
	p.Settled = false
	m := p.memory(l)
	*m = loginMemory{
		mintedAt: p.Now, minted: fresh.Identity, answered: p.wish(), refused: m.refused, refusalMintedAt: m.refusalMintedAt,
		review: reviewMemory{wanted: p.wantedReview(), reviewed: p.wantedReview()},
	}
	if fresh.Expires() && l.Supplied == "" {
		kept := fresh
		m.unpublished = &kept
	}
	if why.Name == pass.CauseRefused.Name {
		m.refusalMintedAt = p.Now
	}
	if l.Supplied != "" {
		p.Note(edgev1.ReasonCredentialTaken, fmt.Sprintf("took the login %d of %s from %s, because %s", fresh.Generation, l.Account, l.Supplied, why.Text), fresh.About)
		return
	}
	minted := fmt.Sprintf("minted %s%s, which %s, because %s", l.Name(fresh.Generation), p.boundTo(fresh), p.lifeOf(fresh.Identity), why.Text)
	if fresh.Superseded != "" {
		minted += "; " + fresh.Superseded
	}
	p.Note(edgev1.ReasonTokenMinted, minted, fresh.About)
}

// boundTo names the Secret that a token dies with, if there is one.
func (p *run) boundTo(c pass.Credential) string {
	secret, is := c.About.(*corev1.Secret)
	if !is || secret == nil || p.Noun != pass.NounToken {
		return ""
	}
	return fmt.Sprintf(" of Secret %s in %s", secret.Name, secret.Namespace)
}

// lifeOf says how long a credential works. Keys and robots are ended by the operator, or later by their issuer.
func (p *run) lifeOf(c pass.Identity) string {
	switch {
	case !c.Expires():
		return "does not expire"
	case p.Noun == pass.NounToken:
		return "expires at " + pass.Timestamp(c.Expiry)
	default:
		return "works until " + pass.Timestamp(c.Expiry)
	}
}

// renewalDue is when the operator renews a credential: at renewAt, but not before half of that time has passed since it minted the
// last one. To a clock that is ahead of the API server's by more than a short token's lifetime every new token looks due, and would
// be replaced at once.
func (p *run) renewalDue(l *pass.Login, c pass.Identity) time.Time {
	due := renewAt(p.Edge.UID, l, c)
	m := p.memory(l)
	if m.mintedAt.IsZero() || (m.unpublished != nil && m.unpublished.ID != c.ID) {
		// The one in use is due even if another was minted since and waits to be published.
		return due
	}
	if pause := m.mintedAt.Add(due.Sub(c.IssuedAt) / 2); pause.After(due) {
		return pause
	}
	return due
}

// renewAt is when a credential is renewed: renewBefore ahead of its expiry, scaled to the lifetime that was granted, and up to a
// twentieth of that time earlier, so that credentials that were issued together are not renewed together.
func renewAt(uid types.UID, l *pass.Login, c pass.Identity) time.Time {
	granted := c.Expiry.Sub(c.IssuedAt)
	share := 1 - float64(l.Policy.RenewBefore)/float64(l.Policy.Lifetime)
	jitter := 1 - 0.05*pass.PlaceOf(string(uid)+string(l.Role))
	return c.IssuedAt.Add(time.Duration(float64(granted) * share * jitter)).Truncate(time.Second)
}

// mustBeProven reports whether a credential may only be replaced by one that the registry has accepted. From half of the time
// between renewal and expiry on, an unproven successor is better than none: consumers need the rest of that time to take it.
func (p *run) mustBeProven(l *pass.Login) bool {
	if p.Edge.Spec.Verification.Policy != edgev1.VerificationRequired {
		return false
	}
	c := l.Credential
	if !renewed(l) {
		return true
	}
	due := renewAt(p.Edge.UID, l, c.Identity)
	return p.Now.Before(due.Add(c.Expiry.Sub(due) / 2))
}

// holdTime is how long no further successor is issued after one that was not proven: a verification interval, but less if the
// credential in use expires soon.
func (p *run) holdTime(inUse pass.Identity) time.Duration {
	hold := p.Edge.Spec.Verification.Interval.Duration
	if inUse.Expires() && inUse.Expiry.After(p.Now) {
		hold = min(hold, inUse.Expiry.Sub(p.Now)/4)
	}
	return max(hold, pass.RetryWaiting)
}

// refusalPause is when a login may get another token because its issuer refuses the current one: whatever is wrong there, that
// happens at most once in a verification interval. After a restart the token itself shows when that was.
func (p *run) refusalPause(l *pass.Login) time.Time {
	last := p.memory(l).refusalMintedAt
	if last.IsZero() && l.Credential.Issuance.Name == pass.CauseRefused.Name {
		last = l.Credential.IssuedAt
	}
	if last.IsZero() {
		return p.Now
	}
	return last.Add(p.Edge.Spec.Verification.Interval.Duration)
}

// describeIssued is the message of CredentialsIssued: what the credentials are, and what a person should know about them.
func (p *run) describeIssued() pass.Done {
	reason, message := edgev1.ReasonIssued, []string{fmt.Sprintf("both %ss are issued", p.Noun)}
	for _, l := range p.Logins() {
		c := l.Credential
		if l.Supplied != "" {
			if reason == edgev1.ReasonIssued {
				reason, message = edgev1.ReasonSupplied, nil
			}
			message = append(message, fmt.Sprintf("the login of %s is that of %s", l.Account, l.Supplied))
		} else if granted := c.Expiry.Sub(c.IssuedAt); c.Expires() && granted < l.Policy.Lifetime-time.Minute {
			if reason == edgev1.ReasonIssued {
				message[0] += " and renewal follows what was granted"
			}
			reason = edgev1.ReasonIssuedShortened
			message = append(message, fmt.Sprintf("the API server granted %s of the %s asked for %s", granted, l.Policy.Lifetime, l.Account))
		}
		if len(c.Warnings) > 0 && reason == edgev1.ReasonIssued {
			reason = edgev1.ReasonIssuedWithWarnings
		}
		message = append(append(message, c.Advice...), c.Warnings...)
	}
	return pass.DoneBecause(reason, "%s", strings.Join(message, "; "))
}
