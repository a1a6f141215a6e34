// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

const (
	widgets    = "urn:alm:descriptor:com.tectonic.ui:"
	conditions = "urn:alm:descriptor:io.kubernetes.conditions"
)

// descriptor is how the console shows one field.
type descriptor struct {
	Path         string   `json:"path"`
	DisplayName  string   `json:"displayName"`
	Description  string   `json:"description"`
	XDescriptors []string `json:"x-descriptors,omitempty"`
}

// descriptors are those of every field below a schema that has no named fields
// itself, in the order of their paths.
func descriptors(schema apiextensionsv1.JSONSchemaProps, path string) []descriptor {
	var found []descriptor
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field, below := schema.Properties[name], strings.TrimPrefix(path+"."+name, ".")
		if slices.ContainsFunc(field.XValidations, func(r apiextensionsv1.ValidationRule) bool { return r.Rule == "false" }) {
			continue // It has moved, and is there to be refused: edgev1.MovedField.
		}
		if len(field.Properties) > 0 {
			found = append(found, descriptors(field, below)...)
			continue
		}
		found = append(found, descriptor{
			Path: below, DisplayName: displayName(below), Description: oneLine(field.Description), XDescriptors: widget(below, field),
		})
	}
	return found
}

// widget names what the console shows and edits a field with; nothing where it has none that fits.
func widget(path string, field apiextensionsv1.JSONSchemaProps) []string {
	switch {
	case path == "conditions":
		return []string{conditions}
	case len(field.Enum) > 0:
		var choices []string
		for _, choice := range field.Enum {
			choices = append(choices, widgets+"select:"+strings.Trim(string(choice.Raw), `"`))
		}
		return choices
	case field.Type == "boolean":
		return []string{widgets + "booleanSwitch"}
	case field.Type == "integer":
		return []string{widgets + "number"}
	case field.Type == "string":
		return []string{widgets + "text"}
	}
	return nil
}

// displayName is the path in words, without the provider: Publisher cluster role.
func displayName(path string) string {
	short := map[string]string{"ca": "CA", "id": "ID"}
	var words []string
	for _, field := range strings.Split(strings.TrimPrefix(path, "openshift."), ".") {
		start := 0
		for i, r := range field + "A" {
			if i == start || !unicode.IsUpper(r) {
				continue
			}
			word := strings.ToLower(field[start:i])
			if full, known := short[word]; known {
				word = full
			}
			words, start = append(words, word), i
		}
	}
	name := strings.Join(words, " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
