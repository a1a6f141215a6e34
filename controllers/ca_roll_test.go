// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about a change of the CA, from ca.go and trust.go to the Secrets and what reads them.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// fleet are nodes that took ca.crt, each at a time of its own, and trust nothing else.
type fleet struct {
	edge  *edgev1.EdgeRegistry
	taken [][]byte
}

// take has one more node read ca.crt.
func (f *fleet) take(t *testing.T) {
	t.Helper()
	f.taken = append(f.taken, caOf(t, f.edge))
}

// expectTrust checks that every node but the given number of the first trusts the route, and that one
// which reads ca.crt now does.
func (f *fleet) expectTrust(t *testing.T, butFirst int) {
	t.Helper()
	f.take(t)
	for i, ca := range f.taken[butFirst:] {
		NewWithT(t).Expect(handshake(t.Context(), f.edge.Status.Host, ca)).To(Succeed(), "node %d", i+butFirst)
	}
}

// chainOf is what the ingress operator makes of a CA: a leaf for the apps domain, and the root.
func chainOf(ca *platform.CA) tls.Certificate {
	return platform.WithRoot(ca.Leaf(appsHost("*")), ca)
}

// expectCAs waits until ca.crt holds certificates in this order, and the status is of the same mind.
func expectCAs(t *testing.T, edge *edgev1.EdgeRegistry, reason string, cas ...*platform.CA) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		c := condition(t, edge, edgev1.RegistryTrusted)
		g.Expect(c.Reason).To(Equal(reason), c.Message)
		g.Expect(edge.Status.CA.Certificates).To(Equal(fingerprintsOf(cas...)))
		g.Expect(edge.Status.CA.SHA256).To(Equal(edge.Status.CA.Certificates[0]))
		g.Expect(string(caOf(t, edge))).To(Equal(string(pemOf(cas...))))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func fingerprintsOf(cas ...*platform.CA) (fingerprints []string) {
	for _, ca := range cas {
		fingerprints = append(fingerprints, trust.Fingerprint(ca.Certificate()))
	}
	return fingerprints
}

func pemOf(cas ...*platform.CA) (content []byte) {
	for _, ca := range cas {
		content = append(content, ca.PEM()...)
	}
	return content
}

// leaving is what the status says of the CAs on their way out.
func leaving(t *testing.T, edge *edgev1.EdgeRegistry) map[string]time.Time {
	t.Helper()
	found := map[string]time.Time{}
	for _, previous := range reload(t, edge).Status.CA.Previous {
		found[previous.Subject] = previous.Until.Time
	}
	return found
}

// The ingress operator publishes the new chain, and the router takes it a little later.
func TestARollThatIsPublishedBeforeTheRouterTakesItBreaksNoConsumer(t *testing.T) {
	const overlap = 48 * time.Hour
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	a, b := openShift.Router.RotateCA(), platform.NewCA("ingress-operator@next")
	edge := awaitReady(t, apply(t, newEdge(withOverlap(overlap))))
	nodes := &fleet{edge: edge}
	nodes.expectTrust(t, 0)

	openShift.Router.SetPublished(platform.ChainPEM(chainOf(b)))
	expectCAs(t, edge, edgev1.ReasonCARolling, a, b)
	awaitReady(t, edge)
	nodes.expectTrust(t, 0)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).To(And(
		ContainSubstring(`still shows a certificate of "CN=ingress-operator@`), ContainSubstring(`"CN=ingress-operator@next"`),
		ContainSubstring("default-ingress-cert"), ContainSubstring("ca.crt holds both")))
	g.Expect(leaving(t, edge)).To(BeEmpty())
	before := projectState(t, edge)
	o.pass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))

	// Nobody asks for a look: that the router still shows the old one is not said for long once it does not.
	openShift.Router.SetServing(chainOf(b))
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	// The first node took ca.crt before anybody could know of the roll.
	nodes.expectTrust(t, 1)
	until := leaving(t, edge)[a.Certificate().Subject.String()]
	g.Expect(until).To(BeTemporally("~", o.clock.Now().Add(overlap), time.Second))
	expectEvent(t, edge, edgev1.ReasonCAChanged, `"CN=ingress-operator@next"`, "stays in ca.crt until "+pass.Timestamp(until))

	// One pod of the router comes late: that is no new beginning for the CA on its way out.
	openShift.Router.SetBoth(chainOf(a), platform.ChainPEM(chainOf(b)))
	o.pass(t, edge)
	expectCAs(t, edge, edgev1.ReasonCARolling, b, a)
	nodes.expectTrust(t, 0)
	openShift.Router.SetServing(chainOf(b))
	o.clock.SetTime(until.Add(-time.Second))
	o.pass(t, edge)
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	g.Expect(leaving(t, edge)).To(HaveKeyWithValue(a.Certificate().Subject.String(), BeTemporally("==", until)))
	nodes.expectTrust(t, 1)
	o.clock.SetTime(until)
	o.pass(t, edge)
	expectCAs(t, edge, edgev1.ReasonTrusted, b)
	nodes.expectTrust(t, 1)
}

