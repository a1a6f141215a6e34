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
	// reviewSpread is over how long the reviews of all EdgeRegistries are spread.
	reviewSpread = 10 * time.Second
	// secondLook is how much later a token that its issuer refused is looked at again. It may have been the trouble
	// of a moment.
	secondLook = 3 * time.Second
)

// review is what a token has to be asked for: an occasion of this process, and what a person wants. The zero value is none.
type review struct {
	occasion  int64
	requested string
}

// reviewMemory is what the process remembers of the reviews of a login.
type reviewMemory struct {
	// wanted is the review that was last wanted, turn when it may be made, and reviewed the last that was made.
	wanted, reviewed review
	turn             time.Time
	// doubted is the credential that was refused at the first look, and doubtedUntil when to look again.
	doubted      string
	doubtedUntil time.Time
}

// cameUp reports whether a time is there that was at most so far ahead, and has the next pass made at it if not.
func (p *run) cameUp(at time.Time, ahead time.Duration) bool {
	if pass.LeftOf(at, p.Now, ahead) == 0 {
		return true
	}
	p.Due(at)
	return false
}

// wantedReview is the review that each token has to have had.
func (p *run) wantedReview() review {
	return review{p.Occasions.Count(), p.Edge.Annotations[edgev1.ReconcileAnnotation]}
}

// review asks the issuer about a token before the registry is asked again: after a start, when the API server
// refused the operator itself, and when a person wants it. A token counts as refused once a second look finds it so. No
// answer is no refusal: the token stays in use, and the next pass asks again.
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

// queueReview notes when a review that was not wanted before has its turn: at once if a person asked for it, else when
// the others leave room for it.
func (p *run) queueReview(l *pass.Login, wanted review) {
	m := &p.memory(l).review
	if m.wanted == wanted {
		return
	}
	turn := p.Now.Add(time.Duration(float64(reviewSpread) * pass.PlaceOf(string(p.Edge.UID))))
	if (m.wanted != review{}) && m.wanted.requested != wanted.requested {
		turn = p.Now
	}
	m.wanted, m.turn = wanted, turn
}

// takeRequest reports that a person asks for a trial which was not made yet, and has it put on record that it is.
func (p *run) takeRequest() bool {
	requested := p.Edge.Annotations[edgev1.VerifyAnnotation]
	asked := requested != "" && requested != p.Record.Asked
	p.Record.Asked = requested
	return asked
}

// weighRefusal looks into a failed trial. That the registry refuses a token kills none: it may be the
// registry's own trouble. But if the issuer does not accept the token either, as when the API server's signing
// key was replaced, the next pass issues another.
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

// confirmRefused reports whether a token that its issuer was seen to refuse is refused still and
// may be replaced for it.
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

// knowsRefused reports whether one of the tokens is known to be refused and waits for its successor. What was verified
// before says nothing any more.
func (p *run) knowsRefused() bool {
	for _, l := range p.Logins() {
		if id := p.memory(l).refused; id != "" && id == l.Credential.ID {
			return true
		}
	}
	return false
}
