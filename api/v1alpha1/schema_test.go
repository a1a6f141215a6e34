// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// eventually is generous: it bounds what takes the API server a moment.
const eventually = 30 * time.Second

func crd(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	shipped, err := shippedCRD()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	typed := &apiextensionsv1.CustomResourceDefinition{}
	NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(shipped.Object, typed)).To(Succeed())
	return typed
}

// fieldsOf calls visit with the path of each field of a schema.
func fieldsOf(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	for name := range schema.Properties {
		field := schema.Properties[name]
		visit(path+"."+name, &field)
		fieldsOf(path+"."+name, &field, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		fieldsOf(path, schema.Items.Schema, visit)
	}
}

func TestEveryFieldIsExplained(t *testing.T) {
	g := NewWithT(t)
	root := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema
	g.Expect(root.Description).NotTo(BeEmpty())
	fields := 0
	fieldsOf("", root, func(path string, field *apiextensionsv1.JSONSchemaProps) {
		fields++
		if path == ".metadata" {
			return
		}
		g.Expect(len(field.Description)).To(BeNumerically(">", 15), "%s: %q", path, field.Description)
		if strings.HasPrefix(path, ".spec") || strings.HasPrefix(path, ".status") {
			g.Expect(field.Description).NotTo(MatchRegexp(`TODO|FIXME`), path)
		}
	})
	g.Expect(fields).To(BeNumerically(">", 50))

	explained, err := control.Kubectl(t.Context(), "explain", "edgeregistry", "--recursive")
	g.Expect(err).NotTo(HaveOccurred())
	fieldsOf("", root, func(path string, _ *apiextensionsv1.JSONSchemaProps) {
		name := path[strings.LastIndex(path, ".")+1:]
		g.Expect(explained).To(MatchRegexp(`(?m)^\s*`+regexp.QuoteMeta(name)+`\s`), path)
	})
	one, err := control.Kubectl(t.Context(), "explain", "edgereg.spec.openshift.publisher.token.renewBefore")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Join(strings.Fields(one), " ")).To(ContainSubstring("Defaults to two thirds of lifetime"))
}

// A message that ends in a full sentence of what is wrong is of no use at night without what to do:
// each one either says what the value must be, or names the way out after a colon.
func TestEveryRuleSaysWhatToDo(t *testing.T) {
	g := NewWithT(t)
	rules := 0
	var check func(path string, field *apiextensionsv1.JSONSchemaProps)
	check = func(path string, field *apiextensionsv1.JSONSchemaProps) {
		if field.AdditionalProperties != nil {
			check(path+"[]", field.AdditionalProperties.Schema)
		}
		for _, rule := range field.XValidations {
			rules++
			g.Expect(rule.Message).NotTo(BeEmpty(), "%s: %s", path, rule.Rule)
			g.Expect(rule.Message).NotTo(ContainSubstring("\n"), path)
			g.Expect(rule.Message).To(Or(ContainSubstring(": "), HavePrefix("must be "), ContainSubstring("the operator's own")), path)
		}
		g.Expect(field.Pattern).To(BeEmpty(), "%s: a refusal would show the pattern: use a rule with a message", path)
	}
	root := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema
	check("", root)
	fieldsOf("", root, func(path string, field *apiextensionsv1.JSONSchemaProps) {
		if !strings.HasPrefix(path, ".status") {
			check(path, field)
		}
	})
	g.Expect(rules).To(BeNumerically(">", 15))
}

// freeText are strings that may hold anything that fits, each with what becomes of it.
var freeText = map[string]string{
	".spec.openshift.project.displayName": "an annotation of the project, for people; it has a rule of its own about lines",
	".spec.openshift.project.description": "an annotation of the project, for people; it has a rule of its own about the mark that follows it",
	".spec.secrets.publish.annotations[]": "the value of an annotation, which Kubernetes does not read",
	".spec.secrets.pull.annotations[]":    "the value of an annotation, which Kubernetes does not read",
	".spec.tokens[][]":                    "a field that has moved: whatever it holds is refused",
}

