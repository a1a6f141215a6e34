// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// roles holds OpenShift's bootstrap ClusterRoles, as far as the operator, its
// users and the registry touch them.
//
//go:embed openshift/*.yaml
var roles embed.FS

// openShiftNamespaces are those of OpenShift that the operator reads.
var openShiftNamespaces = []string{"openshift-config", "openshift-config-managed", "openshift-image-registry"}

// openShiftCRDs are files of the module github.com/openshift/api. On a cluster
// Route is served by the aggregated openshift-apiserver; its CRD, which MicroShift
// uses, has the same schema.
var openShiftCRDs = []string{
	"route/v1/zz_generated.crd-manifests/routes.crd.yaml",
	"imageregistry/v1/zz_generated.crd-manifests/00_configs.crd.yaml",
	"config/v1/zz_generated.crd-manifests/0000_03_config-operator_01_proxies.crd.yaml",
	"config/v1/zz_generated.crd-manifests/0000_10_config-operator_01_images.crd.yaml",
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme,
		routev1.Install, imageregistryv1.Install, projectv1.Install, configv1.Install, edgev1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// installOpenShift installs the CRDs, namespaces and roles.
func (e *Env) installOpenShift(ctx context.Context) error {
	if err := e.InstallCRDs(ctx); err != nil {
		return err
	}
	for _, name := range openShiftNamespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := e.client.Create(ctx, namespace); err != nil {
			return fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	files, err := roles.ReadDir("openshift")
	if err != nil {
		return fmt.Errorf("list OpenShift's roles: %w", err)
	}
	for _, file := range files {
		content, err := roles.ReadFile("openshift/" + file.Name())
		if err != nil {
			return fmt.Errorf("read %s: %w", file.Name(), err)
		}
		objects, err := decode(content)
		if err != nil {
			return fmt.Errorf("decode %s: %w", file.Name(), err)
		}
		for _, object := range objects {
			if err := e.apply(ctx, object); err != nil {
				return fmt.Errorf("install %s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
	}
	return nil
}

// InstallCRDs installs those of OpenShift's CRDs that are absent, and returns
// when their APIs are served.
func (e *Env) InstallCRDs(ctx context.Context) error {
	crds, err := readOpenShiftCRDs(ctx)
	if err != nil {
		return err
	}
	for _, crd := range crds {
		if err := client.IgnoreAlreadyExists(e.client.Create(ctx, crd)); err != nil {
			return fmt.Errorf("install CRD %s: %w", crd.Name, err)
		}
	}
	for _, crd := range crds {
		if err := e.waitServed(ctx, crd); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCRD simulates an API that the cluster does not have. It deletes the CRD of
// that name with every object of its kind, and returns when the API is gone.
func (e *Env) RemoveCRD(ctx context.Context, name string) error {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := e.client.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
		return fmt.Errorf("remove CRD %s: %w", name, err)
	}
	if err := e.client.Delete(ctx, crd); err != nil {
		return fmt.Errorf("remove CRD %s: %w", name, err)
	}
	return poll(ctx, "CRD "+name+" is not gone", func(ctx context.Context) (bool, error) {
		err := e.client.Get(ctx, client.ObjectKeyFromObject(crd), &apiextensionsv1.CustomResourceDefinition{})
		if !apierrors.IsNotFound(err) {
			return false, client.IgnoreNotFound(err)
		}
		served, err := e.served(crd)
		return !served, err
	})
}

func (e *Env) waitServed(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) error {
	return poll(ctx, "CRD "+crd.Name+" is not served", func(context.Context) (bool, error) { return e.served(crd) })
}

// served reports whether discovery names the kind of the CRD in each of its served versions.
func (e *Env) served(crd *apiextensionsv1.CustomResourceDefinition) (bool, error) {
	dc, err := discovery.NewDiscoveryClientForConfig(e.Admin)
	if err != nil {
		return false, fmt.Errorf("create a discovery client: %w", err)
	}
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		list, err := dc.ServerResourcesForGroupVersion(crd.Spec.Group + "/" + version.Name)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("discover %s/%s: %w", crd.Spec.Group, version.Name, err)
		}
		if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == crd.Spec.Names.Plural }) {
			return false, nil
		}
	}
	return true, nil
}

func readOpenShiftCRDs(ctx context.Context) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	// Test binaries run in their package's folder: name the module's, where go.mod is.
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openshift/api")
	list.Dir = RepoRoot()
	out, err := list.Output()
	module := strings.TrimSpace(string(out))
	if err != nil {
		return nil, fmt.Errorf("find the module github.com/openshift/api: %w", err)
	}
	if module == "" {
		return nil, errors.New("the module github.com/openshift/api is not downloaded: run `go mod download`")
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, file := range openShiftCRDs {
		content, err := os.ReadFile(filepath.Join(module, filepath.FromSlash(file)))
		if err != nil {
			return nil, fmt.Errorf("read a CRD of OpenShift: %w", err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, crd); err != nil {
			return nil, fmt.Errorf("decode %s: %w", file, err)
		}
		crds = append(crds, crd)
	}
	return crds, nil
}

// decode reads the documents of a YAML file.
func decode(content []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), len(content))
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}
