// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	projectv1 "github.com/openshift/api/project/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;watch
// +kubebuilder:rbac:groups=project.openshift.io,resources=projectrequests,verbs=create

// bindingDelay is how long the admin binding of a new project may take to count at every API server.
const bindingDelay = time.Minute

const defaultDescription = "Images of Open Horizon edge services"

// prepareProject requests the project when it is absent, and otherwise makes sure that it is this
// EdgeRegistry's or that its owner invited the operator. Then it reads what the operator has there.
func (r *EdgeRegistryReconciler) prepareProject(ctx context.Context, s *scope) (done, error) {
	if reservedProject(s.project, r.Namespace) {
		return done{}, stalled(edgev1.ReasonProjectReserved,
			"project %q is reserved for the platform or the operator: use another EdgeRegistry with another spec.openshift.project.name", s.project)
	}
	r.wakers.expect(s.edge.Name, s.project)
	username, err := r.identity.username(ctx, r.WithWatch)
	if err != nil {
		return done{}, err
	}
	namespace := &corev1.Namespace{}
	err = r.Get(ctx, client.ObjectKey{Name: s.project}, namespace)
	if apierrors.IsNotFound(err) {
		namespace, err = r.requestProject(ctx, s)
	}
	if err != nil {
		return done{}, err
	}
	if !namespace.DeletionTimestamp.IsZero() || namespace.Status.Phase == corev1.NamespaceTerminating {
		return done{}, waiting(edgev1.ReasonProjectTerminating,
			"project %q is being deleted: it is requested again when it is gone", s.project)
	}
	return r.enterProject(ctx, s, namespace, username)
}

// requestProject asks for the project as a user would, so that the cluster's project template
// applies: it binds admin in the new project to the operator, and may add quotas and policies.
func (r *EdgeRegistryReconciler) requestProject(ctx context.Context, s *scope) (*corev1.Namespace, error) {
	project := fmt.Sprintf("project %q", s.project)
	if err := r.contested(s, project, "was deleted again"); err != nil {
		return nil, err
	}
	// What follows cannot be undone by the operator, so it is not done for an EdgeRegistry that is gone.
	if err := r.stillWanted(ctx, s); err != nil {
		return nil, err
	}
	spec := s.edge.Spec.OpenShift.Project
	description := spec.Description
	if description == "" {
		description = defaultDescription
	}
	request := &projectv1.ProjectRequest{
		DisplayName: spec.DisplayName,
		Description: description + " " + ownerMark(s.edge.Name, s.edge.UID),
	}
	request.Name = s.project
	err := r.Create(ctx, request)
	switch {
	case err == nil || apierrors.IsAlreadyExists(err):
	case apierrors.IsForbidden(err):
		return nil, stalled(edgev1.ReasonProjectRequestDenied,
			"the cluster refuses to make the project %q for the operator: %s; allow it, or make the project and invite the operator", s.project, oneLine(err))
	case apierrors.IsNotFound(err):
		return nil, stalled(edgev1.ReasonProjectAPIAbsent,
			"this cluster does not serve ProjectRequests: make the namespace %q and invite the operator", s.project)
	default:
		return nil, fmt.Errorf("request project %q: %w", s.project, err)
	}
	if err == nil {
		s.wrote = true
		s.notes = append(s.notes, note{reason: edgev1.ReasonProjectRequested, message: "requested " + project})
		if s.repairs() {
			r.countRepair(s, project)
		}
	}
	namespace := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: s.project}, namespace); err != nil {
		return nil, fmt.Errorf("read the new project %q: %w", s.project, err)
	}
	return namespace, nil
}

// stillWanted makes sure, once in a pass, that the EdgeRegistry exists and is held for the clean-up,
// by a live read: the pass may go by an old copy, or belong to an operator that was replaced. What
// is made after that read, for an EdgeRegistry that is deleted at that moment, has an owner that is
// gone, and garbage collection takes it.
func (r *EdgeRegistryReconciler) stillWanted(ctx context.Context, s *scope) error {
	if s.wanted {
		return nil
	}
	live := &edgev1.EdgeRegistry{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(s.edge), live); err != nil {
		return fmt.Errorf("read EdgeRegistry %q again before acting for it: %w", s.edge.Name, err)
	}
	if live.UID != s.edge.UID || !live.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(live, cleanupFinalizer) {
		return waiting(edgev1.ReasonPending, "EdgeRegistry %q was deleted or made anew meanwhile", s.edge.Name)
	}
	s.wanted = true
	return nil
}

