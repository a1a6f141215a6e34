// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	projectv1 "github.com/openshift/api/project/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;watch
// +kubebuilder:rbac:groups=project.openshift.io,resources=projectrequests,verbs=create

// accountsPage is how many service accounts are listed at most, because others can label any number of them.
const accountsPage = 20

// bindingDelay is how long the admin binding of a new project may take until every API server knows it.
const bindingDelay = time.Minute

const defaultDescription = "Images of Open Horizon edge services"

// prepareProject requests the project if it is absent. Otherwise it makes sure that the project is this EdgeRegistry's, or that its
// owner invited the operator. Then it reads the operator's objects there.
func (s *session) prepareProject(ctx context.Context) (pass.Done, error) {
	if objects.IsReserved(s.Home.Namespace, s.Namespace) {
		return pass.Done{}, pass.Stalled(edgev1.ReasonProjectReserved,
			"project %q is reserved for the platform or the operator: use another EdgeRegistry with another spec.openshift.project.name", s.Home.Namespace)
	}
	s.Triggers.Expect(s.Edge, s.Home.Namespace)
	username, err := s.Username(ctx)
	if err != nil {
		return pass.Done{}, err
	}
	s.username = username
	namespace := &corev1.Namespace{}
	err = s.Get(ctx, client.ObjectKey{Name: s.Home.Namespace}, namespace)
	switch {
	case apierrors.IsNotFound(err) && s.adopts():
		return pass.Done{}, pass.Waiting(edgev1.ReasonProjectAbsent,
			"project %q does not exist, and spec.openshift.project.policy is Adopt: have its owner make it and run '%s', or set the policy to Request",
			s.Home.Namespace, s.Home.Invite())
	case apierrors.IsNotFound(err):
		namespace, err = s.requestProject(ctx)
	}
	if err != nil {
		return pass.Done{}, err
	}
	if !namespace.DeletionTimestamp.IsZero() || namespace.Status.Phase == corev1.NamespaceTerminating {
		return pass.Done{}, objects.Terminating(s.Scope)
	}
	return s.enterProject(ctx, namespace)
}

// adopts reports whether the project is one that others made.
func (s *session) adopts() bool { return s.Edge.Spec.OpenShift.Project.Policy == edgev1.ProjectAdopt }

// requestProject asks for the project as a user would, so that the cluster's project template
// applies: it binds admin in the new project to the operator, and may add quotas and policies.
func (s *session) requestProject(ctx context.Context) (*corev1.Namespace, error) {
	project := fmt.Sprintf("project %q", s.Home.Namespace)
	deleted := s.remembered().entered || s.Settled
	if deleted {
		if err := objects.Spent(s.Scope, project, "was deleted again"); err != nil {
			return nil, err
		}
	}
	// The operator could not undo the request, so it makes sure that the EdgeRegistry still exists.
	if err := s.Objects.Confirm(ctx, s.Scope); err != nil {
		return nil, err
	}
	spec := s.Edge.Spec.OpenShift.Project
	description := spec.Description
	if description == "" {
		description = defaultDescription
	}
	request := &projectv1.ProjectRequest{
		DisplayName: spec.DisplayName,
		Description: description + " " + ownerMark(s.Edge.Name, s.Edge.UID),
	}
	request.Name = s.Home.Namespace
	err := s.Create(ctx, request)
	switch {
	case err == nil || apierrors.IsAlreadyExists(err):
	case apierrors.IsForbidden(err):
		return nil, pass.Stalled(edgev1.ReasonProjectRequestDenied,
			"the cluster refuses to make the project %q for the operator: %s; allow it, or %s", s.Home.Namespace, text.Of(err), s.madeByHand())
	case apierrors.IsNotFound(err):
		return nil, pass.Stalled(edgev1.ReasonProjectAPIAbsent,
			"this cluster does not serve ProjectRequests: %s", s.madeByHand())
	default:
		return nil, fmt.Errorf("request project %q: %w", s.Home.Namespace, err)
	}
	if err == nil {
		s.Wrote = true
		s.isNew = true
		_, served := s.Record.Served[s.Home.Namespace]
		delete(s.Record.Served, s.Home.Namespace)
		s.Note(edgev1.ReasonProjectRequested, "requested "+project, nil)
		if served {
			// Its tokens were deleted with it.
			s.Edge.Status.Credentials, s.Edge.Status.ExpiresAt = nil, nil
			s.Note(edgev1.ReasonProjectEmptied, project+" had been deleted, and its images with it: push them again before a node needs them", nil)
		}
		if deleted {
			objects.CountRepair(s.Scope, project)
		}
	}
	namespace := &corev1.Namespace{}
	if err := s.Get(ctx, client.ObjectKey{Name: s.Home.Namespace}, namespace); err != nil {
		return nil, fmt.Errorf("read the new project %q: %w", s.Home.Namespace, err)
	}
	return namespace, nil
}

// madeByHand is what to do if the operator cannot request the project: it uses one that others made only with policy Adopt.
func (s *session) madeByHand() string {
	return fmt.Sprintf("set spec.openshift.project.policy to Adopt, make the namespace %q yourself and invite the operator by '%s'", s.Home.Namespace, s.Home.Invite())
}

