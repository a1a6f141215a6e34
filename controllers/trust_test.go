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
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
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
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: trustedCAConfigMap}, injected)).To(Succeed())
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
	return slices.Concat(platform.NewCA("Other Root 1").PEM(), root, platform.NewCA("Other Root 2").PEM())
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

// expectPublishedCA checks what consumers and the status are told, and that it serves its purpose.
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
	g.Expect(condition(t, edge, edgev1.RouteTrusted)).To(And(
		HaveField("Reason", edgev1.ReasonTrusted), HaveField("Message", ContainSubstring(root.Certificate().Subject.String()))))
}

func TestTheRootIsFoundWhereverAnAdminVouchesForIt(t *testing.T) {
	startOperator(t, trustsPublicCA)
	wildcard := appsHost("*")
	company := platform.NewCA("Example Company Root")
	issuing := company.Intermediate("Example Company Issuing CA")
	for _, tt := range []struct {
		name    string
		prepare func(*testing.T) (root *platform.CA, published []byte)
		mod     func(*edgev1.EdgeRegistry)
		source  string
	}{
		{
			"the default router's own CA",
			func(*testing.T) (*platform.CA, []byte) {
				ca := openShift.Router.RotateCA()
				return ca, ca.PEM()
			}, nil, "DefaultIngressCert",
		},
		{
			"a ConfigMap of the admin's",
			func(t *testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				createForTest(t, bundleOf("company-ca", "root.pem", withOtherRoots(company.PEM())))
				return company, company.PEM()
			}, withBundleRef("company-ca", "root.pem"), "CABundleRef",
		},
		{
			"the Route's own certificate",
			func(t *testing.T) (*platform.CA, []byte) {
				declareOwnRoute(t, "own", issuing.Leaf(appsHost("own")), company.PEM())
				return company, company.PEM()
			}, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "own" }, "Route",
		},
		{
			"an intermediate that the router leaves out",
			func(*testing.T) (*platform.CA, []byte) {
				chain := issuing.Leaf(wildcard)
				published := slices.Concat(platform.ChainPEM(chain), company.PEM())
				chain.Certificate = chain.Certificate[:1]
				openShift.Router.SetServing(chain)
				openShift.Router.SetPublished(published)
				return company, slices.Concat(company.PEM(), issuing.PEM())
			}, nil, "DefaultIngressCert",
		},
		{
			"the trusted CA of the cluster's proxy",
			func(t *testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				proxyTrusts(t, "user-ca-bundle", withOtherRoots(company.PEM()))
				return company, company.PEM()
			}, nil, "Proxy",
		},
		{
			"a public CA",
			func(*testing.T) (*platform.CA, []byte) {
				openShift.Router.SetServing(publicCA.Intermediate("Example Public Issuing CA").Leaf(wildcard))
				return publicCA, publicCA.PEM()
			}, nil, "System",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepPlatform(t)
			keepCertificate(t)
			root, published := tt.prepare(t)
			var mods []func(*edgev1.EdgeRegistry)
			if tt.mod != nil {
				mods = append(mods, tt.mod)
			}
			edge := awaitReady(t, apply(t, newEdge(mods...)))
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
	expectHeldUp(t, edge, edgev1.RouteTrusted, edgev1.ReasonCABundleMissing, true, where, "put the root CA there in PEM")
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.TokensIssued)).To(BeNil())
	g.Expect(canary.count()).To(Equal(minted))

	configMap := bundleOf("late-ca", "wrong-key", company.PEM())
	createForTest(t, configMap)
	o.awaitAPass(t, edge)
	expectHeldUp(t, edge, edgev1.RouteTrusted, edgev1.ReasonCABundleMissing, true, where)

	// No pass is due for minutes: the watch on the operator's ConfigMaps brings it.
	configMap.Data["ca.crt"] = string(company.PEM())
	g.Expect(admin.Update(t.Context(), configMap)).To(Succeed())
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "CABundleRef", company, company.PEM())

	before := projectState(t, edge)
	g.Expect(admin.Delete(t.Context(), configMap)).To(Succeed())
	expectHeldUp(t, edge, edgev1.RouteTrusted, edgev1.ReasonCABundleMissing, true, where, "the Secrets keep the CA that they have")
	g.Expect(projectState(t, edge)).To(Equal(before))
	createForTest(t, bundleOf("late-ca", "ca.crt", company.PEM()))
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
}

// askForNewTokens asks for new tokens and waits for them, whatever the conditions say.
func askForNewTokens(t *testing.T, edge *edgev1.EdgeRegistry, value string) {
	t.Helper()
	g := NewWithT(t)
	before := reload(t, edge).DeepCopy()
	metav1.SetMetaDataAnnotation(&edge.ObjectMeta, edgev1.RotateAnnotation, value)
	g.Expect(admin.Patch(t.Context(), edge, client.MergeFrom(before))).To(Succeed())
	g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).
		WithTimeout(soon).WithPolling(often).Should(Equal(value))
}