// enterProject decides whether the project may be used, and reads the operator's objects in it.
func (r *EdgeRegistryReconciler) enterProject(ctx context.Context, s *scope, namespace *corev1.Namespace, username string) (done, error) {
	mark := ownerMark(s.edge.Name, s.edge.UID)
	requested := namespace.Annotations[requesterAnnotation] == username
	marked := strings.Contains(namespace.Annotations[descriptionAnnotation], mark)
	bindings, err := r.listBindings(ctx, s)
	if err != nil {
		if apierrors.IsForbidden(err) {
			return done{}, r.shutOut(s, namespace, username, requested && marked)
		}
		return done{}, err
	}
	result := doneBecause(edgev1.ReasonInvited, "project %q: its owner invited the operator", s.project)
	if !invited(bindings, s.project, username) {
		if !requested {
			return done{}, notInvited(s, username)
		}
		if !marked && !r.holdsPublisher(ctx, s) {
			return done{}, untilInvited(stalled(edgev1.ReasonProjectConflict,
				"project %q was requested for another EdgeRegistry, by its description %q (this one may have been restored or made anew): use another project, or run '%s' to let this EdgeRegistry have it",
				s.project, namespace.Annotations[descriptionAnnotation], inviteCommandFor(s.project, username)))
		}
		result = doneBecause(edgev1.ReasonOwned, "project %q was requested for this EdgeRegistry", s.project)
	}
	if err := r.readProject(ctx, s, bindings); err != nil {
		if apierrors.IsForbidden(err) {
			return done{}, r.shutOut(s, namespace, username, requested && marked)
		}
		return done{}, err
	}
	r.wakers.project(s.edge.Name, s.project, namespace.UID) //nolint:contextcheck // The watches outlive the pass.
	return result, nil
}

// holdsPublisher tells a project whose description was edited from one that is another
// EdgeRegistry's: this one's service account, by its owner's UID, is in it.
func (r *EdgeRegistryReconciler) holdsPublisher(ctx context.Context, s *scope) bool {
	account := &corev1.ServiceAccount{}
	err := r.Get(ctx, client.ObjectKey{Namespace: s.project, Name: s.publisher.account}, account)
	return err == nil && ownedBy(account, s.edge.UID)
}

// shutOut explains a refusal to read in the project.
func (r *EdgeRegistryReconciler) shutOut(s *scope, namespace *corev1.Namespace, username string, ours bool) error {
	if !ours {
		return notInvited(s, username)
	}
	missing := untilInvited(rightsMissing(s, username))
	if s.now.Sub(namespace.CreationTimestamp.Time) < bindingDelay {
		missing.stalled = false
		missing.retry = time.Second
	}
	return missing
}

func notInvited(s *scope, username string) *blocked {
	return untilInvited(stalled(edgev1.ReasonNotInvited,
		"project %q exists and its owner has not invited the operator: run '%s', or choose another project",
		s.project, inviteCommandFor(s.project, username)))
}

// untilInvited looks again soon: no watch can tell of an invitation where the operator has no right yet.
func untilInvited(b *blocked) *blocked {
	b.retry = 30 * time.Second
	return b
}

func rightsMissing(s *scope, username string) *blocked {
	return stalled(edgev1.ReasonRightsMissing,
		"the operator lacks rights in project %q (a custom project template may grant less than admin): run '%s'",
		s.project, inviteCommandFor(s.project, username))
}

// inviteCommandFor is what an admin of a project runs to invite the operator.
func inviteCommandFor(project, username string) string {
	return fmt.Sprintf("oc create rolebinding edge-registry --clusterrole=%s %s -n %s", invitationClusterRole, subjectFlag(username), project)
}

func (r *EdgeRegistryReconciler) listBindings(ctx context.Context, s *scope) ([]rbacv1.RoleBinding, error) {
	list := &rbacv1.RoleBindingList{}
	if err := r.List(ctx, list, client.InNamespace(s.project)); err != nil {
		return nil, fmt.Errorf("list the role bindings of project %q: %w", s.project, err)
	}
	return list.Items, nil
}

