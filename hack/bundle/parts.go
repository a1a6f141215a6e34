// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// bundleKinds are kinds that may lie in a bundle beside the ClusterServiceVersion
// and the CustomResourceDefinition, in every release of OLM that this operator
// supports. Not a Secret with a token: in these releases nothing says whether OLM
// makes it before or after its ServiceAccount, and without one it is deleted.
var bundleKinds = []string{"ClusterRole", "ClusterRoleBinding", "ConfigMap", "PodDisruptionBudget", "Role", "RoleBinding", "Service"}

// parts are the objects of config/manifests by what becomes of them.
type parts struct {
	csv, crd, namespace, deployment *unstructured.Unstructured
	// account is the name of the operator's ServiceAccount, which OLM makes.
	account string
	// clusterRules hold in the whole cluster.
	clusterRules []rbacv1.PolicyRule
	// manifests are objects that OLM makes as they are.
	manifests []*unstructured.Unstructured
	// grants are for an administrator to apply.
	grants []*unstructured.Unstructured
}

// sortOut says what becomes of each object.
//
// OLM puts every object of a bundle into the namespace of the operator, whatever
// the object says. In the install mode AllNamespaces it also makes ClusterRoles of
// the permissions in a ClusterServiceVersion that are meant for that namespace. So
// that nothing gets wider than it is in config/rbac:
//
//   - rules for the cluster become clusterPermissions;
//   - Roles in the operator's namespace stay objects of their own;
//   - Roles in other namespaces become ClusterRoles that nobody is bound to, and
//     their RoleBindings the grants, with the namespaces that have to be made.
func sortOut(objects []*unstructured.Unstructured) (*parts, error) {
	p := &parts{}
	slots := map[string]**unstructured.Unstructured{
		"ClusterServiceVersion": &p.csv, "CustomResourceDefinition": &p.crd, "Namespace": &p.namespace, "Deployment": &p.deployment,
	}
	var rest []*unstructured.Unstructured
	for _, object := range objects {
		if object.GetKind() == "Namespace" && !holdsDeployment(objects, object.GetName()) {
			p.grants = append(p.grants, object)
			continue
		}
		slot, special := slots[object.GetKind()]
		switch {
		case !special:
			rest = append(rest, object)
		case *slot != nil:
			return nil, fmt.Errorf("config/manifests renders two objects of the kind %s: one is expected", object.GetKind())
		default:
			*slot = object
		}
	}
	// The Deployment before the Namespace, which is recognised by it.
	for _, kind := range slices.Sorted(maps.Keys(slots)) {
		if *slots[kind] == nil {
			return nil, fmt.Errorf("config/manifests renders no %s", kind)
		}
	}
	p.account, _, _ = unstructured.NestedString(p.deployment.Object, "spec", "template", "spec", "serviceAccountName")
	if p.account == "" {
		return nil, fmt.Errorf("the Deployment %s names no serviceAccountName", p.deployment.GetName())
	}
	return p, p.sortRights(rest)
}

// holdsDeployment reports whether a namespace is the operator's own, and not another that it needs.
func holdsDeployment(objects []*unstructured.Unstructured, namespace string) bool {
	return slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "Deployment" && o.GetNamespace() == namespace
	})
}

// sortRights gives each binding of the operator its place, and then all other objects.
func (p *parts) sortRights(objects []*unstructured.Unstructured) error {
	placed := map[*unstructured.Unstructured]bool{}
	for _, binding := range objects {
		if !strings.HasSuffix(binding.GetKind(), "RoleBinding") {
			continue
		}
		ours, ref, err := p.bindsOperator(binding)
		if err != nil {
			return fmt.Errorf("%s %s: %w", binding.GetKind(), binding.GetName(), err)
		}
		own := binding.GetNamespace() == p.namespace.GetName()
		if !ours || own {
			continue
		}
		at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == ref.Kind && o.GetName() == ref.Name && (ref.Kind == "ClusterRole" || o.GetNamespace() == binding.GetNamespace())
		})
		if at < 0 {
			return fmt.Errorf("%s %s: the %s %s is not rendered", binding.GetKind(), binding.GetName(), ref.Kind, ref.Name)
		}
		role := objects[at]
		placed[binding], placed[role] = true, true
		if binding.GetKind() == "RoleBinding" {
			p.manifests = append(p.manifests, clusterRoleOf(role))
			p.grants = append(p.grants, bindingTo(binding, clusterRoleOf(role)))
			continue
		}
		rules, err := rulesOf(role)
		if err != nil {
			return err
		}
		p.clusterRules = append(p.clusterRules, rules...)
	}
	return p.sortRest(objects, placed)
}

