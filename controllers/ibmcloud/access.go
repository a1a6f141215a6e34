// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

const (
	// propagation is how long IBM Cloud may take until a new key or policy has effect.
	propagation = 10 * time.Minute
	// listingDelay is how long a list may lack a service ID that was made.
	listingDelay = 2 * time.Minute
	// grantsLife is after how long policies are read again while the registry accepts the logins.
	grantsLife = 24 * time.Hour

	needsServiceIDs = "the role Operator of iam-identity, and 'Service ID creator' where the account restricts who makes service IDs; or name service IDs that are there in spec.ibmCloud.publisher.serviceIDRef and spec.ibmCloud.puller.serviceIDRef"
	needsPolicies   = "the role Administrator of container-registry, on the registry namespace at least; or name service IDs that are there in spec.ibmCloud.publisher.serviceIDRef and spec.ibmCloud.puller.serviceIDRef"
)

// rolesOf are the names of the roles that a login needs.
func rolesOf(role edgev1.TokenRole) []string {
	if role == edgev1.TokenPublisher {
		return []string{"Reader", "Writer"}
	}
	return []string{"Reader"}
}

// grantAccess makes sure that each login has a service ID with exactly the rights that it needs.
func (s *session) grantAccess(ctx context.Context) (pass.Done, error) {
	if s.client != nil {
		for _, l := range s.Logins() {
			if err := s.prepareIdentity(ctx, l); err != nil {
				return pass.Done{}, s.carryOnIfPublished(err)
			}
		}
		if s.grantsDue() {
			s.remembered().grantsChecked = s.Now
		}
	}
	return pass.DoneBecause(edgev1.ReasonGranted, "service ID %s may push to and pull from %s, and service ID %s may pull",
		s.Record.Identity(edgev1.TokenPublisher).ID, s.where(), s.Record.Identity(edgev1.TokenPuller).ID), nil
}

// grantsDue reports whether the policies have to be read: every five minutes until the registry has accepted the logins, then once in
// grantsLife.
func (s *session) grantsDue() bool {
	last := s.remembered().grantsChecked
	if s.Record.VerifiedAt(s.Edge).IsZero() {
		return s.Now.Sub(last).Abs() >= 5*time.Minute
	}
	if last.IsZero() {
		// An earlier process read them before the registry accepted the logins.
		s.remembered().grantsChecked = s.Now
		return false
	}
	return s.Now.Sub(last).Abs() >= grantsLife
}

func (s *session) prepareIdentity(ctx context.Context, l *pass.Login) error {
	identity := s.Record.Identity(l.Role)
	ref := s.specOf(l.Role).ServiceIDRef
	if ref != "" && identity.ID != ref {
		return s.useGiven(ctx, l, ref)
	}
	if identity.ID == "" {
		if err := s.findOrMakeServiceID(ctx, l); err != nil {
			return err
		}
		identity = s.Record.Identity(l.Role)
	}
	if identity.Grant != "" && !s.grantsDue() {
		return nil
	}
	if identity.Given {
		return s.checkGiven(ctx, l, identity)
	}
	return s.grant(ctx, l, identity)
}

// findOrMakeServiceID makes the service ID of a login. If an earlier pass was about to make one, it may exist: it is found by the
// mark in its description, and for listingDelay it may exist without being listed. Without that intent on record the mark proves
// nothing, because anybody who may make service IDs can write it to be given rights.
func (s *session) findOrMakeServiceID(ctx context.Context, l *pass.Login) error {
	identity := s.Record.Identity(l.Role)
	found, err := s.ownServiceIDs(ctx, l.Role)
	if err != nil {
		return s.explain(err, needsServiceIDs)
	}
	if len(found) > 0 && (!identity.IntendedAt.IsZero() || s.Record.Lost) {
		// If there are several, any will do: each carries the mark, and a deletion finds the others by it.
		return s.recordServiceID(ctx, l, found[0])
	}
	if since := s.Now.Sub(identity.IntendedAt.Time); !identity.IntendedAt.IsZero() && since >= 0 && since < listingDelay {
		return pass.Waiting(edgev1.ReasonPropagating, "whether the service ID of %s was made is not known: it is made again if IBM Cloud does not list it by %s",
			l.Account, pass.Timestamp(identity.IntendedAt.Add(listingDelay)))
	}
	identity.IntendedAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	s.Record.At().Account = s.account
	s.Record.Identify(l.Role, identity)
	if err := s.SaveRecord(ctx, s.Scope); err != nil {
		return err
	}
	made, err := s.client.CreateServiceID(ctx, ibmcloud.ServiceID{Name: s.nameOf(l.Role), Description: s.mark(l.Role), AccountID: s.account})
	if err != nil {
		if refused(err) {
			identity.IntendedAt = metav1.Time{}
			s.Record.Identify(l.Role, identity)
		}
		return s.explain(err, needsServiceIDs)
	}
	s.Note(edgev1.ReasonServiceIDCreated, fmt.Sprintf("made service ID %s for %s in account %s", made.ID, l.Account, s.account), s.SecretOf(l))
	return s.recordServiceID(ctx, l, made)
}

