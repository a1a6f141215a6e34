// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command fields writes the table of all fields of the EdgeRegistry from its
// CustomResourceDefinition to the standard output. `make manifests` runs it.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const (
	crdFile = "config/crd/bases/edge.open-horizon.io_edgeregistries.yaml"
	intro   = "# Fields of the EdgeRegistry\n\n" +
		"Written by `make manifests` from the CustomResourceDefinition, which is written from the types in\n" +
		"[api/v1alpha1](../../api/v1alpha1). `oc explain edgeregistry.spec --recursive` shows the same on a cluster. What the\n" +
		"fields do together, with examples, is in [EdgeRegistry](edgeregistry.md).\n"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fields:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	root, err := manifests.Root()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(crdFile)))
	if err != nil {
		return fmt.Errorf("read the definition: %w", err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, crd); err != nil {
		return fmt.Errorf("read %s: %w", crdFile, err)
	}
	_, err = io.WriteString(out, page(crd))
	return err
}

// page is the whole document: a table for the spec and one for the status of each version.
func page(crd *apiextensionsv1.CustomResourceDefinition) string {
	text := &strings.Builder{}
	text.WriteString(intro)
	for _, version := range crd.Spec.Versions {
		for _, part := range []string{"spec", "status"} {
			fmt.Fprintf(text, "\n## %s of %s/%s\n\n", part, crd.Spec.Group, version.Name)
			text.WriteString("| field | type | default | rules | meaning |\n|---|---|---|---|---|\n")
			writeFields(text, part, version.Schema.OpenAPIV3Schema.Properties[part], nil)
		}
	}
	return text.String()
}

// writeFields writes a row for a field and for each below it. What all conditions of Kubernetes
// have in common is left out.
func writeFields(text *strings.Builder, path string, field apiextensionsv1.JSONSchemaProps, required []string) {
	name := path[strings.LastIndex(path, ".")+1:]
	fmt.Fprintf(text, "| `%s` | %s | %s | %s | %s |\n", path, typeOf(field), defaultOf(field),
		cell(strings.Join(limits(field, slices.Contains(required, name)), "; ")), cell(field.Description))
	below := field
	if field.Items != nil {
		path, below = path+"[]", *field.Items.Schema
	}
	if path == "status.conditions[]" {
		return
	}
	for _, child := range slices.Sorted(maps.Keys(below.Properties)) {
		writeFields(text, path+"."+child, below.Properties[child], below.Required)
	}
}

func typeOf(field apiextensionsv1.JSONSchemaProps) string {
	switch {
	case field.Items != nil:
		return "list of " + typeOf(*field.Items.Schema)
	case field.AdditionalProperties != nil:
		return "map of " + typeOf(*field.AdditionalProperties.Schema)
	case field.Format == "date-time":
		return "time"
	}
	return field.Type
}

// defaultOf leaves out those of objects: they are made of the defaults of their fields.
func defaultOf(field apiextensionsv1.JSONSchemaProps) string {
	if field.Default == nil || field.Type == "object" {
		return ""
	}
	return "`" + strings.Trim(string(field.Default.Raw), `"`) + "`"
}

// limits are the checks of the API server in words. Those of a list's items and of a map's values follow its own.
func limits(field apiextensionsv1.JSONSchemaProps, required bool) []string {
	var found []string
	if required {
		found = append(found, "always present")
	}
	if len(field.Enum) > 0 {
		var values []string
		for _, value := range field.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		found = append(found, strings.Join(values, " or "))
	}
	for _, limit := range []struct {
		value *int64
		words string
	}{
		{field.MinLength, "at least %d characters"},
		{field.MaxLength, "at most %d characters"},
		{field.MaxItems, "at most %d items"},
		{field.MaxProperties, "at most %d entries"},
	} {
		if limit.value != nil {
			found = append(found, fmt.Sprintf(limit.words, *limit.value))
		}
	}
	for _, rule := range field.XValidations {
		found = append(found, rule.Message)
	}
	if field.Items != nil {
		for _, limit := range limits(*field.Items.Schema, false) {
			found = append(found, "each: "+limit)
		}
	}
	if field.AdditionalProperties != nil {
		for _, limit := range limits(*field.AdditionalProperties.Schema, false) {
			found = append(found, "each value: "+limit)
		}
	}
	return found
}

// cell is a text on one line, without what would end the cell.
func cell(text string) string {
	// GitHub swallows what looks like a tag.
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(strings.Join(strings.Fields(text), " "))
}
