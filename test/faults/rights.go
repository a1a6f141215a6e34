// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// right is one verb on one resource, or on one object of it.
type right authorizationv1.ResourceAttributes

func (r right) resource() string { return strings.TrimSuffix(r.Resource+"/"+r.Subresource, "/") }

func (r right) String() string {
	text := r.Verb + " " + strings.TrimPrefix(r.Group+"/"+r.resource(), "/")
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

func (r right) rule() rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{Verbs: []string{r.Verb}, APIGroups: []string{r.Group}, Resources: []string{r.resource()}}
	if r.Name != "" {
		rule.ResourceNames = []string{r.Name}
	}
	return rule
}

// admitted reports a right that no request of its own uses: the API server asks for it while it admits an object whose owner, an
// EdgeRegistry, is to wait for its deletion.
func (r right) admitted() bool { return r.Subresource == "finalizers" }

// uses reports whether a call needs the right.
func (r right) uses(c *Call) bool {
	if r.admitted() {
		return c.Verb == "create" && slices.ContainsFunc(metadataIn(c.Body).GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
			return owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion
		})
	}
	return c.Verb == r.Verb && c.APIGroup == r.Group && c.Resource == r.Resource && c.Subresource == r.Subresource &&
		(r.Namespace == "" || c.Namespace == r.Namespace) && (r.Name == "" || c.Name == r.Name)
}

// refusal is what the API server says of a call that lacks the right.
func (r right) refusal() string {
	if r.admitted() {
		return "cannot set blockOwnerDeletion"
	}
	return fmt.Sprintf("cannot %s resource %q in API group %q", r.Verb, r.resource(), r.Group)
}

// awaitRight returns when an account in the operator's namespace has a right, or has not.
func (w *World) awaitRight(ctx context.Context, account string, r right, has bool) error {
	attributes := authorizationv1.ResourceAttributes(r)
	err := wait.PollUntilContextTimeout(ctx, often, soon, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + operatorNamespace + ":" + account, ResourceAttributes: &attributes,
		}}
		err := w.Admin.Create(ctx, review)
		return review.Status.Allowed == has, err
	})
	if err != nil {
		return fmt.Errorf("wait until it is %t that %s may %s: %w", has, account, r, err)
	}
	return nil
}

// standingRights are those that config/default binds to the operator's account. What it may do in a project comes from
// whoever owns that.
func standingRights(t *testing.T, world *World) []right {
	t.Helper()
	rendered, err := world.Env.Rendered()
	if err != nil {
		t.Fatal(err)
	}
	rules, bindings := map[string][]rbacv1.PolicyRule{}, []rbacv1.RoleBinding{}
	read := func(object *unstructured.Unstructured, into any) {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, object := range rendered {
		role, binding := rbacv1.ClusterRole{}, rbacv1.RoleBinding{}
		switch object.GetKind() {
		case "Role", "ClusterRole":
			read(object, &role)
			rules[object.GetKind()+role.Namespace+"/"+role.Name] = role.Rules
		case "RoleBinding", "ClusterRoleBinding":
			if read(object, &binding); slices.Contains(binding.Subjects, operatorSubject(operatorAccount)) {
				bindings = append(bindings, binding)
			}
		}
	}
	var rights []right
	for _, b := range bindings {
		of := b.RoleRef.Kind + b.Namespace + "/" + b.RoleRef.Name
		if rules[of] == nil {
			t.Errorf("%s is bound and not shipped", of)
		}
		for _, rule := range rules[of] {
			rights = append(rights, rightsOf(rule, b.Namespace)...)
		}
	}
	return rights
}

func rightsOf(rule rbacv1.PolicyRule, namespace string) []right {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var rights []right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			resource, subresource, _ := strings.Cut(resource, "/")
			for _, name := range names {
				for _, verb := range rule.Verbs {
					rights = append(rights, right{
						Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource, Name: name,
					})
				}
			}
		}
	}
	return rights
}

// without is the workload of an operator that has an account of its own, and lacks one of its rights from when the
// workload begins.
func (w *Workload) without(t *testing.T, world *World, missing right, rights []right) *Workload {
	t.Helper()
	lacking := &Workload{Name: w.Name, Installs: w.Installs, Steps: slices.Clone(w.Steps)}
	lacking.Prepare = func(c *Case) {
		c.employ(rights)
		if w.Prepare != nil {
			w.Prepare(c)
		}
	}
	lacking.Steps[0] = func(c *Case) {
		c.grant(rights, missing)
		w.Steps[0](c)
	}
	lacking.known.reference = w.Reference(t, world)
	return lacking
}

// employ has an account of its own be the operator of the case, with some rights.
func (c *Case) employ(rights []right) {
	c.T.Helper()
	c.account = c.Edge.Name + "-operator"
	config, err := c.World.Env.ServiceAccount(c.ctx, operatorNamespace, c.account)
	c.must(err, "make an account")
	c.operator = config
	c.atEnd(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: c.account}})
	for namespace := range byNamespace(rights) {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: c.roleIn(namespace)}}
		in := metav1.ObjectMeta{Namespace: namespace, Name: role.Name}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
		subjects := []rbacv1.Subject{operatorSubject(c.account)}
		var binding client.Object = &rbacv1.RoleBinding{ObjectMeta: in, RoleRef: ref, Subjects: subjects}
		if namespace == "" {
			binding = &rbacv1.ClusterRoleBinding{ObjectMeta: in, RoleRef: ref, Subjects: subjects}
		}
		for _, object := range []client.Object{role, binding} {
			c.must(c.World.Admin.Create(c.ctx, object), "bind a role")
			c.atEnd(object)
		}
	}
	c.grant(rights)
}

// grant gives the account of the case these rights but some, and returns when that counts.
func (c *Case) grant(rights []right, but ...right) {
	c.T.Helper()
	for namespace, ofThose := range byNamespace(rights) {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: c.roleIn(namespace)}}
		for _, r := range ofThose {
			if !slices.Contains(but, r) {
				role.Rules = append(role.Rules, r.rule())
			}
		}
		c.must(c.World.Admin.Update(c.ctx, role), "write a role")
	}
	for _, r := range rights {
		c.must(c.World.awaitRight(c.ctx, c.account, r, !slices.Contains(but, r)), "grant "+r.String())
	}
}

func (c *Case) roleIn(namespace string) string { return c.account + ":" + namespace }

func byNamespace(rights []right) map[string][]right {
	in := map[string][]right{}
	for _, r := range rights {
		in[r.Namespace] = append(in[r.Namespace], r)
	}
	return in
}

// atEnd removes an object when the case ends.
func (c *Case) atEnd(object client.Object) {
	c.T.Cleanup(func() { _ = c.World.Admin.Delete(context.WithoutCancel(c.ctx), object) })
}
