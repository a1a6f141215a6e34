// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"strings"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// cleanUp deletes what was made at IBM Cloud for an EdgeRegistry. If that fails, the deletion waits for a limited time. Then an
// event names what may be left there.
func (s *session) cleanUp(ctx context.Context) error {
	if s.Record.Remote == nil && !s.Record.Lost {
		// Everything is put on record before it is made.
		return nil
	}
	s.Record.At()
	err := s.undo(ctx)
	if b := pass.AsBlocked(err); err == nil || (b != nil && b.Reason == edgev1.ReasonDeletionPending) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if waits := pass.UnlessAbandoned(s.Scope, err); waits != nil {
		return waits
	}
	_, _, message := pass.Verdict(err)
	s.Note(edgev1.ReasonLeftAtIBMCloud, fmt.Sprintf("what was made at IBM Cloud could not be deleted: in account %s there may be %s; %s", s.Record.Remote.Account, s.leftovers(), message), nil)
	return nil
}

func (s *session) undo(ctx context.Context) error {
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.deleteLogins(ctx); err != nil {
		return err
	}
	return s.deleteNamespace(ctx)
}

// deleteLogins deletes the keys of both logins, and what was made for them.
func (s *session) deleteLogins(ctx context.Context) error {
	ended := false
	for _, l := range s.Logins() {
		done, err := s.deleteLogin(ctx, l)
		if err != nil {
			return err
		}
		ended = ended || done
	}
	// A deletion of the registry namespace is announced after that, and takes another pass.
	if ended && !s.Record.Remote.Place.Announced {
		s.Note(edgev1.ReasonTokensRevoked, "the keys of the publisher and the puller at IBM Cloud are deleted", nil)
	}
	return nil
}

// end deletes the keys of a login, and the service ID and policy that were made for it. It reports whether there was any.
func (s *session) deleteLogin(ctx context.Context, l *pass.Login) (bool, error) {
	identities := []pass.RemoteIdentity{s.Record.Identity(l.Role)}
	if !identities[0].Given {
		// There may be another, if the reply to its creation was lost.
		found, err := s.ownServiceIDs(ctx, l.Role)
		if err != nil {
			return false, s.explain(err, needsServiceIDs)
		}
		for _, one := range found {
			if one.ID != identities[0].ID {
				identities = append(identities, pass.RemoteIdentity{ID: one.ID, Subject: one.IAMID})
			}
		}
	}
	ended := false
	for _, identity := range identities {
		if identity.ID == "" {
			continue
		}
		if err := s.deleteKeys(ctx, l, identity); err != nil {
			return false, err
		}
		ended = true
		if identity.Given {
			continue
		}
		if err := s.deleteServiceID(ctx, identity); err != nil {
			return false, err
		}
	}
	return ended, nil
}

