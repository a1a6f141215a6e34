// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/exposure.go, on a control plane.

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

const configPath = "/apis/imageregistry.operator.openshift.io/v1/configs/cluster"

func isConfigPatch(request string) bool { return request == "PATCH "+configPath }

// hideDefaultRoute takes the default route away, as on a cluster on which nobody asked for it.
func hideDefaultRoute(t *testing.T) {
	t.Helper()
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = false })
	NewWithT(t).Eventually(func() error {
		return admin.Get(t.Context(), client.ObjectKey{Namespace: imageRegistryNamespace, Name: defaultRoute}, &routev1.Route{})
	}).WithTimeout(soon).WithPolling(often).Should(MatchError(ContainSubstring("not found")))
}

func setManagement(state operatorv1.ManagementState) func(*testing.T) {
	return func(t *testing.T) {
		changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.ManagementState = state })
	}
}

// trouble is something about the registry or its Route that holds an EdgeRegistry up.
type trouble struct {
	name    string
	route   string
	cause   func(*testing.T)
	cure    func(*testing.T)
	reason  string
	message []string
	stalled bool
}

func deleteConfig(t *testing.T) {
	NewWithT(t).Expect(openShift.ImageRegistry.DeleteConfig(t.Context())).To(Succeed())
}

func createConfig(t *testing.T) {
	NewWithT(t).Expect(openShift.ImageRegistry.CreateConfig(t.Context())).To(Succeed())
}

// lastingTroubles may also come over an EdgeRegistry that was Ready.
var lastingTroubles = []trouble{
	{
		name: "the registry is Removed", cause: setManagement(operatorv1.Removed), cure: setManagement(operatorv1.Managed),
		reason: edgev1.ReasonRegistryRemoved, stalled: true,
		message: []string{`"cluster" is Removed`, "set spec.managementState to Managed", "storage"},
	},
	{
		name: "the registry is Unmanaged", cause: setManagement(operatorv1.Unmanaged), cure: setManagement(operatorv1.Managed),
		reason: edgev1.ReasonRegistryUnmanaged, stalled: true,
		message: []string{`"cluster" is Unmanaged`, "set spec.managementState to Managed"},
	},
	{
		name: "there is no registry", cause: deleteConfig, cure: createConfig,
		reason: edgev1.ReasonRegistryAbsent, stalled: true,
		message: []string{`no image registry Config "cluster"`, "enable the capability ImageRegistry"},
	},
	{
		name: "another Route has the host",
		cause: func(*testing.T) {
			openShift.Router.Reject("HostAlreadyClaimed", "route images already exposes the host and is older")
		},
		cure:   func(*testing.T) { openShift.Router.Admit() },
		reason: edgev1.ReasonRouteNotAdmitted,
		message: []string{`Route "default-route" is not admitted`, `router "default" refuses it`,
			"HostAlreadyClaimed", "route images already exposes the host and is older"},
	},
	{
		name: "no router selects the Route",
		cause: func(*testing.T) {
			openShift.Router.NoIngress()
		},
		cure:   func(*testing.T) { openShift.Router.Admit() },
		reason: edgev1.ReasonRouteNotAdmitted,
		message: []string{`Route "default-route" is not admitted`, "no router has picked it up",
			"check that an IngressController selects the namespace openshift-image-registry"},
	},
}

// firstTroubles are met before the Route was ever there.
var firstTroubles = []trouble{
	{
		name:   "the registry has no storage",
		cause:  func(*testing.T) { openShift.ImageRegistry.SetStorage(false) },
		cure:   func(*testing.T) { openShift.ImageRegistry.SetStorage(true) },
		reason: edgev1.ReasonStorageNotConfigured, stalled: true,
		message: []string{`registry Config "cluster" has no storage`, "set spec.storage"},
	},
	{
		name: "the Route of that name is not declared", route: "images",
		cause: func(*testing.T) {},
		cure: func(t *testing.T) {
			changeConfig(t, func(c *imageregistryv1.Config) {
				c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "images"}}
			})
		},
		reason: edgev1.ReasonRouteNotDeclared, stalled: true,
		message: []string{`registry Config "cluster" declares no Route "images"`, "add it to spec.routes", "default-route"},
	},
}

func TestWhatIsWrongWithTheRouteIsToldAndNothingIsWrittenMeanwhile(t *testing.T) {
	o := startOperator(t)
	for _, tt := range append(lastingTroubles, firstTroubles...) {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			keepPlatform(t)
			// The admin who hides the route does not fight with the operator.
			o.clock.SetTime(o.clock.Now().Add(contestWindow))
			hideDefaultRoute(t)
			tt.cause(t)
			edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = tt.route }))
			expectHeldUp(t, edge, edgev1.RegistryExposed, tt.reason, tt.stalled, tt.message...)
			expectNoProject(t, edge)
			for _, request := range o.writesFor(edge) {
				g.Expect(isConfigPatch(request)).To(BeTrue(), request)
			}
			g.Expect(edge.Status.Host).To(BeEmpty())
			tt.cure(t)
			awaitReady(t, edge)
		})
	}
}

