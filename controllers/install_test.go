// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about an EdgeRegistry from nothing to Ready, across all steps, and what such tests share.

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	soon  = 60 * time.Second
	often = 50 * time.Millisecond
)

// newEdge returns the smallest EdgeRegistry with a name of its own.
func newEdge(mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
	edge := &edgev1.EdgeRegistry{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "edge-"},
		Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
	}
	for _, mod := range mods {
		mod(edge)
	}
	return edge
}

// apply creates an EdgeRegistry and takes it away when the test ends, when there may be no operator
// any more to clean up after it.
func apply(t *testing.T, edge *edgev1.EdgeRegistry) *edgev1.EdgeRegistry {
	t.Helper()
	prepare(t, edge)
	NewWithT(t).Expect(admin.Create(t.Context(), edge)).To(Succeed())
	t.Cleanup(func() {
		canary.harvest(context.Background(), edge)
		_ = admin.Delete(context.Background(), edge)
		releaseNow(edge)
	})
	return edge
}

// prepare gives an EdgeRegistry its name, and the invitations that it needs.
func prepare(t *testing.T, edge *edgev1.EdgeRegistry) *edgev1.EdgeRegistry {
	t.Helper()
	if edge.Name == "" {
		edge.Name, edge.GenerateName = edge.GenerateName+rand.String(5), ""
	}
	nameInInvitations(t, edge)
	return edge
}

// nameInInvitations has the invitations of tests that an EdgeRegistry needs be for it, too.
func nameInInvitations(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	namespaces := slices.Concat(edge.Spec.Secrets.Publish.CopyTo, edge.Spec.Secrets.Pull.CopyTo)
	if home := edge.Spec.Secrets.Namespace; home != "" {
		namespaces = append(namespaces, home)
	}
	if edge.Spec.OpenShift != nil && edge.Spec.OpenShift.Project.Policy == edgev1.ProjectAdopt {
		namespaces = append(namespaces, edge.Spec.OpenShift.Project.Name)
	}
	for _, namespace := range namespaces {
		list := &rbacv1.RoleBindingList{}
		g.Expect(admin.List(t.Context(), list, client.InNamespace(namespace), client.MatchingLabels(testInvitation))).To(Succeed())
		for i := range list.Items {
			names := strings.Split(list.Items[i].Annotations[edgev1.ForAnnotation], ",")
			if slices.Contains(names, edge.Name) {
				continue
			}
			edit(t, &list.Items[i], func(b *rbacv1.RoleBinding) {
				metav1.SetMetaDataAnnotation(&b.ObjectMeta, edgev1.ForAnnotation, strings.Join(append(names, edge.Name), ","))
			})
		}
	}
}

// testInvitation is on the invitations that are for whichever EdgeRegistry a test has in mind.
var testInvitation = map[string]string{"edge.test/invitation": "for-the-test"}

// releaseNow takes the finalizers off an EdgeRegistry, as an impatient admin does.
func releaseNow(edge *edgev1.EdgeRegistry) {
	_ = admin.Patch(context.Background(), edge, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
}

func reload(t *testing.T, edge *edgev1.EdgeRegistry) *edgev1.EdgeRegistry {
	t.Helper()
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), edge)).To(Succeed())
	return edge
}

// condition returns the status, reason and message of a condition, for a matcher.
func condition(t *testing.T, edge *edgev1.EdgeRegistry, name string) (c metav1.Condition) {
	t.Helper()
	if found := meta.FindStatusCondition(reload(t, edge).Status.Conditions, name); found != nil {
		c = *found
	}
	return c
}

// awaitReady waits for Ready of this generation, and fails with what holds it up.
func awaitReady(t *testing.T, edge *edgev1.EdgeRegistry) *edgev1.EdgeRegistry {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		ready := condition(t, edge, edgev1.Ready)
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%s: %s", ready.Reason, ready.Message)
		g.Expect(edge.Status.ObservedGeneration).To(Equal(edge.Generation))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return edge
}

// awaitReason waits until a condition, and with it Ready, has a reason.
func awaitReason(t *testing.T, edge *edgev1.EdgeRegistry, name, reason string) metav1.Condition {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		c := condition(t, edge, name)
		g.Expect(c.Reason).To(Equal(reason), "%s: %s", c.Reason, c.Message)
		g.Expect(c.Status).NotTo(Equal(metav1.ConditionTrue))
		g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(reason))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return condition(t, edge, name)
}

func secretOf(t *testing.T, edge *edgev1.EdgeRegistry, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: name}, secret)).To(Succeed())
	return secret
}

func tokenOf(secret *corev1.Secret) credential.Token {
	token, _ := handoff.Token(secret.Data)
	return token
}

func TestFromNothingToReadyWithTheSmallestSpec(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge())
	awaitReady(t, edge)
	for _, r := range o.wire.requests {
		t.Log(r)
	}
	publish, pull := secretOf(t, edge, edge.Name+"-publish"), secretOf(t, edge, edge.Name+"-pull")
	image := edge.Status.ImagePrefix + "/service:1.0.0"
	pusher := openShift.ImageClient(publish.Data[handoff.KeyCA], string(publish.Data[handoff.KeyUser]), tokenOf(publish))
	puller := openShift.ImageClient(pull.Data[handoff.KeyCA], string(pull.Data[handoff.KeyUser]), tokenOf(pull))
	pushed, err := pusher.Push(t.Context(), image)
	g.Expect(err).NotTo(HaveOccurred())
	pulled, err := puller.Pull(t.Context(), image)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pulled).To(Equal(pushed))
	_, err = puller.Push(t.Context(), image)
	g.Expect(err).To(MatchError(ContainSubstring("UNAUTHORIZED")))
}
