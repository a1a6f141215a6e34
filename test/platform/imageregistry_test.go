// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	unmanaged = " Unmanaged: The registry configuration is set to unmanaged mode"
	duplicate = "unable to complete resource: duplication of names has been detected in the additional routes"

	managedWithRoute = `{"spec":{"managementState":"Managed","defaultRoute":true,"routes":null,"storage":{"emptyDir":{}}}}`
)

func patchConfig(t *testing.T, patch string) error {
	t.Helper()
	cfg := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
	return admin.Patch(t.Context(), cfg, client.RawPatch(types.MergePatchType, []byte(patch)))
}

func patchRoute(t *testing.T, patch string) error {
	t.Helper()
	route := &routev1.Route{ObjectMeta: metav1.ObjectMeta{Namespace: platform.RegistryNamespace, Name: "default-route"}}
	return admin.Patch(t.Context(), route, client.RawPatch(types.MergePatchType, []byte(patch)))
}

func getRoute(t *testing.T, name string) (*routev1.Route, error) {
	t.Helper()
	route := &routev1.Route{}
	err := admin.Get(t.Context(), client.ObjectKey{Namespace: platform.RegistryNamespace, Name: name}, route)
	return route, err
}

// routeGone polls until the Route is absent.
func routeGone(t *testing.T, g Gomega, name string) {
	t.Helper()
	g.Eventually(func() bool {
		_, err := getRoute(t, name)
		return apierrors.IsNotFound(err)
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
}

// conditions polls for the Config's conditions, as "Status Reason: Message", of
// the generation that the spec has now.
func conditions(t *testing.T) func() map[string]string {
	return func() map[string]string {
		cfg := &imageregistryv1.Config{}
		if err := admin.Get(t.Context(), client.ObjectKey{Name: "cluster"}, cfg); err != nil || cfg.Status.ObservedGeneration != cfg.Generation {
			return nil
		}
		out := map[string]string{}
		for _, c := range cfg.Status.Conditions {
			out[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
		}
		return out
	}
}

func TestConfigConditionsAreTheDocumentedOnes(t *testing.T) {
	g := NewWithT(t)
	restore := func() {
		openShift.ImageRegistry.SetStorage(true)
		openShift.ImageRegistry.SetAvailable(true)
		openShift.Router.Admit()
		g.Expect(patchConfig(t, managedWithRoute)).To(Succeed())
	}
	defer restore()
	for _, c := range []struct {
		name  string
		given func() error
		want  map[string]string
	}{
		{"a managed registry with ready pods is available", func() error { return nil }, map[string]string{
			"Available": "True Ready: The registry is ready", "Progressing": "False Ready: The registry is ready",
			"Degraded": "False : ", "Removed": "False : ",
			"StorageExists": "True Creation Successful: EmptyDir storage successfully created",
		}},
		{"a managed registry without ready pods is not", func() error {
			openShift.ImageRegistry.SetAvailable(false)
			return nil
		}, map[string]string{
			"Available":             "False NoReplicasAvailable: The deployment does not have available replicas",
			"Progressing":           "True DeploymentNotCompleted: The deployment has not completed",
			"Degraded":              "False : ",
			"NodeCADaemonAvailable": "False NoAvailableReplicas: The daemon set node-ca does not have available replicas",
		}},
		{"an unmanaged registry is available whatever it does", func() error {
			return patchConfig(t, `{"spec":{"managementState":"Unmanaged"}}`)
		}, map[string]string{
			"Available": "True" + unmanaged, "Progressing": "False" + unmanaged, "Degraded": "False" + unmanaged, "Removed": "False : ",
		}},
		{"a removed registry is available too", func() error {
			return patchConfig(t, `{"spec":{"managementState":"Removed"}}`)
		}, map[string]string{
			"Available":   "True Removed: The registry is removed",
			"Progressing": "False Removed: All registry resources are removed",
			"Degraded":    "False Removed: The registry is removed",
			"Removed":     "True Removed: The registry is removed",
		}},
		{"a registry without storage is degraded", func() error {
			openShift.ImageRegistry.SetStorage(false)
			return nil
		}, map[string]string{
			"Degraded":    "True StorageNotConfigured: storage backend not configured",
			"Progressing": "True Error: Unable to apply resources: storage backend not configured",
		}},
		{"a Config without a storage backend is the same", func() error {
			return patchConfig(t, `{"spec":{"storage":{"emptyDir":null}}}`)
		}, map[string]string{"Degraded": "True StorageNotConfigured: storage backend not configured"}},
		{"a route named as the default route fails verification", func() error {
			return patchConfig(t, `{"spec":{"routes":[{"name":"default-route"}]}}`)
		}, map[string]string{"Degraded": "True VerificationFailed: " + duplicate}},
		{"a refused route degrades an available registry", func() error {
			openShift.Router.Reject("HostAlreadyClaimed", "another route has the host")
			return nil
		}, map[string]string{
			"Degraded": "True RouteDegraded: route default-route is not admitted by router default: HostAlreadyClaimed",
		}},
	} {
		restore()
		g.Expect(c.given()).To(Succeed())
		for kind, want := range c.want {
			g.Eventually(conditions(t)).WithTimeout(soon).WithPolling(often).
				Should(HaveKeyWithValue(kind, want), c.name)
		}
	}
}

func TestTheDefaultRouteIsTheDocumentedOne(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	route, err := getRoute(t, "default-route")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(route.Generation).To(BeEquivalentTo(1), "the host is there from the creation on")
	g.Expect(route.Annotations).To(HaveKeyWithValue("imageregistry.openshift.io", "true"))
	g.Expect(route.Annotations).To(HaveKeyWithValue("openshift.io/host.generated", "true"))
	g.Expect(route.Annotations["imageregistry.operator.openshift.io/checksum"]).To(MatchRegexp("^sha256:[0-9a-f]{64}$"))
	weight := int32(100)
	g.Expect(route.Spec).To(Equal(routev1.RouteSpec{
		Host:           "default-route-openshift-image-registry.apps.edge.test",
		TLS:            &routev1.TLSConfig{Termination: routev1.TLSTerminationReencrypt},
		To:             routev1.RouteTargetReference{Kind: "Service", Name: "image-registry", Weight: &weight},
		WildcardPolicy: routev1.WildcardPolicyNone,
	}))
	g.Expect(route.Status.Ingress).To(HaveLen(1))
	entry := route.Status.Ingress[0]
	g.Expect(entry.Host).To(Equal(openShift.Host()))
	g.Expect(entry.RouterName).To(Equal("default"))
	g.Expect(entry.RouterCanonicalHostname).To(Equal("router-default.apps.edge.test"))
	g.Expect(entry.WildcardPolicy).To(Equal(routev1.WildcardPolicyNone))
	g.Expect(entry.Conditions).To(HaveLen(1))
	g.Expect(entry.Conditions[0].Type).To(Equal(routev1.RouteAdmitted))
	g.Expect(entry.Conditions[0].Status).To(Equal(corev1.ConditionTrue))
	g.Expect(entry.Conditions[0].Reason).To(BeEmpty())
	g.Expect(entry.Conditions[0].LastTransitionTime).NotTo(BeNil())
}

func TestRoutesFollowTheConfig(t *testing.T) {
	g := NewWithT(t)
	defer func() {
		openShift.ImageRegistry.SetStorage(true)
		g.Expect(patchConfig(t, managedWithRoute)).To(Succeed())
	}()
	expose(t)

	g.Expect(patchConfig(t, `{"spec":{"managementState":"Unmanaged","defaultRoute":false}}`)).To(Succeed())
	g.Eventually(conditions(t)).WithTimeout(soon).WithPolling(often).Should(HaveKeyWithValue("Available", ContainSubstring("Unmanaged")))
	_, err := getRoute(t, "default-route")
	g.Expect(err).NotTo(HaveOccurred(), "Unmanaged ignores the spec")

	g.Expect(patchConfig(t, `{"spec":{"managementState":"Managed"}}`)).To(Succeed())
	routeGone(t, g, "default-route")

	openShift.ImageRegistry.SetStorage(false)
	g.Expect(patchConfig(t, `{"spec":{"defaultRoute":true}}`)).To(Succeed())
	g.Eventually(conditions(t)).WithTimeout(soon).WithPolling(often).Should(HaveKeyWithValue("Degraded", ContainSubstring("StorageNotConfigured")))
	_, err = getRoute(t, "default-route")
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "without storage the Route is never made")

	openShift.ImageRegistry.SetStorage(true)
	expose(t)

	g.Expect(patchConfig(t, `{"spec":{"managementState":"Removed"}}`)).To(Succeed())
	routeGone(t, g, "default-route")
	expose(t)

	g.Expect(patchConfig(t, `{"spec":{"managementState":"Removed","defaultRoute":false}}`)).To(Succeed())
	g.Eventually(conditions(t)).WithTimeout(soon).WithPolling(often).Should(HaveKeyWithValue("Available", ContainSubstring("Removed")))
	_, err = getRoute(t, "default-route")
	g.Expect(err).NotTo(HaveOccurred(), "Removed deletes only what the spec lists")
}

func TestTheOperatorKeepsManualEditsAndMakesADeletedRouteAgain(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	before, err := getRoute(t, "default-route")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(patchRoute(t, `{"metadata":{"annotations":{"haproxy.router.openshift.io/timeout":"5m"}}}`)).To(Succeed())

	g.Expect(admin.Delete(t.Context(), before)).To(Succeed())
	var again *routev1.Route
	g.Eventually(func() (types.UID, error) {
		again, err = getRoute(t, "default-route")
		return again.UID, client.IgnoreNotFound(err)
	}).WithTimeout(soon).WithPolling(often).ShouldNot(BeElementOf(before.UID, types.UID("")))
	g.Expect(again.Annotations).NotTo(HaveKey("haproxy.router.openshift.io/timeout"))

	g.Expect(patchRoute(t, `{"metadata":{"annotations":{"haproxy.router.openshift.io/timeout":"5m"}}}`)).To(Succeed())
	// The operator has seen the edit once it has seen a later change of the Config.
	g.Expect(patchConfig(t, `{"spec":{"routes":[{"name":"later"}]}}`)).To(Succeed())
	defer func() { g.Expect(patchConfig(t, managedWithRoute)).To(Succeed()) }()
	g.Eventually(func() error { _, err := getRoute(t, "later"); return err }).WithTimeout(soon).WithPolling(often).Should(Succeed())
	edited, err := getRoute(t, "default-route")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(edited.Annotations).To(HaveKeyWithValue("haproxy.router.openshift.io/timeout", "5m"))
}

func TestAdditionalRoutesCarryTheirSecretsCertificate(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	ca := platform.NewCA("factory root")
	issuer := ca.Intermediate("factory issuer")
	host := "registry.factory.test"
	leaf := issuer.Leaf(host)
	leafOnly := leaf
	leafOnly.Certificate = leaf.Certificate[:1]
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: platform.RegistryNamespace, GenerateName: "cert-"},
		Data: map[string][]byte{
			"tls.crt": platform.ChainPEM(leafOnly), "tls.key": platform.KeyPEM(leaf), "tls.cacrt": issuer.PEM(),
		},
	}
	g.Expect(admin.Create(t.Context(), secret)).To(Succeed())
	g.Expect(patchConfig(t, `{"spec":{"routes":[{"name":"factory","hostname":"`+host+`","secretName":"`+secret.Name+`"}]}}`)).To(Succeed())
	defer func() {
		g.Expect(patchConfig(t, managedWithRoute)).To(Succeed())
		routeGone(t, g, "factory")
	}()
	g.Eventually(func() (int, error) {
		got, err := askTrusting(t, pool(ca.PEM()), request{host: host, path: "/v2/"})
		return got.status, err
	}).WithTimeout(soon).WithPolling(often).Should(Equal(401))
	route, err := getRoute(t, "factory")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(route.Spec.Host).To(Equal(host))
	g.Expect(route.Annotations).NotTo(HaveKey("openshift.io/host.generated"))
	g.Expect(route.Spec.TLS.CACertificate).To(Equal(string(issuer.PEM())))
}

func TestTheConfigComesBackUntilDeleteConfig(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	cfg := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(cfg), cfg)).To(Succeed())
	uid := cfg.UID
	g.Expect(admin.Delete(t.Context(), cfg)).To(Succeed())
	g.Eventually(func() (types.UID, error) {
		fresh := &imageregistryv1.Config{}
		err := admin.Get(t.Context(), client.ObjectKeyFromObject(cfg), fresh)
		return fresh.UID, client.IgnoreNotFound(err)
	}).WithTimeout(soon).WithPolling(often).ShouldNot(BeElementOf(uid, types.UID("")))

	expose(t)
	g.Expect(openShift.ImageRegistry.DeleteConfig(t.Context())).To(Succeed())
	routeGone(t, g, "default-route")
	g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(cfg), cfg))).To(BeTrue())
	g.Expect(openShift.ImageRegistry.CreateConfig(t.Context())).To(Succeed())
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(cfg), cfg)).To(Succeed())
	g.Expect(cfg.Spec.DefaultRoute).To(BeFalse())
}
