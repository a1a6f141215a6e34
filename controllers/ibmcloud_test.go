// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about a namespace of IBM Cloud Container Registry, its service IDs and their keys.

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

const (
	plantAccount  = "accplant"
	cloudRegion   = "us-south"
	cloudHost     = "us.icr.io"
	plantImages   = "plant-images"
	cloudUser     = "iamapikey"
	cloudLifetime = 2160 * time.Hour
)

// cloudWorld is IBM Cloud with an account, and an operator whose time is the cloud's.
type cloudWorld struct {
	*ibmcloud.Cloud
	*operator
	clock *clocktesting.FakePassiveClock
}

// startCloud runs a cloud, and an operator.
func startCloud(t *testing.T, options ibmcloud.Options) *cloudWorld {
	t.Helper()
	w := newCloud(t, options)
	w.restart(t)
	return w
}

// newCloud runs a cloud. What is written there counts at once, unless a test says otherwise.
func newCloud(t *testing.T, options ibmcloud.Options) *cloudWorld {
	t.Helper()
	w := &cloudWorld{clock: clocktesting.NewFakePassiveClock(time.Now())}
	options.Clock = w.clock
	if options.Delays == nil {
		options.Delays = &ibmcloud.Delays{}
	}
	w.Cloud = ibmcloud.New(options)
	t.Cleanup(w.Close)
	w.AddAccount(plantAccount, ibmcloud.AccountOptions{})
	return w
}

// restart runs an operator in place of the previous one, if there is one.
func (w *cloudWorld) restart(t *testing.T) {
	t.Helper()
	if w.operator != nil {
		w.operator.stop(t)
	}
	w.operator = startOperator(t, func(o *operator, _ *rest.Config) {
		o.clock, o.Clock = w.clock, w.clock
		w.reaches(w.Cloud.DialContext)(o.EdgeRegistryReconciler)
	})
}

// reaches has an operator reach the cloud by a way, and trust it.
func (w *cloudWorld) reaches(way dialFunc) func(*EdgeRegistryReconciler) {
	return func(r *EdgeRegistryReconciler) {
		r.DialContext, r.SystemRoots = way, x509.NewCertPool()
		r.SystemRoots.AddCert(w.CA.Certificate())
	}
}

func (w *cloudWorld) advance(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// edge is an EdgeRegistry in a namespace whose owner invites the operator, with a supplied key that may do what the grants say.
func (w *cloudWorld) edge(t *testing.T, grants []ibmcloud.Grant, mods ...func(*edgev1.EdgeRegistry, *corev1.Secret)) (*edgev1.EdgeRegistry, ibmcloud.Key) {
	t.Helper()
	edge, secret, key := w.prepared(t, grants)
	for _, mod := range mods {
		mod(edge, secret)
	}
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	supply(t, secret)
	return apply(t, edge), key
}

// prepared is such an EdgeRegistry that is not applied yet, with the Secret that is to be supplied for it and the key in that.
func (w *cloudWorld) prepared(t *testing.T, grants []ibmcloud.Grant) (*edgev1.EdgeRegistry, *corev1.Secret, ibmcloud.Key) {
	t.Helper()
	name := "plant-" + stamp() + "-" + strings.ReplaceAll(time.Now().Format("150405.000000"), ".", "")
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}
	edge.Spec.IBMCloud = &edgev1.IBMCloudSpec{
		Region:               cloudRegion,
		CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name},
		RegistryNamespace:    edgev1.RegistryNamespaceSpec{Name: plantImages, Policy: edgev1.RegistryNamespaceCreateOrAdopt},
	}
	edge.Spec.Secrets.Namespace = makeNamespace(t).Name
	edge.Spec.Verification.Repository = "probe"
	key := w.AddServiceID(plantAccount, "operator of "+name, grants...)
	canary.know(credential.NewToken(key.Value()))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.CredentialsNamespace, Name: name,
			Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{
				"edge.open-horizon.io/for":                 name,
				"edge.open-horizon.io/publish-to":          edge.Spec.Secrets.Namespace,
				"edge.open-horizon.io/registry-namespaces": plantImages,
			},
		},
		Data: map[string][]byte{"apikey": []byte(key.Value())},
	}
	return edge, secret, key
}

// all are the rights to do everything.
func (w *cloudWorld) all() []ibmcloud.Grant { return w.MayCreateNamespaces(plantAccount, cloudRegion) }

// keysOf are the keys that are not deleted of the service IDs that were made for an EdgeRegistry, by role.
func (w *cloudWorld) keysOf(edge *edgev1.EdgeRegistry, role string) []ibmcloud.KeyState {
	var found []ibmcloud.KeyState
	for _, keys := range w.Keys() {
		for _, key := range keys {
			if strings.Contains(key.Description, string(edge.UID)+" role="+role) {
				found = append(found, key)
			}
		}
	}
	return found
}

