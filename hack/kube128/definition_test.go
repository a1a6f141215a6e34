// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube128_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	objectvalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const tables = root + "api/v1alpha1/testdata/"

// The schema is structural, its defaults are valid, and each rule compiles and is cheap enough.
func TestTheDefinitionIsAccepted(t *testing.T) {
	NewWithT(t).Expect(crdvalidation.ValidateCustomResourceDefinition(t.Context(), shipped(t))).To(BeEmpty())
}

// Functions that came later must not be taken for ones that are there: a test that accepts everything would not show.
func TestADefinitionWithWhatCameLaterIsNotAccepted(t *testing.T) {
	for what, rule := range map[string]string{
		"formats, of 1.31":           "!format.dns1123Label().validate(self.metadata.name).hasValue()",
		"semantic versions, of 1.33": "isSemver(self.metadata.name)",
		"addresses, of 1.31":         "isIP(self.metadata.name)",
		"two variables, of 1.33":     "self.spec.secrets.pull.labels.all(k, v, k != v)",
		"a rule that costs too much": "self.spec.secrets.pull.annotations.all(a, self.spec.secrets.pull.annotations.all(b, self.spec.secrets.publish.annotations.all(c, self.spec.secrets.publish.annotations.all(d, self.spec.secrets.publish.copyTo.all(e, e != a)))))",
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			crd := shipped(t)
			schema := crd.Spec.Validation.OpenAPIV3Schema
			schema.XValidations = append(schema.XValidations, apiextensions.ValidationRule{Rule: rule, Message: "no"})
			g.Expect(crdvalidation.ValidateCustomResourceDefinition(t.Context(), crd)).NotTo(BeEmpty())
		})
	}
}

func TestTheSmallestObjectTakesItsDefaults(t *testing.T) {
	g := NewWithT(t)
	edge, wrong := serve(t, shipped(t)).create(object("smallest", map[string]any{"openshift": map[string]any{}}))
	g.Expect(wrong).To(BeEmpty())
	for want, path := range map[string]string{
		"default-route": "openshift.route", "edge-publisher": "openshift.publisher.serviceAccountName",
		"system:image-puller": "openshift.puller.clusterRole", "2160h": "openshift.puller.token.lifetime", "Required": "verification.policy",
	} {
		value, _, err := unstructured.NestedString(edge.Object, append([]string{"spec"}, strings.Split(path, ".")...)...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(want), path)
	}
	generation, _, err := unstructured.NestedInt64(edge.Object, "status", "observedGeneration")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(generation).To(Equal(int64(-1)))
}

func TestTheSamplesAreAccepted(t *testing.T) {
	s, found := serve(t, shipped(t)), samples(t)
	NewWithT(t).Expect(len(found)).To(BeNumerically(">=", 2))
	for file, sample := range found {
		t.Run(file, func(t *testing.T) {
			_, wrong := s.create(sample)
			NewWithT(t).Expect(wrong).To(BeEmpty())
		})
	}
}

// What the current API server refuses is refused at the same field and in the same words.
func TestWhatASpecMayNotSay(t *testing.T) {
	var tests []struct {
		Case, Name, Field, Message string
		Spec                       map[string]any
	}
	read(t, tables+"refused.yaml", &tests)
	s := serve(t, shipped(t))
	for _, test := range tests {
		t.Run(test.Case, func(t *testing.T) {
			_, wrong := s.create(object(test.Name, test.Spec))
			expectRefusal(t, wrong, test.Field, test.Message)
		})
	}
}

// What is fixed stays so, and the rest may change.
func TestWhatCannotBeChanged(t *testing.T) {
	s := serve(t, shipped(t))
	stored, wrong := s.create(object("fixed", map[string]any{"openshift": map[string]any{}}))
	NewWithT(t).Expect(wrong).To(BeEmpty())
	stored.SetResourceVersion("1")
	for _, test := range []struct {
		path, value, field, message string
	}{
		{"openshift.project.name", "other", "spec.openshift.project.name", "the project cannot be changed"},
		{"openshift.puller.serviceAccountName", "other", "spec.openshift.puller.serviceAccountName", "the service account cannot be changed"},
		{"secrets.pull.name", "other", "spec.secrets", "the names of the Secrets cannot be changed"},
		{"openshift.project.name", "fixed", "", ""},
		{"openshift.route", "other", "", ""},
		{"secrets.pull.labels.team", "edge", "", ""},
	} {
		t.Run(test.path+"="+test.value, func(t *testing.T) {
			g := NewWithT(t)
			changed := stored.DeepCopy()
			g.Expect(unstructured.SetNestedField(changed.Object, test.value, append([]string{"spec"}, strings.Split(test.path, ".")...)...)).To(Succeed())
			wrong := s.strategy.ValidateUpdate(t.Context(), changed, stored)
			if test.field == "" {
				g.Expect(wrong).To(BeEmpty())
				return
			}
			expectRefusal(t, wrong, test.field, test.message)
		})
	}
}

type marks struct {
	Case                string
	Labels, Annotations map[string]string
	Field, Message      string
	Stricter            bool
}

