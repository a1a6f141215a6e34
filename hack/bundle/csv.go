// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// csvWriter completes the ClusterServiceVersion of config/manifests/bases.
type csvWriter struct {
	*parts
	version, image, grants string
	icon                   []byte
	samples                []sample
}

// reference is a kind of object that the console shows below an EdgeRegistry.
type reference struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
}

type ownedCRD struct {
	Name              string       `json:"name"`
	Kind              string       `json:"kind"`
	Version           string       `json:"version"`
	DisplayName       string       `json:"displayName"`
	Description       string       `json:"description"`
	Resources         []reference  `json:"resources"`
	SpecDescriptors   []descriptor `json:"specDescriptors"`
	StatusDescriptors []descriptor `json:"statusDescriptors"`
}

type installMode struct {
	Type      string `json:"type"`
	Supported bool   `json:"supported"`
}

type permissions struct {
	ServiceAccountName string              `json:"serviceAccountName"`
	Rules              []rbacv1.PolicyRule `json:"rules"`
}

func (w *csvWriter) fill() error {
	w.csv.SetName(packageName + ".v" + w.version)
	if err := w.annotate(); err != nil {
		return err
	}
	spec, ok := w.csv.Object["spec"].(map[string]any)
	if !ok {
		return fmt.Errorf("the ClusterServiceVersion in config/manifests/bases has no spec")
	}
	if err := w.describeGrants(spec); err != nil {
		return err
	}
	owned, err := w.owned()
	if err != nil {
		return err
	}
	spec["version"] = w.version
	spec["icon"] = []any{map[string]any{"mediatype": "image/svg+xml", "base64data": base64.StdEncoding.EncodeToString(w.icon)}}
	for key, value := range map[string]any{
		"customresourcedefinitions": map[string]any{"owned": []ownedCRD{*owned}},
		// An EdgeRegistry belongs to the cluster, so nothing narrower makes sense.
		"installModes": []installMode{{"OwnNamespace", false}, {"SingleNamespace", false}, {"MultiNamespace", false}, {"AllNamespaces", true}},
		"install": map[string]any{"strategy": "deployment", "spec": map[string]any{
			"deployments": []any{map[string]any{
				"name": w.deployment.GetName(), "label": w.deployment.GetLabels(), "spec": w.deployment.Object["spec"],
			}},
			"clusterPermissions": []permissions{{w.account, w.clusterRules}},
		}},
	} {
		if spec[key], err = plain(value); err != nil {
			return err
		}
	}
	if w.byDigest() {
		spec["relatedImages"] = []any{map[string]any{"name": "manager", "image": w.image}}
	}
	return nil
}

func (w *csvWriter) byDigest() bool { return strings.Contains(w.image, "@sha256:") }

func (w *csvWriter) annotate() error {
	examples := make([]any, 0, len(w.samples))
	for _, s := range w.samples {
		examples = append(examples, s.object.Object)
	}
	alm, err := json.MarshalIndent(examples, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the examples: %w", err)
	}
	namespace, err := json.Marshal(w.namespace.Object)
	if err != nil {
		return fmt.Errorf("encode the namespace: %w", err)
	}
	annotations := w.csv.GetAnnotations()
	annotations["alm-examples"] = string(alm)
	annotations["containerImage"] = w.image
	// Disconnected clusters mirror the images of relatedImages, which they can only by digest.
	annotations["features.operators.openshift.io/disconnected"] = fmt.Sprint(w.byDigest())
	annotations["operatorframework.io/suggested-namespace"] = w.namespace.GetName()
	annotations["operatorframework.io/suggested-namespace-template"] = string(namespace)
	w.csv.SetAnnotations(annotations)
	return nil
}

// describeGrants puts the grants where the description says GRANTS, as far in as that line.
func (w *csvWriter) describeGrants(spec map[string]any) error {
	const mark = "GRANTS"
	description, _, _ := unstructured.NestedString(spec, "description")
	before, after, found := strings.Cut(description, mark+"\n")
	if !found {
		return fmt.Errorf("the description in config/manifests/bases has no line %s", mark)
	}
	spec["description"] = before + strings.TrimPrefix(w.grants, generated) + after
	return nil
}

func (w *csvWriter) owned() (*ownedCRD, error) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(w.crd.Object, &crd); err != nil {
		return nil, fmt.Errorf("decode the CustomResourceDefinition: %w", err)
	}
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("%s has %d versions: teach hack/bundle to describe each", crd.Name, len(crd.Spec.Versions))
	}
	version := crd.Spec.Versions[0]
	schema := version.Schema.OpenAPIV3Schema
	return &ownedCRD{
		Name: crd.Name, Kind: crd.Spec.Names.Kind, Version: version.Name,
		DisplayName: "Edge Registry", Description: oneLine(schema.Description),
		Resources:         []reference{{"Secret", "v1"}, {"ServiceAccount", "v1"}, {"RoleBinding", "v1"}},
		SpecDescriptors:   descriptors(schema.Properties["spec"], ""),
		StatusDescriptors: descriptors(schema.Properties["status"], ""),
	}, nil
}

// plain turns a value into what unstructured objects hold.
func plain(value any) (any, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var result any
	return result, json.Unmarshal(content, &result)
}
