// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/project.go, on a control plane.

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

func inProject(name string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Project.Name, e.Spec.OpenShift.Project.Policy = name, edgev1.ProjectAdopt
	}
}

// requesting has the operator request a project of a name.
func requesting(name string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Project.Name = name }
}

func namespaceOf(t *testing.T, edge *edgev1.EdgeRegistry) *corev1.Namespace {
	t.Helper()
	namespace := &corev1.Namespace{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Name: openshift.ProjectName(edge)}, namespace)).To(Succeed())
	return namespace
}

// inviteCommand is what invites the operator to a project for an EdgeRegistry.
func inviteCommand(project, edge string) string {
	return "'oc create rolebinding edge-registry -n " + project + " --clusterrole=edge-registry-project " +
		"--serviceaccount=edge-registry-system:edge-registry-controller-manager && " +
		"oc annotate rolebinding edge-registry -n " + project + " edge.open-horizon.io/for=" + edge + "'"
}

func TestProjectIsRequestedAsAUserWould(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Project = edgev1.ProjectSpec{DisplayName: "Factory images", Description: "What the factory runs"}
	}))
	awaitReady(t, edge)
	project := namespaceOf(t, edge)
	g.Expect(project.Annotations).To(HaveKeyWithValue("openshift.io/display-name", "Factory images"))
	g.Expect(project.Annotations).To(HaveKeyWithValue("openshift.io/description",
		"What the factory runs [EdgeRegistry "+edge.Name+" "+string(edge.UID)+"]"))
	g.Expect(project.Annotations).To(HaveKeyWithValue("openshift.io/requester", operatorUser))
	g.Expect(project.OwnerReferences).To(BeEmpty())
	g.Expect(condition(t, edge, edgev1.ProjectReady).Reason).To(Equal(edgev1.ReasonOwned))
	g.Expect(edge.Status.Secrets).To(HaveEach(HaveField("Namespace", edge.Name)))
	g.Expect(o.projectRequests()).To(Equal(1))
	expectEvent(t, edge, edgev1.ReasonProjectRequested, "requested project", edge.Name)

	t.Run("a user who edits the description does not make it another's", func(t *testing.T) {
		g := NewWithT(t)
		edit(t, project, func(n *corev1.Namespace) { n.Annotations[descriptionAnnotation] = "our images" })
		before := len(o.wire.writes())
		o.pass(t, edge)
		g.Expect(condition(t, edge, edgev1.ProjectReady).Reason).To(Equal(edgev1.ReasonOwned))
		g.Expect(o.wire.writes()[before:]).To(BeEmpty())
	})
}

func TestProjectOfTheOperatorItselfIsRefused(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	before := contents(t, operatorNamespace)
	edge := apply(t, newEdge(inProject(operatorNamespace)))
	c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectReserved)
	g.Expect(c.Message).To(And(ContainSubstring(operatorNamespace), ContainSubstring("another spec.openshift.project.name")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(contents(t, operatorNamespace)).To(Equal(before))
	g.Expect(o.touched(operatorNamespace)).To(BeEmpty())
	g.Expect(o.projectRequests()).To(BeZero())
}

func TestProjectThatIsBeingDeletedIsRequestedAgainWhenItIsGone(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	old := namespaceOf(t, edge)
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: old.Name, Name: "held", Finalizers: []string{"edge.test/hold"}}}
	g.Expect(admin.Create(t.Context(), held)).To(Succeed())
	g.Expect(admin.Delete(t.Context(), old)).To(Succeed())

	c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectTerminating)
	g.Expect(c.Message).To(ContainSubstring("requested again when it is gone"))
	g.Expect(isStalled(t, edge)).To(BeFalse())
	before := len(o.touched(old.Name))
	o.pass(t, edge)
	g.Expect(o.touched(old.Name)[before:]).To(BeEmpty(), "nothing is written into a project that goes")
	g.Expect(o.projectRequests()).To(Equal(1))

	edit(t, held, func(c *corev1.ConfigMap) { c.Finalizers = nil })
	g.Eventually(func(g Gomega) {
		project := &corev1.Namespace{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: old.Name}, project)).To(Succeed())
		g.Expect(project.UID).NotTo(Equal(old.UID))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	awaitReady(t, edge)
	g.Expect(o.projectRequests()).To(Equal(2))
	g.Expect(o.mints(edge)).To(Equal(4))
	g.Expect(works(t, tokenOf(secretOf(t, edge, pass.PullSecretName(edge))))).To(BeTrue())

	// The watches are those of the new project.
	g.Expect(admin.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: old.Name, Name: "edge-puller"}})).To(Succeed())
	g.Eventually(func() int { return o.mints(edge) }).WithTimeout(soon).WithPolling(often).Should(Equal(5))
	expectEvent(t, edge, edgev1.ReasonProjectEmptied, "had been deleted, and its images with it", old.Name)
}

