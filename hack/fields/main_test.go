// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestARowTellsWhatTheSchemaSays(t *testing.T) {
	two, nine := int64(2), int64(9)
	list := apiextensionsv1.JSONSchemaProps{
		Type: "array", Description: "names of\n  something | other, as <secret>-<generation>.", MaxItems: &nine,
		Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{
			Type: "object", Required: []string{"at"},
			Properties: map[string]apiextensionsv1.JSONSchemaProps{
				"at": {Type: "string", Format: "date-time"},
				"kind": {
					Type: "string", MinLength: &two, Default: &apiextensionsv1.JSON{Raw: []byte(`"A"`)},
					Enum:         []apiextensionsv1.JSON{{Raw: []byte(`"A"`)}, {Raw: []byte(`"B"`)}},
					XValidations: apiextensionsv1.ValidationRules{{Rule: "true", Message: "must be right"}},
				},
				"marks": {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{
					Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"},
				}},
			},
		}},
	}
	text := &strings.Builder{}
	writeFields(text, "spec.names", list, nil)
	NewWithT(t).Expect(strings.Split(strings.TrimSpace(text.String()), "\n")).To(Equal([]string{
		"| `spec.names` | list of object |  | at most 9 items | names of something \\| other, as &lt;secret&gt;-&lt;generation&gt;. |",
		"| `spec.names[].at` | time |  | always present |  |",
		"| `spec.names[].kind` | string | `A` | `A` or `B`; at least 2 characters; must be right |  |",
		"| `spec.names[].marks` | map of string |  |  |  |",
	}))
}