func TestWhileNothingVerifiesTheLastGoodCAStays(t *testing.T) {
	o := startOperator(t, trustsPublicCA)
	edge := awaitReady(t, apply(t, newEdge()))
	wildcard := appsHost("*")
	company := platform.NewCA("Example Company Root")
	issuing := company.Intermediate("Example Company Issuing CA")
	longAgo := func() time.Time { return time.Now().AddDate(-3, 0, 0) }
	for _, tt := range []struct {
		name    string
		cause   func()
		reason  string
		message []string
	}{
		{
			"the certificate is for another name",
			func() {
				ca := openShift.Router.CA()
				openShift.Router.SetServing(platform.WithRoot(ca.Leaf("console.example.com"), ca))
			},
			edgev1.ReasonNameMismatch,
			[]string{"is for console.example.com", "no CA can repair that", openShift.Host()},
		},
		{
			"the chain leads to no root that anybody vouches for",
			func() {
				published := openShift.Router.CA().PEM()
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				openShift.Router.SetPublished(published)
			},
			edgev1.ReasonChainUntrusted,
			[]string{"Example Company Root", "openshift-config-managed/default-ingress-cert", "trust.caBundleRef"},
		},
		{
			"the router publishes its leaf alone",
			func() {
				chain := issuing.Leaf(wildcard)
				openShift.Router.SetServing(chain)
				chain.Certificate = chain.Certificate[:1]
				openShift.Router.SetPublished(platform.ChainPEM(chain))
			},
			edgev1.ReasonRootMissing,
			[]string{"openshift-config-managed/default-ingress-cert holds a part of the chain", "not its root", "trust.caBundleRef"},
		},
		{
			"the router publishes an intermediate alone",
			func() {
				openShift.Router.SetServing(issuing.Leaf(wildcard))
				openShift.Router.SetPublished(issuing.PEM())
			},
			edgev1.ReasonRootMissing,
			[]string{"holds a part of the chain", "not its root", "Example Company Root"},
		},
		{
			"the router's certificate has expired",
			func() {
				ca := openShift.Router.CA()
				openShift.Router.SetServing(platform.WithRoot(ca.At(longAgo).Leaf(wildcard), ca))
			},
			edgev1.ReasonCertificateExpired,
			[]string{"expired at", "renew it"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepCertificate(t)
			g := NewWithT(t)
			awaitReady(t, edge)
			o.awaitAPass(t, edge)
			before, wrote, minted := projectState(t, edge), len(o.worldlyWrites()), canary.count()
			tt.cause()
			askForAPass(t, edge)
			expectHeldUp(t, edge, edgev1.RouteTrusted, tt.reason, true, append(tt.message, "the Secrets keep the CA that they have")...)
			o.awaitAPass(t, edge)
			g.Expect(projectState(t, edge)).To(Equal(before))
			g.Expect(o.worldlyWrites()[wrote:]).To(BeEmpty())
			g.Expect(canary.count()).To(Equal(minted))
			root := openShift.Router.RotateCA()
			awaitReady(t, edge)
			expectPublishedCA(t, edge, "DefaultIngressCert", root, root.PEM())
		})
	}
}

func TestTokensAreRenewedWhileNothingVerifies(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	keepCertificate(t)
	edge := awaitReady(t, apply(t, newEdge()))
	ca, token := caOf(t, edge), tokenOf(secretOf(t, edge, pullSecretName(edge)))
	root := openShift.Router.CA().PEM()
	openShift.Router.SetServing(platform.NewCA("stranger").Leaf(appsHost("*")))
	openShift.Router.SetPublished(root)
	askForAPass(t, edge)
	awaitReason(t, edge, edgev1.RouteTrusted, edgev1.ReasonChainUntrusted)
	minted := canary.count()
	askForNewTokens(t, edge, "while-untrusted")
	g.Expect(canary.count()).To(Equal(minted + 2))
	g.Expect(caOf(t, edge)).To(Equal(ca))
	renewed := tokenOf(secretOf(t, edge, pullSecretName(edge)))
	g.Expect(renewed.Reveal() == token.Reveal()).To(BeFalse(), "the token is the old one")
	g.Expect(condition(t, edge, edgev1.RouteTrusted).Reason).To(Equal(edgev1.ReasonChainUntrusted))
	g.Expect(condition(t, edge, edgev1.SecretsPublished).Status).To(Equal(metav1.ConditionTrue))
	openShift.Router.RotateCA()
	awaitReady(t, edge)
}