func TestProjectOfSomebodyElse(t *testing.T) {
	o := startOperator(t)

	t.Run("is left alone until its owner sends the invitation of the samples", func(t *testing.T) {
		g := NewWithT(t)
		foreign := makeNamespace(t)
		before := contents(t, foreign.Name)
		edge := apply(t, newEdge(inProject(foreign.Name)))
		c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonNotInvited)
		g.Expect(c.Message).To(ContainSubstring(inviteCommand(foreign.Name, edge.Name)))
		g.Expect(isStalled(t, edge)).To(BeTrue())
		o.pass(t, edge)
		g.Expect(contents(t, foreign.Name)).To(Equal(before))
		g.Expect(o.touched(foreign.Name)).To(BeEmpty())

		ownerAppliesTheInvitation(t, foreign.Name, edge.Name)
		heals(t, edge)
		g.Expect(condition(t, edge, edgev1.ProjectReady).Reason).To(Equal(edgev1.ReasonInvited))
		g.Expect(o.projectRequests()).To(BeZero())
		g.Expect(o.mints(edge)).To(Equal(2))
		namespace := namespaceOf(t, edge)
		g.Expect(namespace.ResourceVersion).To(Equal(foreign.ResourceVersion), "the namespace itself is not written")

		// Withdrawn again: from now on nothing is written there.
		invitation := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: foreign.Name, Name: "edge-registry-invitation"}}
		g.Expect(admin.Delete(t.Context(), invitation)).To(Succeed())
		asksUntil(t, edge, func(g Gomega) {
			g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonNotInvited))
		})
		withdrawn := contents(t, foreign.Name)
		o.pass(t, edge)
		g.Expect(contents(t, foreign.Name)).To(Equal(withdrawn))
		c = condition(t, edge, edgev1.ProjectReady)
		g.Expect(c.Message).To(ContainSubstring(inviteCommand(foreign.Name, edge.Name)))
		for _, role := range roles {
			secret, _ := published(t, edge, role)
			g.Expect(works(t, tokenOf(secret))).To(BeTrue(), "nothing is lost")
		}
		g.Expect(edge.Status.Secrets).NotTo(BeEmpty())

		// Sent again: all goes on as if nothing had been.
		invite(t, foreign.Name, edge.Name)
		heals(t, edge)
		g.Expect(o.mints(edge)).To(Equal(2))
		after := contents(t, foreign.Name)
		delete(after, "*v1.RoleBinding edge-registry")
		g.Expect(after).To(Equal(withdrawn))
	})

	t.Run("is left alone when it was requested for another EdgeRegistry", func(t *testing.T) {
		g := NewWithT(t)
		first := awaitReady(t, apply(t, newEdge()))
		project := openshift.ProjectName(first)
		before := contents(t, project)
		touched := len(o.touched(project))
		second := apply(t, newEdge(requesting(project)))
		c := awaitReason(t, second, edgev1.ProjectReady, edgev1.ReasonProjectConflict)
		g.Expect(c.Message).To(And(ContainSubstring("requested for another EdgeRegistry"), ContainSubstring(first.Name)))
		g.Expect(isStalled(t, second)).To(BeTrue())
		o.pass(t, second)
		g.Expect(contents(t, project)).To(Equal(before))
		g.Expect(o.touched(project)[touched:]).To(BeEmpty())
		awaitReady(t, first)
	})

	t.Run("is left alone though the operator has rights there, for nobody invited it", func(t *testing.T) {
		g := NewWithT(t)
		foreign := makeNamespace(t)
		g.Expect(admin.Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: foreign.Name, Name: "too-generous"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts"}},
		})).To(Succeed())
		before := contents(t, foreign.Name)
		edge := apply(t, newEdge(inProject(foreign.Name)))
		c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonNotInvited)
		g.Expect(c.Message).To(ContainSubstring(inviteCommand(foreign.Name, edge.Name)))
		o.pass(t, edge)
		g.Expect(contents(t, foreign.Name)).To(Equal(before))
		g.Expect(o.touched(foreign.Name)).To(BeEmpty())
	})

	t.Run("is not taken for our own when it names the operator as its requester only", func(t *testing.T) {
		g := NewWithT(t)
		foreign := makeNamespace(t)
		edit(t, foreign, func(n *corev1.Namespace) {
			n.Annotations = map[string]string{requesterAnnotation: operatorUser, descriptionAnnotation: "[EdgeRegistry x y]"}
		})
		before := contents(t, foreign.Name)
		edge := apply(t, newEdge(inProject(foreign.Name)))
		awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonNotInvited)
		g.Expect(contents(t, foreign.Name)).To(Equal(before))
	})
}

// ownerAppliesTheInvitation applies the shipped sample as a user who is admin of the namespace and nothing else.
func ownerAppliesTheInvitation(t *testing.T, namespace, edge string) {
	t.Helper()
	g := NewWithT(t)
	sample, err := os.ReadFile(filepath.Join(env.RepoRoot(), "config", "samples", "invitation.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	invitation := &rbacv1.RoleBinding{}
	g.Expect(yaml.UnmarshalStrict(sample, invitation)).To(Succeed())
	invitation.Namespace = namespace
	g.Expect(invitation.Annotations).To(HaveKey(edgev1.ForAnnotation))
	invitation.Annotations[edgev1.ForAnnotation] = edge
	does(t, tenantUser(t, "owner-of-the-project", false, map[string]string{namespace: "admin"}), invitation)
}
