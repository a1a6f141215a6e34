// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"slices"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// keptDisabled is how long a robot whose lifetime is over stays disabled before it is deleted. Until then a person can enable it
// again.
const keptDisabled = day

// retryRetire is when to try again if Harbor does not answer. There is no hurry: Harbor itself ends each robot in the end.
const retryRetire = 5 * time.Minute

// Retire implements pass.Issuer. Each robot works for its whole lifetime, even after it was replaced. Then it is disabled, and
// deleted a day later. One that nodes may still need stays until Harbor itself ends it.
func (s *harborSession) Retire(ctx context.Context) error {
	for _, l := range s.Logins() {
		s.markPublished(l)
	}
	// Even if a robot cannot be retired.
	defer func() {
		for _, l := range s.Logins() {
			s.listAlive(l)
		}
	}()
	for _, r := range slices.Clone(s.harborMemory().robots) {
		err := s.retire(ctx, r)
		b := pass.AsBlocked(err)
		switch {
		case err == nil:
		case b != nil && !b.Stalled:
			s.Due(s.Now.Add(retryRetire))
		default:
			return err
		}
	}
	return nil
}

// markPublished records that a Secret carries the login in use: from now on somebody may have read it.
func (s *harborSession) markPublished(l *pass.Login) {
	if issued := s.Record.Find(l.Credential.ID); issued != nil {
		issued.Published = true
	}
}

func (s *harborSession) retire(ctx context.Context, r robot) error {
	end := s.endOf(r)
	isCurrent := slices.ContainsFunc(s.Logins(), func(l *pass.Login) bool { return l.Credential.ID == r.id() })
	switch {
	case isCurrent, !s.wasPublished(r), end.IsZero():
		return nil
	case s.Now.Before(end):
		s.Due(end)
		return nil
	case !r.Disable && s.isPostponed(r):
		return nil
	case !r.Disable && s.Now.Before(end.Add(keptDisabled)):
		return s.disable(ctx, r, end)
	case s.Now.Before(end.Add(keptDisabled)):
		s.Due(end.Add(keptDisabled))
		return nil
	}
	if became, err := s.remove(ctx, r.id()); err != nil || became == leftAlone {
		return err
	}
	s.Note(edgev1.ReasonTokenRetired, fmt.Sprintf("robot %s, which had outlived its lifetime, is deleted in Harbor", s.robotName(r.role, r.generation)), nil)
	return nil
}

// isPostponed reports a robot that must not end yet, because nodes may need it.
func (s *harborSession) isPostponed(r robot) bool {
	l := s.LoginOf(r.role)
	return l != nil && s.Postponed(l, r.generation, s.lastOf(r))
}

// disable disables a robot, which a person can undo.
func (s *harborSession) disable(ctx context.Context, r robot, end time.Time) error {
	live, err := s.live(ctx, r.id())
	if err != nil {
		return err
	}
	if live != nil && !live.Disable {
		if err := s.client.DisableRobot(ctx, live.Robot); err != nil {
			return s.explain(err)
		}
		s.Note(edgev1.ReasonTokenRetired, fmt.Sprintf("robot %s has outlived its lifetime and is disabled in Harbor: it is deleted at %s",
			s.robotName(r.role, r.generation), pass.Timestamp(end.Add(keptDisabled))), nil)
	}
	if known := s.robotOf(r.id()); known != nil {
		known.Disable = true
	}
	s.Due(end.Add(keptDisabled))
	return nil
}

// lastOf is until when a robot may stay enabled, even if somebody extended its life in Harbor.
func (s *harborSession) lastOf(r robot) time.Time {
	if issued := s.Record.Find(r.id()); issued != nil && !issued.Until.IsZero() {
		return pass.Earlier(r.hardEnd(), issued.Until.Time)
	}
	return r.hardEnd()
}

// endOf is when the lifetime of a robot ends. For one that is not on record that is when Harbor ends it.
func (s *harborSession) endOf(r robot) time.Time {
	if issued := s.Record.Find(r.id()); issued != nil {
		return issued.ExpiresAt.Time
	}
	return r.hardEnd()
}

// listAlive lists the working robots of a login, including those that are no longer on record.
func (s *harborSession) listAlive(l *pass.Login) {
	l.Alive = nil
	for _, issued := range s.Record.Issued {
		ends := s.worksUntil(issued)
		if issued.Role != l.Role || !issued.Published || !issued.EndedAt.IsZero() || !s.Now.Before(ends) {
			continue
		}
		l.Alive = append(l.Alive, pass.Working{ID: issued.ID, CredentialStatus: edgev1.CredentialStatus{
			Role: l.Role, Generation: issued.Generation, Current: issued.ID == l.Credential.ID, Robot: issued.User, CredentialID: issued.ID,
			IssuedAt: pass.StatusTime(issued.IssuedAt.Time), ExpiresAt: pass.StatusTime(ends),
		}})
	}
	for _, r := range s.harborMemory().robots {
		if r.role != l.Role || r.Disable || s.Record.Find(r.id()) != nil || !s.wasPublished(r) || !s.Now.Before(r.hardEnd()) {
			continue
		}
		l.Alive = append(l.Alive, pass.Working{ID: r.id(), CredentialStatus: edgev1.CredentialStatus{
			Role: l.Role, Generation: r.generation, Robot: text.Foreign(r.Name), CredentialID: r.id(),
			IssuedAt: pass.StatusTime(r.CreationTime), ExpiresAt: pass.StatusTime(r.hardEnd()),
		}})
	}
	slices.SortStableFunc(l.Alive, func(a, b pass.Working) int { return int(a.Generation - b.Generation) })
}

// worksUntil is until when a robot on record works, as far as this pass knows. One that was left enabled beyond its lifetime works
// until Harbor ends it.
func (s *harborSession) worksUntil(issued pass.Issued) time.Time {
	ends := issued.ExpiresAt.Time
	if r := s.robotOf(issued.ID); r != nil && !r.Disable && issued.ID != "" && !s.Now.Before(ends) && s.Now.Before(r.hardEnd()) {
		return r.hardEnd()
	}
	return ends
}
