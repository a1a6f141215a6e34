// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/harbor"
)

// robot is a robot of Harbor that was made for the EdgeRegistry, by its name and its description.
type robot struct {
	harbor.Robot
	role       edgev1.TokenRole
	generation int64
}

func (r robot) id() string { return strconv.FormatInt(r.ID, 10) }

// hardEnd is when Harbor ends it; zero for never.
func (r robot) hardEnd() time.Time {
	if r.ExpiresAt <= 0 {
		return time.Time{}
	}
	return time.Unix(r.ExpiresAt, 0)
}

// baseName is the name of all robots of a role, but for the generation.
func (s *harborSession) baseName(role edgev1.TokenRole) string {
	return fmt.Sprintf("edge-%.8s-%s", s.Edge.UID, strings.ToLower(string(role)))
}

// robotName is a robot's own name, without project and prefix.
func (s *harborSession) robotName(role edgev1.TokenRole, generation int64) string {
	return fmt.Sprintf("%s-%d", s.baseName(role), generation)
}

// mark is in the description of each robot of the EdgeRegistry. Its name has only a part of the UID.
func (s *harborSession) mark() string { return "EdgeRegistry UID " + string(s.Edge.UID) }

func (s *harborSession) description() string {
	return fmt.Sprintf("%s, name %s. Made by the Edge Registry Operator, which disables and deletes it in time.", s.mark(), s.Edge.Name)
}

var numbered = regexp.MustCompile(`^(.*)-([1-9][0-9]{0,8})$`)

