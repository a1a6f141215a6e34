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
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;watch
// +kubebuilder:rbac:groups=project.openshift.io,resources=projectrequests,verbs=create

// bindingDelay is how long the admin binding of a new project may take to count at every API server.
const bindingDelay = time.Minute

const defaultDescription = "Images of Open Horizon edge services"

// prepareProject requests the project when it is absent, and otherwise makes sure that it is this
// EdgeRegistry's or that its owner invited the operator. Then it reads what the operator has there.
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
	if apierrors.IsNotFound(err) {
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
	// What follows cannot be undone by the operator, so it is not done for an EdgeRegistry that is gone.
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
			"the cluster refuses to make the project %q for the operator: %s; allow it, or make the project and invite the operator", s.Home.Namespace, text.Of(err))
	case apierrors.IsNotFound(err):
		return nil, pass.Stalled(edgev1.ReasonProjectAPIAbsent,
			"this cluster does not serve ProjectRequests: make the namespace %q and invite the operator", s.Home.Namespace)
	default:
		return nil, fmt.Errorf("request project %q: %w", s.Home.Namespace, err)
	}
	if err == nil {
		s.Wrote = true
		s.Note(edgev1.ReasonProjectRequested, "requested "+project, nil)
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

// enterProject decides whether the project may be used, and reads the operator's objects in it.
func (s *session) enterProject(ctx context.Context, namespace *corev1.Namespace) (pass.Done, error) {
	mark := ownerMark(s.Edge.Name, s.Edge.UID)
	requested := namespace.Annotations[requesterAnnotation] == s.username
	marked := strings.Contains(namespace.Annotations[descriptionAnnotation], mark)
	bindings, err := s.listBindings(ctx)
	if err != nil {
		if apierrors.IsForbidden(err) {
			return pass.Done{}, s.shutOut(namespace, requested && marked)
		}
		return pass.Done{}, err
	}
	result := pass.DoneBecause(edgev1.ReasonInvited, "project %q: its owner invited the operator", s.Home.Namespace)
	if !invited(bindings, s.Home.Namespace, s.username) {
		if !requested {
			return pass.Done{}, s.notInvited()
		}
		if !marked && !s.holdsPublisher(ctx) {
			return pass.Done{}, untilInvited(pass.Stalled(edgev1.ReasonProjectConflict,
				"project %q was requested for another EdgeRegistry, by its description %q (this one may have been restored or made anew): use another project, or run '%s' to let this EdgeRegistry have it",
				s.Home.Namespace, namespace.Annotations[descriptionAnnotation], s.Home.Invite()))
		}
		result = pass.DoneBecause(edgev1.ReasonOwned, "project %q was requested for this EdgeRegistry", s.Home.Namespace)
	}
	if err := s.readProject(ctx, bindings); err != nil {
		if apierrors.IsForbidden(err) {
			return pass.Done{}, s.shutOut(namespace, requested && marked)
		}
		return pass.Done{}, err
	}
	s.remembered().entered = true
	s.Triggers.Follow(s.Edge, s.Home.Namespace, namespace.UID, watchedKinds...) //nolint:contextcheck // The watches outlive the pass.
	return result, nil
}

// holdsPublisher tells a project whose description was edited from one that is another
// EdgeRegistry's: this one's service account, by its owner's UID, is in it.
func (s *session) holdsPublisher(ctx context.Context) bool {
	account := &corev1.ServiceAccount{}
	err := s.Get(ctx, client.ObjectKey{Namespace: s.Home.Namespace, Name: s.publisher.Account}, account)
	return err == nil && objects.OwnedBy(account, s.Edge.UID)
}

// shutOut explains a refusal to read in the project.
func (s *session) shutOut(namespace *corev1.Namespace, ours bool) error {
	if !ours {
		return s.notInvited()
	}
	missing := untilInvited(objects.RightsMissing(s.Scope))
	if s.Now.Sub(namespace.CreationTimestamp.Time) < bindingDelay {
		missing.Stalled = false
		missing.Retry = time.Second
	}
	return missing
}

func (s *session) notInvited() *pass.Blocked {
	return untilInvited(pass.Stalled(edgev1.ReasonNotInvited,
		"project %q exists and its owner has not invited the operator: run '%s', or choose another project",
		s.Home.Namespace, s.Home.Invite()))
}

// untilInvited looks again soon: no watch can tell of an invitation where the operator has no right yet.
func untilInvited(b *pass.Blocked) *pass.Blocked {
	b.Retry = 30 * time.Second
	return b
}

// inviteCommand is what an admin of a project runs to invite the operator.
func inviteCommand(project, username string) string {
	return fmt.Sprintf("oc create rolebinding edge-registry --clusterrole=%s %s -n %s", InvitationClusterRole, apiserver.SubjectFlag(username), project)
}

func (s *session) listBindings(ctx context.Context) ([]rbacv1.RoleBinding, error) {
	list := &rbacv1.RoleBindingList{}
	if err := s.List(ctx, list, client.InNamespace(s.Home.Namespace)); err != nil {
		return nil, fmt.Errorf("list the role bindings of project %q: %w", s.Home.Namespace, err)
	}
	return list.Items, nil
}

func invited(bindings []rbacv1.RoleBinding, project, username string) bool {
	for _, binding := range bindings {
		if binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != InvitationClusterRole {
			continue
		}
		for _, subject := range binding.Subjects {
			if apiserver.IsSubject(subject, project, username) {
				return true
			}
		}
	}
	return false
}

// readProject reads the objects that carry the EdgeRegistry's label, which is all that this pass judges.
func (s *session) readProject(ctx context.Context, bindings []rbacv1.RoleBinding) error {
	s.accounts, s.bindings = map[string]*corev1.ServiceAccount{}, map[string]*rbacv1.RoleBinding{}
	needed := []string{bindingName(s.Edge, edgev1.TokenPublisher), bindingName(s.Edge, edgev1.TokenPuller)}
	for i := range bindings {
		if bindings[i].Labels[objects.EdgeLabel] == s.Edge.Name || slices.Contains(needed, bindings[i].Name) {
			s.bindings[bindings[i].Name] = &bindings[i]
		}
	}
	ours := []client.ListOption{client.InNamespace(s.Home.Namespace), client.MatchingLabels{objects.EdgeLabel: s.Edge.Name}}
	accounts := &corev1.ServiceAccountList{}
	if err := s.List(ctx, accounts, ours...); err != nil {
		return fmt.Errorf("list the service accounts of project %q: %w", s.Home.Namespace, err)
	}
	for i := range accounts.Items {
		s.accounts[accounts.Items[i].Name] = &accounts.Items[i]
	}
	secrets := &corev1.SecretList{}
	if err := s.List(ctx, secrets, ours...); err != nil {
		return fmt.Errorf("list the Secrets of project %q: %w", s.Home.Namespace, err)
	}
	for i := range secrets.Items {
		s.Secrets[secrets.Items[i].Name] = &secrets.Items[i]
	}
	return nil
}
