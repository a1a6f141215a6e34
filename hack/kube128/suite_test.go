// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kube128_test has the code of Kubernetes 1.28, the oldest version that the operator is for, take the
// CustomResourceDefinition and judge objects by it. It is a module of its own, since one build holds one version of that code.
package kube128_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/crdserverscheme"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"
)

const root = "../../"

var kind = schema.GroupVersionKind{Group: "edge.open-horizon.io", Version: "v1alpha1", Kind: "EdgeRegistry"}

// shipped is the CustomResourceDefinition as an API server holds it, with the defaults of its own fields.
func shipped(t testing.TB) *apiextensions.CustomResourceDefinition {
	t.Helper()
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	install.Install(scheme)
	written := &apiextensionsv1.CustomResourceDefinition{}
	read(t, root+"config/crd/bases/edge.open-horizon.io_edgeregistries.yaml", written)
	scheme.Default(written)
	held := &apiextensions.CustomResourceDefinition{}
	g.Expect(scheme.Convert(written, held, nil)).To(Succeed())
	// The API server adds this before it validates, to what it is to store.
	held.Status.StoredVersions = []string{kind.Version}
	return held
}

// server is what an API server does with the objects of a kind before it stores them.
type server struct {
	schema   *structural.Structural
	strategy rest.RESTCreateUpdateStrategy
}

func serve(t testing.TB, crd *apiextensions.CustomResourceDefinition) server {
	t.Helper()
	g := NewWithT(t)
	properties := crd.Spec.Validation
	if properties == nil {
		properties = crd.Spec.Versions[0].Schema
	}
	whole := properties.OpenAPIV3Schema
	strict, err := structural.NewStructural(whole)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(structural.ValidateStructural(nil, strict)).To(BeEmpty())
	g.Expect(defaulting.PruneDefaults(strict)).To(Succeed())
	ofObject, _, err := validation.NewSchemaValidator(whole)
	g.Expect(err).NotTo(HaveOccurred())
	status := whole.Properties["status"]
	ofStatus, _, err := validation.NewSchemaValidator(&status)
	g.Expect(err).NotTo(HaveOccurred())
	return server{schema: strict, strategy: customresource.NewStrategy(
		crdserverscheme.NewUnstructuredObjectTyper(), false, kind, ofObject, ofStatus,
		map[string]*structural.Structural{kind.Version: strict}, &apiextensions.CustomResourceSubresourceStatus{}, nil)}
}

// create returns what is wrong with an object, and the object with its defaults.
func (s server) create(content map[string]any) (*unstructured.Unstructured, field.ErrorList) {
	object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
	pruning.Prune(object.Object, s.schema, true)
	defaulting.Default(object.Object, s.schema)
	s.strategy.PrepareForCreate(context.Background(), object)
	defaulting.Default(object.Object, s.schema)
	return object, s.strategy.Validate(context.Background(), object)
}

// object is an EdgeRegistry with a spec.
func object(name string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind,
		"metadata": map[string]any{"name": name}, "spec": spec,
	}
}

// read reads a file of YAML.
func read(t testing.TB, path string, into any) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.Unmarshal(content, into)).To(Succeed(), path)
}

// samples are the EdgeRegistries in the repository that people begin with.
func samples(t testing.TB) map[string]map[string]any {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(root + "config/samples/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]map[string]any{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, document := range strings.Split(string(content), "\n---") {
			one := map[string]any{}
			g.Expect(yaml.Unmarshal([]byte(document), &one)).To(Succeed(), file)
			if one["kind"] == kind.Kind {
				found[file] = one
			}
		}
	}
	return found
}
