// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// grantAccess makes the two service accounts and binds each to its role in the project. On an
// account it sets labels and the owner only: OpenShift's own controllers keep secrets,
// imagePullSecrets and annotations there.
func (r *EdgeRegistryReconciler) grantAccess(ctx context.Context, s *scope) (done, error) {
	if err := r.claimNames(ctx, s); err != nil {
		return done{}, err
	}
	for _, l := range s.logins() {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: s.project,
			Name:      l.account,
			Labels:    map[string]string{roleLabel: roleValue(l.role)},
		}}
		live, err := r.ensure(ctx, s, account, s.live.accounts[l.account])
		if err != nil {
			return done{}, err
		}
		l.accountUID = live.GetUID()
		binding := desiredBinding(s, l)
		if _, err := r.ensure(ctx, s, binding, s.live.bindings[binding.Name]); err != nil {
			return done{}, explainBinding(err, s, l)
		}
	}
	return doneBecause(edgev1.ReasonGranted, "%s has %s and %s has %s in project %q",
		s.publisher.account, s.publisher.clusterRole, s.puller.account, s.puller.clusterRole, s.project), nil
}

func desiredBinding(s *scope, l *login) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.project,
			Name:      bindingName(s.edge, l.role),
			Labels:    map[string]string{roleLabel: roleValue(l.role)},
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: l.clusterRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.project, Name: l.account}},
	}
}

// explainBinding tells an absent role, and one that the operator may not hand on, from other refusals.
func explainBinding(err error, s *scope, l *login) error {
	switch {
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), l.clusterRole):
		return waiting(edgev1.ReasonRoleMissing,
			"ClusterRole %q for %s does not exist: create it, or set spec.openshift.%s.clusterRole to one that does",
			l.clusterRole, l.account, roleValue(l.role))
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant"):
		return stalled(edgev1.ReasonRoleNotGrantable,
			"the operator may not grant ClusterRole %q in project %q, which goes beyond the project's admin: choose a role that admin covers, or bind it yourself and give the operator the verb bind on clusterroles %q",
			l.clusterRole, s.project, l.clusterRole)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "are not allowed in project"):
		return stalled(edgev1.ReasonRoleNotGrantable,
			"a RoleBindingRestriction of project %q keeps service accounts from getting roles: add one that allows the service accounts of %q; refused was: %s",
			s.project, s.project, oneLine(err))
	default:
		return err
	}
}
