// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/harbor"
)

// The name of a robot is known before it is made. If a reply is lost, or the operator stops before it publishes a robot, the next
// pass finds a robot that no Secret ever carried. The secret of that robot is lost, so the operator has Harbor give it another.

// Causes of new robots, besides those that all providers have.
var (
	causeRobotGone  = pass.Cause{Name: "RobotGone", Text: "its robot was deleted in Harbor", Undone: true}
	causeUnrecorded = pass.Cause{Name: "Unrecorded", Text: "the operator's record, which told whose it is, was lost"}

	// Causes are all of them.
	Causes = []pass.Cause{causeRobotGone, causeUnrecorded}
)

// Current implements pass.Issuer.
func (s *harborSession) Current(ctx context.Context, l *pass.Login) (pass.Cause, error) {
	published, err := s.Objects.ReadPublished(ctx, s.Scope, l)
	if err != nil {
		return pass.Cause{}, err
	}
	why := s.readCurrent(l, published)
	if _, err := s.account(ctx); err != nil {
		return pass.Cause{}, s.carryOn(l, err)
	}
	if !why.IsZero() || s.listed || s.listingDue() {
		if err := s.ensureListed(ctx); err != nil {
			return pass.Cause{}, s.carryOn(l, err)
		}
		if err := s.findLost(ctx, l); err != nil {
			return pass.Cause{}, s.carryOn(l, err)
		}
		if why, err = s.checkRobots(ctx, l, why); err != nil {
			return pass.Cause{}, s.carryOn(l, err)
		}
		if err := s.checkPermissionsWhenDue(ctx); err != nil {
			return pass.Cause{}, s.carryOn(l, err)
		}
	}
	if lacking := s.lacking(); lacking != "" && l.Role == edgev1.TokenPuller {
		// One account makes the robots of both logins: say it once.
		l.Credential.Advice = append(l.Credential.Advice, lacking)
	}
	if change := s.changeOf(l); change != "" {
		l.Credential.Advice = append(l.Credential.Advice, change)
	}
	return why, nil
}

// readCurrent finds the robot whose login the published Secret carries. It returns why another is needed, if one is.
func (s *harborSession) readCurrent(l *pass.Login, published *corev1.Secret) pass.Cause {
	if published == nil {
		return pass.CauseUnpublished
	}
	carried, intact := readLogin(published)
	if !intact {
		return pass.CauseEmptied.In(published)
	}
	at := slices.IndexFunc(s.Record.Issued, func(i pass.Issued) bool {
		return i.Role == l.Role && i.User == carried.user && i.Matches(carried.token)
	})
	switch {
	case at < 0 && s.Record.Lost:
		return causeUnrecorded
	case at < 0:
		return pass.CauseAltered.In(published)
	}
	issued := &s.Record.Issued[at]
	l.Use(s.robotCredential(l, issued.ID, issued.Generation, carried, issued.IssuedAt.Time, issued.ExpiresAt.Time))
	l.Credential.Check, l.Credential.Issuance = issued.Check, pass.Cause{Name: issued.Cause}
	if issued.Lifetime != l.Policy.Lifetime.String() {
		return pass.CauseLifetime.In(published)
	}
	return pass.Cause{}
}

func (s *harborSession) robotCredential(l *pass.Login, id string, generation int64, from entry, since, until time.Time) pass.Credential {
	return pass.Credential{
		Token: from.token, User: from.user, Generation: generation,
		Identity: pass.Identity{ID: id, IssuedAt: since.UTC(), Expiry: until.UTC()},
		Marks:    map[string]string{objects.CredentialIDAnnotation: id},
		About:    s.SecretOf(l),
		Advice:   s.adviseOfHost(l),
	}
}

// checkRobots compares a login with its robots in Harbor. A robot in use that somebody changed stays in use. One that the list
// lacks is read by its id: robots made or deleted meanwhile can shift it to a page that was read already.
func (s *harborSession) checkRobots(ctx context.Context, l *pass.Login, why pass.Cause) (pass.Cause, error) {
	if l.Unpublished != nil {
		if r := s.robotOf(l.Unpublished.ID); r == nil || r.Disable {
			l.Unpublished = nil
		}
	}
	if l.Credential.ID != "" && s.robotOf(l.Credential.ID) == nil && s.changeOf(l) == "" {
		if found, _, err := s.find(ctx, l.Credential.ID); err != nil || found != nil {
			return why, err
		}
		return causeRobotGone, nil
	}
	return why, nil
}

