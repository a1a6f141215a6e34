// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
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
		"openshift.project.policy":               "Request",
		"openshift.publisher.token.type":         "Bound",
		"openshift.puller.token.type":            "Bound",
		"trust.overlap":                          "720h",
		"deletionPolicy":                         "Retain",
		"openshift.publisher.token.lifetime":     "2160h",
		"openshift.puller.token.lifetime":        "2160h",
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
			"project": {"policy": "Request"},
			"publisher": {"serviceAccountName": "edge-publisher", "clusterRole": "edit", "token": {"type": "Bound", "lifetime": "2160h"}},
			"puller": {"serviceAccountName": "edge-puller", "clusterRole": "system:image-puller", "token": {"type": "Bound", "lifetime": "2160h"}}
		},
		"trust": {"overlap": "720h"},
		"secrets": {"publish": {}, "pull": {}},
		"verification": {"policy": "Required", "interval": "30m"},
		"deletionPolicy": "Retain"
	}`))
}

func TestAPartOfATokenOrAnAccountTakesTheOtherDefaults(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "parts", `{openshift: {publisher: {clusterRole: "system:image-builder"}, puller: {serviceAccountName: nodes, token: {renewBefore: 720h}}}, trust: {caBundleRef: {name: ca}}}`)
	typed := &edgev1.EdgeRegistry{}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), typed)).To(Succeed())
	g.Expect(typed.Spec.OpenShift.Publisher.ServiceAccountName).To(Equal("edge-publisher"))
	g.Expect(typed.Spec.OpenShift.Puller.ClusterRole).To(Equal("system:image-puller"))
	g.Expect(typed.Spec.OpenShift.Puller.Token.Lifetime.Hours()).To(Equal(2160.0))
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
  publisher: {serviceAccountName: ci, clusterRole: "system:image-builder", token: {lifetime: 24h, renewBefore: 16h}}
  puller: {serviceAccountName: nodes, clusterRole: registry-viewer, token: {lifetime: 87600h, renewBefore: 1m}}
trust: {caBundleRef: {name: ca, key: root.pem}}
secrets:
  publish: {name: push.me, labels: {team: edge}, annotations: {example.com/a: b}}
  pull: {name: pull.me}
verification: {policy: BestEffort, interval: 1m}`},
		"another registry": {"plant", `
external:
  host: registry.example.com:5000
  repositoryPrefix: plant/edge
  publisher: {credentialsSecretRef: {name: plant-push}}
  puller: {credentialsSecretRef: {name: plant-pull}}
secrets: {namespace: plant, publish: {copyTo: [ci]}}
verification: {repository: probe/one}
deletionPolicy: Retain`},
		"IBM Cloud": {"cloud", `
ibmCloud:
  region: eu-de
  visibility: Private
  apiEndpoints: Private
  credentialsSecretRef: {name: ibm-cloud}
  accountID: 0a1b2c3d4e5f
  registryNamespace: {name: plant-images, resourceGroupID: 9f8e7d, policy: CreateOrAdopt}
  publisher: {key: {lifetime: 1h, renewBefore: 15m}}
  puller: {key: {lifetime: 43800h, renewBefore: 1440h}, serviceIDRef: ServiceId-8f1c}
secrets: {namespace: plant}
verification: {repository: probe}
deletionPolicy: Delete`},
		"IBM Cloud, with the defaults": {"cloud", `{ibmCloud: {region: global, credentialsSecretRef: {name: ibm}, registryNamespace: {name: plant-images}}, secrets: {namespace: plant}}`},
		"an Exchange": {"exchange", `
openshift: {}
exchanges:
- {credentialsSecretRef: {name: exchange}, caBundleRef: {name: ca}, owner: Organization, publicServices: Include, policy: BestEffort, deletionPolicy: Retain}`},
		"another registry, to pull from alone": {"pulled", `{external: {host: 192.0.2.7, puller: {credentialsSecretRef: {name: pull.plant}}}, secrets: {namespace: plant}}`},
		"Harbor": {"harbor", `
external:
  host: harbor.example.com
  repositoryPrefix: plant/edge
  harbor:
    project: plant
    credentialsSecretRef: {name: harbor}
    publisher: {lifetime: 720h, renewBefore: 240h}
    puller: {lifetime: 43800h, renewBefore: 24h}
secrets: {namespace: plant, publish: {copyTo: [ci]}}`},
		"Harbor, with what is usual":                   {"harbor", `{external: {host: harbor.example.com, repositoryPrefix: plant, harbor: {project: plant, credentialsSecretRef: {name: harbor}}}, secrets: {namespace: plant}}`},
		"a host without a dot, with a port":            {"local", `{external: {host: "localhost:5000", repositoryPrefix: "a__b--c.d", puller: {credentialsSecretRef: {name: p}}}, secrets: {namespace: plant}}`},
		"the shortest lifetime":                        {"short", `{openshift: {publisher: {token: {lifetime: 10m}}, puller: {token: {lifetime: 10m0s}}}}`},
		"a compound duration":                          {"compound", `{openshift: {publisher: {token: {lifetime: 1h30m, renewBefore: 0.5h}}}}`},
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

// refusedSpecs are what hack/kube128 has the code of Kubernetes 1.28 refuse as well.
const refusedSpecs = "testdata/refused.yaml"

