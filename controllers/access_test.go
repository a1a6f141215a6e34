// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the step AccessGranted of openshift/access.go, on a control plane.

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

func roleBindingOf(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) *rbacv1.RoleBinding {
	t.Helper()
	binding := &rbacv1.RoleBinding{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: bindingName(edge, role)}, binding)).To(Succeed())
	return binding
}

func serviceAccountOf(t *testing.T, edge *edgev1.EdgeRegistry, name string) *corev1.ServiceAccount {
	t.Helper()
	account := &corev1.ServiceAccount{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: name}, account)).To(Succeed())
	return account
}

func TestAccessIsGrantedToTwoAccounts(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	for role, want := range map[edgev1.TokenRole]struct{ account, clusterRole string }{
		edgev1.TokenPublisher: {"edge-publisher", "edit"},
		edgev1.TokenPuller:    {"edge-puller", "system:image-puller"},
	} {
		binding := roleBindingOf(t, edge, role)
		g.Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: want.clusterRole}))
		g.Expect(binding.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Namespace: edge.Name, Name: want.account}}))
		expectOwned(t, edge, binding)
		expectOwned(t, edge, serviceAccountOf(t, edge, want.account))
	}
	c := condition(t, edge, edgev1.AccessGranted)
	g.Expect(c.Reason).To(Equal(edgev1.ReasonGranted))
	g.Expect(c.Message).To(And(ContainSubstring("edge-publisher has edit"), ContainSubstring("edge-puller has system:image-puller")))
}

// expectOwned checks the marks by which the operator, the garbage collector and people know an object. One outside of the
// project holds up no deletion, for a finalizer on it is another's to set.
func expectOwned(t *testing.T, edge *edgev1.EdgeRegistry, object client.Object) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(object.GetLabels()).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "edge-registry-operator"))
	g.Expect(object.GetLabels()).To(HaveKeyWithValue("edge.open-horizon.io/edgeregistry", edge.Name))
	yes, blocks := true, object.GetNamespace() == openshift.ProjectName(edge)
	g.Expect(object.GetOwnerReferences()).To(ConsistOf(metav1.OwnerReference{
		APIVersion: "edge.open-horizon.io/v1alpha1", Kind: "EdgeRegistry", Name: edge.Name, UID: edge.UID,
		Controller: &yes, BlockOwnerDeletion: &blocks,
	}), "%T %s", object, object.GetName())
}

func TestAccessToARoleThatIsMissing(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "edge-test-pusher-" + stamp()},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"image.openshift.io"}, Resources: []string{"imagestreams/layers"}, Verbs: []string{"get", "update"},
		}},
	}
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = role.Name }))
	c := awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonRoleMissing)
	g.Expect(c.Message).To(And(ContainSubstring(role.Name), ContainSubstring("edge-publisher"),
		ContainSubstring("create it"), ContainSubstring("spec.openshift.publisher.clusterRole")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(o.mints(edge)).To(BeZero())

	g.Expect(admin.Create(t.Context(), role)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), role) })
	heals(t, edge)
	g.Expect(roleBindingOf(t, edge, edgev1.TokenPublisher).RoleRef.Name).To(Equal(role.Name))
}

func TestAccessBeyondTheProjectIsNotHandedOn(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "cluster-admin" }))
	c := awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonRoleNotGrantable)
	g.Expect(c.Message).To(And(ContainSubstring(`"cluster-admin"`), ContainSubstring(edge.Name),
		ContainSubstring("goes beyond the project's admin"), ContainSubstring("--verb=bind --resource=clusterroles.rbac.authorization.k8s.io --resource-name=cluster-admin")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(o.mints(edge)).To(BeZero())

	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "system:image-puller" })
	awaitReady(t, edge)
}

func TestAccessFollowsAChangeOfTheRole(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	old := roleBindingOf(t, edge, edgev1.TokenPublisher)
	before := len(o.touched(edge.Name))
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-builder" })
	awaitReady(t, edge)
	binding := roleBindingOf(t, edge, edgev1.TokenPublisher)
	g.Expect(binding.UID).NotTo(Equal(old.UID))
	g.Expect(binding.RoleRef.Name).To(Equal("system:image-builder"))
	expectOwned(t, edge, binding)
	path := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + edge.Name + "/rolebindings"
	o.pass(t, edge)
	g.Expect(o.touched(edge.Name)[before:]).To(HaveExactElements(
		"POST "+path, "DELETE "+path+"/"+old.Name, "POST "+path), "rehearsed, deleted, recreated")
	bindings := &rbacv1.RoleBindingList{}
	g.Expect(admin.List(t.Context(), bindings, client.InNamespace(edge.Name), client.MatchingLabels{objects.EdgeLabel: edge.Name})).To(Succeed())
	g.Expect(bindings.Items).To(HaveLen(2))
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty(), "a new spec is no repair")
}

