// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// The defaults are a promise: what a stored object says must not change with a new release.
func TestAnEmptyProviderIsACompleteObject(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "defaults", `{openshift: {}}`)
	for path, want := range map[string]string{
		"openshift.route":                        "default-route",
		"openshift.publisher.serviceAccountName": "edge-publisher",
		"openshift.publisher.clusterRole":        "edit",
		"openshift.puller.serviceAccountName":    "edge-puller",
		"openshift.puller.clusterRole":           "system:image-puller",
		"openshift.exposure":                     "Retain",
		"tokens.publisher.type":                  "Bound",
		"tokens.puller.type":                     "Bound",
		"trust.overlap":                          "720h",
		"deletionPolicy":                         "Retain",
		"tokens.publisher.lifetime":              "2160h",
		"tokens.puller.lifetime":                 "2160h",
		"verification.policy":                    "Required",
		"verification.interval":                  "30m",
	} {
		value, found, err := unstructured.NestedString(edge.Object, append([]string{"spec"}, strings.Split(path, ".")...)...)
		g.Expect(err).NotTo(HaveOccurred(), path)
		g.Expect(found).To(BeTrue(), path)
		g.Expect(value).To(Equal(want), path)
	}
	// And nothing besides: what is derived from other fields, such as names, is not written down.
	spec, err := json.Marshal(edge.Object["spec"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(spec).To(MatchJSON(`{
		"openshift": {
			"route": "default-route",
			"exposure": "Retain",
			"project": {},
			"publisher": {"serviceAccountName": "edge-publisher", "clusterRole": "edit"},
			"puller": {"serviceAccountName": "edge-puller", "clusterRole": "system:image-puller"}
		},
		"tokens": {"publisher": {"type": "Bound", "lifetime": "2160h"}, "puller": {"type": "Bound", "lifetime": "2160h"}},
		"trust": {"overlap": "720h"},
		"secrets": {"publish": {}, "pull": {}},
		"verification": {"policy": "Required", "interval": "30m"},
		"deletionPolicy": "Retain"
	}`))
}

func TestAPartOfATokenOrAnAccountTakesTheOtherDefaults(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "parts", `{openshift: {publisher: {clusterRole: "system:image-builder"}, puller: {serviceAccountName: nodes}}, tokens: {puller: {renewBefore: 720h}}, trust: {caBundleRef: {name: ca}}}`)
	typed := &edgev1.EdgeRegistry{}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), typed)).To(Succeed())
	g.Expect(typed.Spec.OpenShift.Publisher.ServiceAccountName).To(Equal("edge-publisher"))
	g.Expect(typed.Spec.OpenShift.Puller.ClusterRole).To(Equal("system:image-puller"))
	g.Expect(typed.Spec.Tokens.Puller.Lifetime.Hours()).To(Equal(2160.0))
	g.Expect(typed.Spec.Trust.CABundleRef.Key).To(Equal("ca-bundle.crt"))
}

func TestReadyIsUnknownBeforeAnyOperatorLooks(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "unseen", `{openshift: {}}`)
	typed := &edgev1.EdgeRegistry{}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), typed)).To(Succeed())
	g.Expect(typed.Status.ObservedGeneration).To(Equal(int64(-1)), "by which kstatus knows that nobody has looked")
	g.Expect(typed.Status.Conditions).To(HaveLen(1))
	ready := meta.FindStatusCondition(typed.Status.Conditions, edgev1.Ready)
	g.Expect(ready).NotTo(BeNil())
	g.Expect(ready.Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(ready.Reason).To(Equal(edgev1.ReasonPending))
	g.Expect(ready.Message).To(ContainSubstring("waiting for the edge registry operator"))
}

