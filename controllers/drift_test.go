// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about objects/writer.go, on a control plane: what others alter or delete is mended.

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// ownedObjects are the eight objects that an EdgeRegistry has in its project, by what they are.
func ownedObjects(t *testing.T, edge *edgev1.EdgeRegistry) map[string]client.Object {
	t.Helper()
	return map[string]client.Object{
		"the publisher's account":      serviceAccountOf(t, edge, "edge-publisher"),
		"the puller's account":         serviceAccountOf(t, edge, "edge-puller"),
		"the publisher's binding":      roleBindingOf(t, edge, edgev1.TokenPublisher),
		"the puller's binding":         roleBindingOf(t, edge, edgev1.TokenPuller),
		"the publish Secret":           secretOf(t, edge, pass.PublishSecretName(edge)),
		"the pull Secret":              secretOf(t, edge, pass.PullSecretName(edge)),
		"the publisher's bound Secret": boundSecretOf(t, edge, edgev1.TokenPublisher),
		"the puller's bound Secret":    boundSecretOf(t, edge, edgev1.TokenPuller),
	}
}

func TestDriftOfDeletedObjects(t *testing.T) {
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	for what, mints := range map[string]int{
		"the publisher's account": 1, "the puller's account": 1, "the publisher's binding": 0, "the puller's binding": 0,
		"the publish Secret": 1, "the pull Secret": 1, "the publisher's bound Secret": 1, "the puller's bound Secret": 1,
	} {
		t.Run(what+" comes back", func(t *testing.T) {
			g := NewWithT(t)
			object := ownedObjects(t, edge)[what]
			uid, before, repairs := object.GetUID(), o.mints(edge), len(eventNotes(t, edge, edgev1.ReasonRepaired))
			g.Expect(admin.Delete(t.Context(), object)).To(Succeed())
			// No pass is asked for: the watch starts one.
			g.Eventually(func(g Gomega) {
				g.Expect(o.mints(edge) - before).To(Equal(mints))
				if mints == 0 {
					g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
					g.Expect(object.GetUID()).NotTo(Equal(uid))
				}
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			o.pass(t, edge)
			awaitReady(t, edge)
			for _, owned := range ownedObjects(t, edge) {
				expectOwned(t, edge, owned)
				g.Expect(owned.GetUID()).NotTo(Equal(uid))
			}
			for _, role := range roles {
				secret, _ := published(t, edge, role)
				g.Expect(works(t, tokenOf(secret))).To(BeTrue())
			}
			g.Expect(o.mints(edge)-before).To(Equal(mints), "once")
			if mints == 0 {
				g.Eventually(func() int { return len(eventNotes(t, edge, edgev1.ReasonRepaired)) }).WithTimeout(soon).WithPolling(often).
					Should(BeNumerically(">", repairs))
				expectEvent(t, edge, edgev1.ReasonRepaired, object.GetName(), "was gone and is made again")
			}
		})
	}
}

func TestDriftOfAlteredObjects(t *testing.T) {
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	secret := func(change func(*corev1.Secret)) func(client.Object) {
		return func(o client.Object) { change(o.(*corev1.Secret)) }
	}
	unlabel := func(o client.Object) { o.SetLabels(nil) }
	type change struct {
		what, how string
		change    func(client.Object)
	}
	changes := []change{
		{"the puller's binding", "another subject", func(o client.Object) {
			o.(*rbacv1.RoleBinding).Subjects[0].Name = "somebody"
		}},
		{"the puller's binding", "one subject more", func(o client.Object) {
			b := o.(*rbacv1.RoleBinding)
			b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "mallory"})
		}},
		{"the publisher's binding", "no subjects", func(o client.Object) { o.(*rbacv1.RoleBinding).Subjects = nil }},
		{"the publish Secret", "another CA", secret(func(s *corev1.Secret) { s.Data[handoff.KeyCA] = []byte("none") })},
		{"the publish Secret", "an empty CA", secret(func(s *corev1.Secret) { s.Data[handoff.KeyCA] = nil })},
		{"the pull Secret", "an empty CA", secret(func(s *corev1.Secret) { delete(s.Data, handoff.KeyCA) })},
		{"the pull Secret", "another script", secret(func(s *corev1.Secret) { s.Data[handoff.KeyNodeBootstrap] = []byte("rm -rf /") })},
		{"the publish Secret", "another token for nodes", secret(func(s *corev1.Secret) { s.Data[handoff.KeyRegistryAuth] = nil })},
		{"the publish Secret", "no image prefix", secret(func(s *corev1.Secret) { delete(s.Data, handoff.KeyImagePrefix) })},
		{"the pull Secret", "no annotations", secret(func(s *corev1.Secret) { s.Annotations = nil })},
		{"the puller's bound Secret", "no annotations", secret(func(s *corev1.Secret) { s.Annotations = nil })},
		{"the puller's bound Secret", "another generation", secret(func(s *corev1.Secret) { s.Annotations[objects.GenerationAnnotation] = "7" })},
	}
	for what := range ownedObjects(t, edge) {
		changes = append(changes, change{what, "no labels", unlabel})
	}
	for _, tt := range changes {
		t.Run(tt.what+" with "+tt.how+" is mended", func(t *testing.T) {
			g := NewWithT(t)
			object := ownedObjects(t, edge)[tt.what]
			before, mints, repairs := object.DeepCopyObject().(client.Object), o.mints(edge), len(eventNotes(t, edge, edgev1.ReasonRepaired))
			edit(t, object, tt.change)
			g.Expect(mendable(object)).NotTo(Equal(mendable(before)))
			g.Eventually(func(g Gomega) {
				g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
				g.Expect(mendable(object) == mendable(before)).To(BeTrue(), "%s is as it was", object.GetName())
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			g.Expect(object.GetUID()).To(Equal(before.GetUID()), "in place")
			o.pass(t, edge)
			awaitReady(t, edge)
			g.Expect(o.mints(edge)).To(Equal(mints))
			g.Eventually(func() int { return len(eventNotes(t, edge, edgev1.ReasonRepaired)) }).WithTimeout(soon).WithPolling(often).
				Should(BeNumerically(">=", repairs))
			expectEvent(t, edge, edgev1.ReasonRepaired, object.GetName(), "was altered and is repaired")
		})
	}
}

// mendable is what the operator says of an object, as a text to compare. It may hold a token, so no
// assertion may print it. Why a token was minted is on its bound Secret alone: it cannot be found again.
func mendable(object client.Object) secretText {
	annotations := maps.Clone(object.GetAnnotations())
	delete(annotations, objects.CauseAnnotation)
	text := secretText{labels: sorted(object.GetLabels()), annotations: sorted(annotations)}
	switch o := object.(type) {
	case *rbacv1.RoleBinding:
		for _, subject := range o.Subjects {
			text.content += subject.String()
		}
	case *corev1.Secret:
		data := map[string]string{}
		for key, value := range o.Data {
			data[key] = string(value)
		}
		text.content = sorted(data)
	}
	return text
}

// secretText does not print.
type secretText struct{ labels, annotations, content string }

func (secretText) GomegaString() string { return "the labels, annotations and contents" }

func sorted(m map[string]string) string {
	text := ""
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text += key + "=" + m[key] + "\n"
	}
	return text
}

func TestDriftWhileTheOperatorIsDown(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.stop(t)
	// A backup tool brings the Secret back as another type, with its owner.
	secret := secretOf(t, edge, pass.PullSecretName(edge))
	g.Expect(admin.Delete(t.Context(), secret)).To(Succeed())
	restored := secret.DeepCopy()
	restored.ObjectMeta = metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name,
		Labels: secret.Labels, Annotations: secret.Annotations, OwnerReferences: secret.OwnerReferences}
	restored.Type = corev1.SecretTypeOpaque
	g.Expect(admin.Create(t.Context(), restored)).To(Succeed())
	g.Expect(admin.Delete(t.Context(), roleBindingOf(t, edge, edgev1.TokenPuller))).To(Succeed())
	edit(t, serviceAccountOf(t, edge, "edge-puller"), func(a *corev1.ServiceAccount) { a.Labels = nil })

	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	again := secretOf(t, edge, secret.Name)
	g.Expect(again.Type).To(Equal(corev1.SecretTypeDockerConfigJson))
	g.Expect(same(tokenOf(again), tokenOf(secret))).To(BeTrue())
	for _, owned := range ownedObjects(t, edge) {
		expectOwned(t, edge, owned)
	}
	g.Expect(o.mints(edge)).To(BeZero())
	expectEvent(t, edge, edgev1.ReasonRepaired, secret.Name, "recreated")
}