func TestANamespaceOfIBMCloudFromNothingToReady(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	edge, key := w.edge(t, w.all())
	awaitReady(t, edge)

	g.Expect(w.Namespaces(plantAccount, cloudRegion)).To(Equal([]string{plantImages}))
	g.Expect(condition(t, edge, edgev1.RegistryNamespaceReady).Reason).To(Equal(edgev1.ReasonCreated))
	g.Expect(condition(t, edge, edgev1.AccountReady).Reason).To(Equal(edgev1.ReasonKeyAccepted))
	push, pull := publishedTo(t, edge, "-publish"), publishedTo(t, edge, "-pull")
	g.Expect(string(pull.Data[handoff.KeyUser])).To(Equal(cloudUser))
	g.Expect(string(pull.Data[handoff.KeyImagePrefix])).To(Equal(cloudHost + "/" + plantImages))
	g.Expect(pull.Data).NotTo(HaveKey(handoff.KeyCA))
	g.Expect(string(pull.Data[handoff.KeyRegistryAuth])).To(HavePrefix(cloudHost + ":" + cloudUser + ":"))
	for name, published := range map[string]*corev1.Secret{"publisher": push, "puller": pull} {
		found, there := w.KeyOf(tokenOf(published).Reveal())
		g.Expect(there).To(BeTrue(), name)
		g.Expect(found.Description).To(Equal("EdgeRegistry uid=" + string(edge.UID) + " role=" + name + " generation=1"))
		g.Expect(w.keysOf(edge, name)).To(HaveLen(1))
		g.Expect(tokenOf(published).Reveal() == key.Value()).To(BeFalse())
	}
	var roles [][]string
	for _, policy := range w.Policies(plantAccount) {
		if strings.Contains(policy.Description, string(edge.UID)) {
			roles = append(roles, policy.Roles)
			g.Expect(policy.On).To(And(HaveKeyWithValue("region", cloudRegion), HaveKeyWithValue("resource", plantImages), HaveKeyWithValue("resourceType", "namespace")))
		}
	}
	g.Expect(roles).To(ConsistOf([]string{"Reader"}, []string{"Reader", "Writer"}))
	g.Expect(edge.Status.Provider).To(Equal(edgev1.ProviderIBMCloud))
	g.Expect(edge.Status.Credentials).To(HaveLen(2))
	g.Expect(edge.Status.Credentials[0].ServiceID).To(HavePrefix("ServiceId-"))
	g.Expect(w.Exposed()).To(BeEmpty(), "no key is shown to a host that it is not for")
	g.Eventually(func() any { return recordOf(t, edge).Pending }).WithTimeout(soon).WithPolling(often).Should(BeEmpty(), "a key that is published is in the record no more")

	w.Forget()
	writes := len(w.wire.writes())
	poke(t, edge)
	g.Consistently(func() []standin.Call { return w.Calls() }).WithTimeout(2*time.Second).WithPolling(often).Should(BeEmpty(), "at rest IBM Cloud is not asked")
	g.Expect(w.wire.writes()).To(HaveLen(writes), "at rest nothing is written")
}

func TestAKeyWorksForItsWholeLifetimeAfterItWasReplaced(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all())
	awaitReady(t, edge)
	first := tokenOf(publishedTo(t, edge, "-pull")).Reveal()

	w.advance(time.Hour)
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Annotations = map[string]string{edgev1.RotateAnnotation: "1"} })
	g.Eventually(func() bool { return tokenOf(publishedTo(t, edge, "-pull")).Reveal() != first }).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	awaitReady(t, edge)
	g.Expect(w.keysOf(edge, "puller")).To(HaveLen(2))
	old, there := w.KeyOf(first)
	g.Expect(there).To(BeTrue())
	g.Expect(old.Disabled).To(BeFalse(), "it works for as long as was promised")

	disabled := func() bool {
		old, there = w.KeyOf(first)
		return there && old.Disabled
	}
	// To the last minute of what was promised; others are renewed meanwhile.
	w.advance(cloudLifetime - 2*time.Hour)
	poke(t, edge)
	awaitReady(t, edge)
	g.Consistently(disabled).WithTimeout(time.Second).WithPolling(often).Should(BeFalse())
	w.advance(time.Hour + time.Minute)
	poke(t, edge)
	g.Eventually(disabled).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	w.advance(59 * time.Minute)
	poke(t, edge)
	g.Consistently(func() bool { _, there := w.KeyOf(first); return there }).WithTimeout(time.Second).WithPolling(often).Should(BeTrue(), "tokens of it live")
	w.advance(2 * time.Minute)
	poke(t, edge)
	g.Eventually(func() bool { _, there := w.KeyOf(first); return there }).WithTimeout(soon).WithPolling(often).Should(BeFalse())
}

// What is new at IBM Cloud does not count at once.
func TestARefusedNewKeyIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	w := startCloud(t, ibmcloud.Options{Delays: &ibmcloud.Delays{Keys: 4 * time.Minute, Grants: 8 * time.Minute}})
	edge, _ := w.edge(t, w.all())
	waits := awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonPropagating)
	g.Expect(waits.Message).To(ContainSubstring("is tried again until then"))
	g.Expect(condition(t, edge, edgev1.Stalled).Type).To(BeEmpty())
	w.advance(9 * time.Minute)
	poke(t, edge)
	awaitReady(t, edge)
	g.Expect(w.keysOf(edge, "puller")).To(HaveLen(1), "no key is made for the wait")
	first := tokenOf(publishedTo(t, edge, "-pull")).Reveal()

	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Annotations = map[string]string{edgev1.RotateAnnotation: "1"} })
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPropagating)
	g.Expect(tokenOf(publishedTo(t, edge, "-pull")).Reveal() == first).To(BeTrue(), "the one in use stays until the other works")
	w.advance(5 * time.Minute)
	poke(t, edge)
	g.Eventually(func() bool { return tokenOf(publishedTo(t, edge, "-pull")).Reveal() != first }).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	g.Expect(w.keysOf(edge, "puller")).To(HaveLen(2))
	expectKind(t, edge, edgev1.ReasonPropagating, corev1.EventTypeNormal)
}

// expectKind expects events of a reason, each of a type.
func expectKind(t *testing.T, edge *edgev1.EdgeRegistry, reason, kind string) {
	t.Helper()
	NewWithT(t).Eventually(func() []string {
		var kinds []string
		for _, event := range eventsOf(t, edge) {
			if event.Reason == reason {
				kinds = append(kinds, event.Type)
			}
		}
		return kinds
	}).WithTimeout(soon).WithPolling(often).Should(And(Not(BeEmpty()), HaveEach(kind)))
}
