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

// robot is a robot of Harbor that was made for the EdgeRegistry, as its name and its description say.
type robot struct {
	harbor.Robot
	role       edgev1.TokenRole
	generation int64
}

func (r robot) id() string { return strconv.FormatInt(r.ID, 10) }

// hardEnd is when Harbor ends the robot by itself; zero for never.
func (r robot) hardEnd() time.Time {
	if r.ExpiresAt <= 0 {
		return time.Time{}
	}
	return time.Unix(r.ExpiresAt, 0)
}

// baseName is what the names of all robots of a role begin with. The generation follows.
func (s *harborSession) baseName(role edgev1.TokenRole) string {
	return fmt.Sprintf("edge-%.8s-%s", s.Edge.UID, strings.ToLower(string(role)))
}

// robotName is a robot's name without the prefix and the project that Harbor puts before it.
func (s *harborSession) robotName(role edgev1.TokenRole, generation int64) string {
	return fmt.Sprintf("%s-%d", s.baseName(role), generation)
}

// mark is in the description of each robot of the EdgeRegistry. The name holds only a part of the UID.
func (s *harborSession) mark() string { return "EdgeRegistry UID " + string(s.Edge.UID) }

func (s *harborSession) description() string {
	return fmt.Sprintf("%s, name %s. Made by the Edge Registry Operator, which disables and deletes it in time.", s.mark(), s.Edge.Name)
}

var numbered = regexp.MustCompile(`^(.*)-([1-9][0-9]{0,8})$`)

// parseRobotName finds the role and the generation in the user name of a robot. The prefix before the project is a setting of
// Harbor's, so any is accepted.
func (s *harborSession) parseRobotName(login string) (edgev1.TokenRole, int64, bool) {
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
	role, generation, named := s.parseRobotName(r.Name)
	if !named || r.Level != "project" || !strings.Contains(r.Description, s.mark()) {
		return robot{}, false
	}
	if issued := s.recorded(role, generation); issued != nil && issued.ID != strconv.FormatInt(r.ID, 10) {
		// The record has another robot of that name, so somebody else made this one.
		return robot{}, false
	}
	return robot{r, role, generation}, true
}

// recorded returns the robot of a role and generation that is on record, or nil.
func (s *harborSession) recorded(role edgev1.TokenRole, generation int64) *pass.Issued {
	for i := range s.Record.Issued {
		if issued := &s.Record.Issued[i]; issued.Role == role && issued.Generation == generation {
			return issued
		}
	}
	return nil
}

// listingDue reports that the robots have to be listed although nothing else is due: after a start, after a failure, when another
// account is supplied, and once in each interval of the verification.
func (s *harborSession) listingDue() bool {
	m, interval := s.harborMemory(), s.Edge.Spec.Verification.Interval.Duration
	if m.listedAt.IsZero() || m.account != s.maker.version || pass.LeftOf(m.listedAt.Add(interval), s.Now, interval) == 0 {
		return true
	}
	s.Due(m.listedAt.Add(interval))
	return false
}

// ensureListed lists the robots, once in a pass.
func (s *harborSession) ensureListed(ctx context.Context) error {
	if !s.listed && s.listErr == nil {
		s.listErr = s.list(ctx)
	}
	return s.listErr
}

func (s *harborSession) list(ctx context.Context) error {
	m := s.harborMemory()
	m.listedAt = time.Time{}
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	// A project that was recreated has another number. Under the old one Harbor lists no robots to its system admins.
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
	s.reportChanged(all)
	m.listedAt, m.account, s.listed = s.Now, s.maker.version, true
	s.Due(s.Now.Add(s.Edge.Spec.Verification.Interval.Duration))
	return nil
}

// robotOf returns one of our robots by its id, or nil.
func (s *harborSession) robotOf(id string) *robot {
	m := s.harborMemory()
	for i := range m.robots {
		if m.robots[i].id() == id {
			return &m.robots[i]
		}
	}
	return nil
}

// reportChanged reports robots on record that somebody changed. The operator leaves them as they are.
func (s *harborSession) reportChanged(all []harbor.Robot) {
	m := s.harborMemory()
	before := m.changes
	m.changes = map[int64]string{}
	for _, one := range all {
		issued := s.Record.Find(strconv.FormatInt(one.ID, 10))
		if issued == nil || !s.Now.Before(issued.ExpiresAt.Time) {
			continue
		}
		change := s.describeChange(one, issued)
		if change == "" {
			continue
		}
		if before[one.ID] != change {
			s.Note(edgev1.ReasonRobotChanged, change, nil)
		}
		m.changes[one.ID] = change
	}
}

// describeChange says what somebody changed about a robot within its lifetime; empty for nothing.
func (s *harborSession) describeChange(r harbor.Robot, issued *pass.Issued) string {
	name := s.robotName(issued.Role, issued.Generation)
	role, generation, named := s.parseRobotName(r.Name)
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

// removal is what came of removing a robot.
type removal int

const (
	// alreadyGone: it was not there.
	alreadyGone removal = iota
	// deleted: the operator deleted it.
	deleted
	// leftAlone: it is still there, because somebody changed it and it may not be ours any more.
	leftAlone
)

// remove deletes a robot, if it is still ours.
func (s *harborSession) remove(ctx context.Context, id string) (removal, error) {
	found, ours, err := s.find(ctx, id)
	switch {
	case err != nil || found == nil:
		return alreadyGone, err
	case !ours:
		return leftAlone, nil
	}
	if err := s.client.DeleteRobot(ctx, found.ID); err != nil {
		return leftAlone, s.explain(err)
	}
	m := s.harborMemory()
	m.robots = slices.DeleteFunc(m.robots, func(r robot) bool { return r.ID == found.ID })
	return deleted, nil
}

// live reads a robot before a change to it; nil for one that is gone, or is no longer ours.
func (s *harborSession) live(ctx context.Context, id string) (*robot, error) {
	found, ours, err := s.find(ctx, id)
	if err != nil || !ours {
		return nil, err
	}
	return found, nil
}

// find reads a robot by its id, and reports whether it is ours; nil for one that is gone.
func (s *harborSession) find(ctx context.Context, id string) (found *robot, ours bool, err error) {
	client, err := s.connect(ctx)
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
