// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const ownNamespace = "edge-registry-system"

// notServed are kinds of APIs that this control plane lacks and that no public CRD of a module
// brings: their objects are only rendered here.
var notServed = []string{"ClusterServiceVersion", "Configuration", "ServiceMonitor", "PrometheusRule"}

func rendered(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := manifests.Render(folder)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(objects).NotTo(BeEmpty())
	return objects
}

// find decodes the only object of a kind.
func find[T client.Object](t *testing.T, objects []*unstructured.Unstructured, kind string, into T) T {
	t.Helper()
	at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == kind })
	NewWithT(t).Expect(at).To(BeNumerically(">=", 0), "there is no %s", kind)
	NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects[at].Object, into)).To(Succeed())
	return into
}

// accepted applies objects as a dry run that is strict about fields, and returns what was not
// served.
func accepted(t *testing.T, objects []*unstructured.Unstructured) []string {
	t.Helper()
	g := NewWithT(t)
	var unknown []string
	for _, object := range objects {
		err := admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object.DeepCopy()),
			client.FieldOwner("config-test"), client.ForceOwnership, client.DryRunAll)
		if meta.IsNoMatchError(err) {
			unknown = append(unknown, object.GetKind())
			continue
		}
		g.Expect(err).NotTo(HaveOccurred(), "%s %s", object.GetKind(), object.GetName())
	}
	return unknown
}

// serveConsole installs the CRDs of the console from OpenShift's module.
func serveConsole(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openshift/api")
	module, err := list.Output()
	g.Expect(err).NotTo(HaveOccurred())
	folder := filepath.Join(strings.TrimSpace(string(module)), "console", "v1", "zz_generated.crd-manifests")
	for _, file := range []string{"00_consoleyamlsamples.crd.yaml", "00_consolequickstarts.crd.yaml"} {
		content, err := os.ReadFile(filepath.Join(folder, file))
		g.Expect(err).NotTo(HaveOccurred())
		crd := &apiextensionsv1.CustomResourceDefinition{}
		g.Expect(yaml.UnmarshalStrict(content, crd)).To(Succeed())
		g.Expect(client.IgnoreAlreadyExists(admin.Create(t.Context(), crd))).To(Succeed())
		kind := &unstructured.UnstructuredList{}
		kind.SetAPIVersion(crd.Spec.Group + "/" + crd.Spec.Versions[0].Name)
		kind.SetKind(crd.Spec.Names.ListKind)
		g.Eventually(func() error { return admin.List(t.Context(), kind) }).WithTimeout(30 * time.Second).Should(Succeed())
	}
}

// TestEveryKustomizationIsAcceptedByTheAPIServer also renders what it cannot apply here.
func TestEveryKustomizationIsAcceptedByTheAPIServer(t *testing.T) {
	serveConsole(t)
	var folders []string
	for _, pattern := range []string{"*/kustomization.yaml", "*/*/kustomization.yaml"} {
		found, err := filepath.Glob(pattern)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		folders = append(folders, found...)
	}
	NewWithT(t).Expect(len(folders)).To(BeNumerically(">=", 12))
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(folder, func(t *testing.T) {
			if filepath.Dir(folder) == "components" {
				t.Skip("it changes the kustomizations that use it, which are rendered here too")
			}
			if folder == "samples" {
				t.Skip("TestSamplesAreValid creates them; the namespace of the invitation is not there")
			}
			objects := rendered(t, folder)
			if folder == "consumers" {
				// A pipeline's script goes to the namespace of the pipeline, by "-n".
				for _, object := range objects {
					object.SetNamespace("default")
				}
			}
			for _, kind := range accepted(t, objects) {
				NewWithT(t).Expect(notServed).To(ContainElement(kind))
			}
		})
	}
}

