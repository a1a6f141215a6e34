// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// specField is a field of the spec.
type specField struct {
	// path is below spec, with dots.
	path string
	apiextensionsv1.JSONSchemaProps
}

// specFields are all fields of the spec that hold a value of their own, by the schema that is shipped, but those of other
// providers.
func specFields(t *testing.T) []specField {
	t.Helper()
	return slices.DeleteFunc(allSpecFields(t), func(f specField) bool {
		// The API server refuses them beside spec.openshift.
		return strings.HasPrefix(f.path, "external.") || strings.HasPrefix(f.path, "ibmCloud.")
	})
}

func allSpecFields(t *testing.T) []specField {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(env.RepoRoot(), "config", "crd", "bases", "edge.open-horizon.io_edgeregistries.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(content, crd); err != nil {
		t.Fatal(err)
	}
	var fields []specField
	var visit func(path string, schema apiextensionsv1.JSONSchemaProps)
	visit = func(path string, schema apiextensionsv1.JSONSchemaProps) {
		if slices.ContainsFunc(schema.XValidations, func(r apiextensionsv1.ValidationRule) bool { return r.Rule == "false" }) {
			return // It has moved, and is there to be refused: edgev1.MovedField.
		}
		if len(schema.Properties) == 0 {
			fields = append(fields, specField{path, schema})
		}
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			visit(strings.TrimPrefix(path+"."+name, "."), schema.Properties[name])
		}
	}
	visit("", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
	if len(fields) == 0 {
		t.Fatal("the schema has no field")
	}
	return fields
}