// changeOf says what somebody changed about the robot in use; empty for nothing.
func (s *harborSession) changeOf(l *pass.Login) string {
	number, _ := strconv.ParseInt(l.Credential.ID, 10, 64)
	return s.harborMemory().changes[number]
}

// wasPublished reports whether a Secret may have carried the login of a robot. A robot is put on record before it is in a Secret.
// So one that is not on record was never published if it is newer than all that are. Otherwise a lost record may have named it.
func (s *harborSession) wasPublished(r robot) bool {
	highest := s.Record.Highest(r.role)
	if issued := s.Record.Find(r.id()); issued != nil {
		return issued.Published || issued.Generation < highest
	}
	return s.Record.Lost || r.generation <= highest
}

// findLost finds robots of a role that no Secret ever carried. One that equals what would be made now is completed (l.Begun); the
// others are deleted.
func (s *harborSession) findLost(ctx context.Context, l *pass.Login) error {
	for _, r := range slices.Backward(slices.Clone(s.harborMemory().robots)) {
		id := r.id()
		inHand := id == l.Credential.ID || (l.Unpublished != nil && id == l.Unpublished.ID)
		if r.role != l.Role || inHand || s.wasPublished(r) {
			continue
		}
		if l.Begun == nil && s.isFresh(r, l) {
			l.Begun = &pass.Credential{Identity: pass.Identity{ID: id}, Generation: r.generation}
			continue
		}
		became, err := s.remove(ctx, id)
		if err != nil {
			return err
		}
		if became != leftAlone {
			s.NoteLost(l, r.generation, nil)
		}
	}
	return nil
}

// isFresh reports a robot that equals one that would be made now, and was made so recently that it works for almost as long.
func (s *harborSession) isFresh(r robot, l *pass.Login) bool {
	p := l.Policy
	return !r.Disable && r.Duration == hardLife(p) && s.Now.Before(r.CreationTime.Add((p.Lifetime-p.RenewBefore)/4)) &&
		r.generation <= s.Record.Highest(l.Role)+attempts && r.MayAs(s.wanted(l, r.generation))
}

// wanted is the robot to make for a generation.
func (s *harborSession) wanted(l *pass.Login, generation int64) harbor.Wanted {
	return harbor.Wanted{
		Project: s.harbor.Project, Name: s.robotName(l.Role, generation), Description: s.description(), Days: hardLife(l.Policy), Push: l.Role == edgev1.TokenPublisher,
	}
}

// attempts is how many names are tried in one pass if others have taken them.
const attempts = 10

// Issue implements pass.Issuer: it makes a robot, or completes one that an earlier pass made.
func (s *harborSession) Issue(ctx context.Context, l *pass.Login, why pass.Cause) (pass.Credential, error) {
	c, err := s.issue(ctx, l)
	if err == nil {
		return c, nil
	}
	// Whatever Harbor did, the next pass lists the robots.
	s.harborMemory().listedAt = time.Time{}
	if why.Kept {
		err = s.carryOn(l, err)
	}
	return pass.Credential{}, err
}

func (s *harborSession) issue(ctx context.Context, l *pass.Login) (pass.Credential, error) {
	if err := s.ensureListed(ctx); err != nil {
		return pass.Credential{}, err
	}
	if err := s.mayMake(ctx); err != nil {
		return pass.Credential{}, err
	}
	client, err := s.connect(ctx)
	if err != nil {
		return pass.Credential{}, err
	}
	if l.Begun != nil {
		return s.complete(ctx, client, l)
	}
	if !s.Record.Minting {
		s.Record.Minting = true
		if err := s.SaveRecord(ctx, s.Scope); err != nil {
			return pass.Credential{}, err
		}
	}
	return s.makeRobot(ctx, client, l)
}

// complete has Harbor give another secret to a robot that no Secret ever carried.
func (s *harborSession) complete(ctx context.Context, client *harbor.Client, l *pass.Login) (pass.Credential, error) {
	live, err := s.live(ctx, l.Begun.ID)
	if err == nil && live == nil {
		l.Begun = nil
		err = pass.Waiting(edgev1.ReasonIssuerUnavailable, "the robot that was begun for %s is gone: another is made", l.Account)
	}
	if err != nil {
		return pass.Credential{}, err
	}
	secret, err := client.RefreshSecret(ctx, live.ID)
	if err != nil {
		return pass.Credential{}, s.explain(err)
	}
	return s.fresh(l, live.id(), live.generation, live.CreationTime, entry{live.Name, secret}), nil
}

