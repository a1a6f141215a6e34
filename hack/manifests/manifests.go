// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifests renders the folders of config/ for the programs that ship
// them in another form.
package manifests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Image is the operator's image as config/ names it.
const Image = "controller:latest"

// Root returns the folder of the repository's go.mod, found upwards from the
// working folder.
func Root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("find the repository: no go.mod in this folder or above it; run this inside of a checkout")
		}
		folder = parent
	}
}

// Render returns the objects of a kustomization in the order in which they can
// be applied.
func Render(folder string) ([]*unstructured.Unstructured, error) {
	options := krusty.MakeDefaultOptions()
	// As the kustomize command does by default: namespaces and CRDs come first.
	options.Reorder = krusty.ReorderOptionLegacy
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", folder, err)
	}
	objects := make([]*unstructured.Unstructured, 0, resources.Size())
	for _, resource := range resources.Resources() {
		content, err := resource.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", resource.CurId(), err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(content); err != nil {
			return nil, fmt.Errorf("decode %s: %w", resource.CurId(), err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// SetImage puts an image in the place of Image in every Deployment. It fails
// when there is none to replace.
func SetImage(objects []*unstructured.Unstructured, image string) error {
	replaced := false
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		path := []string{"spec", "template", "spec", "containers"}
		containers, _, err := unstructured.NestedSlice(object.Object, path...)
		if err != nil {
			return fmt.Errorf("set the image of Deployment %s: %w", object.GetName(), err)
		}
		for _, entry := range containers {
			if container, ok := entry.(map[string]any); ok && container["image"] == Image {
				container["image"] = image
				replaced = true
			}
		}
		if err := unstructured.SetNestedSlice(object.Object, containers, path...); err != nil {
			return fmt.Errorf("set the image of Deployment %s: %w", object.GetName(), err)
		}
	}
	if !replaced {
		return fmt.Errorf("no Deployment has a container with the image %s: see config/manager", Image)
	}
	return nil
}
