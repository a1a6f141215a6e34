// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const operator = "system:serviceaccount:edge-registry-system:edge-registry-controller-manager"

func binding(name, role, edges string, subjects ...rbacv1.Subject) rbacv1.RoleBinding {
	b := rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "plant", Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   subjects,
	}
	if edges != "" {
		b.Annotations = map[string]string{edgev1.ForAnnotation: edges}
	}
	return b
}

func TestWhomAnInvitationIsFor(t *testing.T) {
	us := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "edge-registry-system", Name: "edge-registry-controller-manager"}
	byName := rbacv1.Subject{Kind: "User", Name: operator}
	other := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "plant", Name: "edge-registry-controller-manager"}
	group := rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts"}
	const role = "edge-registry-secrets"
	none := "its owner has not invited the operator for EdgeRegistry \"factory\": run 'kubectl create rolebinding edge-registry-secrets -n plant " +
		"--clusterrole=edge-registry-secrets --serviceaccount=edge-registry-system:edge-registry-controller-manager && " +
		"kubectl annotate rolebinding edge-registry-secrets -n plant edge.open-horizon.io/for=factory'"
	byRole := binding("x", role, "factory", us)
	byRole.RoleRef.Kind = "Role"
	for name, tt := range map[string]struct {
		bindings []rbacv1.RoleBinding
		missing  string
	}{
		"none":                       {nil, none},
		"for this one":               {[]rbacv1.RoleBinding{binding("x", role, "factory", us)}, ""},
		"for this one among others":  {[]rbacv1.RoleBinding{binding("x", role, "a, factory ,b", us)}, ""},
		"by the user name":           {[]rbacv1.RoleBinding{binding("x", role, "factory", byName)}, ""},
		"two, the later for it":      {[]rbacv1.RoleBinding{binding("x", role, "a", us), binding("y", role, "factory", us)}, ""},
		"of another account":         {[]rbacv1.RoleBinding{binding("x", role, "factory", other)}, none},
		"of all accounts":            {[]rbacv1.RoleBinding{binding("x", role, "factory", group)}, none},
		"to another role":            {[]rbacv1.RoleBinding{binding("x", "edge-registry-project", "factory", us)}, none},
		"to a Role of the same name": {[]rbacv1.RoleBinding{byRole}, none},
		"to whatever gives the same": {[]rbacv1.RoleBinding{binding("x", "admin", "factory", us)}, none},
		"for nobody": {[]rbacv1.RoleBinding{binding("x", role, "", us)},
			`its owner invited the operator by RoleBinding "x", which does not say for which EdgeRegistry: run 'kubectl annotate rolebinding x -n plant --overwrite edge.open-horizon.io/for=factory'`},
		"for a blank": {[]rbacv1.RoleBinding{binding("x", role, " , ", us)},
			`its owner invited the operator by RoleBinding "x", which does not say for which EdgeRegistry: run 'kubectl annotate rolebinding x -n plant --overwrite edge.open-horizon.io/for=factory'`},
		"for others": {[]rbacv1.RoleBinding{binding("x", role, "a,factory-2", us)},
			`its owner invited the operator by RoleBinding "x" for a and factory-2, and not for EdgeRegistry "factory": run 'kubectl annotate rolebinding x -n plant --overwrite edge.open-horizon.io/for=a,factory-2,factory'`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found := Find(tt.bindings, Secrets, "plant", operator, "factory")
			g.Expect(found.Valid).To(Equal(tt.missing == ""))
			if !found.Valid {
				g.Expect(found.Missing("factory")).To(Equal(tt.missing))
			}
		})
	}
}
