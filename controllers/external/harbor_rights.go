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

// requiredPermissions are what the account needs to make, renew and delete robots. The permission to list them is not among
// these: the account has used it by then.
var requiredPermissions = []string{createRobot, "robot:read", "robot:update", "robot:delete", "repository:pull", "repository:push"}

// checkPermissions finds out which of these the account lacks, once in a pass, after the robots were listed. If Harbor does not
// answer that, its later refusals will show.
func (s *harborSession) checkPermissions(ctx context.Context) error {
	if s.checked {
		return nil
	}
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	m := s.harborMemory()
	has, err := client.Permissions(ctx, harbor.Project{ID: m.projectID, Name: s.harbor.Project})
	if harbor.KindOf(err) == harbor.Unauthorized {
		return s.explain(err)
	}
	s.checked, m.checkedAt, m.checkedVersion, m.lacking = true, s.Now, s.maker.version, nil
	// The account listed robots a moment ago, so an answer without that permission is not about this account.
	if err == nil && slices.Contains(has, listRobots) {
		m.lacking = slices.DeleteFunc(slices.Clone(requiredPermissions), func(right string) bool { return slices.Contains(has, right) })
	}
	return nil
}

// checkPermissionsWhenDue checks the permissions although no robot is made: after a start, when another account is supplied, and
// each day. So a missing permission is reported before a renewal needs it.
func (s *harborSession) checkPermissionsWhenDue(ctx context.Context) error {
	m := s.harborMemory()
	if m.checkedVersion == s.maker.version && pass.LeftOf(m.checkedAt.Add(day), s.Now, day) > 0 {
		return nil
	}
	return s.checkPermissions(ctx)
}

// mayMake refuses an account that lacks a permission, before anything is made with it.
func (s *harborSession) mayMake(ctx context.Context) error {
	if err := s.checkPermissions(ctx); err != nil {
		return err
	}
	if lacking := s.lacking(); lacking != "" {
		return pass.Stalled(edgev1.ReasonPermissionMissing, "%s", lacking)
	}
	return nil
}

// lacking says what the account lacks, as far as Harbor reported it; empty for nothing.
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
