// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/cleanup.go, on a control plane: what becomes of the project.

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

func deletionPolicy(policy edgev1.DeletionPolicy) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.DeletionPolicy = policy }
}

// adminSubjects are who is admin of the project of an EdgeRegistry by the template's binding.
func adminSubjects(t *testing.T, edge *edgev1.EdgeRegistry) []string {
	t.Helper()
	binding := bindingNamed(edge, "admin")
	err := admin.Get(t.Context(), client.ObjectKeyFromObject(binding), binding)
	NewWithT(t).Expect(client.IgnoreNotFound(err)).To(Succeed())
	var names []string
	for _, subject := range binding.Subjects {
		names = append(names, subject.Name)
	}
	return names
}

func TestDeletionReleasesAProjectThatIsRetained(t *testing.T) {
	g := NewWithT(t)
	startOperator(t, muchLater)
	alone := awaitReady(t, apply(t, newEdge()))
	shared := awaitReady(t, apply(t, newEdge()))
	g.Expect(adminSubjects(t, alone)).To(Equal([]string{operatorUser}))
	// An admin who gives a colleague access may use the binding that is there.
	edit(t, bindingNamed(shared, "admin"), func(b *rbacv1.RoleBinding) {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "ada"},
			rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount})
	})
	for _, edge := range []*edgev1.EdgeRegistry{alone, shared} {
		before := namespaceOf(t, edge)
		g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
		gone(t, edge.DeepCopy())
		after := namespaceOf(t, edge)
		g.Expect(after.UID).To(Equal(before.UID))
		g.Expect(after.DeletionTimestamp).To(BeNil())
		expectEvent(t, edge, edgev1.ReasonProjectReleased, "stays with its images", "oc adm policy add-role-to-user admin USER -n "+edge.Name, inviteCommand(edge.Name, edge.Name))
	}
	g.Expect(adminSubjects(t, alone)).To(BeEmpty())
	g.Expect(adminSubjects(t, shared)).To(Equal([]string{"ada"}))

	// The next of that name is another's guest, and says how to become one.
	next := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.GenerateName, e.Name = "", alone.Name }))
	c := awaitReason(t, next, edgev1.ProjectReady, edgev1.ReasonProjectConflict)
	g.Expect(c.Message).To(ContainSubstring(inviteCommand(alone.Name, alone.Name)))
	invite(t, alone.Name, next.Name)
	edit(t, next, inProject(alone.Name))
	heals(t, next)
}

func TestDeletionPolicyDelete(t *testing.T) {
	o := startOperator(t, muchLater)
	remove := deletionPolicy(edgev1.DeletionDelete)

	t.Run("deletes the project that was requested for this EdgeRegistry", func(t *testing.T) {
		g := NewWithT(t)
		edge := awaitReady(t, apply(t, newEdge(remove)))
		project := namespaceOf(t, edge)
		tokens := liveTokens(t, edge)
		g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
		gone(t, edge.DeepCopy())
		gone(t, project)
		for _, token := range tokens {
			expectDead(t, token)
		}
		expectEvent(t, edge, edgev1.ReasonProjectDeleted, edge.Name, "with its images")
		g.Expect(o.wire.matching(func(r string) bool { return r == "DELETE /apis/project.openshift.io/v1/projects/"+edge.Name })).To(HaveLen(1))
	})

	for _, tt := range []struct {
		name, why string
		spec      func(*testing.T) func(*edgev1.EdgeRegistry)
		before    func(*testing.T, *edgev1.EdgeRegistry)
	}{
		{name: "spares a project that it was invited to", why: "is not known to have been requested for this EdgeRegistry",
			spec: func(t *testing.T) func(*edgev1.EdgeRegistry) {
				project := makeNamespace(t)
				invite(t, project.Name)
				return inProject(project.Name)
			}},
		{name: "spares a project that another EdgeRegistry uses", why: "uses it too",
			before: func(t *testing.T, e *edgev1.EdgeRegistry) {
				invite(t, e.Name)
				awaitReady(t, apply(t, newEdge(inProject(e.Name), distinctNames("guest"))))
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			mods := []func(*edgev1.EdgeRegistry){remove}
			if tt.spec != nil {
				mods = append(mods, tt.spec(t))
			}
			edge := awaitReady(t, apply(t, newEdge(mods...)))
			if tt.before != nil {
				tt.before(t, edge)
			}
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			gone(t, edge.DeepCopy())
			g.Expect(namespaceOf(t, edge).DeletionTimestamp).To(BeNil())
			expectEvent(t, edge, edgev1.ReasonProjectRetained, tt.why, "oc delete project "+openshift.ProjectName(edge))
			g.Expect(o.wire.matching(func(r string) bool {
				return r == "DELETE /apis/project.openshift.io/v1/projects/"+openshift.ProjectName(edge)
			})).To(BeEmpty())
			if tt.spec == nil {
				g.Expect(adminSubjects(t, edge)).NotTo(BeEmpty())
			} else {
				g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(bindingNamed(edge, "edge-registry")), bindingNamed(edge, "edge-registry"))).
					To(Succeed(), "the invitation is its owner's")
			}
		})
	}
}