// enterProject decides whether the project may be used, and reads the operator's objects in it.
func (s *session) enterProject(ctx context.Context, namespace *corev1.Namespace) (pass.Done, error) {
	if !s.adopts() {
		if err := s.wasRequested(ctx, namespace); err != nil {
			return pass.Done{}, err
		}
	}
	bindings, listed, err := consent.Bindings(ctx, s.WithWatch, s.Home.Namespace, "")
	s.BindingsListed = listed
	if err == nil && s.adopts() {
		err = s.wasInvited(bindings, namespace)
	}
	if err == nil {
		err = s.readProject(ctx, bindings)
	}
	if apierrors.IsForbidden(err) {
		return pass.Done{}, s.shutOut(namespace)
	}
	if err != nil {
		return pass.Done{}, err
	}
	consent.Serve(s.Scope, s.Home.Namespace, namespace.UID)
	s.remembered().entered = true
	s.Triggers.Follow(s.Edge, s.Home.Namespace, namespace.UID, s.watched()...) //nolint:contextcheck // The watches outlive the pass.
	if s.adopts() {
		return pass.DoneBecause(edgev1.ReasonInvited, "project %q: its owner invited the operator for this EdgeRegistry", s.Home.Namespace), nil
	}
	return pass.DoneBecause(edgev1.ReasonOwned, "project %q was requested for this EdgeRegistry", s.Home.Namespace), nil
}

// wasRequested makes sure that the operator requested the project for this EdgeRegistry. The annotation with the requester proves
// that the operator did, since OpenShift lets nobody else write it (openshift/origin). Until the project's UID is on record, its
// description says for which EdgeRegistry. An author accepts no project in the place of the one before that was requested for
// another.
func (s *session) wasRequested(ctx context.Context, namespace *corev1.Namespace) error {
	if namespace.Annotations[requesterAnnotation] != s.username {
		return pass.Stalled(edgev1.ReasonProjectConflict,
			"project %q exists and was not requested for this EdgeRegistry: choose another project, or set spec.openshift.project.policy to Adopt and have its owner run '%s'%s",
			s.Home.Namespace, s.Home.Invite(), s.sameAccounts(ctx))
	}
	before, known := s.Record.Served[s.Home.Namespace]
	if (!known || before != namespace.UID) && !strings.Contains(namespace.Annotations[descriptionAnnotation], ownerMark(s.Edge.Name, s.Edge.UID)) {
		return pass.Stalled(edgev1.ReasonProjectConflict,
			"project %q was requested for another EdgeRegistry, by its description %q (this one may have been restored or recreated): choose another project, or set spec.openshift.project.policy to Adopt and have its owner run '%s'%s",
			s.Home.Namespace, namespace.Annotations[descriptionAnnotation], s.Home.Invite(), s.sameAccounts(ctx))
	}
	if !known {
		return nil
	}
	return consent.SameNamespace(s.Scope, "project", s.Home.Namespace, namespace.UID)
}

// wasInvited makes sure that the owner of the project invited the operator for this EdgeRegistry, and that the project is
// still the same one.
func (s *session) wasInvited(bindings []rbacv1.RoleBinding, namespace *corev1.Namespace) error {
	invitation := consent.Find(bindings, consent.Project, s.Home.Namespace, s.username, s.Edge.Name)
	if !invitation.Valid {
		return pass.Stalled(edgev1.ReasonNotInvited,
			"project %q: %s, or choose another project", s.Home.Namespace, invitation.Missing(s.Edge.Name))
	}
	return consent.SameNamespace(s.Scope, "project", s.Home.Namespace, namespace.UID)
}

// shutOut says why the operator may not read in the project.
func (s *session) shutOut(namespace *corev1.Namespace) error {
	if s.adopts() {
		none := consent.Find(nil, consent.Project, s.Home.Namespace, s.username, s.Edge.Name)
		return pass.Stalled(edgev1.ReasonNotInvited,
			"project %q: %s, or choose another project", s.Home.Namespace, none.Missing(s.Edge.Name))
	}
	missing := objects.RightsMissing(s.Scope)
	if s.Now.Sub(namespace.CreationTimestamp.Time) < bindingDelay {
		missing.Stalled = false
		missing.Retry = time.Second
	}
	return missing
}

// readProject reads what the operator has in the project.
func (s *session) readProject(ctx context.Context, bindings []rbacv1.RoleBinding) error {
	s.accounts, s.bindings = map[string]*corev1.ServiceAccount{}, map[string]*rbacv1.RoleBinding{}
	needed := []string{bindingName(s.Edge, edgev1.TokenPublisher), bindingName(s.Edge, edgev1.TokenPuller)}
	for i := range bindings {
		if slices.Contains(needed, bindings[i].Name) {
			s.bindings[bindings[i].Name] = &bindings[i]
		}
	}
	if s.isNew {
		// A conflict with an object from a project template shows when the operator makes its own.
		return nil
	}
	if err := s.readAccounts(ctx); err != nil {
		return err
	}
	return s.readSecrets(ctx)
}

// readAccounts reads the service accounts of the logins. It lists one page of those with the EdgeRegistry's label, which also gives
// the resourceVersion to watch from. What that page lacks is read by name.
func (s *session) readAccounts(ctx context.Context) error {
	list := &corev1.ServiceAccountList{}
	err := s.List(ctx, list, client.InNamespace(s.Home.Namespace), client.MatchingLabels{objects.EdgeLabel: s.Edge.Name}, client.Limit(accountsPage))
	if err != nil {
		return fmt.Errorf("list the service accounts of project %q: %w", s.Home.Namespace, err)
	}
	s.accountsListed = list.ResourceVersion
	for _, l := range s.logins() {
		account := &corev1.ServiceAccount{}
		if i := slices.IndexFunc(list.Items, func(one corev1.ServiceAccount) bool { return one.Name == l.Account }); i >= 0 {
			account = &list.Items[i]
		} else if err := s.Get(ctx, client.ObjectKey{Namespace: s.Home.Namespace, Name: l.Account}, account); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("read service account %q of project %q: %w", l.Account, s.Home.Namespace, err)
		}
		s.accounts[l.Account] = account
	}
	return nil
}
