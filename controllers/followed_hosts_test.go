// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about messages of hosts that cannot be used: what is in the way goes, and the condition turns at the pass that the
// operator had asked for, by its clock.

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/platform"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// away is what makes a host unusable, how it ends, and what is said of it meanwhile. The operator waits for that.
type away struct {
	cause, end        func()
	condition, reason string
	says              []string
}

// turnsWhenItEnds sees a message, and then the condition turn by itself.
func (o *operator) turnsWhenItEnds(t *testing.T, edge *edgev1.EdgeRegistry, a away) {
	t.Helper()
	a.cause()
	o.comesTo(t, edge, a.condition, a.reason)
	expectHeldUp(t, edge, a.condition, a.reason, false, a.says...)
	o.turnsByItself(t, edge, a.condition, a.end)
}

func TestWhoClearsTheWayToTheRegistrySeesTheConditionTurn(t *testing.T) {
	keepPlatform(t)
	keepCertificate(t)
	way := &detour{}
	o := directOperator(t)
	o.DialContext = way.DialContext
	edge := o.settles(t, apply(t, newEdge()))
	// What the router publishes then says nothing of the host, so that nothing can be checked without it.
	unchecked := func(dial dialFunc) func() {
		return func() {
			openShift.Router.SetPublished(openShift.Router.CA().PEM())
			way.set(dial)
		}
	}
	checked := func(dial dialFunc) func() {
		return func() {
			openShift.Router.RotateCA()
			o.settles(t, edge)
			way.set(dial)
		}
	}
	cases := map[string]away{
		"something else answers": {
			cause: func() { openShift.Registry.Fail(http.StatusTeapot) }, end: func() { openShift.Registry.Fail(0) },
			condition: edgev1.RegistryVerified, reason: edgev1.ReasonRegistryUnexpected, says: []string{"418", "check that the route leads to the image registry"},
		},
		"the certificate changes meanwhile": {
			cause: func() { way.set(changingRegistry(t)) }, end: func() { way.set(nil) },
			condition: edgev1.RegistryVerified, reason: edgev1.ReasonRegistryUntrusted, says: []string{"do not match; wait for the next check of the route"},
		},
	}
	for _, d := range dials {
		if d.name == "the host swallows connections" {
			continue // The reason is that of one that refuses them, ten seconds later.
		}
		straight := func() { way.set(nil) }
		cases[d.name] = away{unchecked(d.dial), straight, edgev1.RegistryTrusted, d.reason, d.message}
		cases[d.name+", and its CA is published"] = away{checked(d.dial), straight, edgev1.RegistryVerified, d.verify, d.message}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o.advance(time.Hour)
			o.turnsWhenItEnds(t, edge, c)
		})
	}
}

func TestWhoClearsTheWayToAnotherRegistrySeesTheConditionTurn(t *testing.T) {
	way, straight := &detour{}, new(net.Dialer).DialContext
	way.set(straight)
	o := directOperator(t)
	o.DialContext = way.DialContext
	r := startOtherRegistry(t)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	o.settles(t, apply(t, edge))
	_, port, _ := net.SplitHostPort(r.host)
	for at, says := range map[int]string{
		0: "check its DNS record", 1: "check the way to it, network policies and the proxy", 3: "check what answers on its port " + port,
	} {
		t.Run(dials[at].name, func(t *testing.T) {
			reason := dials[at].verify
			if at == 3 {
				reason = dials[at].reason
			}
			o.turnsWhenItEnds(t, edge, away{func() { way.set(dials[at].dial) }, func() { way.set(straight) }, edgev1.RegistryTrusted, reason, []string{r.host, says}})
		})
	}
}