// TestEveryObjectOfTheBundleIsAcceptedByTheAPIServer does as OLM: it puts all of them into the
// operator's namespace.
func TestEveryObjectOfTheBundleIsAcceptedByTheAPIServer(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob("../bundle/manifests/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(files)).To(BeNumerically(">", 10))
	files = append(files, "../bundle/grants.yaml")
	var objects []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			object := &unstructured.Unstructured{}
			g.Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed(), file)
			mapping, err := admin.RESTMapper().RESTMapping(object.GroupVersionKind().GroupKind())
			if err == nil && mapping.Scope.Name() == meta.RESTScopeNameNamespace && object.GetNamespace() == "" {
				object.SetNamespace(ownNamespace)
			}
			objects = append(objects, object)
		}
	}
	g.Expect(accepted(t, objects)).To(Equal([]string{"ClusterServiceVersion"}))
}

func TestTheHAOverlayKeepsOneReplicaThroughADrain(t *testing.T) {
	g := NewWithT(t)
	objects := rendered(t, "overlays/ha")
	deployment := find(t, objects, "Deployment", &appsv1.Deployment{})
	budget := find(t, objects, "PodDisruptionBudget", &policyv1.PodDisruptionBudget{})
	g.Expect(*deployment.Spec.Replicas).To(BeEquivalentTo(2))
	g.Expect(budget.Namespace).To(Equal(deployment.Namespace))
	g.Expect(budget.Spec.MinAvailable.IntValue()).To(BeNumerically("<", *deployment.Spec.Replicas), "or no node could be drained")
	g.Expect(*budget.Spec.UnhealthyPodEvictionPolicy).To(Equal(policyv1.AlwaysAllow))
	g.Expect(deployment.Spec.Template.Spec.TopologySpreadConstraints).To(HaveLen(2))
	selectors := []*metav1.LabelSelector{budget.Spec.Selector}
	for _, spread := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selectors = append(selectors, spread.LabelSelector)
		g.Expect(spread.WhenUnsatisfiable).To(Equal(corev1.ScheduleAnyway))
	}
	for _, selector := range selectors {
		s, err := metav1.LabelSelectorAsSelector(selector)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.Matches(labels.Set(deployment.Spec.Template.Labels))).To(BeTrue())
	}
}

func TestOnASingleNodeTheLeaseOutlivesTheAPIServersRollout(t *testing.T) {
	g := NewWithT(t)
	base := find(t, rendered(t, "default"), "Deployment", &appsv1.Deployment{})
	single := find(t, rendered(t, "overlays/single-node"), "Deployment", &appsv1.Deployment{})
	args := base.Spec.Template.Spec.Containers[0].Args
	g.Expect(single.Spec.Template.Spec.Containers[0].Args).To(Equal(append(slices.Clone(args),
		"--leader-elect-lease-duration=270s", "--leader-elect-renew-deadline=240s", "--leader-elect-retry-period=60s")))
	single.Spec.Template.Spec.Containers[0].Args = args
	g.Expect(single).To(Equal(base), "and nothing else differs")
}

func TestTheDisconnectedOverlayTakesEveryImageByDigest(t *testing.T) {
	g := NewWithT(t)
	deployment := find(t, rendered(t, "overlays/disconnected"), "Deployment", &appsv1.Deployment{})
	pod := deployment.Spec.Template.Spec
	for _, container := range append(pod.InitContainers, pod.Containers...) {
		g.Expect(container.Image).To(MatchRegexp(`@sha256:[0-9a-f]{64}$`))
	}
}

func TestTheNetworkPolicySelectsTheOperatorAndAllowsItsOwnPorts(t *testing.T) {
	g := NewWithT(t)
	objects := rendered(t, "network-policy")
	policy := find(t, objects, "NetworkPolicy", &networkingv1.NetworkPolicy{})
	deployment := find(t, rendered(t, "default"), "Deployment", &appsv1.Deployment{})
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(policy.Namespace).To(Equal(deployment.Namespace))
	g.Expect(selector.Matches(labels.Set(deployment.Spec.Template.Labels))).To(BeTrue())
	var ports []string
	for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
		ports = append(ports, port.Name)
	}
	g.Expect(policy.Spec.Ingress).To(HaveLen(1))
	for _, port := range policy.Spec.Ingress[0].Ports {
		g.Expect(ports).To(ContainElement(port.Port.String()), "a port by name has to be one of the pod's")
	}
	g.Expect(policy.Spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
}
