// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// explain shows no default but what the description says of it.
func TestExplainSaysEveryDefaultInWords(t *testing.T) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(read(t, "../config/crd/bases/edge.open-horizon.io_edgeregistries.yaml")), crd)).To(Succeed())
	rows := 0
	var look func(path string, s apiextensionsv1.JSONSchemaProps)
	look = func(path string, s apiextensionsv1.JSONSchemaProps) {
		var value any
		if s.Default != nil {
			NewWithT(t).Expect(json.Unmarshal(s.Default.Raw, &value)).To(Succeed())
		}
		if text, is := value.(string); is {
			rows++
			said := strings.Contains(s.Description, "Defaults to "+text) || strings.Contains(s.Description, text+", the default")
			NewWithT(t).Expect(said).To(BeTrue(), "%s has the default %s", path, text)
		}
		for name, field := range s.Properties {
			look(path+"."+name, field)
		}
		if s.Items != nil && s.Items.Schema != nil {
			look(path+"[]", *s.Items.Schema)
		}
	}
	look("edgeregistry", *crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	NewWithT(t).Expect(rows).To(BeNumerically(">", 20))
}