func TestWhatASpecMayNotSay(t *testing.T) {
	var tests []struct {
		Case    string `json:"case"`
		Name    string `json:"name"`
		Spec    any    `json:"spec"`
		Field   string `json:"field"`
		Message string `json:"message"`
	}
	readTable(t, refusedSpecs, &tests)
	for _, test := range tests {
		t.Run(test.Case, func(t *testing.T) {
			g := NewWithT(t)
			edge := object(t, test.Name, "{}")
			edge.Object["spec"] = test.Spec
			err := admin.Create(t.Context(), edge, client.DryRunAll)
			g.Expect(err).To(HaveOccurred())
			first, _, _ := strings.Cut(refusal(t, err), "\n")
			g.Expect(first).To(HavePrefix(test.Field + ": "))
			g.Expect(first).To(ContainSubstring(test.Message))
		})
	}
}

// What is put on the Secrets is accepted if Kubernetes accepts it on a Secret: a later refusal would leave the
// EdgeRegistry waiting for what never comes.
func TestLabelsAndAnnotationsAreThoseThatASecretMayCarry(t *testing.T) {
	var tests []struct {
		Case        string            `json:"case"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Field       string            `json:"field"`
		Message     string            `json:"message"`
		// Stricter: a Secret may carry it, and the EdgeRegistry refuses it anyway.
		Stricter bool `json:"stricter"`
	}
	readTable(t, "testdata/marks.yaml", &tests)
	for _, test := range tests {
		for _, role := range []string{"publish", "pull"} {
			t.Run(test.Case+" of "+role, func(t *testing.T) {
				g := NewWithT(t)
				content, err := json.Marshal(map[string]any{"labels": test.Labels, "annotations": test.Annotations})
				g.Expect(err).NotTo(HaveOccurred())
				asked := object(t, "marks", `{openshift: {}, secrets: {`+role+`: `+string(content)+`}}`)
				err = admin.Create(t.Context(), asked, client.DryRunAll)
				if test.Field == "" {
					g.Expect(err).NotTo(HaveOccurred())
				} else {
					g.Expect(err).To(HaveOccurred())
					g.Expect(refusal(t, err)).To(HavePrefix("spec.secrets." + role + "." + test.Field + ": "))
					g.Expect(refusal(t, err)).To(ContainSubstring(test.Message))
				}
				secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
					Namespace: "default", Name: "marks", Labels: test.Labels, Annotations: test.Annotations,
				}}
				err = admin.Create(t.Context(), secret, client.DryRunAll)
				g.Expect(err == nil).To(Equal(test.Field == "" || test.Stricter), "on a Secret: %v", err)
			})
		}
	}
}

// The most that a spec may have on a Secret leaves room for what the operator adds.
func TestAllAnnotationsOfASpecFitOnASecret(t *testing.T) {
	g := NewWithT(t)
	most := map[string]string{}
	for i := range 32 {
		most[strings.Repeat("a.", 126)+"a/"+fmt.Sprintf("%063d", i)] = strings.Repeat("ä", 2048)
	}
	content, err := json.Marshal(map[string]any{"annotations": most})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.Create(t.Context(), object(t, "most", `{openshift: {}, secrets: {pull: `+string(content)+`}}`), client.DryRunAll)).To(Succeed())
	// By far the longest of the operator's own is the list of the namespaces with a copy.
	most["edge.open-horizon.io/copied-to"] = strings.Repeat("n", 1000*64)
	most["edge.open-horizon.io/others"] = strings.Repeat("n", 16*1024)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "most", Annotations: most}}
	g.Expect(admin.Create(t.Context(), secret, client.DryRunAll)).To(Succeed())
}

// readTable reads cases that other tests share.
func readTable(t *testing.T, file string, into any) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.UnmarshalStrict(content, into)).To(Succeed())
	g.Expect(into).To(HaveValue(Not(BeEmpty())))
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

// A client that asks for strict validation, as kubectl does, learns where the field is now, and not that it is unknown.
func TestAFieldThatHasMovedIsToldByItsNewPlace(t *testing.T) {
	g := NewWithT(t)
	manifest := filepath.Join(t.TempDir(), "edge.yaml")
	g.Expect(os.WriteFile(manifest, []byte(`
apiVersion: edge.open-horizon.io/v1alpha1
kind: EdgeRegistry
metadata: {name: moved}
spec: {openshift: {}, tokens: {publisher: {type: LongLived}}}`), 0o600)).To(Succeed())
	for _, how := range [][]string{{"create"}, {"apply"}, {"apply", "--server-side"}} {
		_, err := control.Kubectl(t.Context(), append(how, "--filename="+manifest)...)
		g.Expect(err).To(MatchError(ContainSubstring("spec.tokens has moved: set spec.openshift.publisher.token and spec.openshift.puller.token")))
		g.Expect(err).NotTo(MatchError(ContainSubstring("unknown field")))
	}
}

// What a person writes is read the same by Go's YAML and by the API server.
func TestDurationsKeepTheFormInWhichTheyWereWritten(t *testing.T) {
	g := NewWithT(t)
	edge := create(t, "durations", `{openshift: {publisher: {token: {lifetime: 90m, renewBefore: 0.5h}}}}`)
	content, err := yaml.Marshal(edge.Object["spec"].(map[string]any)["openshift"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(ContainSubstring("lifetime: 90m\n"))
	g.Expect(string(content)).To(ContainSubstring("renewBefore: 0.5h\n"))
}
