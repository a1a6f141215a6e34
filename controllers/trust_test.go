// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// publicCA is the only CA that these tests count as known to all the world.
var publicCA = platform.NewCA("Example Public Root")

func trustsPublicCA(o *operator, _ *rest.Config) {
	o.SystemRoots = x509.NewCertPool()
	o.SystemRoots.AddCert(publicCA.Certificate())
}

// createForTest creates an object that the test takes away again.
func createForTest(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Expect(admin.Create(t.Context(), object)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
}

func bundleOf(name, key string, content []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name},
		Data:       map[string]string{key: string(content)},
	}
}

func withBundleRef(name, key string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: name, Key: key} }
}

func withOverlap(overlap time.Duration) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.Trust.Overlap = &metav1.Duration{Duration: overlap} }
}

// proxyTrusts gives the cluster's Proxy a trusted CA, and fills the operator's ConfigMap as
// OpenShift's network operator does.
func proxyTrusts(t *testing.T, name string, content []byte) {
	t.Helper()
	g := NewWithT(t)
	createForTest(t, &configv1.Proxy{
		ObjectMeta: metav1.ObjectMeta{Name: clusterProxy},
		Spec:       configv1.ProxySpec{TrustedCA: configv1.ConfigMapNameReference{Name: name}},
	})
	injected := &corev1.ConfigMap{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: openshift.TrustedCAConfigMap}, injected)).To(Succeed())
	g.Expect(injected.Labels).To(HaveKeyWithValue("config.openshift.io/inject-trusted-cabundle", "true"))
	filled := injected.DeepCopy()
	filled.Data = map[string]string{caBundleKey: string(content)}
	g.Expect(admin.Patch(t.Context(), filled, client.MergeFrom(injected))).To(Succeed())
	t.Cleanup(func() {
		emptied := filled.DeepCopy()
		emptied.Data = nil
		_ = admin.Patch(context.Background(), emptied, client.MergeFrom(filled))
	})
}

// withOtherRoots is a bundle of a company: many roots, and the one that counts among them.
func withOtherRoots(root []byte) []byte {
	store := slices.Clone(root)
	for i := range 8 {
		store = append(platform.NewCA(fmt.Sprintf("Other Root %d", i)).PEM(), store...)
	}
	return store
}

// declareOwnRoute makes the registry's operator make a Route with a certificate of its own.
func declareOwnRoute(t *testing.T, name string, chain tls.Certificate, ca []byte) {
	t.Helper()
	createForTest(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: imageRegistryNamespace, Name: name + "-tls"},
		Data: map[string][]byte{
			"tls.crt": platform.ChainPEM(chain), "tls.key": platform.KeyPEM(chain), "tls.cacrt": ca,
		},
	})
	changeConfig(t, func(c *imageregistryv1.Config) {
		c.Spec.Routes = []imageregistryv1.ImageRegistryConfigRoute{{Name: name, Hostname: appsHost(name), SecretName: name + "-tls"}}
	})
}

// expectPublishedCA checks the CA in the Secrets and in the status, and that it verifies the registry.
func expectPublishedCA(t *testing.T, edge *edgev1.EdgeRegistry, source string, root *platform.CA, content []byte) {
	t.Helper()
	g := NewWithT(t)
	sum := sha256.Sum256(root.Certificate().Raw)
	g.Expect(reload(t, edge).Status.CA).To(And(
		HaveField("Source", source),
		HaveField("Subject", root.Certificate().Subject.String()),
		HaveField("SHA256", hex.EncodeToString(sum[:])),
		HaveField("NotAfter.Time", BeTemporally("~", root.Certificate().NotAfter, time.Minute))))
	published := caOf(t, edge)
	g.Expect(string(published)).To(Equal(string(content)))
	g.Expect(handshake(t.Context(), edge.Status.Host, published)).To(Succeed())
	g.Expect(handshake(t.Context(), edge.Status.Host, platform.NewCA("stranger").PEM())).NotTo(Succeed())
	g.Expect(condition(t, edge, edgev1.RegistryTrusted)).To(And(
		HaveField("Reason", edgev1.ReasonTrusted), HaveField("Message", ContainSubstring(root.Certificate().Subject.String()))))
}

// vouching is a place where an admin of the cluster puts a CA.
type vouching struct {
	name string
	// prepare sets the place and the router up, and returns the root and what has to be published.
	prepare func(*testing.T) (root *platform.CA, published []byte)
	mod     func(*edgev1.EdgeRegistry)
	source  string
}

func vouchingPlaces() []vouching {
	wildcard := appsHost("*")
	company := platform.NewCA("Example Company Root")
	issuing := company.Intermediate("Example Company Issuing CA")
	return []vouching{
		{
			name: "the default router's own CA", source: "DefaultIngressCert",
			prepare: func(*testing.T) (*platform.CA, []byte) {
				ca := openShift.Router.RotateCA()
				return ca, ca.PEM()
			},
		},
		{
			name: "a ConfigMap of the admin's", source: "CABundleRef", mod: withBundleRef("company-ca", "root.pem"),
			prepare: func(t *testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				createForTest(t, bundleOf("company-ca", "root.pem", withOtherRoots(company.PEM())))
				return company, company.PEM()
			},
		},
		{
			name: "the Route's own certificate", source: "Route",
			mod: func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "own" },
			prepare: func(t *testing.T) (*platform.CA, []byte) {
				declareOwnRoute(t, "own", issuing.Leaf(appsHost("own")), company.PEM())
				return company, company.PEM()
			},
		},
		{
			name: "an intermediate that the router leaves out", source: "DefaultIngressCert",
			prepare: func(*testing.T) (*platform.CA, []byte) {
				chain := issuing.Leaf(wildcard)
				published := slices.Concat(platform.ChainPEM(chain), company.PEM())
				chain.Certificate = chain.Certificate[:1]
				openShift.Router.SetBoth(chain, published)
				return company, slices.Concat(company.PEM(), issuing.PEM())
			},
		},
		{
			name: "the trusted CA of the cluster's proxy", source: "Proxy",
			prepare: func(t *testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				proxyTrusts(t, "user-ca-bundle", withOtherRoots(company.PEM()))
				return company, company.PEM()
			},
		},
		{
			name: "a public CA", source: "System",
			prepare: func(*testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(publicCA.Intermediate("Example Public Issuing CA").Leaf(wildcard))
				return publicCA, publicCA.PEM()
			},
		},
	}
}

