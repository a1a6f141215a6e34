// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"slices"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// The operator forgets what is gone. A single 404 is not enough for that: it may come from a replica of IBM Cloud's that does not
// know the object yet. So a list has to lack it, too.

// goneUnlessListed returns a wait if a list still holds what a 404 said to be gone.
func goneUnlessListed[T any](all []T, err error, is func(T) bool, what string) error {
	if err == nil && slices.ContainsFunc(all, is) {
		return pass.Waiting(edgev1.ReasonIBMCloudUnexpected, "IBM Cloud says that %s is not there, and lists it anyway: it is deleted again", what)
	}
	return err
}

func (s *session) keyIsGone(ctx context.Context, id string) error {
	keys, err := s.client.AccountKeys(ctx, s.account)
	err = goneUnlessListed(keys, err, func(one ibmcloud.Key) bool { return one.ID == id }, "key "+id)
	return s.explain(err, needsServiceIDs)
}

// policyIsGone also counts a policy as gone if its service ID is: IBM Cloud deletes both together.
func (s *session) policyIsGone(ctx context.Context, of pass.RemoteIdentity) error {
	policies, err := s.client.Policies(ctx, s.account, of.Subject)
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		return nil
	}
	return goneUnlessListed(policies, err, func(one ibmcloud.Policy) bool { return one.ID == of.Grant }, "policy "+of.Grant)
}

func (s *session) serviceIDIsGone(ctx context.Context, identity pass.RemoteIdentity) error {
	all, err := s.client.ServiceIDs(ctx, s.account, "")
	return goneUnlessListed(all, err, func(one ibmcloud.ServiceID) bool { return one.ID == identity.ID }, "service ID "+identity.ID)
}

func (s *session) namespaceIsGone(ctx context.Context) error {
	names, err := s.client.Namespaces(ctx, s.account)
	return goneUnlessListed(names, err, func(name string) bool { return name == s.spec.RegistryNamespace.Name }, s.where())
}