func TestACAThatComesBackIsCurrentAgain(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	a, b := platform.NewCA("a"), platform.NewCA("b")
	openShift.Router.SetServing(chainOf(a))
	edge := awaitReady(t, apply(t, newEdge()))
	nodes := &fleet{edge: edge}
	nodes.expectTrust(t, 0)
	openShift.Router.SetServing(chainOf(b))
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	nodes.expectTrust(t, 1)
	openShift.Router.SetServing(chainOf(a))
	expectCAs(t, edge, edgev1.ReasonTrusted, a, b)
	nodes.expectTrust(t, 0)
	g.Expect(leaving(t, edge)).To(And(HaveLen(1), HaveKey("CN=b")))
	before := projectState(t, edge)
	openShift.Router.SetServing(chainOf(a))
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before), "another leaf of the same root writes nothing")
}

func TestRootsThatTheAdminNamesAreInCACrtBeforeTheRouterTakesThem(t *testing.T) {
	const overlap = 48 * time.Hour
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	a, b := platform.NewCA("Company Root 1"), platform.NewCA("Company Root 2")
	openShift.Router.SetServing(a.Leaf(appsHost("*")))
	named := bundleOf("company-roots", "ca.crt", a.PEM())
	createForTest(t, named)
	edge := awaitReady(t, apply(t, newEdge(withBundleRef("company-roots", "ca.crt"), withOverlap(overlap))))
	name := func(cas ...*platform.CA) {
		edit(t, named, func(c *corev1.ConfigMap) { c.Data["ca.crt"] = string(pemOf(cas...)) })
	}
	name(b, a)
	expectCAs(t, edge, edgev1.ReasonTrusted, a, b)
	nodes := &fleet{edge: edge}
	nodes.expectTrust(t, 0)
	openShift.Router.SetServing(b.Leaf(appsHost("*")))
	poke(t, edge)
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	nodes.expectTrust(t, 0)
	g.Expect(leaving(t, edge)).To(BeEmpty())

	name(b)
	g.Eventually(func() map[string]time.Time { return leaving(t, edge) }).WithTimeout(soon).WithPolling(often).
		Should(HaveKeyWithValue("CN=Company Root 1", BeTemporally("~", o.clock.Now().Add(overlap), time.Second)))
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	set := func(overlap time.Duration) {
		edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Trust.Overlap = &metav1.Duration{Duration: overlap} })
		o.pass(t, edge)
	}
	set(10 * overlap)
	g.Expect(leaving(t, edge)).To(HaveKeyWithValue("CN=Company Root 1", BeTemporally("~", o.clock.Now().Add(overlap), time.Second)))
	set(time.Hour)
	g.Expect(leaving(t, edge)).To(HaveKeyWithValue("CN=Company Root 1", BeTemporally("~", o.clock.Now().Add(time.Hour), time.Second)))
	set(0)
	expectCAs(t, edge, edgev1.ReasonTrusted, b)
	nodes.expectTrust(t, 0)
}

// smuggle puts a CA into a Secret as its editor could.
func smuggle(t *testing.T, edge *edgev1.EdgeRegistry, name string, replace bool, evil *platform.CA) {
	t.Helper()
	edit(t, secretOf(t, edge, name), func(s *corev1.Secret) {
		content := evil.PEM()
		if !replace {
			content = slices.Concat(content, s.Data[handoff.KeyCA])
		}
		s.Data[handoff.KeyCA] = content
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, "edge.open-horizon.io/ca-certificates", trust.Fingerprint(evil.Certificate()))
	})
}

