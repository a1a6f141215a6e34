// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// notServed are the kinds of APIs that the control plane of the tests lacks. Their objects are only
// parsed.
var notServed = map[string]bool{
	"ClusterServiceVersion": true, "OperatorGroup": true, "Subscription": true, // OLM
	"Configuration":     true,                            // of operator-sdk
	"ConsoleQuickStart": true, "ConsoleYAMLSample": true, // config has a test with their CRDs
	"Pipeline": true, "PipelineRun": true, "Task": true, // Tekton
	"PrometheusRule": true, "ServiceMonitor": true,
	"ECRAuthorizationToken": true, "ExternalSecret": true, // External Secrets
	"ArgoCD": true, "Application": true, "AppProject": true,
	"Plugin": true, // krew, which reads it on a person's machine
}

// partial are files that kustomize merges into an object, and that are none by themselves.
var partial = map[string]bool{"../config/overlays/ha/replicas.yaml": true}

// TestEveryManifestIsAccepted applies each object that a document shows and each of config/ to a
// real API server as a dry run that is strict about fields.
func TestEveryManifestIsAccepted(t *testing.T) {
	objects := map[string][]string{}
	for _, file := range documents(t) {
		objects[file] = blocks(read(t, file), "yaml")
	}
	err := filepath.WalkDir("../config", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".yaml" && filepath.Base(path) != "kustomization.yaml" && !partial[path] {
			objects[path] = []string{read(t, path)}
		}
		return err
	})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(objects)).To(BeNumerically(">", 20))
	newMachine(t).run(t, nothing) // Fields of an object that is there may not be changed.
	for file, texts := range objects {
		for _, text := range texts {
			for document := range strings.SplitSeq(text, "\n---\n") {
				accept(t, file, document)
			}
		}
	}
}

// accept passes over a text that is no object of Kubernetes.
func accept(t *testing.T, file, document string) {
	t.Helper()
	g := NewWithT(t)
	object := &unstructured.Unstructured{}
	err := yaml.Unmarshal([]byte(document), &object.Object)
	if err != nil || object.GetKind() == "" || object.GetAPIVersion() == "" || strings.Contains(object.GetAPIVersion(), "kustomize") {
		return
	}
	admin := cluster(t).Client()
	if object.GetName() == "" {
		object.SetName(strings.TrimSuffix(object.GetGenerateName(), "-"))
	}
	mapping, err := admin.RESTMapper().RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
	if meta.IsNoMatchError(err) {
		g.Expect(notServed).To(HaveKey(object.GetKind()), file)
		return
	}
	g.Expect(err).NotTo(HaveOccurred(), file)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if object.GetNamespace() == "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
		g.Expect(client.IgnoreAlreadyExists(admin.Create(t.Context(), namespace))).To(Succeed())
	}
	g.Expect(admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.DryRunAll,
		client.FieldOwner("docs-test"), client.ForceOwnership)).To(Succeed(), "%s:\n%s", file, document)
}