// What becomes a part of another object, of a request or of a command in a message is refused at the door, by its field.
func TestEveryStringIsRefusedAtTheDoorOrFreeText(t *testing.T) {
	g := NewWithT(t)
	strings := 0
	var check func(path string, field *apiextensionsv1.JSONSchemaProps)
	check = func(path string, field *apiextensionsv1.JSONSchemaProps) {
		for name := range field.Properties {
			property := field.Properties[name]
			check(path+"."+name, &property)
		}
		if field.Items != nil {
			check(path+"[]", field.Items.Schema)
		}
		if field.AdditionalProperties != nil {
			g.Expect(field.XValidations).NotTo(BeEmpty(), "%s: the keys need a rule", path)
			inner := *field.AdditionalProperties.Schema
			if path == ".spec.tokens" {
				inner.XValidations = field.XValidations
			}
			check(path+"[]", &inner)
		}
		if field.Type != "string" {
			return
		}
		strings++
		if len(field.Enum) > 0 || freeText[path] != "" {
			return
		}
		g.Expect(field.MaxLength).NotTo(BeNil(), "%s: how long may it be?", path)
		g.Expect(field.XValidations).To(ContainElement(HaveField("Rule", Or(ContainSubstring("self.matches('^"), HavePrefix("self in [")))),
			"%s: a rule that says what it may hold, or a reason in freeText", path)
	}
	spec := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	check(".spec", &spec)
	g.Expect(strings).To(BeNumerically(">", 30))
}

// The API server refuses rules whose worst case costs too much, so being established says that
// they do not.
func TestTheKindIsAsItIsDocumented(t *testing.T) {
	g := NewWithT(t)
	live := &apiextensionsv1.CustomResourceDefinition{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: crdName}, live)).To(Succeed())
	g.Expect(live.Status.Conditions).To(ContainElement(And(
		HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue))))
	g.Expect(live.Status.Conditions).NotTo(ContainElement(HaveField("Type", apiextensionsv1.NonStructuralSchema)))
	g.Expect(live.Spec.Scope).To(Equal(apiextensionsv1.ClusterScoped))
	g.Expect(live.Spec.Names.ShortNames).To(Equal([]string{"edgereg"}))
	g.Expect(live.Spec.Names.Categories).To(Equal([]string{"edge"}))
	g.Expect(live.Spec.Versions).To(HaveLen(1))
	g.Expect(live.Spec.Versions[0].Subresources.Status).NotTo(BeNil())
}

func TestColumns(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "columns", `{openshift: {}}`)
	edge.Object["status"] = map[string]any{
		"provider": "openshift", "host": "registry.example", "imagePrefix": "registry.example/columns", "expiresAt": "2099-01-01T00:00:00Z",
		"conditions": []any{map[string]any{
			"type": edgev1.Ready, "status": "False", "reason": edgev1.ReasonNotInvited, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z",
		}},
		"secrets": []any{
			map[string]any{"role": "Publish", "namespace": "columns", "name": "columns-publish"},
			map[string]any{"role": "Pull", "namespace": "columns", "name": "columns-pull"},
		},
	}
	g.Expect(admin.Status().Update(t.Context(), edge)).To(Succeed())

	table := func(args ...string) (header string, row []string) {
		out, err := control.Kubectl(t.Context(), append([]string{"get", "--field-selector=metadata.name=columns"}, args...)...)
		g.Expect(err).NotTo(HaveOccurred())
		lines := strings.Split(strings.TrimSpace(out), "\n")
		g.Expect(lines).To(HaveLen(2), out)
		return strings.Join(strings.Fields(lines[0]), " "), strings.Fields(lines[1])
	}
	// Kubectl prints a future date as how far away it is.
	short := []string{"columns", "False", edgev1.ReasonNotInvited, "openshift", "registry.example"}
	for _, name := range []string{"edgereg", "edgeregistry", "edgeregistries", "edge"} {
		header, row := table(name)
		g.Expect(header).To(Equal("NAME READY REASON PROVIDER HOST EXPIRES AGE"), name)
		if name == "edge" {
			row[0] = strings.TrimPrefix(row[0], "edgeregistry.edge.open-horizon.io/")
		}
		g.Expect(row[:5]).To(Equal(short), name)
		g.Expect(row[5]).To(HavePrefix("2099-01-01"), name)
	}
	header, row := table("edgereg", "-o", "wide")
	g.Expect(header).To(Equal("NAME READY REASON PROVIDER HOST EXPIRES AGE IMAGES SECRETS MESSAGE"))
	g.Expect(row[7:]).To(Equal([]string{"registry.example/columns", "columns", "m"}))
}
