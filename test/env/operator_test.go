// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestTheOperatorIsInstalledAsItIsShipped(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	started := shared.controllers
	cfg, err := shared.InstallOperator(ctx)
	t.Cleanup(func() { _ = shared.RemoveCRD(context.Background(), "edgeregistries.edge.open-horizon.io") })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(identityOf(g, cfg)).To(Equal("system:serviceaccount:edge-registry-system:edge-registry-controller-manager"))
	operator, err := client.New(cfg, client.Options{Scheme: shared.Scheme, Mapper: shared.Client().RESTMapper()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(operator.List(ctx, &corev1.SecretList{})).To(Satisfy(apierrors.IsForbidden))
	deployments := &appsv1.DeploymentList{}
	g.Expect(shared.Client().List(ctx, deployments)).To(Succeed())
	g.Expect(deployments.Items).To(BeEmpty())

	// The garbage collector knows the new kind when InstallOperator returns.
	g.Expect(shared.controllers).NotTo(BeIdenticalTo(started))
	started = shared.controllers
	edge := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "edge.open-horizon.io/v1alpha1", "kind": "EdgeRegistry",
		"metadata": map[string]any{"generateName": "owner-"},
		"spec":     map[string]any{"openshift": map[string]any{}},
	}}
	g.Expect(shared.Client().Create(ctx, edge)).To(Succeed())
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "owned", Namespace: newNamespace(ctx, g),
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: edge.GetAPIVersion(), Kind: edge.GetKind(), Name: edge.GetName(), UID: edge.GetUID(),
		}},
	}}
	g.Expect(shared.Client().Create(ctx, owned)).To(Succeed())
	g.Expect(shared.Client().Delete(ctx, edge)).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(shared.Client().Get(ctx, client.ObjectKeyFromObject(owned), owned))
	}).WithTimeout(eventually).Should(BeTrue())

	_, err = shared.InstallOperator(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "a second time")
	g.Expect(shared.controllers).To(BeIdenticalTo(started))
}

func TestObjectsOfAnAbsentKindAreNotInstalled(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := newNamespace(ctx, g)
	object := func(apiVersion, kind string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": apiVersion, "kind": kind,
			"metadata": map[string]any{"name": "test", "namespace": namespace},
		}}
	}
	g.Expect(shared.install(ctx, []*unstructured.Unstructured{
		object("monitoring.coreos.com/v1", "ServiceMonitor"), object("v1", "ConfigMap"),
	})).To(Succeed())
	key := client.ObjectKey{Namespace: namespace, Name: "test"}
	g.Expect(shared.Client().Get(ctx, key, &corev1.ConfigMap{})).To(Succeed())
}
