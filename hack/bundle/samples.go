// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// sample is one EdgeRegistry of config/samples, for OpenShift's registry or IBM Cloud's.
type sample struct {
	object *unstructured.Unstructured
	// text is the file as it is, with its comments; about is the comment that it begins with.
	text, about string
}

func readSamples(root string) ([]sample, error) {
	var paths []string
	for _, pattern := range []string{"edge_*.yaml", "ibmcloud_*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, "config", "samples", pattern))
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("config/samples has no %s: %w", pattern, err)
		}
		paths = append(paths, found...)
	}
	var samples []sample
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a sample: %w", err)
		}
		s := sample{object: &unstructured.Unstructured{}, text: string(content)}
		if err := yaml.Unmarshal(content, &s.object.Object); err != nil {
			return nil, fmt.Errorf("decode %s: %w", path, err)
		}
		for line := range strings.Lines(s.text) {
			comment, found := strings.CutPrefix(line, "#")
			if !found {
				break
			}
			s.about += comment
		}
		s.about = oneLine(s.about)
		samples = append(samples, s)
	}
	return samples, nil
}

// yamlSamples are the samples as the console offers them to who creates an EdgeRegistry.
func yamlSamples(samples []sample) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, s := range samples {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "console.openshift.io/v1",
			"kind":       "ConsoleYAMLSample",
			"metadata":   map[string]any{"name": "edge-registry-" + s.object.GetName()},
			"spec": map[string]any{
				"targetResource": map[string]any{"apiVersion": s.object.GetAPIVersion(), "kind": s.object.GetKind()},
				"title":          "EdgeRegistry " + s.object.GetName(),
				"description":    s.about,
				"yaml":           s.text,
			},
		}})
	}
	return objects
}