func TestTheRootIsFoundWhereverAnAdminVouchesForIt(t *testing.T) {
	startOperator(t, trustsPublicCA)
	for _, tt := range vouchingPlaces() {
		t.Run(tt.name, func(t *testing.T) {
			keepPlatform(t)
			keepCertificate(t)
			root, published := tt.prepare(t)
			edge := newEdge()
			if tt.mod != nil {
				tt.mod(edge)
			}
			awaitReady(t, apply(t, edge))
			expectPublishedCA(t, edge, tt.source, root, published)
		})
	}
}

func TestACABundleThatIsMissingIsAskedForAndTakenAtOnceWhenItComes(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	company := platform.NewCA("Example Company Root")
	openShift.Router.SetServing(company.Leaf(appsHost("*")))
	minted := canary.count()
	edge := apply(t, newEdge(withBundleRef("late-ca", "ca.crt")))
	where := "ConfigMap edge-registry-system/late-ca, key ca.crt is absent or empty"
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing, true, where, "put the root CA there in PEM")
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.CredentialsIssued)).To(BeNil())
	g.Expect(canary.count()).To(Equal(minted))

	configMap := bundleOf("late-ca", "wrong-key", company.PEM())
	createForTest(t, configMap)
	o.pass(t, edge)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing, true, where)
	configMap.Data["ca.crt"] = "not a certificate"
	g.Expect(admin.Update(t.Context(), configMap)).To(Succeed())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing, true, "holds no certificate", "put the root CA there in PEM")

	// No pass is due for minutes: the watch on the operator's ConfigMaps brings it.
	configMap.Data["ca.crt"] = string(company.PEM())
	g.Expect(admin.Update(t.Context(), configMap)).To(Succeed())
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "CABundleRef", company, company.PEM())

	before := projectState(t, edge)
	g.Expect(admin.Delete(t.Context(), configMap)).To(Succeed())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing, true, where, "the Secrets keep the CA that they have")
	g.Expect(projectState(t, edge)).To(Equal(before))
	createForTest(t, bundleOf("late-ca", "ca.crt", company.PEM()))
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
}

// The injected ConfigMap holds the public CAs too, so it vouches for a company's only if the
// cluster's Proxy names one.
func TestTheProxysCACountsOnlyIfTheProxyNamesOne(t *testing.T) {
	startOperator(t, trustsPublicCA)
	keepCertificate(t)
	company := platform.NewCA("Example Company Root")
	proxyTrusts(t, "", company.PEM())
	openShift.Router.SetServing(company.Leaf(appsHost("*")))
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonRootMissing, true, "not its root")
	proxy := &configv1.Proxy{}
	g := NewWithT(t)
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: clusterProxy}, proxy)).To(Succeed())
	proxy.Spec.TrustedCA.Name = "user-ca-bundle"
	g.Expect(admin.Update(t.Context(), proxy)).To(Succeed())
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "Proxy", company, company.PEM())
}

func TestANewCAIsPublishedWithTheSameTokens(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	edge := awaitReady(t, apply(t, newEdge(withOverlap(0))))
	old := secretOf(t, edge, pass.PublishSecretName(edge))
	minted := canary.count()
	root := openShift.Router.RotateCA()
	sum := sha256.Sum256(root.Certificate().Raw)
	g.Eventually(func() string { return reload(t, edge).Status.CA.SHA256 }).
		WithTimeout(soon).WithPolling(often).Should(Equal(hex.EncodeToString(sum[:])))
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "DefaultIngressCert", root, root.PEM())
	renewed := secretOf(t, edge, pass.PublishSecretName(edge))
	for key, value := range old.Data {
		if key != handoff.KeyCA && key != handoff.KeyNodeBootstrap {
			g.Expect(bytes.Equal(renewed.Data[key], value)).To(BeTrue(), "%s changed", key)
		}
	}
	g.Expect(canary.count()).To(Equal(minted))
	g.Eventually(func() []string { return eventNotes(t, edge, edgev1.ReasonCAChanged) }).
		WithTimeout(soon).WithPolling(often).Should(ConsistOf(ContainSubstring(root.Certificate().Subject.String())))

	before := projectState(t, edge)
	openShift.Router.RenewLeaf()
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
}

// eventNotes are the texts of an EdgeRegistry's events of a reason.
func eventNotes(t *testing.T, edge *edgev1.EdgeRegistry, reason string) []string {
	t.Helper()
	list := &eventsv1.EventList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(metav1.NamespaceDefault))).To(Succeed())
	var notes []string
	for _, event := range list.Items {
		if event.Regarding.UID == edge.UID && event.Reason == reason {
			notes = append(notes, event.Note)
		}
	}
	return notes
}