func TestAReadyEdgeRegistryKeepsItsSecretsThroughTroubleWithTheRoute(t *testing.T) {
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before, wrote, minted := projectState(t, edge), len(o.writesFor(edge)), canary.count()
	for _, tt := range lastingTroubles {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			keepPlatform(t)
			tt.cause(t)
			expectHeldUp(t, edge, edgev1.RegistryExposed, tt.reason, tt.stalled, tt.message...)
			g.Expect(projectState(t, edge)).To(Equal(before))
			tt.cure(t)
			awaitReady(t, edge)
			g.Expect(projectState(t, edge)).To(Equal(before))
			for _, request := range o.writesFor(edge)[wrote:] {
				g.Expect(isConfigPatch(request)).To(BeTrue(), request)
			}
		})
	}
	NewWithT(t).Expect(canary.count()).To(Equal(minted))
}

// configButDefaultRoute is the Config of the registry as bytes, without the one field that the
// operator may write and what follows from any write at all.
func configButDefaultRoute(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	config := &unstructured.Unstructured{}
	config.SetGroupVersionKind(imageregistryv1.GroupVersion.WithKind("Config"))
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: imageRegistryConfig}, config)).To(Succeed())
	for _, field := range [][]string{
		{"spec", "defaultRoute"}, {"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "managedFields"}, {"status"},
	} {
		unstructured.RemoveNestedField(config.Object, field...)
	}
	content, err := json.Marshal(config)
	g.Expect(err).NotTo(HaveOccurred())
	return string(content)
}

func TestOnlyDefaultRouteIsWrittenInTheRegistryConfigAndOnlyOnce(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	changeConfig(t, func(c *imageregistryv1.Config) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, "example.com/note", "kept by hand")
		c.Spec.LogLevel = operatorv1.Debug
		c.Spec.ReadOnly = false
		c.Spec.Requests.Write.MaxRunning = 7
		c.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("90m")}}
		c.Spec.NodeSelector = map[string]string{"node-role.kubernetes.io/infra": ""}
		c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "inner", Hostname: appsHost("inner")}}
	})
	hideDefaultRoute(t)
	before := configButDefaultRoute(t)

	o := startOperator(t)
	awaitReady(t, apply(t, newEdge()))
	g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeTrue())
	g.Expect(configButDefaultRoute(t)).To(Equal(before))
	awaitReady(t, apply(t, newEdge()))
	g.Expect(o.wire.matching(isConfigPatch)).To(HaveLen(1))

	owned := map[string]string{}
	for _, entry := range registryConfig(t).ManagedFields {
		if entry.Manager == objects.FieldManager {
			owned[string(entry.Operation)+entry.Subresource] = entry.FieldsV1.GetRawString()
		}
	}
	g.Expect(owned).To(Equal(map[string]string{"Update": `{"f:spec":{"f:defaultRoute":{}}}`}))
}

func TestADefaultRouteThatIsThereAlreadyIsNotAskedForAgain(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = true })
	version := registryConfig(t).Generation
	o := startOperator(t)
	awaitReady(t, apply(t, newEdge()))
	g.Expect(o.wire.matching(isConfigPatch)).To(BeEmpty())
	g.Expect(registryConfig(t).Generation).To(Equal(version))
}

func TestARouteThatTheConfigDeclaresIsUsedWithoutWritingTheConfig(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	hideDefaultRoute(t)
	changeConfig(t, func(c *imageregistryv1.Config) {
		c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: "images", Hostname: appsHost("images")}}
	})
	before := registryConfig(t).Generation
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "images" })))
	g.Expect(edge.Status.Host).To(Equal(appsHost("images")))
	g.Expect(edge.Status.ImagePrefix).To(Equal(appsHost("images") + "/" + edge.Name))
	g.Expect(condition(t, edge, edgev1.RegistryExposed).Message).To(Equal("Route images is admitted at " + appsHost("images")))
	g.Expect(o.wire.matching(isConfigPatch)).To(BeEmpty())
	g.Expect(registryConfig(t).Generation).To(Equal(before))
	g.Expect(registryConfig(t).Spec.DefaultRoute).To(BeFalse())
}

func TestARouteDeletedByHandComesBackAndLeavesTheSecretsAlone(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	before := projectState(t, edge)
	route := &routev1.Route{}
	key := client.ObjectKey{Namespace: imageRegistryNamespace, Name: defaultRoute}
	g.Expect(admin.Get(t.Context(), key, route)).To(Succeed())
	// A registry without storage makes no Route, so that its absence is there to see.
	openShift.ImageRegistry.SetStorage(false)
	g.Eventually(func() []operatorv1.OperatorCondition { return registryConfig(t).Status.Conditions }).
		WithTimeout(soon).WithPolling(often).Should(ContainElement(HaveField("Reason", "StorageNotConfigured")))
	g.Expect(admin.Delete(t.Context(), route)).To(Succeed())
	expectHeldUp(t, edge, edgev1.RegistryExposed, edgev1.ReasonStorageNotConfigured, true, "gets no Route")
	openShift.ImageRegistry.SetStorage(true)
	awaitReady(t, edge)
	again := &routev1.Route{}
	g.Expect(admin.Get(t.Context(), key, again)).To(Succeed())
	g.Expect(again.UID).NotTo(Equal(route.UID))
	g.Expect(projectState(t, edge)).To(Equal(before))
}