func TestQuietOnceConverged(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	settled, writes, issued := contents(t, edge.Name), len(o.wire.writes()), canary.count()
	status := reload(t, edge).Status.DeepCopy()

	o.pass(t, edge)
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty(), "a second pass")
	g.Expect(contents(t, edge.Name)).To(Equal(settled))

	o.stop(t)
	o = startOperator(t)
	o.pass(t, edge)
	g.Expect(o.wire.writes()).To(BeEmpty(), "a restart")
	g.Expect(o.wire.matching(func(request string) bool { return slices.Contains([]string{"POST", "PATCH"}, request[:4]) })).
		To(HaveEach("POST /apis/authentication.k8s.io/v1/selfsubjectreviews"), "who it is and whether both tokens live, and no events either")
	g.Expect(contents(t, edge.Name)).To(Equal(settled))
	g.Expect(canary.count()).To(Equal(issued))
	g.Expect(&reload(t, edge).Status).To(Equal(status))
}

func TestDeletionLeavesTheProjectAndNoLiveToken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	before := map[edgev1.TokenRole]credential.Token{}
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		before[role] = tokenOf(secret)
	}
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("now"))
	project := namespaceOf(t, edge)
	tokens := slices.Collect(maps.Values(before))
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		tokens = append(tokens, tokenOf(secret))
	}
	owned := ownedObjects(t, edge)
	writes := len(o.wire.writes())

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	gone(t, edge)
	for _, object := range owned {
		gone(t, object)
	}
	for _, token := range tokens {
		expectDead(t, token)
	}
	left := &corev1.SecretList{}
	g.Expect(admin.List(t.Context(), left, client.InNamespace(project.Name))).To(Succeed())
	g.Expect(left.Items).To(BeEmpty())
	g.Expect(namespaceOf(t, edge).UID).To(Equal(project.UID))
	for _, request := range o.wire.writes()[writes:] {
		g.Expect(request).NotTo(HavePrefix("POST "), "nothing is made again while it goes")
	}
	g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), types.NamespacedName{Name: edge.Name}, edge))).To(BeTrue())
}
