// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const fieldManager = "edge-registry-env"

// Rendered returns the objects of config/default, or for plain Kubernetes those of
// config/overlays/kubernetes, as kustomize renders them, in the order in which they
// can be applied.
func (e *Env) Rendered() ([]*unstructured.Unstructured, error) {
	folder := "default"
	if e.plain {
		folder = "overlays/kubernetes"
	}
	return manifests.Render(filepath.Join(RepoRoot(), "config", filepath.FromSlash(folder)))
}

// InstallOperator applies what Rendered returns as the admin, without its Deployment
// and without objects of kinds that the cluster does not serve. It returns the config
// of the ServiceAccount under which the Deployment would run.
func (e *Env) InstallOperator(ctx context.Context) (*rest.Config, error) {
	objects, err := e.Rendered()
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(objects, func(object *unstructured.Unstructured) bool { return object.GetKind() == "Deployment" })
	if at < 0 {
		return nil, errors.New("config/ renders no Deployment: the operator's service account is unknown")
	}
	deployment := objects[at]
	if err := e.install(ctx, slices.Delete(objects, at, at+1)); err != nil {
		return nil, err
	}
	account, _, err := unstructured.NestedString(deployment.Object, "spec", "template", "spec", "serviceAccountName")
	if err != nil || account == "" {
		return nil, fmt.Errorf("deployment %s names no service account", deployment.GetName())
	}
	return e.ServiceAccount(ctx, deployment.GetNamespace(), account)
}

// install applies the objects in their order, and returns when new kinds among
// them are served and collected.
func (e *Env) install(ctx context.Context, objects []*unstructured.Unstructured) error {
	newKinds := false
	for _, object := range objects {
		var err error
		if object.GetKind() == "CustomResourceDefinition" {
			var created bool
			created, err = e.installCRD(ctx, object)
			newKinds = newKinds || created
		} else {
			err = e.apply(ctx, object)
		}
		if err != nil && !meta.IsNoMatchError(err) {
			return fmt.Errorf("install %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if newKinds {
		return e.restartControllers(ctx)
	}
	return nil
}

// installCRD reports whether the CRD is new. It returns when its API is served.
func (e *Env) installCRD(ctx context.Context, object *unstructured.Unstructured) (created bool, err error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
		return false, fmt.Errorf("decode: %w", err)
	}
	err = e.client.Get(ctx, client.ObjectKeyFromObject(crd), &apiextensionsv1.CustomResourceDefinition{})
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	created = err != nil
	if err := e.apply(ctx, object); err != nil {
		return false, err
	}
	return created, e.waitServed(ctx, crd)
}

// apply is a server-side apply as the admin.
func (e *Env) apply(ctx context.Context, object *unstructured.Unstructured) error {
	return e.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()),
		client.FieldOwner(fieldManager), client.ForceOwnership)
}