func TestWhoHasTheRouteMadeSeesTheConditionTurn(t *testing.T) {
	keepPlatform(t)
	o := directOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Route = "images" }))
	// declares has the Route declared so often, and waits for what the registry's operator makes of it.
	declares := func(times int, made func(g Gomega)) func() {
		return func() {
			changeConfig(t, func(c *imageregistryv1.Config) {
				c.Spec.Routes = slices.Repeat([]imageregistryv1.ImageRegistryConfigRoute{{Name: "images"}}, times)
			})
			NewWithT(t).Eventually(made).WithTimeout(soon).WithPolling(often).Should(Succeed())
		}
	}
	o.turnsWhenItEnds(t, edge, away{
		cause: declares(2, func(g Gomega) {
			g.Expect(registryConfig(t).Status.Conditions).To(ContainElement(HaveField("Reason", "VerificationFailed")))
		}),
		condition: edgev1.RegistryExposed, reason: edgev1.ReasonRouteNotFound,
		says: []string{`Route "images" is not there yet; registry Config "cluster" is Degraded: VerificationFailed: `, "duplication of names"},
		end: declares(1, func(g Gomega) {
			route := &routev1.Route{}
			g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: imageRegistryNamespace, Name: "images"}, route)).To(Succeed())
			g.Expect(route.Status.Ingress).NotTo(BeEmpty())
		}),
	})
}

// An API that is not served is answered so, whatever it is asked.
func TestWhoEnablesAnAPISeesTheConditionTurn(t *testing.T) {
	keepPlatform(t)
	for group, c := range map[string]struct {
		reason, says string
		stalled      bool
	}{
		"imageregistry.operator.openshift.io": {edgev1.ReasonAPIAbsent, "does not serve imageregistry.operator.openshift.io/v1: on OpenShift enable the capability ImageRegistry", true},
		"route.openshift.io":                  {edgev1.ReasonRouteNotFound, "does not serve Routes (route.openshift.io/v1): check that its openshift-apiserver runs", false},
	} {
		t.Run(group, func(t *testing.T) {
			o := directOperator(t)
			o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/apis/"+group+"/") {
					return plainAnswer(r, http.StatusNotFound, "404 page not found"), nil
				}
				return next.RoundTrip(r)
			})
			edge := apply(t, newEdge())
			o.comesTo(t, edge, edgev1.RegistryExposed, c.reason)
			expectHeldUp(t, edge, edgev1.RegistryExposed, c.reason, c.stalled, c.says)
			o.turnsByItself(t, edge, edgev1.RegistryExposed, func() { o.wire.setIntercept(nil) })
		})
	}
}

func TestWhoMendsTheExchangeSeesTheConditionTurn(t *testing.T) {
	o := directOperator(t)
	edge := newEdge()
	x, _ := exchangeFor(t, edge)
	o.settles(t, apply(t, edge))
	x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: imageOf(edge, "camera")})
	ca := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: edge.Spec.Exchanges[0].CABundleRef.Name}}
	trusts := func(pem []byte) func() {
		return func() {
			edit(t, ca, func(c *corev1.ConfigMap) { c.Data = map[string]string{caBundleKey: string(pem)} })
		}
	}
	always := func(f *standin.Fault) func() {
		return func() {
			f.Always = true
			x.Inject(f)
		}
	}
	anything := standin.To("", "")
	for name, c := range map[string]away{
		"another CA": {trusts(platform.NewCA("stranger").PEM()), trusts(x.CA), "", edgev1.ReasonExchangeUntrusted,
			[]string{"its certificate is not trusted", "put its root CA into the ConfigMap that spec.exchanges[].caBundleRef names, in the namespace of the operator"}},
		"a page": {always(standin.HTML(anything, http.StatusOK)), x.Heal, "", edgev1.ReasonExchangeUnexpected,
			[]string{"check that HZN_EXCHANGE_URL is the address of an Exchange, and what answers there"}},
		"a gateway before it": {always(standin.HTML(anything, http.StatusBadGateway)), x.Heal, "", edgev1.ReasonExchangeUnavailable,
			[]string{"answered 502 Bad Gateway", "check the Exchange itself; it is tried again"}},
		"no connection lasts": {always(&standin.Fault{}), x.Heal, "", edgev1.ReasonExchangeUnreachable,
			[]string{"it cannot be reached", "check the way to it, network policies and the proxy"}},
		"one service": {always(&standin.Fault{Match: standin.ToEnd("", "/dockauths"), Status: http.StatusInternalServerError}), x.Heal, "", edgev1.ReasonServicesPending,
			[]string{"lacks the current login in 1 of 1 services: plant/camera_1.0.0_amd64", "answered 500", "it is tried again"}},
	} {
		t.Run(name, func(t *testing.T) {
			o.advance(2 * time.Hour)
			c.condition = edgev1.ExchangeUpdated
			o.turnsWhenItEnds(t, edge, c)
		})
	}
}
