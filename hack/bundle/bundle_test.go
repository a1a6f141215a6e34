// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	testImage = "registry.example.com/edge/operator@sha256:4bf1a2c4d1ac6a0e0e3f9a5b5a8a9f4c0a2f1b7b9f2f4a3d5e6c7b8a9f0e1d2c"
	namespace = "edge-registry-system"
)

// csvObject is what these tests read of a ClusterServiceVersion. Decoding is strict, so a field
// that no test knows is a mistake.
type csvObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		DisplayName    string   `json:"displayName"`
		Description    string   `json:"description"`
		Keywords       []string `json:"keywords"`
		Maturity       string   `json:"maturity"`
		MinKubeVersion string   `json:"minKubeVersion"`
		Version        string   `json:"version"`
		Links          []link   `json:"links"`
		Provider       link     `json:"provider"`
		Icon           []struct {
			Base64Data string `json:"base64data"`
			MediaType  string `json:"mediatype"`
		} `json:"icon"`
		InstallModes []installMode `json:"installModes"`
		Install      struct {
			Strategy string `json:"strategy"`
			Spec     struct {
				ClusterPermissions []permissions `json:"clusterPermissions"`
				Deployments        []struct {
					Name  string                `json:"name"`
					Label map[string]string     `json:"label"`
					Spec  appsv1.DeploymentSpec `json:"spec"`
				} `json:"deployments"`
			} `json:"spec"`
		} `json:"install"`
		CustomResourceDefinitions struct {
			Owned []ownedCRD `json:"owned"`
		} `json:"customresourcedefinitions"`
		RelatedImages []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"relatedImages"`
	} `json:"spec"`
}

type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// written are the files by the image that they are about.
var written = map[string]map[string]string{}

func files(t *testing.T, image string) map[string]string {
	t.Helper()
	if written[image] == nil {
		var err error
		written[image], err = generate("../..", "0.1.0", image)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	return written[image]
}

func csvOf(t *testing.T, image string) *csvObject {
	t.Helper()
	csv := &csvObject{}
	content := files(t, image)["bundle/manifests/edge-registry-operator.clusterserviceversion.yaml"]
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(content), csv)).To(Succeed())
	return csv
}

// objectsOf are the objects of one of the files.
func objectsOf(t *testing.T, content string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, document := range regexp.MustCompile(`(?m)^---\n`).Split(content, -1) {
		object := &unstructured.Unstructured{}
		NewWithT(t).Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
		objects = append(objects, object)
	}
	return objects
}

func TestTheFieldsThatACatalogRequiresAreThere(t *testing.T) {
	g := NewWithT(t)
	csv := csvOf(t, testImage)
	g.Expect(csv.APIVersion + csv.Kind).To(Equal("operators.coreos.com/v1alpha1ClusterServiceVersion"))
	g.Expect(csv.Metadata.Name).To(Equal("edge-registry-operator.v0.1.0"))
	g.Expect(validation.IsDNS1123Subdomain(csv.Metadata.Name)).To(BeEmpty())
	g.Expect(csv.Spec.Version).To(MatchRegexp(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`))
	g.Expect(csv.Spec.MinKubeVersion).To(Equal("1.28.0"), "as the README says")
	for name, text := range map[string]string{
		"displayName": csv.Spec.DisplayName, "description": csv.Spec.Description, "provider": csv.Spec.Provider.Name,
		"repository": csv.Metadata.Annotations["repository"], "support": csv.Metadata.Annotations["support"],
	} {
		g.Expect(text).NotTo(BeEmpty(), name)
	}
	g.Expect(len(csv.Metadata.Annotations["description"])).To(BeNumerically("<", 136), "a card of the catalog shows no more")
	g.Expect(csv.Spec.Maturity).To(BeElementOf("planning", "pre-alpha", "alpha", "beta", "stable", "mature", "inactive", "deprecated"))
	g.Expect(csv.Metadata.Annotations["capabilities"]).To(BeElementOf("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"))
	for category := range strings.SplitSeq(csv.Metadata.Annotations["categories"], ",") {
		g.Expect(category).To(BeElementOf("AI/Machine Learning", "Application Runtime", "Big Data", "Cloud Provider", "Database",
			"Developer Tools", "Drivers and plugins", "Integration & Delivery", "Logging & Tracing", "Modernization & Migration",
			"Monitoring", "Networking", "OpenShift Optional", "Observability", "Security", "Storage", "Streaming & Messaging"))
	}
	for _, l := range append(csv.Spec.Links, csv.Spec.Provider) {
		g.Expect(l.Name).NotTo(BeEmpty())
		g.Expect(l.URL).To(HavePrefix("https://"))
	}
	g.Expect(csv.Spec.Icon).To(HaveLen(1))
	g.Expect(csv.Spec.Icon[0].MediaType).To(Equal("image/svg+xml"))
	icon, err := base64.StdEncoding.DecodeString(csv.Spec.Icon[0].Base64Data)
	g.Expect(err).NotTo(HaveOccurred())
	var svg struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	}
	g.Expect(xml.Unmarshal(icon, &svg)).To(Succeed())
}