func invited(bindings []rbacv1.RoleBinding, project, username string) bool {
	for _, binding := range bindings {
		if binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != invitationClusterRole {
			continue
		}
		for _, subject := range binding.Subjects {
			if isSubject(subject, project, username) {
				return true
			}
		}
	}
	return false
}

// readProject reads the objects that carry the EdgeRegistry's label, which is all that this pass judges.
func (r *EdgeRegistryReconciler) readProject(ctx context.Context, s *scope, bindings []rbacv1.RoleBinding) error {
	s.live = projectObjects{
		accounts: map[string]*corev1.ServiceAccount{},
		bindings: map[string]*rbacv1.RoleBinding{},
		secrets:  map[string]*corev1.Secret{},
		free:     sets.Set[string]{},
	}
	needed := []string{bindingName(s.edge, edgev1.TokenPublisher), bindingName(s.edge, edgev1.TokenPuller)}
	for i := range bindings {
		if bindings[i].Labels[edgeLabel] == s.edge.Name || slices.Contains(needed, bindings[i].Name) {
			s.live.bindings[bindings[i].Name] = &bindings[i]
		}
	}
	ours := []client.ListOption{client.InNamespace(s.project), client.MatchingLabels{edgeLabel: s.edge.Name}}
	accounts := &corev1.ServiceAccountList{}
	if err := r.List(ctx, accounts, ours...); err != nil {
		return fmt.Errorf("list the service accounts of project %q: %w", s.project, err)
	}
	for i := range accounts.Items {
		s.live.accounts[accounts.Items[i].Name] = &accounts.Items[i]
	}
	secrets := &corev1.SecretList{}
	if err := r.List(ctx, secrets, ours...); err != nil {
		return fmt.Errorf("list the Secrets of project %q: %w", s.project, err)
	}
	for i := range secrets.Items {
		s.live.secrets[secrets.Items[i].Name] = &secrets.Items[i]
	}
	return nil
}

// insideProject explains the refusals that any step may meet in the project.
func (r *EdgeRegistryReconciler) insideProject(run func(context.Context, *scope) (done, error)) func(context.Context, *scope) (done, error) {
	return func(ctx context.Context, s *scope) (done, error) {
		result, err := run(ctx, s)
		var known *blocked
		switch {
		case err == nil || errors.As(err, &known):
			return result, err
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			return done{}, waiting(edgev1.ReasonProjectTerminating, "project %q is being deleted: it is requested again when it is gone", s.project)
		case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "status unknown for quota"):
			uncounted := waiting(edgev1.ReasonQuotaExceeded, "a quota of project %q has not been counted by the cluster yet: %s", s.project, oneLine(err))
			uncounted.retry = 2 * time.Second
			return done{}, uncounted
		case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
			return done{}, stalled(edgev1.ReasonQuotaExceeded, "a quota of project %q refuses what the operator needs: %s", s.project, oneLine(err))
		case apierrors.IsForbidden(err) && ofTheInstallation(err):
			return done{}, stalled(edgev1.ReasonRequestFailed, "the operator lacks a right that it is installed with: apply config/default again; refused was: %s", oneLine(err))
		case apierrors.IsForbidden(err) && !lacksRight(err):
			return done{}, stalled(edgev1.ReasonRequestFailed, "an admission rule of the cluster refuses what the operator needs: %s", oneLine(err))
		case apierrors.IsForbidden(err):
			username, _ := r.identity.username(ctx, r.WithWatch)
			missing := rightsMissing(s, username)
			missing.message += "; refused was: " + oneLine(err)
			return done{}, missing
		default:
			return result, err
		}
	}
}

// ofTheInstallation tells the rights that no owner of a project can give from the others: to see namespaces, and to name an
// EdgeRegistry as an owner.
func ofTheInstallation(err error) bool {
	return strings.Contains(err.Error(), `cannot get resource "namespaces"`) || strings.Contains(err.Error(), "cannot set blockOwnerDeletion")
}

// lacksRight tells a refusal for want of a right, by the words of the API server's authorisation,
// from one by an admission plugin or webhook: both answer 403.
func lacksRight(err error) bool {
	return strings.Contains(err.Error(), `User "`) && strings.Contains(err.Error(), " cannot ")
}
