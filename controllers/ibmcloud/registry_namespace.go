// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// What the supplied key needs for a registry namespace.
const (
	needsNamespaceList = "the role Reader or Manager of container-registry"
	needsManager       = "the role Manager of container-registry at the level of the account, and Viewer of the resource group"
)

// prepareNamespace finds the registry namespace, or makes it. A namespace carries no mark. So it counts as made for this EdgeRegistry
// only if the intent was on record, a list lacked it, and the reply to its creation said that it was created.
func (s *session) prepareNamespace(ctx context.Context) (pass.Done, error) {
	if s.client == nil {
		return s.namespaceDone(noQuota), nil
	}
	known := s.cloud.in(string(s.spec.Region))
	list := func() ([]string, time.Time, error) {
		return known.namespaces.get(s.Now, func() ([]string, error) { return s.client.Namespaces(ctx, s.account) })
	}
	names, listed, err := list()
	if err != nil {
		return pass.Done{}, s.carryOnIfPublished(s.explain(err, needsNamespaceList))
	}
	if listed.Before(s.Now) && !slices.Contains(names, s.spec.RegistryNamespace.Name) {
		// It may have been made since the list was read.
		known.namespaces.invalidate()
		if names, _, err = list(); err != nil {
			return pass.Done{}, s.explain(err, needsNamespaceList)
		}
	}
	if !slices.Contains(names, s.spec.RegistryNamespace.Name) {
		known.namespaces.invalidate()
		if err := s.makeNamespace(ctx); err != nil {
			return pass.Done{}, err
		}
	}
	if err := s.checkGroup(ctx); err != nil {
		return pass.Done{}, err
	}
	at := s.Record.At()
	at.Account, at.Place.Found, at.Place.Intended = s.account, true, false
	quota, _, err := known.quota.get(s.Now, func() (ibmcloud.Quota, error) { return s.client.Quota(ctx, s.account) })
	if err != nil {
		// The quota is only reported, so the step goes on without it.
		quota = noQuota
	}
	return s.namespaceDone(quota), nil
}

// makeNamespace makes a namespace that no list holds, if the spec says so.
func (s *session) makeNamespace(ctx context.Context) error {
	name := s.spec.RegistryNamespace.Name
	if s.spec.RegistryNamespace.Policy != edgev1.RegistryNamespaceCreateOrAdopt {
		return pass.Stalled(edgev1.ReasonRegistryNamespaceAbsent,
			"%s is not in account %s, or %s cannot see it, which needs %s: run 'ibmcloud cr namespace-add %s', or set spec.ibmCloud.registryNamespace.policy to CreateOrAdopt",
			s.where(), s.account, s.supplied(), needsNamespaceList, name)
	}
	if at := s.Record.At(); !at.Place.Intended {
		at.Account, at.Place.Intended, at.Place.Created = s.account, true, false
		if err := s.SaveRecord(ctx, s.Scope); err != nil {
			return err
		}
	}
	created, err := s.client.CreateNamespace(ctx, s.account, name, s.spec.RegistryNamespace.ResourceGroupID)
	if err != nil {
		return s.explainNotMade(ctx, err)
	}
	s.Record.At().Place.Created = created
	if created {
		s.Record.At().Place.CreatedAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	}
	if err := s.SaveRecord(ctx, s.Scope); err != nil {
		return err
	}
	if created {
		s.Note(edgev1.ReasonRegistryNamespaceCreated, fmt.Sprintf("made %s in account %s", s.where(), s.account), nil)
	}
	return nil
}

// explainNotMade says why a namespace was not made. It reads the list again first, because it may have been made in spite of the
// error.
func (s *session) explainNotMade(ctx context.Context, cause error) error {
	name := s.spec.RegistryNamespace.Name
	if names, err := s.client.Namespaces(ctx, s.account); err == nil && slices.Contains(names, name) {
		return nil
	}
	switch ibmcloud.KindOf(cause) {
	case ibmcloud.Exists, ibmcloud.NotFound:
		return pass.Stalled(edgev1.ReasonRegistryNamespaceTaken,
			"%s cannot be made: it is another account's, or was deleted a moment ago, for names are the same for all accounts of a region: choose another name in another EdgeRegistry, or wait a few minutes; %s", s.where(), cause)
	case ibmcloud.Unexpected:
		if status := statusOf(cause); status < 400 || status > 499 {
			return s.explain(cause, needsManager)
		}
		return pass.Stalled(edgev1.ReasonRegistryNamespaceTaken,
			"%s cannot be made: choose another name in another EdgeRegistry if it is another account's; %s", s.where(), cause)
	default:
		return s.explain(cause, needsManager)
	}
}

// checkGroup refuses a namespace in another resource group than the spec names: a namespace can never change its group.
func (s *session) checkGroup(ctx context.Context) error {
	want := s.spec.RegistryNamespace.ResourceGroupID
	if want == "" || (s.Record.Remote != nil && s.Record.Remote.Place.Found) {
		return nil
	}
	all, err := s.client.NamespaceDetails(ctx, s.account)
	if err != nil {
		return s.explain(err, needsNamespaceList)
	}
	for _, one := range all {
		if one.Name == s.spec.RegistryNamespace.Name && one.ResourceGroup != "" && one.ResourceGroup != want {
			return pass.Stalled(edgev1.ReasonConflict,
				"%s is in resource group %s, which it cannot leave: set spec.ibmCloud.registryNamespace.resourceGroupID to that, or leave it out", s.where(), one.ResourceGroup)
		}
	}
	return nil
}
