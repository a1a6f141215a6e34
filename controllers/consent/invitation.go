// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
)

// An invitation is a RoleBinding that binds one of the operator's ClusterRoles to the operator, in the namespace of the one who
// invites. Its annotation edge.open-horizon.io/for names the EdgeRegistries that it is for; without it, it is for none.

// Role is what an invitation binds.
type Role struct {
	// ClusterRole is its name, and Binding what messages propose to call the RoleBinding.
	ClusterRole, Binding string
	// CLI is the program in the command that messages propose.
	CLI string
}

// The roles of invitations.
var (
	// Project lets the operator work in a project: service accounts, role bindings, Secrets and tokens.
	Project = Role{ClusterRole: "edge-registry-project", Binding: "edge-registry", CLI: "oc"}
	// Secrets lets the operator keep Secrets in a namespace.
	Secrets = Role{ClusterRole: "edge-registry-secrets", Binding: "edge-registry-secrets", CLI: "kubectl"}
)

// Bindings of a namespace are read in pages, up to a limit: the owner of the namespace decides how many there are.
const (
	pageSize = 500
	maxPages = 4
)

// Bindings lists the role bindings of a namespace, at most 2,000, and returns the version of the list. It is current, or at least as
// new as since, the version of an earlier list: for a current one an API server with a cache has to wait for etcd, up to a tenth
// of a second.
func Bindings(ctx context.Context, reader client.Reader, namespace, since string) ([]rbacv1.RoleBinding, string, error) {
	var all []rbacv1.RoleBinding
	list := &rbacv1.RoleBindingList{}
	for range maxPages {
		options := []client.ListOption{client.InNamespace(namespace), client.Limit(pageSize), client.Continue(list.Continue)}
		if since != "" && list.Continue == "" {
			options = append(options, &client.ListOptions{Raw: &metav1.ListOptions{
				ResourceVersion: since, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
			}})
		}
		list = &rbacv1.RoleBindingList{}
		if err := reader.List(ctx, list, options...); err != nil {
			return nil, "", fmt.Errorf("list the role bindings of namespace %q: %w", namespace, err)
		}
		all = append(all, list.Items...)
		if list.Continue == "" {
			break
		}
	}
	return all, list.ResourceVersion, nil
}

// Invitation is what was found of invitations in a namespace.
type Invitation struct {
	role      Role
	namespace string
	user      string
	// Valid: the operator is invited for the EdgeRegistry.
	Valid bool
	// UID is that of the RoleBinding that invites for the EdgeRegistry; empty if none does.
	UID types.UID
	// other is an invitation for other EdgeRegistries only; nil if there is none.
	other *rbacv1.RoleBinding
}

// Find looks for the invitation of a role for an EdgeRegistry among the role bindings of a namespace. user is the operator's user
// name.
func Find(bindings []rbacv1.RoleBinding, role Role, namespace, user, edge string) Invitation {
	found := Invitation{role: role, namespace: namespace, user: user}
	for i := range bindings {
		binding := &bindings[i]
		if binding.RoleRef.Kind != "ClusterRole" || binding.RoleRef.Name != role.ClusterRole ||
			!slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool { return apiserver.IsSubject(s, namespace, user) }) {
			continue
		}
		if slices.Contains(names(binding), edge) {
			found.Valid, found.UID = true, binding.UID
			return found
		}
		found.other = binding
	}
	return found
}

// names are the EdgeRegistries that a RoleBinding is for.
func names(binding *rbacv1.RoleBinding) []string {
	return listed(binding.Annotations[edgev1.ForAnnotation])
}

// listed splits the value of an annotation at commas.
func listed(annotation string) []string {
	var all []string
	for entry := range strings.SplitSeq(annotation, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}

// Missing returns a clause that says what an EdgeRegistry lacks, and the command by which the owner of the namespace gives it.
func (i Invitation) Missing(edge string) string {
	if i.other == nil {
		return fmt.Sprintf("its owner has not invited the operator for EdgeRegistry %q: run '%s'", edge, i.Command(edge))
	}
	if len(names(i.other)) == 0 {
		return fmt.Sprintf("its owner invited the operator by RoleBinding %q, which does not say for which EdgeRegistry: run '%s'",
			i.other.Name, i.Command(edge))
	}
	return fmt.Sprintf("its owner invited the operator by RoleBinding %q for %s, and not for EdgeRegistry %q: run '%s'",
		i.other.Name, strings.Join(names(i.other), " and "), edge, i.Command(edge))
}

// Command is what the owner of the namespace runs to invite the operator for an EdgeRegistry.
func (i Invitation) Command(edge string) string {
	if i.other == nil {
		return fmt.Sprintf("%s create rolebinding %s -n %s --clusterrole=%s %s && %s annotate rolebinding %s -n %s %s=%s",
			i.role.CLI, i.role.Binding, i.namespace, i.role.ClusterRole, apiserver.SubjectFlag(i.user),
			i.role.CLI, i.role.Binding, i.namespace, edgev1.ForAnnotation, edge)
	}
	return fmt.Sprintf("%s annotate rolebinding %s -n %s --overwrite %s=%s",
		i.role.CLI, i.other.Name, i.namespace, edgev1.ForAnnotation, strings.Join(append(names(i.other), edge), ","))
}
