// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// nonsense are values for a field of a type, in JSON.
var nonsense = []struct {
	what  string
	value any
	of    string
}{
	{"null", nil, "string array object boolean"},
	{"of another type", 7, "string array object boolean"},
	{"a list", []any{"x"}, "string object boolean"},
	{"text", "yes", "array object boolean"},
	{"empty", "", "string"},
	{"too long", strings.Repeat("a", 100_000), "string"},
	{"two lines", "one\ntwo", "string"},
	{"a control character", "one\x00two", "string"},
	{"letters that look alike", "f\u0430ctory", "string"},
	{"a path", "../../kube-system", "string"},
	{"the platform's namespace", "kube-system", "string"},
	{"another of the platform's", "openshift-config", "string"},
	{"the operator's namespace", operatorNamespace, "string"},
	{"a negative duration", "-1h", "string"},
	{"a moment", "1ns", "string"},
	{"a century", "876000h", "string"},
	{"an empty list", []any{}, "array"},
	{"a list of nothing", []any{nil}, "array"},
	{"a list of the empty name", []any{""}, "array"},
	{"a list of a path", []any{"../ci"}, "array"},
	{"a list of the platform's", []any{"kube-system"}, "array"},
	{"a list of the operator's", []any{operatorNamespace}, "array"},
	{"a name twice", []any{"ci", "ci"}, "array"},
	{"too many", slices.Repeat([]any{"ci"}, 1001), "array"},
	{"an empty map", map[string]any{}, "object"},
	{"an empty key", map[string]any{"": "x"}, "object"},
	{"a key that is a path", map[string]any{"../x": "y"}, "object"},
	{"a value of two lines", map[string]any{"a": "one\ntwo"}, "object"},
	{"a value of null", map[string]any{"a": nil}, "object"},
	{"a value too long", map[string]any{"a": strings.Repeat("a", 300_000)}, "object"},
}

// K1: each field of a spec with each kind of nonsense is refused by the name of the field, or the operator does what can be
// done and tells of the rest; and when the field is as it should be, nothing is left of it.
func TestNonsenseIsRefusedOrTold(t *testing.T) {
	suite := NewSuite(t, "K1", 6)
	for _, field := range specFields(t) {
		for _, n := range nonsense {
			if !slices.Contains(strings.Fields(n.of), field.Type) {
				continue
			}
			suite.Run(field.path+" is "+n.what, func(t *testing.T) {
				c := NewCase(t, world, &Workload{Name: "nonsense", Installs: true, Steps: []func(*Case){func(*Case) {}}})
				edge := c.saying(field.path, n.value)
				if err := world.Admin.Create(t.Context(), edge); err != nil {
					expectRefusal(t, err, field.path)
					return
				}
				c.Reload()
				life := c.NewLife(nil)
				c.expectHandled(life, field, n.value)
				if slices.Contains(fixed[:len(fixed)-1], field.path) {
					return
				}
				// The smallest spec, with its defaults, is that of the reference.
				c.must(world.Admin.Patch(t.Context(), c.Edge, client.RawPatch(types.MergePatchType, without(field.path))), "take it back")
				life.Run()
				compare(t, "nonsense left something (- without it, + now)",
					present(c.end(), c.Edge.Generation), present(Install.Reference(t, world).State, 1))
				c.judgeRun()
			})
		}
	}
}

// fieldsElsewhere are fields that other registries alone have, or have a use for.
func fieldsElsewhere(t *testing.T) []specField {
	t.Helper()
	return slices.DeleteFunc(allSpecFields(t), func(f specField) bool {
		if strings.HasPrefix(f.path, "external.harbor.") {
			return true // TestNonsenseAboutWhatIsMadeElsewhereIsRefused has it.
		}
		return !strings.HasPrefix(f.path, "external.") && f.path != "secrets.namespace" && f.path != "verification.repository"
	})
}

// K1 of another registry: the same, and the logins go nowhere meanwhile.
func TestNonsenseAboutAnotherRegistryIsRefusedOrTold(t *testing.T) {
	suite := NewSuite(t, "K1e", 6)
	for _, field := range fieldsElsewhere(t) {
		for _, n := range nonsense {
			if !slices.Contains(strings.Fields(n.of), field.Type) {
				continue
			}
			suite.Run(field.path+" is "+n.what, func(t *testing.T) {
				c := NewCase(t, world, &Workload{Name: "nonsense", Installs: true, Prepare: useElsewhere(false), Steps: []func(*Case){func(*Case) {}}})
				content, err := json.Marshal(&edgev1.EdgeRegistry{ObjectMeta: c.Edge.ObjectMeta, Spec: c.Edge.Spec})
				c.must(err, "encode the EdgeRegistry")
				edge := &unstructured.Unstructured{}
				c.must(json.Unmarshal(content, &edge.Object), "decode the EdgeRegistry")
				edge.SetGroupVersionKind(edgev1.GroupVersion.WithKind("EdgeRegistry"))
				c.setField(edge, field.path, n.value)
				if err := world.Admin.Create(t.Context(), edge); err != nil {
					expectRefusal(t, err, field.path)
					return
				}
				c.Reload()
				c.expectHandled(c.NewLife(nil), field, n.value)
				if changed := c.elsewhere.Changed(); len(changed) > 0 {
					t.Errorf("something may be left at the registry, by %q", changed)
				}
				c.judgeRequests()
			})
		}
	}
}

