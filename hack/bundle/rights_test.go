// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

// rightsOf lists what an account may do, a line for each namespace (* for all) and rule, when
// these objects are in a cluster.
func rightsOf(t *testing.T, objects []*unstructured.Unstructured, account string) []string {
	t.Helper()
	g := NewWithT(t)
	var rights []string
	for _, object := range objects {
		if !strings.HasSuffix(object.GetKind(), "RoleBinding") {
			continue
		}
		var binding rbacv1.ClusterRoleBinding
		g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding)).To(Succeed())
		if !slices.Contains(binding.Subjects, rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: account}) {
			continue
		}
		at := slices.IndexFunc(objects, func(role *unstructured.Unstructured) bool {
			return role.GetKind() == binding.RoleRef.Kind && role.GetName() == binding.RoleRef.Name &&
				(role.GetKind() == "ClusterRole" || role.GetNamespace() == object.GetNamespace())
		})
		g.Expect(at).To(BeNumerically(">=", 0), "%s %s/%s binds what is not there", object.GetKind(), object.GetNamespace(), object.GetName())
		rules, err := rulesOf(objects[at])
		g.Expect(err).NotTo(HaveOccurred())
		rights = append(rights, lines(t, object.GetNamespace(), rules)...)
	}
	slices.Sort(rights)
	return rights
}

func lines(t *testing.T, where string, rules []rbacv1.PolicyRule) []string {
	t.Helper()
	if where == "" {
		where = "*"
	}
	var texts []string
	for _, rule := range rules {
		text, err := json.Marshal(rule)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		texts = append(texts, where+" "+string(text))
	}
	return texts
}

// asInstalled is what OLM makes of the bundle, beside what an administrator grants: each object in
// the operator's namespace, and a ClusterRole and its binding for each of the clusterPermissions.
func asInstalled(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	var objects []*unstructured.Unstructured
	for name, content := range files(t, testImage) {
		if path.Dir(name) != "bundle/manifests" {
			continue
		}
		for _, object := range objectsOf(t, content) {
			if kind := object.GetKind(); !strings.HasPrefix(kind, "Cluster") && kind != "CustomResourceDefinition" {
				object.SetNamespace(namespace)
			}
			objects = append(objects, object)
		}
	}
	for _, permission := range csvOf(t, testImage).Spec.Install.Spec.ClusterPermissions {
		for _, object := range []any{
			&rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{Kind: "ClusterRole"}, ObjectMeta: metav1.ObjectMeta{Name: "by-olm"}, Rules: permission.Rules},
			&rbacv1.ClusterRoleBinding{
				TypeMeta: metav1.TypeMeta{Kind: "ClusterRoleBinding"},
				RoleRef:  rbacv1.RoleRef{Kind: "ClusterRole", Name: "by-olm"},
				Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: permission.ServiceAccountName}},
			},
		} {
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
			g.Expect(err).NotTo(HaveOccurred())
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
	return objects
}

func TestWithItsGrantsTheBundleGivesTheRightsOfTheManifestsAndNoOthers(t *testing.T) {
	g := NewWithT(t)
	rendered, err := manifests.Render("../../config/default")
	g.Expect(err).NotTo(HaveOccurred())
	const account = "edge-registry-controller-manager"
	want := rightsOf(t, rendered, account)
	g.Expect(len(want)).To(BeNumerically(">", 10))

	installed := asInstalled(t)
	granted := append(slices.Clone(installed), objectsOf(t, files(t, testImage)["bundle/grants.yaml"])...)
	g.Expect(rightsOf(t, granted, account)).To(Equal(want))

	// Without them nothing is wider in place of it.
	without := rightsOf(t, installed, account)
	missing := slices.DeleteFunc(slices.Clone(want), func(right string) bool { return slices.Contains(without, right) })
	g.Expect(missing).NotTo(BeEmpty())
	for _, right := range missing {
		g.Expect(right).To(Or(HavePrefix("default "), HavePrefix("openshift-"), HavePrefix("edge-registry-credentials ")))
	}
}

// TestTheRolesForOthersTravelToo: those of viewers, editors, scrapers and owners of projects.
func TestTheRolesForOthersTravelToo(t *testing.T) {
	g := NewWithT(t)
	rendered, err := manifests.Render("../../config/default")
	g.Expect(err).NotTo(HaveOccurred())
	installed := asInstalled(t)
	compared := 0
	for _, role := range rendered {
		if role.GetKind() != "ClusterRole" || slices.Contains([]string{"edge-registry-manager-role", "edge-registry-metrics-auth"}, role.GetName()) {
			continue
		}
		compared++
		at := slices.IndexFunc(installed, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == role.GetKind() && o.GetName() == role.GetName()
		})
		g.Expect(at).To(BeNumerically(">=", 0), role.GetName())
		g.Expect(installed[at].Object).To(Equal(role.Object))
	}
	g.Expect(compared).To(BeNumerically(">=", 5))
}

func TestWhatOLMWouldMisplaceIsRefused(t *testing.T) {
	object := func(kind, namespace string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
		o.SetName("it")
		o.SetNamespace(namespace)
		return o
	}
	complete := func() []*unstructured.Unstructured {
		deployment := object("Deployment", namespace)
		_ = unstructured.SetNestedField(deployment.Object, "it", "spec", "template", "spec", "serviceAccountName")
		own := object("Namespace", "")
		own.SetName(namespace)
		return []*unstructured.Unstructured{object("ClusterServiceVersion", ""), object("CustomResourceDefinition", ""), own, deployment}
	}
	for name, tt := range map[string]struct {
		extra *unstructured.Unstructured
		want  string
	}{
		"an object for another namespace":   {object("ConfigMap", "elsewhere"), "into the operator's namespace and not into elsewhere"},
		"a Role that is not the operator's": {object("Role", "elsewhere"), "into the operator's namespace and not into elsewhere"},
		"a kind that no bundle holds":       {object("Job", namespace), "OLM takes no object of this kind"},
		"a Secret":                          {object("Secret", namespace), "OLM takes no object of this kind"},
		"a second Deployment":               {object("Deployment", namespace), "two objects of the kind Deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sortOut(append(complete(), tt.extra))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tt.want)))
		})
	}
	_, err := sortOut(complete()[:3])
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("renders no Deployment")))
}
