// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about GitOps tools that apply an EdgeRegistry time and again, across all steps.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

// inGit is what people keep in Git: our samples, the example for Argo CD and the YAML of docs/gitops.md.
// The EdgeRegistries are renamed, since projects stay when other tests are done with theirs.
func inGit(t *testing.T, prefix string) (manifests []*unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	var texts []string
	for _, pattern := range []string{"config/samples/*.yaml", "config/argocd/example/registries/*.yaml", "config/argocd/example/registries/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(env.RepoRoot(), pattern))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			content, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			texts = append(texts, string(content))
		}
	}
	page, err := os.ReadFile(filepath.Join(env.RepoRoot(), "docs", "gitops.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for i, block := range strings.Split(string(page), "```") {
		if yamlBlock, found := strings.CutPrefix(block, "yaml\n"); found && i%2 == 1 {
			texts = append(texts, yamlBlock)
		}
	}
	// Invitations are in files that come before those of their EdgeRegistries.
	slices.SortStableFunc(texts, func(a, b string) int {
		return strings.Count(a, "kind: EdgeRegistry") - strings.Count(b, "kind: EdgeRegistry")
	})
	var invited []string
	renamed := map[string][]string{}
	for i, text := range texts {
		for _, document := range strings.Split(text, "\n---\n") {
			object := &unstructured.Unstructured{}
			g.Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
			switch object.GetKind() {
			case "EdgeRegistry":
				if _, here, _ := unstructured.NestedMap(object.Object, "spec", "openshift"); !here {
					continue // Its registry is elsewhere.
				}
				if _, elsewhere, _ := unstructured.NestedSlice(object.Object, "spec", "exchanges"); elsewhere {
					continue // So is its Exchange.
				}
				project := object.GetName()
				object.SetName(fmt.Sprintf("%s-%d-%s", prefix, i, project))
				renamed[project] = append(renamed[project], object.GetName())
				unstructured.RemoveNestedField(object.Object, "spec", "openshift", "project", "name")
				if slices.Contains(invited, project) {
					g.Expect(unstructured.SetNestedField(object.Object, project, "spec", "openshift", "project", "name")).To(Succeed())
				}
			case "RoleBinding":
				invited = append(invited, object.GetNamespace())
				object.SetName(fmt.Sprintf("%s-%d-%s", prefix, i, object.GetName()))
			default:
				continue
			}
			manifests = append(manifests, object)
		}
	}
	for _, object := range manifests {
		if name := object.GetAnnotations()[edgev1.ForAnnotation]; name != "" {
			annotations := object.GetAnnotations()
			annotations[edgev1.ForAnnotation] = strings.Join(renamed[name], ",")
			object.SetAnnotations(annotations)
		}
	}
	return manifests
}

// A pipeline or Argo CD applies what did not change over and over, in either way of applying: the
// operator writes nothing, and no object changes, neither what was applied nor what was made for it.
func TestASyncLoopCausesNoWriteAndNoDrift(t *testing.T) {
	o := startOperator(t)
	for _, way := range []struct {
		name  string
		flags []string
		apply func(*testing.T, *unstructured.Unstructured)
	}{
		{"client-side", nil, clientSideApply},
		{"server-side", []string{"--server-side", "--force-conflicts", "--field-manager=argocd-controller"}, serverSideApply},
	} {
		t.Run(way.name, func(t *testing.T) {
			g := NewWithT(t)
			manifests := inGit(t, way.name+"-"+stamp())
			file := filepath.Join(t.TempDir(), "manifests.yaml")
			var documents []string
			for _, manifest := range manifests {
				content, err := yaml.Marshal(manifest.Object)
				g.Expect(err).NotTo(HaveOccurred())
				documents = append(documents, string(content))
				if name := manifest.GetNamespace(); name != "" {
					namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
					g.Expect(client.IgnoreAlreadyExists(admin.Create(t.Context(), namespace))).To(Succeed())
				}
			}
			g.Expect(os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600)).To(Succeed())
			how := append(way.flags, "-f", file)
			edges := o.syncFirst(t, manifests, how)
			o.syncAgain(t, edges, manifests, how, way.apply)
		})
	}
}

func kubectl(t *testing.T, verb string, args []string) string {
	t.Helper()
	output, err := control.Kubectl(t.Context(), append([]string{verb}, args...)...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
	return output
}

// syncFirst applies the manifests, and waits until the operator is done with them.
func (o *operator) syncFirst(t *testing.T, manifests []*unstructured.Unstructured, how []string) (edges []*edgev1.EdgeRegistry) {
	t.Helper()
	kubectl(t, "apply", how)
	for _, manifest := range manifests {
		if manifest.GetKind() != "EdgeRegistry" {
			continue
		}
		edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: manifest.GetName()}}
		t.Cleanup(func() {
			canary.harvest(context.Background(), edge)
			_ = admin.Delete(context.Background(), edge)
			releaseNow(edge)
		})
		edges = append(edges, edge)
	}
	for _, edge := range edges {
		heals(t, edge)
		o.pass(t, edge)
	}
	return edges
}

// syncAgain applies the manifests a hundred times, and a few times by kubectl itself.
func (o *operator) syncAgain(t *testing.T, edges []*edgev1.EdgeRegistry, manifests []*unstructured.Unstructured, how []string,
	apply func(*testing.T, *unstructured.Unstructured),
) {
	t.Helper()
	g := NewWithT(t)
	before, wrote := versions(t, edges, manifests), len(o.wire.writes())
	for range 100 {
		for _, manifest := range manifests {
			apply(t, manifest)
		}
	}
	for range 3 {
		kubectl(t, "apply", how)
		g.Expect(kubectl(t, "diff", how)).To(BeEmpty())
	}
	g.Expect(versions(t, edges, manifests)).To(Equal(before), "no object changed")
	for _, edge := range edges {
		o.pass(t, edge)
	}
	g.Expect(o.wire.writes()[wrote:]).To(BeEmpty(), "the operator writes nothing")
	for _, manifest := range manifests {
		g.Expect(equality.Semantic.DeepDerivative(manifest.Object, liveOf(t, manifest).Object)).To(BeTrue(), "%s is as it is in Git", manifest.GetName())
	}
}

func liveOf(t *testing.T, manifest *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(manifest.GroupVersionKind())
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(manifest), live)).To(Succeed())
	return live
}

// versions are the resource versions of what was applied, and of all in the projects and the other namespaces.
func versions(t *testing.T, edges []*edgev1.EdgeRegistry, manifests []*unstructured.Unstructured) map[string]string {
	t.Helper()
	found := map[string]string{}
	var namespaces []string
	for _, edge := range edges {
		namespaces = append(namespaces, openshift.ProjectName(edge))
	}
	for _, manifest := range manifests {
		found[manifest.GetKind()+" "+manifest.GetName()] = liveOf(t, manifest).GetResourceVersion()
		namespaces = append(namespaces, manifest.GetNamespace())
	}
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		if namespace == "" {
			continue
		}
		for what, version := range contents(t, namespace) {
			found[namespace+" "+what] = version
		}
	}
	return found
}

// clientSideApply does as kubectl apply: it sends what leads from the live object to the manifest,
// by what was applied last.
func clientSideApply(t *testing.T, manifest *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	live := liveOf(t, manifest)
	last := live.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
	modified := manifest.DeepCopy()
	g.Expect(unstructured.SetNestedField(modified.Object, last, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)).To(Succeed())
	wanted, err := json.Marshal(modified.Object)
	g.Expect(err).NotTo(HaveOccurred())
	current, err := json.Marshal(live.Object)
	g.Expect(err).NotTo(HaveOccurred())
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(last), wanted, current)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.Patch(t.Context(), live, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-client-side-apply"))).
		To(Succeed(), "%s", patch)
}

// serverSideApply does as Argo CD with ServerSideApply=true.
func serverSideApply(t *testing.T, manifest *unstructured.Unstructured) {
	t.Helper()
	NewWithT(t).Expect(admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest.DeepCopy()),
		client.FieldOwner("argocd-controller"), client.ForceOwnership)).To(Succeed())
}

// Argo CD may come to track what the operator made, by its label or its annotation.
func TestArgoCDsTrackingOfOurObjectsStays(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(makeTarget(t)))))
	o.pass(t, edge)
	wrote := len(o.wire.writes())
	for _, object := range ownedObjects(t, edge) {
		edit(t, object, func(object client.Object) {
			labels, annotations := object.GetLabels(), object.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			labels["app.kubernetes.io/instance"] = "registries"
			annotations["argocd.argoproj.io/tracking-id"] = "registries:/Secret:factory/factory-pull"
			object.SetLabels(labels)
			object.SetAnnotations(annotations)
		})
	}
	o.pass(t, edge)
	for what, object := range ownedObjects(t, edge) {
		g.Expect(object.GetLabels()).To(HaveKeyWithValue("app.kubernetes.io/instance", "registries"), what)
		g.Expect(object.GetAnnotations()).To(HaveKey("argocd.argoproj.io/tracking-id"), what)
	}
	g.Expect(o.wire.writes()[wrote:]).To(BeEmpty())
}
