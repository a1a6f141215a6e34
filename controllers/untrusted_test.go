// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about a host that nothing verifies, in trust.go and the steps after it.

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

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

// unverifiable are states of the router in which no CA verifies the route.
func unverifiable() []struct {
	name    string
	cause   func()
	reason  string
	message []string
} {
	wildcard := appsHost("*")
	issuing := platform.NewCA("Example Company Root").Intermediate("Example Company Issuing CA")
	longAgo := func() time.Time { return time.Now().AddDate(-3, 0, 0) }
	return []struct {
		name    string
		cause   func()
		reason  string
		message []string
	}{
		{
			"the certificate is for another name", func() {
				ca := openShift.Router.CA()
				openShift.Router.SetServing(platform.WithRoot(ca.Leaf("console.example.com"), ca))
			},
			edgev1.ReasonNameMismatch, []string{"is for console.example.com", "no CA can repair that", openShift.Host(), "appsDomain", "spec.defaultCertificate"},
		},
		{
			"the chain leads to no root that anybody vouches for", func() {
				published := openShift.Router.CA().PEM()
				openShift.Router.SetBoth(issuing.Leaf(wildcard), published)
			},
			edgev1.ReasonChainUntrusted,
			[]string{"Example Company Root", "openshift-config-managed/default-ingress-cert", "trust.caBundleRef"},
		},
		{
			"a stranger brings a root of its own", func() {
				published, stranger := openShift.Router.CA().PEM(), platform.NewCA("stranger")
				openShift.Router.SetBoth(platform.WithRoot(stranger.Leaf(wildcard), stranger), published)
			},
			edgev1.ReasonChainUntrusted,
			[]string{"openshift-config-managed/default-ingress-cert", "trust.caBundleRef"},
		},
		{
			"the router publishes its leaf alone", func() {
				chain := issuing.Leaf(wildcard)
				openShift.Router.SetServing(chain)
				chain.Certificate = chain.Certificate[:1]
				openShift.Router.SetPublished(platform.ChainPEM(chain))
			},
			edgev1.ReasonRootMissing,
			[]string{"openshift-config-managed/default-ingress-cert holds a part of the chain", "not its root", "trust.caBundleRef"},
		},
		{
			"the router publishes an intermediate alone", func() {
				openShift.Router.SetBoth(issuing.Leaf(wildcard), issuing.PEM())
			},
			edgev1.ReasonRootMissing, []string{"holds a part of the chain", "not its root", "Example Company Root"},
		},
		{
			"the router's certificate has expired", func() {
				ca := openShift.Router.CA()
				openShift.Router.SetServing(platform.WithRoot(ca.At(longAgo).Leaf(wildcard), ca))
			},
			edgev1.ReasonCertificateExpired, []string{"expired at", "renew it"},
		},
	}
}

func TestWhileNothingVerifiesTheLastGoodCAStays(t *testing.T) {
	o := startOperator(t, trustsPublicCA)
	edge := awaitReady(t, apply(t, newEdge(withOverlap(0))))
	for _, tt := range unverifiable() {
		t.Run(tt.name, func(t *testing.T) {
			keepCertificate(t)
			g := NewWithT(t)
			awaitReady(t, edge)
			o.pass(t, edge)
			before, wrote, minted := projectState(t, edge), len(o.writesFor(edge)), canary.count()
			tt.cause()
			poke(t, edge)
			expectHeldUp(t, edge, edgev1.RegistryTrusted, tt.reason, true, append(tt.message, "the Secrets keep the CA that they have")...)
			o.pass(t, edge)
			g.Expect(projectState(t, edge)).To(Equal(before))
			g.Expect(o.writesFor(edge)[wrote:]).To(BeEmpty())
			g.Expect(canary.count()).To(Equal(minted))
			root := openShift.Router.RotateCA()
			awaitReady(t, edge)
			expectPublishedCA(t, edge, "DefaultIngressCert", root, root.PEM())
		})
	}
}

func TestTokensAreRenewedWhileNothingVerifiesIfNoProofIsRequired(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	keepCertificate(t)
	edge := awaitReady(t, apply(t, newEdge(withPolicy(edgev1.VerificationBestEffort))))
	ca, token := caOf(t, edge), tokenOf(secretOf(t, edge, pass.PullSecretName(edge)))
	root := openShift.Router.CA().PEM()
	openShift.Router.SetBoth(platform.NewCA("stranger").Leaf(appsHost("*")), root)
	poke(t, edge)
	awaitReason(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted)
	minted := canary.count()
	askForNewTokens(t, edge, "while-untrusted")
	g.Expect(canary.count()).To(Equal(minted + 2))
	g.Expect(caOf(t, edge)).To(Equal(ca))
	renewed := tokenOf(secretOf(t, edge, pass.PullSecretName(edge)))
	g.Expect(renewed.Reveal() == token.Reveal()).To(BeFalse(), "the token is the old one")
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(edgev1.ReasonChainUntrusted))
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
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonRootMissing, true, "not its root")
	g.Expect(canary.count()).To(Equal(minted))
	g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.CredentialsIssued)).To(BeNil())
	err := admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: pass.PullSecretName(edge)}, &corev1.Secret{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
	openShift.Router.RotateCA()
	awaitReady(t, edge)
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
		poke(t, edge)
		expectHeldUp(t, edge, edgev1.RegistryTrusted, tt.reason, false, append(tt.message, openShift.Host())...)
		g.Expect(projectState(t, edge)).To(Equal(before), tt.name)
	}
	way.set(nil)
	awaitReady(t, edge)
	o.pass(t, edge)
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
		poke(t, edge)
		expectHeldUp(t, edge, edgev1.RegistryVerified, tt.verify, false, openShift.Host())
		trusted := condition(t, edge, edgev1.RegistryTrusted)
		g.Expect(trusted.Reason).To(Equal(edgev1.ReasonTrustedOffline), tt.name)
		g.Expect(trusted.Message).To(ContainSubstring("the route itself could not be asked"))
		g.Expect(caOf(t, edge)).To(Equal(openShift.Router.CA().PEM()))
	}
	way.set(nil)
	awaitReady(t, edge)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(edgev1.ReasonTrusted))
}
