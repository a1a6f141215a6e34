// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// grantAccess makes the two service accounts and binds each to its role in the project. On an
// account it sets labels and the owner only: OpenShift's own controllers keep secrets,
// imagePullSecrets and annotations there.
func (s *session) grantAccess(ctx context.Context) (pass.Done, error) {
	if err := s.checkNames(ctx); err != nil {
		return pass.Done{}, err
	}
	for _, l := range s.logins() {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Home.Namespace,
			Name:      l.Account,
			Labels:    map[string]string{objects.RoleLabel: objects.RoleValue(l.Role)},
		}}
		live, err := s.Objects.Ensure(ctx, s.Scope, account, s.accounts[l.Account])
		if err != nil {
			return pass.Done{}, err
		}
		l.accountUID = live.GetUID()
		binding := s.desiredBinding(l)
		if _, err := s.Objects.Ensure(ctx, s.Scope, binding, s.bindings[binding.Name]); err != nil {
			return pass.Done{}, s.explainBinding(err, l)
		}
	}
	return pass.DoneBecause(edgev1.ReasonGranted, "%s has %s and %s has %s in project %q",
		s.publisher.Account, s.publisher.clusterRole, s.puller.Account, s.puller.clusterRole, s.Home.Namespace), nil
}

// refusePusher refuses a token to a puller whose account may push. It asks the API server, because every node would hold the token
// before the registry could be asked with it.
func (s *session) refusePusher(ctx context.Context, l *login) error {
	if l.Role != edgev1.TokenPuller {
		return nil
	}
	const accounts = "system:serviceaccounts"
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   apiserver.ServiceAccountPrefix + s.Home.Namespace + ":" + l.Account,
		Groups: []string{accounts, accounts + ":" + s.Home.Namespace, "system:authenticated"},
		// The right that the registry demands for a push (openshift/image-registry, pkg/dockerregistry/server/auth.go).
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: s.Home.Namespace, Verb: "update", Group: "image.openshift.io", Resource: "imagestreams", Subresource: "layers",
		},
	}}
	if err := s.Create(ctx, review); err != nil {
		return fmt.Errorf("ask the API server what %s may do in project %q: %w", l.Account, s.Home.Namespace, err)
	}
	if !review.Status.Allowed {
		return nil
	}
	return pass.Stalled(edgev1.ReasonPullerCanPush,
		"%s may push to project %q, and gets no token, since every node would hold it: %s", l.Account, s.Home.Namespace, l.TooMuch)
}

func (s *session) desiredBinding(l *login) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Home.Namespace,
			Name:      bindingName(s.Edge, l.Role),
			Labels:    map[string]string{objects.RoleLabel: objects.RoleValue(l.Role)},
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: l.clusterRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.Home.Namespace, Name: l.Account}},
	}
}

// explainBinding says what to do about a role that is absent, and about one that the operator may not grant.
func (s *session) explainBinding(err error, l *login) error {
	switch {
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), l.clusterRole):
		return pass.Stalled(edgev1.ReasonRoleMissing,
			"ClusterRole %q for %s does not exist: create it, or set spec.openshift.%s.clusterRole to one that does",
			l.clusterRole, l.Account, objects.RoleValue(l.Role))
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant"):
		return pass.Stalled(edgev1.ReasonRoleNotGrantable,
			"the operator may not grant ClusterRole %q in project %q, which goes beyond the project's admin: choose a role that admin covers, or have a cluster admin run '%s'",
			l.clusterRole, s.Home.Namespace, s.allowBinding(l))
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "are not allowed in project"):
		return pass.Stalled(edgev1.ReasonRoleNotGrantable,
			"a RoleBindingRestriction of project %q keeps service accounts from getting roles: add one that allows the service accounts of %q; refused was: %s",
			s.Home.Namespace, s.Home.Namespace, text.Of(err))
	default:
		return err
	}
}

// allowBinding is the command by which a cluster admin lets the operator bind the role of a login in the project, whatever rights
// the role holds. The verb bind is enough. A role binding that somebody else makes would conflict with the operator's.
func (s *session) allowBinding(l *login) string {
	name := "edge-registry-bind-" + l.clusterRole
	return fmt.Sprintf("oc create clusterrole %s --verb=bind --resource=clusterroles.rbac.authorization.k8s.io --resource-name=%s && oc create rolebinding %s -n %s --clusterrole=%s %s",
		name, l.clusterRole, name, s.Home.Namespace, name, apiserver.SubjectFlag(s.username))
}
