// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

const (
	// reviewSpread is the time over which the reviews of all EdgeRegistries are spread.
	reviewSpread = 10 * time.Second
	// secondLook is how much later a refused token is reviewed again, since the refusal may have been momentary.
	secondLook = 3 * time.Second
)

// review is a reason to review a token: an occasion of this process, or a request of a person. The zero value is none.
type review struct {
	occasion  int64
	requested string
}

// reviewMemory is what the process remembers of the reviews of a login.
type reviewMemory struct {
	// wanted is the latest review that is wanted, turn when it may be made, and reviewed the last one that was made.
	wanted, reviewed review
	turn             time.Time
	// doubted is the credential that was refused at the first review, and doubtedUntil when the second one is due.
	doubted      string
	doubtedUntil time.Time
}

// cameUp reports whether a time has come that was at most so far ahead, and requests a pass at that time if not.
func (p *run) cameUp(at time.Time, ahead time.Duration) bool {
	if pass.LeftOf(at, p.Now, ahead) == 0 {
		return true
	}
	p.Due(at)
	return false
}

// wantedReview is the latest reason to review all tokens.
func (p *run) wantedReview() review {
	return review{p.Occasions.Count(), p.Edge.Annotations[edgev1.ReconcileAnnotation]}
}

// review asks the issuer about a token before the registry is asked: after a start, when the API server refused the operator itself,
// and when a person requests it. A token counts as refused after a second review. A missing answer is no refusal: the token stays
// in use, and the next pass asks again.
func (p *run) review(ctx context.Context, l *pass.Login) {
	m, wanted, id := p.memory(l), p.wantedReview(), l.Credential.ID
	p.queueReview(l, wanted)
	if m.review.reviewed == wanted || m.refused == id || !p.cameUp(m.review.turn, reviewSpread) {
		return
	}
	if m.review.doubted == id && !p.cameUp(m.review.doubtedUntil, secondLook) {
		return
	}
	dead, err := p.session.Dead(ctx, l)
	switch {
	case err != nil:
		logf.FromContext(ctx).V(1).Info("A token could not be reviewed", "account", l.Account, "cause", err.Error())
		p.Due(p.Now.Add(pass.RetryWaiting))
	case dead && m.review.doubted != id:
		m.review.doubted, m.review.doubtedUntil = id, p.Now.Add(secondLook)
		p.Due(p.Now.Add(secondLook))
	default:
		m.review.reviewed, m.review.doubted = wanted, ""
		if dead {
			m.refused = id
		}
	}
}

// queueReview sets when a new review is made: at once if a person requested it, or if it is the first of this process, whose passes
// follow each other, otherwise spread among those of other EdgeRegistries.
func (p *run) queueReview(l *pass.Login, wanted review) {
	m := &p.memory(l).review
	if m.wanted == wanted {
		return
	}
	turn := p.Now.Add(time.Duration(float64(reviewSpread) * pass.PlaceOf(string(p.Edge.UID))))
	if (m.wanted == review{}) || m.wanted.requested != wanted.requested {
		turn = p.Now
	}
	m.wanted, m.turn = wanted, turn
}

// takeRequest reports whether a person requests a verification that was not made yet, and puts the request on record.
func (p *run) takeRequest() bool {
	requested := p.Edge.Annotations[edgev1.VerifyAnnotation]
	asked := requested != "" && requested != p.Record.Asked
	p.Record.Asked = requested
	return asked
}

// weighRefusal examines a failed verification. A refusal by the registry alone replaces no token: the registry may be broken. But if
// the issuer does not accept the token either, as when the API server's signing key was replaced, the next pass issues another.
func (p *run) weighRefusal(ctx context.Context, l *pass.Login, trial error) error {
	b := pass.AsBlocked(trial)
	if b == nil || b.Reason != edgev1.ReasonCredentialRefused || l.Supplied != "" {
		// Only the person who supplied it can supply another.
		return trial
	}
	dead, err := p.session.Dead(ctx, l)
	if err != nil {
		return trial
	}
	switch {
	case dead:
	case l.Credential.Disabled:
		b.Message += fmt.Sprintf("; somebody disabled %s where it was made: enable it there, or have another made by the annotation %s", l.Name(l.Credential.Generation), edgev1.RotateAnnotation)
		return trial
	default:
		b.Message += fmt.Sprintf("; but its issuer accepts %s's %s: look at the registry", l.Account, p.Noun)
		return trial
	}
	p.memory(l).refused = l.Credential.ID
	again := p.refusalPause(l)
	p.Due(again)
	when := "at once"
	if again.After(p.Now) {
		when = "at " + pass.Timestamp(again)
	}
	b.Message += fmt.Sprintf("; its issuer does not accept %s's %s either, and another is issued %s", l.Account, p.Noun, when)
	return trial
}

// confirmRefused reports whether a token that its issuer refused is still refused and may be replaced.
func (p *run) confirmRefused(ctx context.Context, l *pass.Login) (bool, error) {
	m := p.memory(l)
	if m.refused != l.Credential.ID {
		return false, nil
	}
	// The pause is between mints; a token that waits to be published has been minted already.
	minted := m.unpublished != nil && m.unpublished.Issuance.Name == pass.CauseRefused.Name
	if again := p.refusalPause(l); !minted && p.Now.Before(again) {
		p.Due(again)
		return false, nil
	}
	dead, err := p.session.Dead(ctx, l)
	if err == nil && !dead {
		m.refused = ""
	}
	return dead, err
}

// knowsRefused reports whether one of the tokens is known to be refused and waits for its successor. Earlier verifications no longer
// count then.
func (p *run) knowsRefused() bool {
	for _, l := range p.Logins() {
		if id := p.memory(l).refused; id != "" && id == l.Credential.ID {
			return true
		}
	}
	return false
}