// refused reports whether an error means that the call certainly made nothing.
func refused(err error) bool {
	switch ibmcloud.KindOf(err) {
	case ibmcloud.Forbidden, ibmcloud.Unauthorized, ibmcloud.KeyRefused, ibmcloud.Limit, ibmcloud.Busy:
		return true
	default:
		return false
	}
}

func (s *session) ownServiceIDs(ctx context.Context, role edgev1.TokenRole) ([]ibmcloud.ServiceID, error) {
	all, err := s.client.ServiceIDs(ctx, s.account, s.nameOf(role))
	return slices.DeleteFunc(all, func(one ibmcloud.ServiceID) bool { return one.Description != s.mark(role) }), err
}

func (s *session) recordServiceID(ctx context.Context, l *pass.Login, found ibmcloud.ServiceID) error {
	s.Record.At().Account = s.account
	s.Record.Identify(l.Role, pass.RemoteIdentity{ID: found.ID, Subject: found.IAMID})
	return s.SaveRecord(ctx, s.Scope)
}

// resource is what a login has rights on: the registry namespace in its region.
func (s *session) resource() map[string]string {
	on := map[string]string{
		"accountId": s.account, "serviceName": "container-registry", "resourceType": "namespace", "resource": s.spec.RegistryNamespace.Name,
	}
	if s.spec.Region == "global" {
		on["geography"] = "global"
	} else {
		on["region"] = string(s.spec.Region)
	}
	return on
}

// grant makes sure that a service ID of ours has its policy.
func (s *session) grant(ctx context.Context, l *pass.Login, identity pass.RemoteIdentity) error {
	want, err := s.wantedRoles(ctx, l.Role)
	if err != nil {
		return err
	}
	policies, err := s.client.Policies(ctx, s.account, identity.Subject)
	if err != nil {
		return s.explain(err, needsPolicies)
	}
	policies = slices.DeleteFunc(policies, func(p ibmcloud.Policy) bool { return !s.fits(p, want, identity.Subject) })
	switch {
	case slices.ContainsFunc(policies, func(p ibmcloud.Policy) bool { return p.ID == identity.Grant }):
		return nil
	case len(policies) > 0:
		// If there are several, any will do. The record keeps the choice, in whatever order they are listed.
		return s.recordGrant(ctx, l, identity, policies[0].ID)
	}
	if identity.Grant != "" && s.Now.Sub(identity.GrantedAt.Time).Abs() < propagation {
		// It was made a moment ago, and the list may lack it still.
		return nil
	}
	s.Record.At().Account = s.account
	made, err := s.client.CreatePolicy(ctx, ibmcloud.Policy{Description: s.mark(l.Role), Roles: want, IAMID: identity.Subject, Resource: s.resource()})
	if ibmcloud.KindOf(err) == ibmcloud.Exists && s.fits(made, want, identity.Subject) {
		err = nil
	}
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		return pass.Waiting(edgev1.ReasonPropagating, "service ID %s was made a moment ago, and IBM Cloud takes no policy for it yet; %s", identity.ID, err)
	}
	if err != nil {
		return s.explain(err, needsPolicies)
	}
	return s.recordGrant(ctx, l, identity, made.ID)
}

func (s *session) recordGrant(ctx context.Context, l *pass.Login, identity pass.RemoteIdentity, policy string) error {
	identity.Grant, identity.GrantedAt = policy, metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	s.Record.Identify(l.Role, identity)
	return s.SaveRecord(ctx, s.Scope)
}

// fits reports whether a policy grants a service ID exactly these roles on the registry namespace.
func (s *session) fits(p ibmcloud.Policy, roles []string, subject string) bool {
	has, wanted := slices.Sorted(slices.Values(p.Roles)), slices.Sorted(slices.Values(roles))
	return p.ID != "" && !p.Other && p.IAMID == subject && slices.Equal(has, wanted) && maps.Equal(p.Resource, s.resource())
}

// wantedRoles are the ids of the roles that a login needs.
func (s *session) wantedRoles(ctx context.Context, role edgev1.TokenRole) ([]string, error) {
	known, _, err := s.cloud.roles.get(s.Now, func() (map[string]string, error) { return s.client.Roles(ctx, s.account) })
	if err != nil {
		return nil, s.explain(err, "to see the roles of container-registry")
	}
	var ids []string
	for _, name := range rolesOf(role) {
		if known[name] == "" {
			return nil, pass.Waiting(edgev1.ReasonIBMCloudUnexpected, "IBM Cloud has no role %s of container-registry among its roles %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		ids = append(ids, known[name])
	}
	return ids, nil
}
