// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"maps"
	"slices"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

const needsGiven = "the role Operator of iam-identity on the service IDs that the spec names"

// givenGrant is on record in place of a policy for a service ID that the spec names, whose policies are not ours.
const givenGrant = "given"

// useGiven takes a service ID that the spec names, if the supplied Secret names it too.
func (s *session) useGiven(ctx context.Context, l *pass.Login, id string) error {
	if !slices.Contains(s.serviceIDs, id) {
		return pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s does not say that it may be used for service ID %q: add that to its annotation %s", s.supplied(), id, serviceIDsAnnotation)
	}
	found, err := s.client.ServiceID(ctx, id)
	switch {
	case ibmcloud.KindOf(err) == ibmcloud.NotFound:
		return pass.Stalled(edgev1.ReasonServiceIDMissing, "service ID %s of %s does not exist in account %s: make one, with %s on %s, and name that in another EdgeRegistry",
			id, l.Account, s.account, strings.Join(rolesOf(l.Role), " and "), s.where())
	case err != nil:
		return s.explain(err, needsGiven)
	case found.AccountID != "" && found.AccountID != s.account:
		return pass.Stalled(edgev1.ReasonAccountMismatch, "service ID %s of %s is one of another account than %s: supply a key of its account, or name a service ID of this one in another EdgeRegistry", id, l.Account, s.supplied())
	}
	identity := pass.RemoteIdentity{ID: found.ID, Subject: found.IAMID, Given: true}
	if err := s.checkGiven(ctx, l, identity); err != nil {
		return err
	}
	s.Record.At().Account = s.account
	identity.Grant = givenGrant
	s.Record.Identify(l.Role, identity)
	return s.SaveRecord(ctx, s.Scope)
}

// checkGiven refuses a service ID that may do more in the registry than its login needs. An empty list proves nothing, because IBM
// Cloud lists no policies to a key that may not see them. The verification at the registry finds what is missing.
func (s *session) checkGiven(ctx context.Context, l *pass.Login, identity pass.RemoteIdentity) error {
	allowed, err := s.wantedRoles(ctx, l.Role)
	if err != nil {
		return err
	}
	policies, err := s.client.Policies(ctx, s.account, identity.Subject)
	if ibmcloud.KindOf(err) == ibmcloud.Forbidden {
		return nil
	}
	if err != nil {
		return s.explain(err, needsGiven)
	}
	for _, p := range policies {
		tooMuch := slices.ContainsFunc(p.Roles, func(role string) bool { return !slices.Contains(allowed, role) })
		if p.Other || tooMuch || !maps.Equal(p.Resource, s.resource()) {
			return pass.Stalled(edgev1.ReasonRightsExcessive,
				"policy %s lets service ID %s of %s do more than %s on %s: delete that policy, or name another service ID in another EdgeRegistry",
				p.ID, identity.ID, l.Account, strings.Join(rolesOf(l.Role), " and "), s.where())
		}
	}
	return nil
}
