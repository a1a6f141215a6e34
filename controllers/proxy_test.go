// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about proxies between the operator and the route, in dial.go and the steps that go by it.

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// startProxy starts a proxy for the length of a test.
func startProxy(t *testing.T, o platform.ProxyOptions) *platform.Proxy {
	t.Helper()
	proxy, err := openShift.NewProxy(o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(proxy.Close)
	return proxy
}

// throughProxy has the operator go through a proxy of a name. What is inside the cluster it reaches by itself, where there is an
// answer, and the rest through the proxy alone.
func throughProxy(proxy *platform.Proxy, name string, inside *atomic.Bool) func(*operator, *rest.Config) {
	where := &url.URL{Scheme: proxy.URL().Scheme, User: url.UserPassword("user", "hidden"), Host: name}
	return func(o *operator, _ *rest.Config) {
		o.EdgeRegistryReconciler.Proxy = func(*http.Request) (*url.URL, error) { return where, nil }
		o.EdgeRegistryReconciler.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			switch {
			case address == name:
				return new(net.Dialer).DialContext(ctx, network, proxy.Address())
			case address == routersService && inside != nil && inside.Load():
				return openShift.DialContext(ctx, network, address)
			}
			return nil, fmt.Errorf("%s is reached through the proxy alone", address)
		}
	}
}

const (
	routersService = "router-internal-default.openshift-ingress.svc:443"
	aProxy         = "proxy.edge.test:3128"
)

// The CA of a proxy that inspects TLS is among what the cluster trusts, so that what the proxy shows verifies. No node that goes
// another way can use it (openshift/cloud-ingress-operator, pull request 220).
func TestTheCAOfAnInspectingProxyIsNotTheNodes(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	keepCertificate(t)
	company := platform.NewCA("Example Inspecting Proxy")
	proxyTrusts(t, "user-ca-bundle", withOtherRoots(company.PEM()))
	openShift.Router.SetServing(publicCA.Leaf(appsHost("*")))
	inside := &atomic.Bool{}
	o := startOperator(t, trustsPublicCA, throughProxy(startProxy(t, platform.ProxyOptions{Inspects: company}), aProxy, inside))

	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonProxyBetween, true, "a proxy stands between", "asked through "+aProxy,
		"Example Inspecting Proxy", "put "+openShift.Host()+" on spec.noProxy of the cluster's Proxy", "in namespace edge-registry-system")
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).NotTo(ContainSubstring("hidden"))
	g.Expect(o.mints(edge)).To(BeZero(), "nothing is published with the CA of the proxy")

	inside.Store(true)
	poke(t, edge)
	awaitReady(t, edge)
	expectPublishedRoot(t, edge, "System", publicCA)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).To(And(ContainSubstring(throughTheService),
		ContainSubstring("proxy "+aProxy+" shows for "+openShift.Host()+" a certificate of its own"), ContainSubstring("Example Inspecting Proxy")))
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified), "the proxy is sent no token")

	inside.Store(false)
	poke(t, edge)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonProxyBetween, true, "the Secrets keep the CA that they have")
	expectPublishedRoot(t, edge, "System", publicCA)
}

// The same root from both sides is no proxy's, and a company may issue the certificates of its router from the CA that the cluster trusts.
func TestACompanysRootBehindAProxyIsConfirmedByTheRoutersService(t *testing.T) {
	g := NewWithT(t)
	keepPlatform(t)
	keepCertificate(t)
	company := platform.NewCA("Example Company Root")
	proxyTrusts(t, "user-ca-bundle", company.PEM())
	openShift.Router.SetBoth(company.Leaf(appsHost("*")), nil)
	inside := &atomic.Bool{}
	inside.Store(true)
	o := startOperator(t, throughProxy(startProxy(t, platform.ProxyOptions{}), aProxy, inside))
	edge := awaitReady(t, apply(t, newEdge()))
	expectPublishedRoot(t, edge, "Proxy", company)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).NotTo(Or(ContainSubstring("service"), ContainSubstring("proxy "+aProxy)))

	inside.Store(false)
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(edgev1.ReasonTrusted), "it was confirmed once")
}

// A proxy with an unknown CA is reported as a proxy: the advice to publish that CA would break nodes.
func TestAnUnknownInspectingProxyIsSuspected(t *testing.T) {
	startOperator(t, throughProxy(startProxy(t, platform.ProxyOptions{Inspects: platform.NewCA("Example Inspecting Proxy")}), aProxy, nil))
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, true, "Example Inspecting Proxy",
		"asked through proxy "+aProxy+": if that certificate is the proxy's own, leave the host out of the proxy instead")
}

// A proxy or a firewall that forbids the way is not taken for the route.
func TestAProxyThatForbidsTheWayIsNamed(t *testing.T) {
	keepPlatform(t)
	startOperator(t, throughProxy(startProxy(t, platform.ProxyOptions{Refuses: http.StatusForbidden}), aProxy, nil))
	openShift.Router.SetPublished(openShift.Router.CA().PEM())
	keepCertificate(t)
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonRouteUnreachable, false,
		"through proxy "+aProxy+" (the proxy answered 403 Forbidden): check the cluster proxy and its noProxy")
}
