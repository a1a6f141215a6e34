// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const throughTheService = "asked through the router's service router-internal-default.openshift-ingress.svc:443"

// dialled notes where connections to the registry lead.
type dialled struct {
	mu        sync.Mutex
	addresses map[string]int
}

func (d *dialled) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	if d.addresses == nil {
		d.addresses = map[string]int{}
	}
	d.addresses[address]++
	d.mu.Unlock()
	return openShift.DialContext(ctx, network, address)
}

func (d *dialled) count(address string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addresses[address]
}

func TestARouteThatIsHiddenFromPodsIsAskedThroughTheRoutersService(t *testing.T) {
	g := NewWithT(t)
	way := &dialled{}
	o := startOperator(t, func(o *operator, _ *rest.Config) { o.EdgeRegistryReconciler.DialContext = way.DialContext })
	keepPlatform(t)
	keepCertificate(t)
	a := openShift.Router.RotateCA()
	openShift.Router.Hide(true)
	edge := awaitReady(t, apply(t, newEdge()))
	expectCAs(t, edge, edgev1.ReasonTrusted, a)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).To(And(ContainSubstring(throughTheService), ContainSubstring("connection refused"),
		ContainSubstring(openShift.Host()+" does not answer from the operator's pod"), ContainSubstring("nodes need it")))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified), "the tokens are tried that way too")
	o.pass(t, edge)
	reported := reload(t, edge).Status
	o.pass(t, edge)
	g.Expect(reload(t, edge).Status).To(Equal(reported), "a lasting trouble is told once")

	b := openShift.Router.RotateCA()
	poke(t, edge)
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	openShift.Router.SetBoth(platform.NewCA("stranger").Leaf(appsHost("*")), b.PEM())
	poke(t, edge)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, true, "stranger", throughTheService)

	c := openShift.Router.RotateCA()
	openShift.Router.Hide(false)
	poke(t, edge)
	g.Eventually(func() string { return condition(t, edge, edgev1.RegistryTrusted).Message }).WithTimeout(soon).WithPolling(often).
		Should(And(ContainSubstring("is verified by"), Not(ContainSubstring("service"))))
	awaitReady(t, edge)
	g.Expect(edge.Status.CA.SHA256).To(Equal(trust.Fingerprint(c.Certificate())))
	inside := way.count("router-internal-default.openshift-ingress.svc:443")
	g.Expect(inside).To(BeNumerically(">", 0))
	o.pass(t, edge)
	g.Expect(way.count("router-internal-default.openshift-ingress.svc:443")).To(Equal(inside), "a host that answers is asked itself")
}

// A service of the cluster is no business of the proxy's.
func TestTheRoutersServiceIsAskedWithoutTheProxy(t *testing.T) {
	g := NewWithT(t)
	startOperator(t, func(o *operator, _ *rest.Config) {
		o.EdgeRegistryReconciler.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://user:hidden@proxy.invalid:3128") }
	})
	edge := awaitReady(t, apply(t, newEdge()))
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).To(And(ContainSubstring(throughTheService),
		ContainSubstring("through proxy proxy.invalid:3128"), Not(ContainSubstring("hidden"))))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
}

// Two peers of TLS on one way: the proxy is verified by the machine's roots and what the cluster trusts, the registry by the
// published CA alone (openshift/openshift-docs, pull request 16635).
func TestAProxyThatSpeaksTLSIsVerifiedByOtherRootsThanTheRegistry(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	company := platform.NewCA("Example Proxy Root")
	proxyTrusts(t, "user-ca-bundle", company.PEM())
	leaf := company.Leaf("proxy.edge.test")
	proxy := startProxy(t, platform.ProxyOptions{Certificate: &leaf})
	startOperator(t, throughProxy(proxy, "proxy.edge.test:3129", nil))
	edge := awaitReady(t, apply(t, newEdge()))
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).NotTo(ContainSubstring("service"))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
	g.Expect(proxy.Connects()).To(BeNumerically(">", 1))
}

func TestOnlyIfBothWaysFailIsTheRouteNotAsked(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	keepPlatform(t)
	openShift.Router.RefuseConnections(true)
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnreachable, false, openShift.Host())
	g.Expect(condition(t, edge, edgev1.RegistryTrusted)).To(And(
		HaveField("Reason", edgev1.ReasonTrustedOffline), HaveField("Message", Not(ContainSubstring("service")))))
	openShift.Router.RefuseConnections(false)
	heals(t, edge)
}