func TestItIsInstalledForAllNamespacesAndNothingNarrower(t *testing.T) {
	g := NewWithT(t)
	csv := csvOf(t, testImage)
	modes := map[string]bool{}
	for _, mode := range csv.Spec.InstallModes {
		modes[mode.Type] = mode.Supported
	}
	g.Expect(modes).To(Equal(map[string]bool{"OwnNamespace": false, "SingleNamespace": false, "MultiNamespace": false, "AllNamespaces": true}))
	g.Expect(csv.Spec.Install.Strategy).To(Equal("deployment"))
	g.Expect(csv.Spec.Install.Spec.Deployments).To(HaveLen(1))
	deployment := csv.Spec.Install.Spec.Deployments[0]
	g.Expect(deployment.Spec.Template.Spec.ServiceAccountName).To(Equal(csv.Spec.Install.Spec.ClusterPermissions[0].ServiceAccountName),
		"OLM makes the account of the permissions")
	for key, value := range deployment.Spec.Selector.MatchLabels {
		g.Expect(deployment.Spec.Template.Labels).To(HaveKeyWithValue(key, value))
	}

	annotations := csv.Metadata.Annotations
	g.Expect(annotations["operatorframework.io/suggested-namespace"]).To(Equal(namespace))
	var suggested corev1.Namespace
	g.Expect(json.Unmarshal([]byte(annotations["operatorframework.io/suggested-namespace-template"]), &suggested)).To(Succeed())
	g.Expect(suggested.Name).To(Equal(namespace))
	g.Expect(suggested.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
}

// TestOnlyAnImageByDigestMakesItFitForDisconnectedClusters: OLM's mirroring tools copy what
// relatedImages names, and a tag is not what they can redirect to a mirror.
func TestOnlyAnImageByDigestMakesItFitForDisconnectedClusters(t *testing.T) {
	for image, disconnected := range map[string]string{testImage: "true", "registry.example.com/edge/operator:v0.1.0": "false"} {
		g := NewWithT(t)
		csv := csvOf(t, image)
		g.Expect(csv.Metadata.Annotations["features.operators.openshift.io/disconnected"]).To(Equal(disconnected), image)
		g.Expect(csv.Metadata.Annotations["containerImage"]).To(Equal(image))
		var used []string
		for _, container := range csv.Spec.Install.Spec.Deployments[0].Spec.Template.Spec.Containers {
			used = append(used, container.Image)
		}
		g.Expect(used).To(Equal([]string{image}))
		var related []string
		for _, image := range csv.Spec.RelatedImages {
			related = append(related, image.Image)
		}
		if disconnected == "true" {
			g.Expect(related).To(Equal(used))
		} else {
			g.Expect(related).To(BeEmpty())
		}
	}
}

func TestEveryFeatureIsToldAsTrueOrFalse(t *testing.T) {
	const prefix = "features.operators.openshift.io/"
	declared := map[string]string{}
	for key, value := range csvOf(t, testImage).Metadata.Annotations {
		if feature, found := strings.CutPrefix(key, prefix); found {
			declared[feature] = value
		}
	}
	NewWithT(t).Expect(declared).To(Equal(map[string]string{
		"disconnected": "true", "proxy-aware": "true", "fips-compliant": "false", "tls-profiles": "false",
		"token-auth-aws": "false", "token-auth-azure": "false", "token-auth-gcp": "false",
		"cnf": "false", "cni": "false", "csi": "false",
	}))
}

func TestTheOwnedKindIsInTheBundleWithItsExamples(t *testing.T) {
	g := NewWithT(t)
	csv := csvOf(t, testImage)
	g.Expect(csv.Spec.CustomResourceDefinitions.Owned).To(HaveLen(1))
	owned := csv.Spec.CustomResourceDefinitions.Owned[0]
	crd := objectsOf(t, files(t, testImage)["bundle/manifests/edge.open-horizon.io_edgeregistries.yaml"])[0]
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	g.Expect([]string{owned.Name, owned.Kind, owned.Version}).To(Equal([]string{crd.GetName(), kind, edgev1.GroupVersion.Version}))
	g.Expect(owned.DisplayName).NotTo(BeEmpty())
	g.Expect(owned.Description).NotTo(BeEmpty())

	var examples []json.RawMessage
	g.Expect(json.Unmarshal([]byte(csv.Metadata.Annotations["alm-examples"]), &examples)).To(Succeed())
	g.Expect(len(examples)).To(BeNumerically(">=", 2))
	for _, example := range examples {
		var edge edgev1.EdgeRegistry
		g.Expect(yaml.UnmarshalStrict(example, &edge)).To(Succeed())
		g.Expect(edge.APIVersion + "/" + edge.Kind).To(Equal(edgev1.GroupVersion.String() + "/" + owned.Kind))
	}
}

// TestTheConsoleKnowsEveryField also finds a path that leads nowhere: both come from the schema.
func TestTheConsoleKnowsEveryField(t *testing.T) {
	g := NewWithT(t)
	owned := csvOf(t, testImage).Spec.CustomResourceDefinitions.Owned[0]
	byPath := map[string]descriptor{}
	for _, d := range owned.SpecDescriptors {
		byPath["spec."+d.Path] = d
	}
	for _, d := range owned.StatusDescriptors {
		byPath["status."+d.Path] = d
	}
	g.Expect(len(byPath)).To(BeNumerically(">", 30))
	for path, d := range byPath {
		g.Expect(d.Description).NotTo(BeEmpty(), path)
		g.Expect(d.DisplayName).To(MatchRegexp(`^[A-Z][A-Za-z0-9 ]+$`), path)
		g.Expect(d.Description).NotTo(ContainSubstring("\n"), path)
	}
	g.Expect(byPath["spec.suspend"].XDescriptors).To(Equal([]string{"urn:alm:descriptor:com.tectonic.ui:booleanSwitch"}))
	g.Expect(byPath["spec.deletionPolicy"].XDescriptors).To(Equal([]string{
		"urn:alm:descriptor:com.tectonic.ui:select:Retain", "urn:alm:descriptor:com.tectonic.ui:select:Delete",
	}))
	g.Expect(byPath["spec.openshift.publisher.clusterRole"].DisplayName).To(Equal("Publisher cluster role"))
	g.Expect(byPath["spec.trust.caBundleRef.name"].DisplayName).To(Equal("Trust CA bundle ref name"))
	g.Expect(byPath["status.conditions"].XDescriptors).To(Equal([]string{"urn:alm:descriptor:io.kubernetes.conditions"}))
}

// TestOLMTakesEveryObject: each is of a kind that may be in a bundle, alone in its file, and
// without a namespace, since OLM would overrule it.
func TestOLMTakesEveryObject(t *testing.T) {
	kinds := map[string]bool{}
	for name, content := range files(t, testImage) {
		if path.Dir(name) != "bundle/manifests" {
			continue
		}
		g := NewWithT(t)
		objects := objectsOf(t, content)
		g.Expect(objects).To(HaveLen(1), name)
		object := objects[0]
		g.Expect(path.Base(name)).To(Equal(fileName(object)))
		g.Expect(object.GetNamespace()).To(BeEmpty(), name)
		g.Expect(append(bundleKinds, "ClusterServiceVersion", "CustomResourceDefinition")).To(ContainElement(object.GetKind()), name)
		kinds[object.GetKind()] = true
	}
	NewWithT(t).Expect(kinds).To(And(HaveKey("ClusterServiceVersion"), HaveKey("CustomResourceDefinition"), HaveKey("ConfigMap"), HaveKey("Service"),
		Not(HaveKey("ServiceAccount"))), "OLM makes the ServiceAccount itself")
}

func TestTheImageOfTheBundleSaysWhatItsAnnotationsSay(t *testing.T) {
	g := NewWithT(t)
	written := files(t, testImage)
	var metadata struct {
		Annotations map[string]string `json:"annotations"`
	}
	g.Expect(yaml.UnmarshalStrict([]byte(written["bundle/metadata/annotations.yaml"]), &metadata)).To(Succeed())
	labels := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^LABEL ([^=]+)=(.*)$`).FindAllStringSubmatch(written["bundle/bundle.Dockerfile"], -1) {
		labels[match[1]] = match[2]
	}
	g.Expect(labels).To(Equal(metadata.Annotations))
	g.Expect(labels["operators.operatorframework.io.bundle.channels.v1"]).To(Equal(labels["operators.operatorframework.io.bundle.channel.default.v1"]))
	for _, key := range []string{"bundle.manifests.v1", "bundle.metadata.v1", "test.config.v1"} {
		folder := labels["operators.operatorframework.io."+key]
		g.Expect(slices.Collect(maps.Keys(written))).To(ContainElement(HavePrefix("bundle/"+folder)), key)
		g.Expect(written["bundle/bundle.Dockerfile"]).To(ContainSubstring("COPY " + strings.TrimSuffix(folder, "/") + " /" + folder))
	}
}

func TestTheDescriptionCarriesTheGrants(t *testing.T) {
	written := files(t, testImage)
	grants := strings.TrimPrefix(written["bundle/grants.yaml"], generated)
	NewWithT(t).Expect(csvOf(t, testImage).Spec.Description).To(ContainSubstring("```yaml\n" + grants + "```\n"))
}

func TestTheConsoleOffersTheSamplesAsTheyAre(t *testing.T) {
	g := NewWithT(t)
	samples, err := readSamples("../..")
	g.Expect(err).NotTo(HaveOccurred())
	var offered []string
	for _, object := range objectsOf(t, files(t, testImage)["config/console/yaml_samples.yaml"]) {
		text, _, _ := unstructured.NestedString(object.Object, "spec", "yaml")
		offered = append(offered, text)
		title, _, _ := unstructured.NestedString(object.Object, "spec", "description")
		g.Expect(title).NotTo(BeEmpty())
	}
	var texts []string
	for _, s := range samples {
		texts = append(texts, s.text)
	}
	g.Expect(offered).To(Equal(texts))
}