// makeRobot makes the robot of the next generation. It skips names that other robots have.
func (s *harborSession) makeRobot(ctx context.Context, client *harbor.Client, l *pass.Login) (pass.Credential, error) {
	next := s.Record.Highest(l.Role)
	for _, r := range s.harborMemory().robots {
		if r.role == l.Role && s.wasPublished(r) {
			next = max(next, r.generation)
		}
	}
	if next > pass.LastGeneration-attempts {
		return pass.Credential{}, pass.Stalled(edgev1.ReasonConflict, "robot %s in project %s has the last number that there is: delete it in Harbor", s.robotName(l.Role, next), s.harbor.Project)
	}
	var err error
	for range attempts {
		next++
		var made harbor.Made
		made, err = client.CreateRobot(ctx, s.wanted(l, next))
		if harbor.KindOf(err) == harbor.Exists {
			continue
		}
		if err != nil {
			return pass.Credential{}, s.explain(err)
		}
		if role, generation, named := s.parseRobotName(made.Name); !named || role != l.Role || generation != next {
			return pass.Credential{}, pass.Waiting(edgev1.ReasonIssuerUnavailable,
				"Harbor at %s made robot %d under another name than %s, as no Harbor does", s.spec.Host, made.ID, s.robotName(l.Role, next))
		}
		return s.fresh(l, strconv.FormatInt(made.ID, 10), next, made.CreationTime, entry{made.Name, made.Secret}), nil
	}
	return pass.Credential{}, pass.Stalled(edgev1.ReasonConflict, "robots %s to %d exist in project %s and are not this EdgeRegistry's: delete them; %s",
		s.robotName(l.Role, next-attempts+1), next, s.harbor.Project, err)
}

// fresh is the credential of a robot that was just made. Its lifetime begins when Harbor made it, by Harbor's clock.
func (s *harborSession) fresh(l *pass.Login, id string, generation int64, made time.Time, from entry) pass.Credential {
	made = made.UTC().Truncate(time.Second)
	c := s.robotCredential(l, id, generation, from, made, made.Add(l.Policy.Lifetime))
	c.Check = pass.NewCheck(from.token)
	c.Until = made.Add(time.Duration(hardLife(l.Policy)) * day)
	// The list in memory lacks it: the next pass lists again.
	s.harborMemory().listedAt = time.Time{}
	return c
}

// Revoke implements pass.Issuer. A robot that somebody changed may belong to somebody else now, so a person has to delete it.
func (s *harborSession) Revoke(ctx context.Context, l *pass.Login, c pass.Credential) error {
	became, err := s.remove(ctx, c.ID)
	if err == nil && became == leftAlone {
		err = pass.Stalled(edgev1.ReasonConflict, "robot %s of Harbor, which was made as %s, was changed by somebody, so that the operator does not delete it: delete it in Harbor",
			c.ID, s.robotName(l.Role, c.Generation))
	}
	if err != nil {
		s.harborMemory().listedAt = time.Time{}
		return s.carryOn(l, err)
	}
	return nil
}

// Dead implements pass.Issuer. A robot is dead if it is gone, or if it is enabled and Harbor refuses its login anyway, because
// somebody gave it another secret. One that somebody disabled is not dead: that was on purpose.
func (s *harborSession) Dead(ctx context.Context, l *pass.Login) (bool, error) {
	client, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	number, err := strconv.ParseInt(l.Credential.ID, 10, 64)
	if err != nil {
		return false, fmt.Errorf("read the id of the robot of %s: %w", l.Account, err)
	}
	found, err := client.Robot(ctx, number)
	switch {
	case harbor.KindOf(err) == harbor.NotFound:
		return true, nil
	case err != nil:
		return false, err
	case found.Disable:
		l.Credential.Disabled = true
		return false, nil
	}
	return s.refuses(ctx, client, l.User, l.Credential.Token)
}

func (s *harborSession) refuses(ctx context.Context, client *harbor.Client, user string, token credential.Token) (bool, error) {
	accepted, err := client.Accepts(ctx, user, token)
	return err == nil && !accepted, err
}