func TestWithNoCAToBeginWithNoTokenIsMinted(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	keepCertificate(t)
	openShift.Router.SetServing(platform.NewCA("stranger").Leaf(appsHost("*")))
	minted := canary.count()
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RouteTrusted, edgev1.ReasonRootMissing, true, "not its root")
	g.Expect(canary.count()).To(Equal(minted))
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.TokensIssued)).To(BeNil())
	err := admin.Get(t.Context(), client.ObjectKey{Namespace: projectName(edge), Name: pullSecretName(edge)}, &corev1.Secret{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
	openShift.Router.RotateCA()
	awaitReady(t, edge)
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
	expectHeldUp(t, edge, edgev1.RouteTrusted, edgev1.ReasonRootMissing, true, "not its root")
	proxy := &configv1.Proxy{}
	g := NewWithT(t)
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: clusterProxy}, proxy)).To(Succeed())
	proxy.Spec.TrustedCA.Name = "user-ca-bundle"
	g.Expect(admin.Update(t.Context(), proxy)).To(Succeed())
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "Proxy", company, company.PEM())
}

// dials are ways in which a connection to the route can fail.
var dials = []struct {
	name    string
	dial    dialFunc
	reason  string
	verify  string
	message []string
}{
	{
		"the host is unknown to DNS",
		func(_ context.Context, network, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		},
		edgev1.ReasonRouteUnresolvable, edgev1.ReasonRegistryUnresolvable,
		[]string{"cannot resolve", "wildcard DNS record"},
	},
	{
		"the host refuses connections",
		func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		},
		edgev1.ReasonRouteUnreachable, edgev1.ReasonRegistryUnreachable,
		[]string{"cannot connect to", "connection refused", "check the router"},
	},
	{
		"the host swallows connections",
		func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
		edgev1.ReasonRouteUnreachable, edgev1.ReasonRegistryUnreachable,
		[]string{"cannot connect to", "deadline exceeded", "check the router"},
	},
	{
		"the host does not speak TLS",
		func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				_, _ = theirs.Read(make([]byte, 2048))
				_, _ = theirs.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			}()
			return ours, nil
		},
		edgev1.ReasonHandshakeFailed, edgev1.ReasonRegistryUnexpected,
		[]string{"no TLS with", "check what answers on its port 443"},
	},
}

// impatient has connections given up soon.
func impatient(o *operator, _ *rest.Config) { o.ProbeTimeout = 2 * time.Second }

func TestARouteThatCannotBeReachedIsToldApart(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	o := startOperator(t, impatient, func(o *operator, _ *rest.Config) { o.EdgeRegistryReconciler.DialContext = way.DialContext })
	keepCertificate(t)
	edge := awaitReady(t, apply(t, newEdge()))
	before := projectState(t, edge)
	// What the router publishes says nothing of the host, so that nothing can be checked without it.
	root := openShift.Router.CA().PEM()
	openShift.Router.SetPublished(root)
	for _, tt := range dials {
		way.set(tt.dial)
		askForAPass(t, edge)
		expectHeldUp(t, edge, edgev1.RouteTrusted, tt.reason, false, append(tt.message, openShift.Host())...)
		g.Expect(projectState(t, edge)).To(Equal(before), tt.name)
	}
	way.set(nil)
	awaitReady(t, edge)
	o.awaitAPass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
}

func TestWhatTheRouterPublishesIsCheckedWhenTheRouteCannotBeAsked(t *testing.T) {
	g := NewWithT(t)
	way := &detour{}
	startOperator(t, impatient, func(o *operator, _ *rest.Config) { o.EdgeRegistryReconciler.DialContext = way.DialContext })
	way.set(dials[1].dial)
	edge := apply(t, newEdge())
	for _, tt := range dials {
		way.set(tt.dial)
		askForAPass(t, edge)
		expectHeldUp(t, edge, edgev1.RegistryVerified, tt.verify, false, openShift.Host())
		trusted := condition(t, edge, edgev1.RouteTrusted)
		g.Expect(trusted.Reason).To(Equal(edgev1.ReasonTrustedOffline), tt.name)
		g.Expect(trusted.Message).To(ContainSubstring("the route itself could not be asked"))
		g.Expect(caOf(t, edge)).To(Equal(openShift.Router.CA().PEM()))
	}
	way.set(nil)
	awaitReady(t, edge)
	g.Expect(condition(t, edge, edgev1.RouteTrusted).Reason).To(Equal(edgev1.ReasonTrusted))
}

func TestANewCAIsPublishedWithTheSameTokens(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	edge := awaitReady(t, apply(t, newEdge()))
	old := secretOf(t, edge, publishSecretName(edge))
	minted := canary.count()
	root := openShift.Router.RotateCA()
	g.Eventually(func() []byte { return secretOf(t, edge, publishSecretName(edge)).Data[handoff.KeyCA] }).
		WithTimeout(soon).WithPolling(often).Should(Equal(root.PEM()))
	awaitReady(t, edge)
	expectPublishedCA(t, edge, "DefaultIngressCert", root, root.PEM())
	renewed := secretOf(t, edge, publishSecretName(edge))
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
	o.awaitAPass(t, edge)
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
