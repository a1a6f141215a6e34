// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"slices"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// removeRobots deletes the robots of an EdgeRegistry that is being deleted. A Harbor that cannot be used delays the deletion for
// a limited time. Then an event names by its id what may be left there.
func (s *harborSession) removeRobots(ctx context.Context) error {
	if !s.Record.Minting && !s.Record.Lost && len(s.Record.Issued) == 0 {
		return nil
	}
	removed, left, err := s.removeAll(ctx)
	if removed > 0 {
		s.Note(edgev1.ReasonTokensRevoked, fmt.Sprintf("%d robots of project %s are deleted in Harbor at %s", removed, s.harbor.Project, s.spec.Host), nil)
	}
	if err == nil && len(left) > 0 {
		s.Note(edgev1.ReasonRobotsLeftBehind, fmt.Sprintf("robots are left in project %s of Harbor at %s, each of which ends at its own time, since somebody changed them, so that the operator does not delete them: delete those of the ids %s",
			s.harbor.Project, s.spec.Host, strings.Join(left, ", ")), nil)
	}
	if err == nil {
		return nil
	}
	if b := pass.UnlessAbandoned(s.Scope, err); b != nil {
		return b
	}
	_, _, message := pass.Verdict(err)
	such := ""
	if ids := s.idsOnRecord(); len(ids) > 0 {
		such = ", such as those of the ids " + strings.Join(ids, ", ")
	}
	s.Note(edgev1.ReasonRobotsLeftBehind, fmt.Sprintf("robots may be left in project %s of Harbor at %s, each of which ends at its own time: those called %s-* and %s-*%s: %s",
		s.harbor.Project, s.spec.Host, s.baseName(edgev1.TokenPublisher), s.baseName(edgev1.TokenPuller), such, message), nil)
	return nil
}

// removeAll deletes the robots that Harbor lists, and those on record that the list lacks. Robots that somebody changed are left.
func (s *harborSession) removeAll(ctx context.Context) (removed int, left []string, err error) {
	if err := s.ensureListed(ctx); err != nil {
		return 0, nil, err
	}
	ids := s.idsOnRecord()
	for _, r := range s.harborMemory().robots {
		ids = append(ids, r.id())
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		switch became, err := s.remove(ctx, id); {
		case err != nil:
			return removed, left, err
		case became == deleted:
			removed++
		case became == leftAlone:
			left = append(left, id)
		}
	}
	return removed, left, nil
}

// idsOnRecord are the ids of robots that may still work.
func (s *harborSession) idsOnRecord() []string {
	var ids []string
	for _, issued := range s.Record.Issued {
		// Harbor ends a robot renewBefore after its lifetime, so within a second lifetime.
		if issued.EndedAt.IsZero() && s.Now.Before(issued.ExpiresAt.Add(issued.ExpiresAt.Sub(issued.IssuedAt.Time))) {
			ids = append(ids, issued.ID)
		}
	}
	return ids
}
