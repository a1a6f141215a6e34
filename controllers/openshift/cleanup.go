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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// adminClusterRole is the role that OpenShift's project template binds to the requester of a project.
const adminClusterRole = "admin"

// projectState is the project of an EdgeRegistry that is being deleted.
type projectState struct {
	namespace *corev1.Namespace
	// requested: the operator requested the project; ours: for this EdgeRegistry.
	requested, ours bool
	now             time.Time
}

// readProjectState reads the project; nil if it is gone, or is one in which the operator never works.
func (s *session) readProjectState(ctx context.Context) (*projectState, error) {
	if objects.IsReserved(s.Home.Namespace, s.Namespace) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	namespace := &corev1.Namespace{}
	err := s.Get(ctx, client.ObjectKey{Name: s.Home.Namespace}, namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if err != nil {
		return nil, fmt.Errorf("read project %q: %w", s.Home.Namespace, err)
	}
	username, err := s.Username(ctx)
	if err != nil {
		return nil, err
	}
	s.username = username
	return &projectState{
		namespace: namespace,
		requested: namespace.Annotations[requesterAnnotation] == username,
		ours:      s.wasRequestedFor(namespace),
		now:       s.Now,
	}, nil
}

// wasRequestedFor reports whether the project is the one that was requested for this EdgeRegistry. The record decides. Its
// description, which its admin can change, counts only for a project that is not on record yet.
func (s *session) wasRequestedFor(namespace *corev1.Namespace) bool {
	if uid, known := s.Record.Served[s.Home.Namespace]; known || s.Record.Lost {
		return uid == namespace.UID
	}
	return strings.Contains(namespace.Annotations[descriptionAnnotation], ownerMark(s.Edge.Name, s.Edge.UID))
}

// ignoreGone drops the errors that a deletion does not wait for: an absent object is fine, and if the operator lost its rights,
// garbage collection deletes the objects. In a project that was just requested the rights may not be effective yet.
func (state *projectState) ignoreGone(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err) && state.requested && state.now.Sub(state.namespace.CreationTimestamp.Time).Abs() < bindingDelay:
		return &pass.Blocked{Reason: edgev1.ReasonRightsMissing, Message: text.Of(err), Retry: time.Second}
	case apierrors.IsForbidden(err):
		return nil
	default:
		return err
	}
}

// leaveProject deletes the project if it was requested for this EdgeRegistry and its spec asks for that. In a project that
// stays, the operator gives up its rights.
func (s *session) leaveProject(ctx context.Context) error {
	state, err := s.readProjectState(ctx)
	if err != nil || state == nil || !state.namespace.DeletionTimestamp.IsZero() {
		return err
	}
	edges := s.Edges
	if s.Edge.Spec.DeletionPolicy == edgev1.DeletionDelete {
		// Deleted images do not come back, and the cache may lack a new EdgeRegistry that uses them: read live.
		edges = s.WithWatch
	}
	others, err := others(ctx, edges, s.Edge, func(other *edgev1.EdgeRegistry) bool { return ProjectName(other) == s.Home.Namespace })
	if err != nil {
		return err
	}
	if s.Edge.Spec.DeletionPolicy == edgev1.DeletionDelete {
		deleted, err := s.deleteProject(ctx, state, others)
		if deleted || err != nil {
			return err
		}
	}
	if !state.requested || len(others) > 0 {
		return nil
	}
	return s.giveUpAdmin(ctx, state)
}