func TestForeignObjectIsLeftAlone(t *testing.T) {
	o := startOperator(t)
	ours := func(e *edgev1.EdgeRegistry) map[string]string {
		return map[string]string{objects.EdgeLabel: e.Name, objects.ManagedByLabel: objects.FieldManager}
	}
	elsewhere := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	account := func(string) client.Object { return &corev1.ServiceAccount{ObjectMeta: named("edge-puller")} }
	binding := func(edge string) client.Object {
		return &rbacv1.RoleBinding{ObjectMeta: named(edge + "-publisher"), RoleRef: elsewhere}
	}
	publish := func(edge string) client.Object { return &corev1.Secret{ObjectMeta: named(edge + "-publish")} }
	pull := func(edge string) client.Object { return &corev1.Secret{ObjectMeta: named(edge + "-pull")} }
	for _, tt := range []struct {
		name     string
		object   func(edge string) client.Object
		field    string
		labelled bool
	}{
		{"a service account", account, "another spec.openshift.puller.serviceAccountName", false},
		{"a service account with our labels", account, "another spec.openshift.puller.serviceAccountName", true},
		{"a role binding", binding, "another metadata.name", false},
		{"a role binding with our labels", binding, "another metadata.name", true},
		{"a publish Secret", publish, "another spec.secrets.publish.name", false},
		{"a pull Secret", pull, "another spec.secrets.pull.name", false},
		{"a pull Secret with our labels", pull, "another spec.secrets.pull.name", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			project := makeNamespace(t)
			invite(t, project.Name)
			edge := newEdge(inProject(project.Name))
			edge.GenerateName, edge.Name = "", "edge-foreign-"+stamp()
			foreign := tt.object(edge.Name)
			foreign.SetNamespace(project.Name)
			if tt.labelled {
				foreign.SetLabels(ours(edge))
			}
			g.Expect(admin.Create(t.Context(), foreign)).To(Succeed())
			before := foreign.DeepCopyObject().(client.Object)
			stood := contents(t, project.Name)

			apply(t, edge)
			c := awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonConflict)
			g.Expect(c.Message).To(And(ContainSubstring(foreign.GetName()), ContainSubstring(project.Name), ContainSubstring(tt.field),
				ContainSubstring("does not belong to this EdgeRegistry"), MatchRegexp(`: delete \w+ "`+foreign.GetName()+`"`)))
			g.Expect(isStalled(t, edge)).To(BeTrue())
			o.pass(t, edge)
			g.Expect(contents(t, project.Name)).To(Equal(stood), "nothing is written beside it")
			g.Expect(o.touched(project.Name)).To(BeEmpty())
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign)).To(Succeed())
			g.Expect(foreign).To(Equal(before))

			g.Expect(admin.Delete(t.Context(), foreign)).To(Succeed())
			heals(t, edge)
		})
	}
}

func TestAccessLeavesWhatOpenShiftPutsOnAccounts(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	account := serviceAccountOf(t, edge, "edge-publisher")
	edit(t, account, func(a *corev1.ServiceAccount) {
		a.Annotations = map[string]string{"openshift.io/internal-registry-pull-secret-ref": "edge-publisher-dockercfg-x7k2p"}
		a.Secrets = []corev1.ObjectReference{{Name: "edge-publisher-dockercfg-x7k2p"}}
		a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "edge-publisher-dockercfg-x7k2p"}}
	})
	writes := len(o.wire.writes())
	o.pass(t, edge)
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty())
	decorated := account.DeepCopy()

	// A repair of what is ours leaves them too.
	edit(t, account, func(a *corev1.ServiceAccount) { delete(a.Labels, objects.ManagedByLabel) })
	g.Eventually(func(g Gomega) {
		g.Expect(serviceAccountOf(t, edge, account.Name).Labels).To(Equal(decorated.Labels))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	account = serviceAccountOf(t, edge, account.Name)
	g.Expect(account.Annotations).To(Equal(decorated.Annotations))
	g.Expect(account.Secrets).To(Equal(decorated.Secrets))
	g.Expect(account.ImagePullSecrets).To(Equal(decorated.ImagePullSecrets))
	g.Expect(o.mints(edge)).To(Equal(2))
}