// The two objects that the documentation prints in full.
func TestWhatASpecMaySay(t *testing.T) {
	tests := map[string]struct{ name, spec string }{
		"every field": {"factory", `
openshift:
  route: edge
  project: {name: images, displayName: Factory images, description: "Edge service images\nof the factory"}
  publisher: {serviceAccountName: ci, clusterRole: "system:image-builder"}
  puller: {serviceAccountName: nodes, clusterRole: registry-viewer}
tokens:
  publisher: {lifetime: 24h, renewBefore: 16h}
  puller: {lifetime: 87600h, renewBefore: 1m}
trust: {caBundleRef: {name: ca, key: root.pem}}
secrets:
  publish: {name: push.me, labels: {team: edge}, annotations: {example.com/a: b}}
  pull: {name: pull.me}
verification: {policy: BestEffort, interval: 1m}`},
		"the shortest lifetime":                        {"short", `{openshift: {}, tokens: {publisher: {lifetime: 10m}, puller: {lifetime: 10m0s}}}`},
		"a compound duration":                          {"compound", `{openshift: {}, tokens: {publisher: {lifetime: 1h30m, renewBefore: 0.5h}}}`},
		"a reserved name with a project of its own":    {"default", `{openshift: {project: {name: images}}}`},
		"a name of 63 characters":                      {strings.Repeat("a", 63), `{openshift: {}}`},
		"a project that only resembles the platform's": {"resembles", `{openshift: {project: {name: my-openshift-images}}}`},
		"both accounts with one role":                  {"role", `{openshift: {publisher: {clusterRole: edit}, puller: {clusterRole: edit}}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			edge := object(t, test.name, test.spec)
			strict := client.FieldValidation(metav1.FieldValidationStrict)
			NewWithT(t).Expect(admin.Create(t.Context(), edge, client.DryRunAll, strict)).To(Succeed())
		})
	}
}

func TestWhatASpecMayNotSay(t *testing.T) {
	const (
		project   = "spec.openshift.project.name"
		reserved  = "reserved for the platform"
		publisher = "spec.openshift.publisher.serviceAccountName"
		puller    = "spec.openshift.puller.serviceAccountName"
		label     = "must be a DNS label of at most 63 characters: lower-case letters, digits and '-', beginning and ending with a letter or digit"
		lifetime  = "spec.tokens.publisher.lifetime"
		unit      = "in hours, minutes and seconds, such as "
		own       = "are the operator's own"
	)
	long := strings.Repeat("a", 64)
	tests := map[string]struct{ name, spec, field, message string }{
		"no provider":                  {"ee", `{}`, "spec.openshift", "a provider is required: set spec.openshift ({} takes every default)"},
		"no provider but others":       {"ee", `{verification: {policy: Disabled}}`, "spec.openshift", "a provider is required"},
		"a route in capitals":          {"ee", `{openshift: {route: Edge}}`, "spec.openshift.route", "must be the name of a Route"},
		"a route with dots":            {"ee", `{openshift: {route: a.b}}`, "spec.openshift.route", "must be the name of a Route"},
		"project default":              {"ee", `{openshift: {project: {name: default}}}`, project, reserved},
		"project openshift":            {"ee", `{openshift: {project: {name: openshift}}}`, project, reserved},
		"project kubernetes":           {"ee", `{openshift: {project: {name: kubernetes}}}`, project, reserved},
		"project kube":                 {"ee", `{openshift: {project: {name: kube}}}`, project, reserved},
		"project openshift-x":          {"ee", `{openshift: {project: {name: openshift-config}}}`, project, reserved},
		"project kube-x":               {"ee", `{openshift: {project: {name: kube-system}}}`, project, reserved},
		"project kubernetes-x":         {"ee", `{openshift: {project: {name: kubernetes-x}}}`, project, reserved},
		"project with dots":            {"ee", `{openshift: {project: {name: a.b}}}`, project, label},
		"project in capitals":          {"ee", `{openshift: {project: {name: Factory}}}`, project, label},
		"project with a dash end":      {"ee", `{openshift: {project: {name: factory-}}}`, project, label},
		"project too long":             {"ee", `{openshift: {project: {name: ` + long + `}}}`, project, "may not be more than 63"},
		"project too short":            {"ee", `{openshift: {project: {name: a}}}`, project, "at least 2 chars"},
		"a display name of lines":      {"ee", `{openshift: {project: {displayName: "a\nb"}}}`, "spec.openshift.project.displayName", "must be one line without tabs"},
		"name default":                 {"default", `{openshift: {}}`, project, "takes its name from metadata.name, and this name is too short or reserved for the platform: set spec.openshift.project.name"},
		"name openshift":               {"openshift", `{openshift: {}}`, project, reserved},
		"name kubernetes":              {"kubernetes", `{openshift: {}}`, project, reserved},
		"name kube":                    {"kube", `{openshift: {}}`, project, reserved},
		"name openshift-x":             {"openshift-x", `{openshift: {}}`, project, reserved},
		"name kube-x":                  {"kube-x", `{openshift: {}}`, project, reserved},
		"name kubernetes-x":            {"kubernetes-x", `{openshift: {}}`, project, reserved},
		"name of one letter":           {"e", `{openshift: {}}`, project, "too short"},
		"name with dots":               {"my.factory", `{openshift: {project: {name: images}}}`, "metadata", "metadata.name must be a DNS label of at most 63 characters"},
		"name too long":                {long, `{openshift: {project: {name: images}}}`, "metadata", "choose a shorter or simpler name"},
		"publisher is default":         {"ee", `{openshift: {publisher: {serviceAccountName: default}}}`, publisher, "belong to OpenShift in every project: choose another name"},
		"publisher is builder":         {"ee", `{openshift: {publisher: {serviceAccountName: builder}}}`, publisher, "belong to OpenShift"},
		"publisher is deployer":        {"ee", `{openshift: {publisher: {serviceAccountName: deployer}}}`, publisher, "belong to OpenShift"},
		"publisher with colon":         {"ee", `{openshift: {publisher: {serviceAccountName: "a:b"}}}`, publisher, label},
		"publisher too long":           {"ee", `{openshift: {publisher: {serviceAccountName: ` + long + `}}}`, publisher, "may not be more than 63"},
		"publisher without role":       {"ee", `{openshift: {publisher: {clusterRole: ""}}}`, "spec.openshift.publisher.clusterRole", "at least 1 chars"},
		"puller is default":            {"ee", `{openshift: {puller: {serviceAccountName: default}}}`, puller, "belong to OpenShift"},
		"puller is builder":            {"ee", `{openshift: {puller: {serviceAccountName: builder}}}`, puller, "belong to OpenShift"},
		"puller is deployer":           {"ee", `{openshift: {puller: {serviceAccountName: deployer}}}`, puller, "belong to OpenShift"},
		"puller with dots":             {"ee", `{openshift: {puller: {serviceAccountName: a.b}}}`, puller, label},
		"one account for both":         {"ee", `{openshift: {publisher: {serviceAccountName: x}, puller: {serviceAccountName: x}}}`, puller, "publisher and puller need different service accounts"},
		"puller named edge-publisher":  {"ee", `{openshift: {puller: {serviceAccountName: edge-publisher}}}`, puller, "publisher and puller need different service accounts"},
		"a lifetime too short":         {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 9m59s}}}`, lifetime, "must be a duration from 10m (the API server grants no shorter token) to 87600h (ten years)"},
		"a lifetime too long":          {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 87601h}}}`, lifetime, "to 87600h (ten years)"},
		"a lifetime in days":           {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 90d}}}`, lifetime, unit},
		"a lifetime in words":          {"ee", `{openshift: {}, tokens: {publisher: {lifetime: forever}}}`, lifetime, unit},
		"a negative lifetime":          {"ee", `{openshift: {}, tokens: {publisher: {lifetime: -1h}}}`, lifetime, unit},
		"a lifetime past 64 bits":      {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 99999999h}}}`, lifetime, unit},
		"a lifetime of a number":       {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 90}}}`, lifetime, "must be of type string"},
		"a puller's lifetime":          {"ee", `{openshift: {}, tokens: {puller: {lifetime: 9m, renewBefore: 1m}}}`, "spec.tokens.puller.lifetime", "must be a duration from 10m"},
		"renewal at the lifetime":      {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 1h, renewBefore: 60m}}}`, "spec.tokens.publisher.renewBefore", "renewBefore must be shorter than lifetime: a token is renewed while it still works"},
		"renewal nearly at once":       {"ee", `{openshift: {}, tokens: {publisher: {lifetime: 100h, renewBefore: 91h}}}`, "spec.tokens.publisher.renewBefore", "at most nine tenths of lifetime"},
		"renewal past a lifetime":      {"ee", `{openshift: {}, tokens: {puller: {renewBefore: 2161h}}}`, "spec.tokens.puller.renewBefore", "renewBefore must be shorter than lifetime"},
		"renewal too late":             {"ee", `{openshift: {}, tokens: {puller: {renewBefore: 59s}}}`, "spec.tokens.puller.renewBefore", "must be a duration of at least 1m (a consumer needs time to take the new token)"},
		"renewal in days":              {"ee", `{openshift: {}, tokens: {puller: {renewBefore: 3d}}}`, "spec.tokens.puller.renewBefore", unit},
		"a CA without a name":          {"ee", `{openshift: {}, trust: {caBundleRef: {key: x}}}`, "spec.trust.caBundleRef.name", "Required value"},
		"one Secret for both":          {"ee", `{openshift: {project: {name: pp}}, secrets: {publish: {name: x}, pull: {name: x}}}`, "spec.secrets", "the publish Secret and the pull Secret need different names"},
		"one Secret by default":        {"edge", `{openshift: {}, secrets: {pull: {name: edge-publish}}}`, "spec.secrets", "the publish Secret and the pull Secret need different names"},
		"a Secret in capitals":         {"ee", `{openshift: {}, secrets: {publish: {name: Push}}}`, "spec.secrets.publish.name", "must be a DNS subdomain name"},
		"a Secret too long":            {"ee", `{openshift: {}, secrets: {pull: {name: ` + strings.Repeat("a", 201) + `}}}`, "spec.secrets.pull.name", "may not be more than 200"},
		"our label":                    {"ee", `{openshift: {}, secrets: {pull: {labels: {edge.open-horizon.io/edgeregistry: x}}}}`, "spec.secrets.pull.labels", own},
		"the managed-by label":         {"ee", `{openshift: {}, secrets: {pull: {labels: {app.kubernetes.io/managed-by: x}}}}`, "spec.secrets.pull.labels", own},
		"our annotation":               {"ee", `{openshift: {}, secrets: {publish: {annotations: {edge.open-horizon.io/token-anchor-uid: x}}}}`, "spec.secrets.publish.annotations", own},
		"the annotation of Tekton":     {"ee", `{openshift: {}, secrets: {publish: {annotations: {tekton.dev/docker-0: x}}}}`, "spec.secrets.publish.annotations", own},
		"a policy unheard of":          {"ee", `{openshift: {}, verification: {policy: Sometimes}}`, "spec.verification.policy", `supported values: "Required", "BestEffort", "Disabled"`},
		"an interval too short":        {"ee", `{openshift: {}, verification: {interval: 59s}}`, "spec.verification.interval", "must be a duration of at least 1m"},
		"a type of token unheard of":   {"ee", `{openshift: {}, tokens: {puller: {type: Eternal}}}`, "spec.tokens.puller.type", `supported values: "Bound", "LongLived"`},
		"an overlap in days":           {"ee", `{openshift: {}, trust: {overlap: 30d}}`, "spec.trust.overlap", unit},
		"an overlap of a lifetime":     {"ee", `{openshift: {}, trust: {overlap: 90000h}}`, "spec.trust.overlap", "at most 87600h"},
		"a deletion policy unheard of": {"ee", `{openshift: {}, deletionPolicy: Orphan}`, "spec.deletionPolicy", `supported values: "Retain", "Delete"`},
		"an exposure unheard of":       {"ee", `{openshift: {exposure: Hidden}}`, "spec.openshift.exposure", `supported values: "Retain", "Restore"`},
		"a copy for the platform":      {"ee", `{openshift: {}, secrets: {pull: {copyTo: [ci, openshift-config]}}}`, "spec.secrets.pull.copyTo[1]", "reserved for the platform"},
		"a copy for kube-system":       {"ee", `{openshift: {}, secrets: {publish: {copyTo: [kube-system]}}}`, "spec.secrets.publish.copyTo[0]", "reserved for the platform"},
		"a copy with a path":           {"ee", `{openshift: {}, secrets: {pull: {copyTo: [../ci]}}}`, "spec.secrets.pull.copyTo[0]", "must be the name of a namespace"},
		"a copy twice":                 {"ee", `{openshift: {}, secrets: {pull: {copyTo: [ci, ci]}}}`, "spec.secrets.pull.copyTo[1]", "Duplicate value"},
		"a copy in its own project":    {"ee", `{openshift: {}, secrets: {pull: {copyTo: [ee]}}}`, "spec.secrets", "names the project itself"},
		"a copy in its named project":  {"ee", `{openshift: {project: {name: images}}, secrets: {publish: {copyTo: [images]}}}`, "spec.secrets", "names the project itself"},
		"an interval in words":         {"ee", `{openshift: {}, verification: {interval: daily}}`, "spec.verification.interval", unit},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := admin.Create(t.Context(), object(t, test.name, test.spec), client.DryRunAll)
			g.Expect(err).To(HaveOccurred())
			first, _, _ := strings.Cut(refusal(t, err), "\n")
			g.Expect(first).To(HavePrefix(test.field + ": "))
			g.Expect(first).To(ContainSubstring(test.message))
		})
	}
}

func TestAFieldThatIsNotThereIsToldOf(t *testing.T) {
	strict := client.FieldValidation(metav1.FieldValidationStrict)
	for _, spec := range []string{
		`{openshift: {projekt: {name: x}}}`,
		`{openshift: {}, suspended: true}`,
		`{openshift: {}, secrets: {pull: {copyto: [ci]}}}`,
	} {
		t.Run(spec, func(t *testing.T) {
			err := admin.Create(t.Context(), object(t, "unknown-fields", spec), client.DryRunAll, strict)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(`unknown field "spec.`)))
		})
	}
}

// What a person writes is read the same by Go's YAML and by the API server.
func TestDurationsKeepTheFormInWhichTheyWereWritten(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "durations", `{openshift: {}, tokens: {publisher: {lifetime: 90m, renewBefore: 0.5h}}}`)
	content, err := yaml.Marshal(edge.Object["spec"].(map[string]any)["tokens"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(ContainSubstring("lifetime: 90m\n"))
	g.Expect(string(content)).To(ContainSubstring("renewBefore: 0.5h\n"))
}