// deleteProject deletes the project if it is known to have been requested for this EdgeRegistry and nobody else uses it, and
// reports whether it did.
func (s *session) deleteProject(ctx context.Context, state *projectState, others []*edgev1.EdgeRegistry) (bool, error) {
	switch {
	case !state.requested || !state.ours:
		s.reportRetained("it is not known to have been requested for this EdgeRegistry")
		return false, nil
	case len(others) > 0:
		s.reportRetained(text.And(namesOf(others)) + ifOne(others, " uses", " use") + " it too")
		return false, nil
	}
	project := &projectv1.Project{ObjectMeta: metav1.ObjectMeta{Name: s.Home.Namespace}}
	err := s.Delete(ctx, project, client.Preconditions{UID: ptr.To(state.namespace.UID)})
	switch {
	case err == nil:
		s.Note(edgev1.ReasonProjectDeleted, fmt.Sprintf("deleted project %q with its images, as spec.deletionPolicy asks", s.Home.Namespace), nil)
		return true, nil
	case apierrors.IsNotFound(err) && apiAbsent(err):
		s.reportRetained("this cluster does not serve projects any more")
		return false, nil
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsConflict(err):
		// The next pass reads it again, and sees whether another of the same name has taken its place.
		return false, fmt.Errorf("delete project %q: %w", s.Home.Namespace, err)
	}
	if waits := state.ignoreGone(err); waits != nil {
		return false, fmt.Errorf("delete project %q: %w", s.Home.Namespace, waits)
	}
	s.reportRetained("the operator may not delete it any more")
	return false, nil
}

// retained reports that deletionPolicy is not followed.
func (s *session) reportRetained(why string) {
	s.Note(edgev1.ReasonProjectRetained, fmt.Sprintf(
		"project %q is kept with its images although spec.deletionPolicy is Delete, because %s: to delete it, run 'oc delete project %s'", s.Home.Namespace, why, s.Home.Namespace), nil)
}

// giveUpAdmin gives up the admin right that the project template bound to the operator.
func (s *session) giveUpAdmin(ctx context.Context, state *projectState) error {
	bindings, _, err := consent.Bindings(ctx, s.WithWatch, s.Home.Namespace, "")
	if err != nil {
		return state.ignoreGone(err)
	}
	isOperator := func(subject rbacv1.Subject) bool {
		return apiserver.IsSubject(subject, s.Home.Namespace, s.username)
	}
	released := false
	for i := range bindings {
		binding := &bindings[i]
		if binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != adminClusterRole || !slices.ContainsFunc(binding.Subjects, isOperator) {
			continue
		}
		if err := state.ignoreGone(s.removeSubjects(ctx, binding, isOperator)); err != nil {
			return fmt.Errorf("give up the operator's right in RoleBinding %q in project %q: %w", binding.Name, s.Home.Namespace, err)
		}
		released = true
	}
	if released {
		s.Note(edgev1.ReasonProjectReleased, fmt.Sprintf(
			"project %q stays with its images, and the operator has given up its own right there: run 'oc adm policy add-role-to-user admin USER -n %s' to give somebody access, and '%s' before an EdgeRegistry uses it again",
			s.Home.Namespace, s.Home.Namespace, s.inviteCommand()), nil)
	}
	return nil
}

// removeSubjects removes subjects from a RoleBinding as it was read, and deletes one that would have none.
func (s *session) removeSubjects(ctx context.Context, binding *rbacv1.RoleBinding, leaves func(rbacv1.Subject) bool) error {
	stay := slices.DeleteFunc(slices.Clone(binding.Subjects), leaves)
	if len(stay) == 0 {
		return s.Delete(ctx, binding, client.Preconditions{UID: ptr.To(binding.UID), ResourceVersion: ptr.To(binding.ResourceVersion)})
	}
	before := binding.DeepCopy()
	binding.Subjects = stay
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return s.Patch(ctx, binding, patch, client.FieldOwner(objects.FieldManager))
}

// others are the other EdgeRegistries that share something, without those that are being deleted too.
func others(ctx context.Context, edges client.Reader, edge *edgev1.EdgeRegistry, share func(*edgev1.EdgeRegistry) bool) ([]*edgev1.EdgeRegistry, error) {
	list := &edgev1.EdgeRegistryList{}
	if err := edges.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list the EdgeRegistries: %w", err)
	}
	var sharing []*edgev1.EdgeRegistry
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != edge.UID && other.Spec.OpenShift != nil && other.DeletionTimestamp.IsZero() && share(other) {
			sharing = append(sharing, other)
		}
	}
	return sharing, nil
}

// namesOf are what messages call EdgeRegistries, in order.
func namesOf(edges []*edgev1.EdgeRegistry) []string {
	var names []string
	for _, edge := range edges {
		names = append(names, "EdgeRegistry "+edge.Name)
	}
	slices.Sort(names)
	return names
}