// What the default router serves says nothing of another one, even if it would fit.
func TestARouterThatIsNotTheDefaultOneIsNotJudgedByTheDefaultCertificate(t *testing.T) {
	g := NewWithT(t)
	startOperator(t, trustsPublicCA)
	keepPlatform(t)
	keepCertificate(t)
	root := openShift.Router.RotateCA()
	openShift.Router.Rename("sharded")
	awaitRouter(t, "sharded")
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, true, "the public CAs", "in a ConfigMap in namespace edge-registry-system and name it in spec.trust.caBundleRef")
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).NotTo(ContainSubstring("default-ingress-cert"))
	openShift.Router.Hide(true)
	createForTest(t, bundleOf("sharded-ca", "ca.crt", root.PEM()))
	edit(t, edge, withBundleRef("sharded-ca", "ca.crt"))
	heals(t, edge)
	expectPublishedRoot(t, edge, "CABundleRef", root)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).To(ContainSubstring("router-internal-sharded.openshift-ingress.svc:443"))

	openShift.Router.Rename()
	openShift.Router.Hide(false)
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Trust.CABundleRef = nil })
	asksUntil(t, edge, func(g Gomega) {
		g.Expect(reload(t, edge).Status.CA.Source).To(Equal("DefaultIngressCert"))
	})
}

// awaitRouter waits until a router is the first that takes the default Route, if there is one.
func awaitRouter(t *testing.T, name string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		route := &routev1.Route{}
		err := admin.Get(t.Context(), client.ObjectKey{Namespace: imageRegistryNamespace, Name: defaultRoute}, route)
		if apierrors.IsNotFound(err) {
			return
		}
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(route.Status.Ingress[0].RouterName).To(Equal(name))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func expectPublishedRoot(t *testing.T, edge *edgev1.EdgeRegistry, source string, root *platform.CA) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(reload(t, edge).Status.CA.Source).To(Equal(source))
		g.Expect(edge.Status.CA.Certificates).To(Equal(fingerprintsOf(root)))
		g.Expect(string(caOf(t, edge))).To(Equal(string(root.PEM())))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// Each place vouches for the same root. Taken away one after the other, they are used in their order.
func TestThePlacesAreAskedInTheirOrder(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	keepCertificate(t)
	root := platform.NewCA("root of all places")
	startOperator(t, func(o *operator, _ *rest.Config) {
		o.SystemRoots = x509.NewCertPool()
		o.SystemRoots.AddCert(root.Certificate())
	})
	openShift.Router.SetServing(chainOf(root))
	declareOwnRoute(t, "ordered", root.Leaf(appsHost("ordered")), root.PEM())
	createForTest(t, bundleOf("ordered-ca", "ca.crt", root.PEM()))
	proxyTrusts(t, "user-ca-bundle", root.PEM())
	own := awaitReady(t, apply(t, newEdge(withBundleRef("ordered-ca", "ca.crt"), func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "ordered" })))
	expectPublishedRoot(t, own, "CABundleRef", root)
	edit(t, own, func(e *edgev1.EdgeRegistry) { e.Spec.Trust.CABundleRef = nil })
	expectPublishedRoot(t, own, "Route", root)

	edge := awaitReady(t, apply(t, newEdge()))
	expectPublishedRoot(t, edge, "DefaultIngressCert", root)
	openShift.Router.SetPublished(nil)
	expectPublishedRoot(t, edge, "Proxy", root)
	g.Expect(admin.Delete(t.Context(), &configv1.Proxy{ObjectMeta: metav1.ObjectMeta{Name: clusterProxy}})).To(Succeed())
	poke(t, edge)
	expectPublishedRoot(t, edge, "System", root)
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.Routes = nil })
}

// A certificate that is not valid yet by the clock of the machine is by that of the operator.
func TestTheVerificationLivesInTheOperatorsTime(t *testing.T) {
	o := startOperator(t)
	keepCertificate(t)
	o.advance(3 * 365 * 24 * time.Hour)
	openShift.Router.RotateCAAt(o.clock.Now)
	edge := awaitReady(t, apply(t, newEdge()))
	NewWithT(t).Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
}