// Anyone who holds the publisher's token may edit the Secrets. With a CA in there that counts, one could
// play the registry for every node.
func TestACASmuggledIntoASecretNeverSurvivesAPass(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	openShift.Router.RotateCA()
	a, b, evil := platform.NewCA("a"), platform.NewCA("b"), platform.NewCA("ingress-operator@evil")
	openShift.Router.SetServing(chainOf(a))
	edge := awaitReady(t, apply(t, newEdge()))
	openShift.Router.SetServing(chainOf(b))
	expectCAs(t, edge, edgev1.ReasonTrusted, b, a)
	both := []string{pass.PullSecretName(edge), pass.PublishSecretName(edge)}
	tampered := func(what string, secrets []string, replace bool, reason string) {
		t.Helper()
		for _, name := range secrets {
			smuggle(t, edge, name, replace, evil)
		}
		o.pass(t, edge)
		g.Expect(caOf(t, edge)).To(Equal(pemOf(b, a)), what)
		g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(reason), what)
		g.Expect(edge.Status.CA.Certificates).To(Equal(fingerprintsOf(b, a)), what)
	}
	states := func(reason string) {
		t.Helper()
		tampered("beside the others in one", both[:1], false, reason)
		tampered("beside the others in both", both, false, reason)
		tampered("in place of the others in one", both[1:], true, reason)
		tampered("in place of the others in both", both, true, reason)
	}
	states(edgev1.ReasonTrusted)

	// The one who smuggled it in answers for the host, too.
	published := platform.ChainPEM(chainOf(b))
	openShift.Router.SetBoth(chainOf(evil), published)
	poke(t, edge)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, true, "ingress-operator@evil", "the Secrets keep the CA that they have")
	states(edgev1.ReasonChainUntrusted)
	o.stop(t)
	smuggle(t, edge, both[0], false, evil)
	smuggle(t, edge, both[1], true, evil)
	o = startOperator(t)
	g.Eventually(func() []byte { return secretOf(t, edge, both[0]).Data[handoff.KeyCA] }).WithTimeout(soon).WithPolling(often).Should(Equal(pemOf(b, a)))
	tampered("after a restart", both[:1], false, edgev1.ReasonChainUntrusted)
	openShift.Router.SetServing(chainOf(b))
	heals(t, edge)
	g.Expect(caOf(t, edge)).To(Equal(pemOf(b, a)))
	o.clock.SetTime(leaving(t, edge)["CN=a"])
	smuggle(t, edge, both[0], false, a)
	o.pass(t, edge)
	expectCAs(t, edge, edgev1.ReasonTrusted, b)
}

func TestWithoutARecordOfTheCATheSecretsAreNotBelieved(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	root := openShift.Router.RotateCA()
	edge := awaitReady(t, apply(t, newEdge()))
	o.stop(t)
	editRecord(t, edge, func(r *pass.Record) { r.CA = nil })
	published := platform.ChainPEM(chainOf(root))
	openShift.Router.SetBoth(chainOf(platform.NewCA("stranger")), published)
	before := projectState(t, edge)
	startOperator(t)
	expectHeldUp(t, edge, edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, true, "stranger")
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Message).NotTo(ContainSubstring("the Secrets keep"))
	g.Expect(projectState(t, edge)).To(Equal(before))
	openShift.Router.SetServing(chainOf(root))
	heals(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(reload(t, edge).Status.CA.Certificates).To(Equal(fingerprintsOf(root)))
}

func TestARouterCAThatEndsSoonIsToldOfInTime(t *testing.T) {
	const twoYears = 2 * 365 * 24 * time.Hour
	g := NewWithT(t)
	o := startOperator(t)
	keepCertificate(t)
	openShift.Router.RotateCAAt(func() time.Time { return o.clock.Now().Add(61*24*time.Hour - twoYears) })
	edge := awaitReady(t, apply(t, newEdge()))
	g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(edgev1.ReasonTrusted))
	end := edge.Status.CA.NotAfter.Time
	o.clock.SetTime(end.Add(-60 * 24 * time.Hour))
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.RegistryTrusted)).To(And(
		HaveField("Status", metav1.ConditionTrue), HaveField("Reason", edgev1.ReasonCAExpiring),
		HaveField("Message", And(ContainSubstring("this CA ends at "+pass.Timestamp(end)),
			ContainSubstring("openshift-ingress-operator/router-ca"), ContainSubstring("openshift-ingress/router-certs-default")))))
	g.Expect(meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready)).To(BeTrue())
	expectEvent(t, edge, edgev1.ReasonCAExpiring, "this CA ends at")
	for _, event := range eventsOf(t, edge) {
		if event.Reason == edgev1.ReasonCAExpiring {
			g.Expect(event.Type).To(Equal(corev1.EventTypeWarning))
		}
	}
	openShift.Router.RotateCAAt(o.clock.Now)
	g.Eventually(func() string { return condition(t, edge, edgev1.RegistryTrusted).Reason }).
		WithTimeout(soon).WithPolling(often).Should(Equal(edgev1.ReasonTrusted))
	g.Expect(edge.Status.CA.Previous).To(ConsistOf(HaveField("NotAfter.Time", BeTemporally("==", end))))
	g.Expect(bytes.Count(caOf(t, edge), []byte("BEGIN CERTIFICATE"))).To(Equal(2), fmt.Sprint(edge.Status.CA))
}
