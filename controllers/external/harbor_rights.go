// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"slices"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/harbor"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const (
	createRobot = "robot:create"
	listRobots  = "robot:list"
)

// makersRights are the permissions without which robots cannot be looked after from their making to their end. Those by which they
// are listed the account has shown by then.
var makersRights = []string{createRobot, "robot:read", "robot:update", "robot:delete", "repository:pull", "repository:push"}

// weighAccount asks which of the permissions that it needs the account lacks, once in a pass, after the robots were listed. Where
// Harbor does not tell, what it refuses will.
func (s *harborSession) weighAccount(ctx context.Context) error {
	if s.weighed {
		return nil
	}
	client, err := s.at(ctx)
	if err != nil {
		return err
	}
	m := s.harborMemory()
	has, err := client.Permissions(ctx, harbor.Project{ID: m.projectID, Name: s.harbor.Project})
	if harbor.KindOf(err) == harbor.Unauthorized {
		return s.explain(err)
	}
	s.weighed, m.weighedAt, m.weighed, m.lacking = true, s.Now, s.known.version, nil
	// It has listed them a moment ago: an answer without that right is not about this account.
	if err == nil && slices.Contains(has, listRobots) {
		m.lacking = slices.DeleteFunc(slices.Clone(makersRights), func(right string) bool { return slices.Contains(has, right) })
	}
	return nil
}

// weighWhenDue weighs the account though no robot is made: after a start, when another is supplied, and each day, so that what it
// lacks is told before a renewal needs it.
func (s *harborSession) weighWhenDue(ctx context.Context) error {
	m := s.harborMemory()
	if m.weighed == s.known.version && pass.LeftOf(m.weighedAt.Add(day), s.Now, day) > 0 {
		return nil
	}
	return s.weighAccount(ctx)
}

// mayMake refuses an account that lacks a permission, before anything is made with it.
func (s *harborSession) mayMake(ctx context.Context) error {
	if err := s.weighAccount(ctx); err != nil {
		return err
	}
	if lacking := s.lacking(); lacking != "" {
		return pass.Stalled(edgev1.ReasonPermissionMissing, "%s", lacking)
	}
	return nil
}

// lacking says what the account lacks, as far as it was told; nothing where it has all.
func (s *harborSession) lacking() string {
	rights := s.harborMemory().lacking
	if len(rights) == 0 {
		return ""
	}
	what, advice := "permission", "give it that in Harbor"
	if len(rights) > 1 {
		what, advice = "permissions", "give it these in Harbor"
	}
	if slices.Contains(rights, createRobot) {
		advice += ", or supply an admin of the project"
	}
	return fmt.Sprintf("the account of %s lacks the %s %s on project %s, without which no robot is made: %s",
		s.where(), what, text.And(rights), s.harbor.Project, advice)
}