// madeElsewhere are complete EdgeRegistries whose logins are made outside of the cluster, by the beginning of their own fields.
var madeElsewhere = map[string]string{
	"ibmCloud.": `{"ibmCloud": {"region": "us-south", "credentialsSecretRef": {"name": "ibm"}, "registryNamespace": {"name": "plant-images"}},
		"secrets": {"namespace": "plant"}}`,
	"external.harbor.": `{"external": {"host": "harbor.example.com", "repositoryPrefix": "plant",
		"harbor": {"project": "plant", "credentialsSecretRef": {"name": "harbor"}}}, "secrets": {"namespace": "plant"}}`,
}

// K1m: the same of what is made at IBM Cloud and in Harbor, as far as the API server refuses it.
func TestNonsenseAboutWhatIsMadeElsewhereIsRefused(t *testing.T) {
	suite := NewSuite(t, "K1m", 4)
	for _, field := range allSpecFields(t) {
		for beginning, spec := range madeElsewhere {
			if !strings.HasPrefix(field.path, beginning) {
				continue
			}
			for _, n := range nonsense {
				if !slices.Contains(strings.Fields(n.of), field.Type) {
					continue
				}
				suite.Run(field.path+" is "+n.what, func(t *testing.T) {
					c := NewCase(t, world, &Workload{Name: "nonsense", Steps: []func(*Case){func(*Case) {}}})
					edge := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": c.Edge.Name + "-made"}}}
					var content map[string]any
					c.must(json.Unmarshal([]byte(spec), &content), "decode the spec")
					edge.Object["spec"] = content
					edge.SetGroupVersionKind(edgev1.GroupVersion.WithKind("EdgeRegistry"))
					c.setField(edge, field.path, n.value)
					if err := world.Admin.Create(t.Context(), edge, client.DryRunAll); err != nil {
						expectRefusal(t, err, field.path)
					}
				})
			}
		}
	}
}

// saying is the EdgeRegistry of a case with one field more than the smallest has.
func (c *Case) saying(path string, value any) *unstructured.Unstructured {
	c.T.Helper()
	edge := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"openshift": map[string]any{}}}}
	edge.SetGroupVersionKind(edgev1.GroupVersion.WithKind("EdgeRegistry"))
	edge.SetName(c.Edge.Name)
	if path == "trust.caBundleRef.key" {
		// A key takes a name.
		c.must(unstructured.SetNestedField(edge.Object, "no-such-configmap", "spec", "trust", "caBundleRef", "name"), "set a field")
	}
	c.setField(edge, path, value)
	return edge
}

// setField sets a field below spec, to a value that JSON can hold.
func (c *Case) setField(edge *unstructured.Unstructured, path string, value any) {
	c.T.Helper()
	content, err := json.Marshal(value)
	c.must(err, "encode a value")
	var plain any
	c.must(json.Unmarshal(content, &plain), "decode a value")
	if number, ok := plain.(float64); ok {
		plain = int64(number)
	}
	c.must(unstructured.SetNestedField(edge.Object, plain, append([]string{"spec"}, strings.Split(path, ".")...)...), "set a field")
}

// without is a patch that takes a field off, or a whole reference.
func without(path string) []byte {
	if strings.HasPrefix(path, "trust.caBundleRef.") {
		path = "trust.caBundleRef"
	}
	patch := "null"
	for _, name := range slices.Backward(strings.Split("spec."+path, ".")) {
		patch = fmt.Sprintf(`{%q:%s}`, name, patch)
	}
	return []byte(patch)
}

// expectRefusal fails unless a refusal names the field.
func expectRefusal(t *testing.T, err error, path string) {
	t.Helper()
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec."+path) {
		t.Errorf("the refusal does not name spec.%s: %.300s", path, err)
	}
}

// expectHandled fails unless the EdgeRegistry is Ready before long, or Ready names the field, or what it says.
func (c *Case) expectHandled(life *Life, field specField, value any) {
	c.T.Helper()
	const passes = 4
	for range passes {
		if _, _ = life.Pass(); c.atRest() {
			return
		}
		c.pause(10 * often)
	}
	ready := meta.FindStatusCondition(c.Edge.Status.Conditions, edgev1.Ready)
	names := []string{field.path[strings.LastIndex(field.path, ".")+1:]}
	content, err := json.Marshal(value)
	c.must(err, "encode a value")
	names = append(names, strings.FieldsFunc(string(content), func(r rune) bool { return strings.ContainsRune(`"[]{}:,\`, r) })...)
	named := func(name string) bool { return strings.Contains(ready.Message, name) }
	if ready.Status == metav1.ConditionTrue || ready.Reason == edgev1.ReasonPending || !slices.ContainsFunc(names, named) {
		c.T.Errorf("Ready names none of %.200q; %.3000s", names, c.standing())
	}
}