func restoring(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Exposure = edgev1.ExposureRestore }

func TestDeletionRestoresTheDefaultRoute(t *testing.T) {
	o := startOperator(t, muchLater)
	// exposes starts from a registry whose route only this operator switches on.
	exposes := func(t *testing.T, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
		t.Helper()
		keepPlatform(t)
		o.clock.SetTime(o.clock.Now().Add(contestWindow))
		hideDefaultRoute(t)
		return awaitReady(t, apply(t, newEdge(mods...)))
	}
	deleted := func(t *testing.T, edge *edgev1.EdgeRegistry) {
		t.Helper()
		NewWithT(t).Expect(admin.Delete(t.Context(), edge)).To(Succeed())
		gone(t, edge.DeepCopy())
	}

	t.Run("only if it is asked to", func(t *testing.T) {
		deleted(t, exposes(t))
		NewWithT(t).Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
	})
	t.Run("for the last EdgeRegistry that used it, and may switch it on again at once", func(t *testing.T) {
		g := NewWithT(t)
		first := exposes(t, restoring)
		second := awaitReady(t, apply(t, newEdge(restoring)))
		rest := configButDefaultRoute(t)
		deleted(t, first)
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
		g.Expect(eventNotes(t, first, edgev1.ReasonDefaultRouteRestored)).To(BeEmpty())
		deleted(t, second)
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeFalse())
		g.Expect(configButDefaultRoute(t)).To(Equal(rest))
		expectEvent(t, second, edgev1.ReasonDefaultRouteRestored, "spec.openshift.exposure")
		awaitReady(t, apply(t, newEdge()))
	})
	t.Run("not when an admin has claimed it", func(t *testing.T) {
		g := NewWithT(t)
		edge := exposes(t, restoring)
		claimDefaultRoute(t, "gitops", true)
		g.Expect(registryConfig(t).ManagedFields).To(ContainElement(HaveField("Manager", objects.FieldManager)), "both claim it")
		deleted(t, edge)
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
	})
	t.Run("not when it was on before", func(t *testing.T) {
		g := NewWithT(t)
		keepPlatform(t)
		o.clock.SetTime(o.clock.Now().Add(contestWindow))
		changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = false })
		changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = true })
		deleted(t, awaitReady(t, apply(t, newEdge(restoring))))
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
	})
	t.Run("not for another Route", func(t *testing.T) {
		g := NewWithT(t)
		exposes(t)
		changeConfig(t, func(c *imageregistryv1.Config) {
			c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "images", Hostname: appsHost("images")}}
		})
		edge := awaitReady(t, apply(t, newEdge(restoring, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "images" })))
		deleted(t, edge)
		g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
	})
	NewWithT(t).Expect(slices.Compact(o.wire.matching(isConfigPatch))).To(HaveLen(1), "each write was to the Config's one field")
}