// deleteKeys deletes the keys of a login: those on record, one that was written ahead, and those that carry its mark.
func (s *session) deleteKeys(ctx context.Context, l *pass.Login, identity pass.RemoteIdentity) error {
	ids := map[string]bool{}
	for _, issued := range s.Record.Issued {
		if issued.Role == l.Role && issued.EndedAt.IsZero() {
			ids[issued.ID] = true
		}
	}
	if pending, waits := s.Record.Pending[l.Role]; waits {
		if pending.ID != "" {
			ids[pending.ID] = true
		} else if found, err := s.client.DescribeKey(ctx, s.begun(pending).Token); err == nil && found.IAMID == identity.Subject {
			ids[found.ID] = true
		}
	}
	keys, err := s.client.Keys(ctx, s.account, identity.Subject)
	if err != nil && ibmcloud.KindOf(err) != ibmcloud.NotFound {
		return s.explain(err, needsServiceIDs)
	}
	for _, key := range keys {
		if s.isOurs(key, l.Role) {
			ids[key.ID] = true
		}
	}
	for id := range ids {
		if err := s.remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// deleteServiceID deletes a service ID that was made for a login, and its policy. IBM Cloud may answer a first attempt with a
// conflict.
func (s *session) deleteServiceID(ctx context.Context, identity pass.RemoteIdentity) error {
	if err := s.client.UnlockServiceID(ctx, identity.ID); err != nil {
		return s.explain(err, needsServiceIDs)
	}
	if identity.Grant != "" {
		err := s.client.DeletePolicy(ctx, identity.Grant)
		if ibmcloud.KindOf(err) == ibmcloud.NotFound {
			err = s.policyIsGone(ctx, identity)
		}
		if err != nil {
			return s.explain(err, needsPolicies)
		}
	}
	err := s.client.DeleteServiceID(ctx, identity.ID)
	if ibmcloud.KindOf(err) == ibmcloud.Exists {
		err = s.client.DeleteServiceID(ctx, identity.ID)
	}
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		err = s.serviceIDIsGone(ctx, identity)
	}
	return s.explain(err, needsServiceIDs)
}

// deleteNamespace deletes the registry namespace with its images, if the spec says so and it was made for this EdgeRegistry. An event
// announces it one pass before.
func (s *session) deleteNamespace(ctx context.Context) error {
	place := &s.Record.Remote.Place
	if s.Edge.Spec.DeletionPolicy != edgev1.DeletionDelete || (!place.Found && !place.Created) {
		return nil
	}
	if !place.Created {
		s.reportRetained("it is not known to have been made for this EdgeRegistry")
		return nil
	}
	other, err := s.sharer(ctx)
	if err != nil {
		return err
	}
	if other != "" {
		s.reportRetained("EdgeRegistry " + other + " uses it too")
		return nil
	}
	switch same, err := s.isAsMade(ctx); {
	case err != nil:
		return err
	case !same:
		s.reportRetained("it was deleted and made again since the operator made it")
		return nil
	}
	if !place.Announced {
		place.Announced = true
		if err := s.SaveRecord(ctx, s.Scope); err != nil {
			return err
		}
		s.Note(edgev1.ReasonRegistryNamespaceDeleted, fmt.Sprintf("%s is deleted with all images in it, as spec.deletionPolicy asks", s.where()), nil)
		return &pass.Blocked{Reason: edgev1.ReasonDeletionPending, Message: "the registry namespace is deleted in a moment, so that the event about it comes first", Retry: time.Second}
	}
	err = s.client.DeleteNamespace(ctx, s.account, s.spec.RegistryNamespace.Name)
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		err = s.namespaceIsGone(ctx)
	}
	if err != nil {
		return s.explain(err, needsManager)
	}
	s.cloud.in(string(s.spec.Region)).namespaces.invalidate()
	return nil
}

// isAsMade reports whether the registry namespace is the one that the operator made, and not a later one of the same name.
func (s *session) isAsMade(ctx context.Context) (bool, error) {
	all, err := s.client.NamespaceDetails(ctx, s.account)
	if err != nil {
		return false, s.explain(err, needsNamespaceList)
	}
	for _, one := range all {
		if one.Name == s.spec.RegistryNamespace.Name {
			return !one.CreatedAt.IsZero() && one.CreatedAt.Sub(s.Record.Remote.Place.CreatedAt.Time).Abs() <= propagation, nil
		}
	}
	// It is gone, so a deletion does no harm.
	return true, nil
}

// sharer is another EdgeRegistry that uses the registry namespace; empty for none. It is read live, because deleted images do not
// come back.
func (s *session) sharer(ctx context.Context) (string, error) {
	list := &edgev1.EdgeRegistryList{}
	if err := s.List(ctx, list); err != nil {
		return "", fmt.Errorf("list the EdgeRegistries: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		spec := other.Spec.IBMCloud
		if other.UID != s.Edge.UID && other.DeletionTimestamp.IsZero() && spec != nil &&
			spec.Region == s.spec.Region && spec.RegistryNamespace.Name == s.spec.RegistryNamespace.Name {
			return other.Name, nil
		}
	}
	return "", nil
}

// reportRetained reports that the registry namespace stays although deletionPolicy is Delete.
func (s *session) reportRetained(why string) {
	s.Note(edgev1.ReasonRegistryNamespaceRetained, fmt.Sprintf("%s is kept with its images although spec.deletionPolicy is Delete, because %s: to delete it, run 'ibmcloud cr namespace-rm %s'",
		s.where(), why, s.spec.RegistryNamespace.Name), nil)
}

// leftovers names what may be left at IBM Cloud.
func (s *session) leftovers() string {
	var all []string
	for _, l := range s.Logins() {
		identity := s.Record.Identity(l.Role)
		if identity.ID != "" && !identity.Given {
			all = append(all, "service ID "+identity.ID)
		}
		if identity.Grant != "" && !identity.Given {
			all = append(all, "policy "+identity.Grant)
		}
		for _, issued := range s.Record.Issued {
			if issued.Role == l.Role && issued.EndedAt.IsZero() {
				all = append(all, "key "+issued.ID)
			}
		}
		if pending, waits := s.Record.Pending[l.Role]; waits {
			all = append(all, "a key named "+pending.Name)
		}
	}
	if s.Record.Remote.Place.Created && s.Edge.Spec.DeletionPolicy == edgev1.DeletionDelete {
		all = append(all, s.where())
	}
	if len(all) == 0 {
		return "nothing that is known"
	}
	return strings.Join(all, ", ")
}