// named finds the role and the generation in the login of a robot. The prefix before the project is a setting of Harbor's.
func (s *harborSession) named(login string) (edgev1.TokenRole, int64, bool) {
	before, own, found := cutLast(login, "+")
	parts := numbered.FindStringSubmatch(own)
	if !found || !strings.HasSuffix(before, s.harbor.Project) || parts == nil {
		return "", 0, false
	}
	generation, err := strconv.ParseInt(parts[2], 10, 64)
	for _, role := range []edgev1.TokenRole{edgev1.TokenPublisher, edgev1.TokenPuller} {
		if parts[1] == s.baseName(role) {
			return role, generation, err == nil
		}
	}
	return "", 0, false
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

// ours reports whether a robot is the EdgeRegistry's, and which.
func (s *harborSession) ours(r harbor.Robot) (robot, bool) {
	role, generation, named := s.named(r.Name)
	if !named || r.Level != "project" || !strings.Contains(r.Description, s.mark()) {
		return robot{}, false
	}
	if issued := s.recorded(role, generation); issued != nil && issued.ID != strconv.FormatInt(r.ID, 10) {
		// Another of that name was on record: this one somebody made.
		return robot{}, false
	}
	return robot{r, role, generation}, true
}

// recorded is a robot on record, or nil.
func (s *harborSession) recorded(role edgev1.TokenRole, generation int64) *pass.Issued {
	for i := range s.Record.Issued {
		if issued := &s.Record.Issued[i]; issued.Role == role && issued.Generation == generation {
			return issued
		}
	}
	return nil
}

// mustLook reports that the robots are to be listed though nothing is due: after a start, after a failure, when another account
// is supplied, and as often as the registry is asked about logins.
func (s *harborSession) mustLook() bool {
	m, interval := s.harborMemory(), s.Edge.Spec.Verification.Interval.Duration
	if m.lookedAt.IsZero() || m.account != s.known.version || pass.LeftOf(m.lookedAt.Add(interval), s.Now, interval) == 0 {
		return true
	}
	s.Due(m.lookedAt.Add(interval))
	return false
}

// look lists the robots, once in a pass.
func (s *harborSession) look(ctx context.Context) error {
	if !s.listed && s.unlisted == nil {
		s.unlisted = s.list(ctx)
	}
	return s.unlisted
}

func (s *harborSession) list(ctx context.Context) error {
	m := s.harborMemory()
	m.lookedAt = time.Time{}
	client, err := s.at(ctx)
	if err != nil {
		return err
	}
	// A project that was recreated has another number, and an admin of all of Harbor is told of no robots under the one before.
	project, err := client.Project(ctx, s.harbor.Project)
	if err != nil {
		return s.explain(err)
	}
	all, err := client.Robots(ctx, project)
	if err != nil {
		return s.explain(err)
	}
	m.projectID, m.robots = project.ID, nil
	for _, one := range all {
		if r, ours := s.ours(one); ours {
			m.robots = append(m.robots, r)
		}
	}
	slices.SortFunc(m.robots, func(a, b robot) int { return int(a.generation - b.generation) })
	s.noteChanged(all)
	m.lookedAt, m.account, s.listed = s.Now, s.known.version, true
	s.Due(s.Now.Add(s.Edge.Spec.Verification.Interval.Duration))
	return nil
}

// robotOf is one of ours by its id, or nil.
func (s *harborSession) robotOf(id string) *robot {
	m := s.harborMemory()
	for i := range m.robots {
		if m.robots[i].id() == id {
			return &m.robots[i]
		}
	}
	return nil
}

// noteChanged tells of robots on record that somebody changed. They are left as they are.
func (s *harborSession) noteChanged(all []harbor.Robot) {
	m := s.harborMemory()
	before := m.told
	m.told = map[int64]string{}
	for _, one := range all {
		issued := s.Record.Find(strconv.FormatInt(one.ID, 10))
		if issued == nil || !s.Now.Before(issued.ExpiresAt.Time) {
			continue
		}
		said := s.changed(one, issued)
		if said == "" {
			continue
		}
		if before[one.ID] != said {
			s.Note(edgev1.ReasonRobotChanged, said, nil)
		}
		m.told[one.ID] = said
	}
}

// changed says what somebody did to a robot that is to work still; nothing where it is as it was made.
func (s *harborSession) changed(r harbor.Robot, issued *pass.Issued) string {
	name := s.robotName(issued.Role, issued.Generation)
	role, generation, named := s.named(r.Name)
	switch {
	case !named || role != issued.Role || generation != issued.Generation:
		return fmt.Sprintf("robot %d of Harbor, which was made as %s, has another name now: the operator leaves it alone", r.ID, name)
	case !strings.Contains(r.Description, s.mark()):
		return fmt.Sprintf("robot %d of Harbor, %s, has another description now: the operator leaves it alone, until %q is in it again", r.ID, name, s.mark())
	case r.Disable:
		return fmt.Sprintf("robot %d of Harbor, %s, was disabled by somebody, and its login no longer works: enable it there, or have another made by the annotation %s",
			r.ID, name, edgev1.RotateAnnotation)
	default:
		return ""
	}
}

// fate is what became of a robot that was to be removed.
type fate int

const (
	// wasGone: it was not there.
	wasGone fate = iota
	// isRemoved: it was deleted.
	isRemoved
	// isLeft: it is there, and was left alone, since it is not known to be ours any more.
	isLeft
)

// remove deletes a robot of ours, as it is now.
func (s *harborSession) remove(ctx context.Context, id string) (fate, error) {
	found, ours, err := s.find(ctx, id)
	switch {
	case err != nil || found == nil:
		return wasGone, err
	case !ours:
		return isLeft, nil
	}
	if err := s.client.DeleteRobot(ctx, found.ID); err != nil {
		return isLeft, s.explain(err)
	}
	m := s.harborMemory()
	m.robots = slices.DeleteFunc(m.robots, func(r robot) bool { return r.ID == found.ID })
	return isRemoved, nil
}

// live reads a robot before something is done to it; nil for one that is gone, or is not ours any more.
func (s *harborSession) live(ctx context.Context, id string) (*robot, error) {
	found, ours, err := s.find(ctx, id)
	if err != nil || !ours {
		return nil, err
	}
	return found, nil
}

// find reads a robot, and reports whether it is ours; nil for one that is gone.
func (s *harborSession) find(ctx context.Context, id string) (found *robot, ours bool, err error) {
	client, err := s.at(ctx)
	if err != nil {
		return nil, false, err
	}
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, false, nil //nolint:nilerr // Nothing has such an id.
	}
	read, err := client.Robot(ctx, number)
	switch {
	case harbor.KindOf(err) == harbor.NotFound:
		return nil, false, nil
	case err != nil:
		return nil, false, s.explain(err)
	}
	r, ours := s.ours(read)
	r.Robot = read
	return &r, ours, nil
}