func (p *parts) sortRest(objects []*unstructured.Unstructured, placed map[*unstructured.Unstructured]bool) error {
	for _, object := range objects {
		namespace := object.GetNamespace()
		switch {
		case placed[object], object.GetKind() == "ServiceAccount" && object.GetName() == p.account:
		case !slices.Contains(bundleKinds, object.GetKind()):
			return fmt.Errorf("%s %s: OLM takes no object of this kind, keep it out of config/manifests", object.GetKind(), object.GetName())
		case namespace != "" && namespace != p.namespace.GetName():
			return fmt.Errorf("%s %s: OLM would put it into the operator's namespace and not into %s", object.GetKind(), object.GetName(), namespace)
		default:
			object = object.DeepCopy()
			object.SetNamespace("")
			p.manifests = append(p.manifests, object)
		}
	}
	return nil
}

// bindsOperator reports whether a binding is the operator's, and what it binds.
func (p *parts) bindsOperator(object *unstructured.Unstructured) (bool, rbacv1.RoleRef, error) {
	var binding rbacv1.ClusterRoleBinding
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding); err != nil {
		return false, rbacv1.RoleRef{}, fmt.Errorf("decode: %w", err)
	}
	operator := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: p.namespace.GetName(), Name: p.account}
	ours := slices.Contains(binding.Subjects, operator)
	if ours && len(binding.Subjects) > 1 {
		return false, rbacv1.RoleRef{}, errors.New("it has other subjects beside the operator: give them a binding of their own")
	}
	return ours, binding.RoleRef, nil
}

func rulesOf(object *unstructured.Unstructured) ([]rbacv1.PolicyRule, error) {
	var role rbacv1.ClusterRole
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return role.Rules, nil
}

// clusterRoleOf is a Role of one namespace as a ClusterRole, which holds only where it is bound.
func clusterRoleOf(role *unstructured.Unstructured) *unstructured.Unstructured {
	role = role.DeepCopy()
	if role.GetKind() == "Role" {
		role.SetKind("ClusterRole")
		role.SetName(role.GetName() + "-" + role.GetNamespace())
		role.SetNamespace("")
	}
	return role
}

// bindingTo is a binding to a ClusterRole, named after it: a roleRef cannot be changed, so the binding of an earlier
// installation without OLM must not have the same name.
func bindingTo(binding, role *unstructured.Unstructured) *unstructured.Unstructured {
	binding = binding.DeepCopy()
	binding.SetName(role.GetName())
	binding.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": role.GetName()}
	return binding
}

// fileName is what operator-sdk would call the file.
func fileName(object *unstructured.Unstructured) string {
	kind := object.GroupVersionKind()
	switch kind.Kind {
	case "ClusterServiceVersion":
		return packageName + ".clusterserviceversion.yaml"
	case "CustomResourceDefinition":
		plural, group, _ := strings.Cut(object.GetName(), ".")
		return group + "_" + plural + ".yaml"
	}
	words := []string{object.GetName(), kind.Group, kind.Version, strings.ToLower(kind.Kind)}
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), "_") + ".yaml"
}

// documents is the YAML of objects, each after the first below a line of dashes.
func documents(objects ...*unstructured.Unstructured) (string, error) {
	var texts []string
	for _, object := range objects {
		content, err := yaml.Marshal(object.Object)
		if err != nil {
			return "", fmt.Errorf("encode %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		texts = append(texts, string(content))
	}
	return generated + strings.Join(texts, "---\n"), nil
}