// onPull is an EdgeRegistry that has labels and annotations put on its pull Secret.
func (m marks) onPull() map[string]any {
	labels, annotations := map[string]any{}, map[string]any{}
	for key, value := range m.Labels {
		labels[key] = value
	}
	for key, value := range m.Annotations {
		annotations[key] = value
	}
	return object("marks", map[string]any{
		"openshift": map[string]any{},
		"secrets":   map[string]any{"pull": map[string]any{"labels": labels, "annotations": annotations}},
	})
}

// onASecret is what Kubernetes says of the same on a Secret.
func (m marks) onASecret() field.ErrorList {
	return append(metavalidation.ValidateLabels(m.Labels, field.NewPath("labels")),
		objectvalidation.ValidateAnnotations(m.Annotations, field.NewPath("annotations"))...)
}

func TestLabelsAndAnnotationsAreThoseThatASecretMayCarry(t *testing.T) {
	var tests []marks
	read(t, tables+"marks.yaml", &tests)
	s := serve(t, shipped(t))
	for _, test := range tests {
		t.Run(test.Case, func(t *testing.T) {
			g := NewWithT(t)
			_, wrong := s.create(test.onPull())
			if test.Field == "" {
				g.Expect(wrong).To(BeEmpty())
			} else {
				expectRefusal(t, wrong, "spec.secrets.pull."+test.Field, test.Message)
			}
			g.Expect(len(test.onASecret()) == 0).To(Equal(test.Field == "" || test.Stricter), "%v", test.onASecret())
		})
	}
}

// Keys and values that differ a little from those of the table, in what is accepted as in what is refused.
func TestWhatIsAcceptedIsWhatASecretMayCarry(t *testing.T) {
	g := NewWithT(t)
	var tests []marks
	read(t, tables+"marks.yaml", &tests)
	s := serve(t, shipped(t))
	random := rand.New(rand.NewPCG(1, 28)) //nolint:gosec // The same cases each time.
	accepted, refused := 0, 0
	for range 40 {
		for _, test := range tests {
			if len(test.Labels)+len(test.Annotations) != 1 {
				continue
			}
			altered := marks{Labels: alter(random, test.Labels), Annotations: alter(random, test.Annotations)}
			_, wrong := s.create(altered.onPull())
			if stricter(altered) {
				g.Expect(wrong).NotTo(BeEmpty(), "%+q", altered)
				continue
			}
			g.Expect(len(wrong) == 0).To(Equal(len(altered.onASecret()) == 0), "%+q: here %v, on a Secret %v", altered, wrong, altered.onASecret())
			if len(wrong) == 0 {
				accepted++
			} else {
				refused++
			}
		}
	}
	g.Expect(accepted).To(BeNumerically(">", 500))
	g.Expect(refused).To(BeNumerically(">", 500))
	t.Logf("%d accepted, %d refused", accepted, refused)
}

// A rule that costs more than is allowed to find that out would say so, and not what is wrong.
func TestAKeyWithoutEndIsToldOf(t *testing.T) {
	for _, key := range []string{strings.Repeat("a", 1<<20), strings.Repeat("/", 1<<20), strings.Repeat("a.", 1<<19)} {
		_, wrong := serve(t, shipped(t)).create(marks{Labels: map[string]string{key: "x"}}.onPull())
		expectRefusal(t, wrong, "spec.secrets.pull.labels", "Kubernetes does not take one of the keys: it must be")
	}
}

// stricter reports what a Secret may carry and an EdgeRegistry refuses: values of annotations that are long, and keys of
// annotations with a letter that only turns into an ASCII one when it is put in lower case.
func stricter(m marks) bool {
	for key, value := range m.Annotations {
		if len(value) > 4096 || strings.ContainsAny(key, "\u212a\u0130") {
			return true
		}
	}
	return false
}

// alter changes up to two characters of the keys and values.
func alter(random *rand.Rand, of map[string]string) map[string]string {
	altered := map[string]string{}
	for key, value := range of {
		if random.IntN(3) > 0 {
			key = alterText(random, key)
		} else {
			value = alterText(random, value)
		}
		altered[key] = value
	}
	return altered
}

func alterText(random *rand.Rand, text string) string {
	const alphabet = "aZ09-_./@ {äſ\u212a\u0130\n\x00"
	runes, letters := []rune(text), []rune(alphabet)
	for range 1 + random.IntN(2) {
		letter, at := letters[random.IntN(len(letters))], 0
		if len(runes) > 0 {
			at = random.IntN(len(runes))
		}
		switch {
		case len(runes) == 0 || random.IntN(3) == 0:
			runes = append(runes[:at:at], append([]rune{letter}, runes[at:]...)...)
		case random.IntN(2) == 0:
			runes[at] = letter
		default:
			runes = append(runes[:at:at], runes[at+1:]...)
		}
	}
	return string(runes)
}

// expectRefusal fails unless a field is refused first, in words that hold a text.
func expectRefusal(t *testing.T, wrong field.ErrorList, at, message string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(wrong).NotTo(BeEmpty())
	// What is not the operator's own to say is in other words since.
	message = strings.Replace(message, "may not be more than", "may not be longer than", 1)
	var said []string
	for _, one := range wrong {
		said = append(said, one.Field+": "+one.ErrorBody())
	}
	g.Expect(said[0]).To(And(HavePrefix(at+": "), ContainSubstring(message)), fmt.Sprint(said))
}
