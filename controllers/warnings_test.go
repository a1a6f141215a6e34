// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/warnings.go, on a control plane.

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// warningEvents is how many times an EdgeRegistry was warned for a reason. The recorder counts like
// events that follow each other closely in one object.
func warningEvents(t *testing.T, edge *edgev1.EdgeRegistry, reason string) int {
	t.Helper()
	list := &eventsv1.EventList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(metav1.NamespaceDefault))).To(Succeed())
	count := 0
	for _, event := range list.Items {
		if event.Regarding.UID == edge.UID && event.Reason == reason && event.Type == corev1.EventTypeWarning {
			count++
		}
	}
	return count
}

// awaitVerified waits until a Ready EdgeRegistry is verified for a reason, with a message of all the parts.
func awaitVerified(t *testing.T, edge *edgev1.EdgeRegistry, reason string, parts ...string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		c := condition(t, edge, edgev1.RegistryVerified)
		g.Expect(c.Reason).To(Equal(reason), c.Message)
		g.Expect(c.Status).To(Equal(metav1.ConditionTrue))
		for _, part := range parts {
			g.Expect(c.Message).To(ContainSubstring(part))
		}
		g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// readOnly sets the field, and the pods that would follow it.
func readOnly(t *testing.T, yes bool) {
	t.Helper()
	openShift.Registry.ReadOnly(yes)
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.ReadOnly = yes })
}

// storedAt gives the registry the storage of an endpoint, and takes away what it has.
func storedAt(t *testing.T, endpoint string) {
	t.Helper()
	changeConfig(t, func(c *imageregistryv1.Config) {
		c.Spec.Storage = imageregistryv1.ImageRegistryConfigStorage{S3: &imageregistryv1.ImageRegistryConfigStorageS3{RegionEndpoint: endpoint}}
		c.Spec.Storage.ManagementState = imageregistryv1.StorageManagementStateUnmanaged
	})
}

func TestASettingThatKeepsPeopleFromTheirImagesIsWarnedOfAtOnce(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before, wrote, asked := projectState(t, edge), len(o.writesFor(edge)), probes(edge)
	verifiedAt := edge.Status.VerifiedAt
	const accepted = " accepts both tokens, but "
	readOnlySays := []string{accepted, `registry Config "cluster" refuses pushes: set spec.readOnly: false`}
	storageSays := []string{accepted, "image layers are fetched from s3.example.com (spec.storage.s3.regionEndpoint): set spec.disableRedirect: true"}
	podsSay := []string{accepted, `registry Config "cluster" says Available=False: NoReplicasAvailable: The deployment does not have available replicas`}

	// Nobody asks for these passes, and no verification is due: the Config's change is enough.
	readOnly(t, true)
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, readOnlySays...)
	g.Eventually(func() int { return warningEvents(t, edge, edgev1.ReasonVerifiedWithWarnings) }).
		WithTimeout(soon).WithPolling(often).Should(Equal(1))
	storedAt(t, "https://s3.example.com")
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, append(readOnlySays, storageSays...)...)
	openShift.ImageRegistry.SetAvailable(false)
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, append(append(readOnlySays, "; and "), append(storageSays, podsSay...)...)...)

	readOnly(t, false)
	g.Eventually(func() string { return condition(t, edge, edgev1.RegistryVerified).Message }).
		WithTimeout(soon).WithPolling(often).ShouldNot(ContainSubstring("readOnly"))
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DisableRedirect = true })
	g.Eventually(func() string { return condition(t, edge, edgev1.RegistryVerified).Message }).
		WithTimeout(soon).WithPolling(often).ShouldNot(ContainSubstring("s3.example.com"))
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, podsSay...)
	openShift.ImageRegistry.SetAvailable(true)
	awaitVerified(t, edge, edgev1.ReasonVerified, "edge-publisher can push and pull")

	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(o.writesFor(edge)[wrote:]).To(BeEmpty(), "the operator changes nothing of it")
	g.Expect(probes(edge)).To(Equal(asked), "no verification was due")
	g.Expect(edge.Status.VerifiedAt).To(Equal(verifiedAt))
}

func TestAWarningLastsFromVerificationToVerificationInSilence(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	// A registry in maintenance is verified as well: it says so to those who may push.
	readOnly(t, true)
	edge := awaitReady(t, apply(t, newEdge()))
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, "set spec.readOnly: false")
	o.pass(t, edge)
	status, asked := reload(t, edge).Status.DeepCopy(), probes(edge)
	o.pass(t, edge)
	g.Expect(&reload(t, edge).Status).To(Equal(status))
	g.Expect(probes(edge)).To(Equal(asked))

	o.advance(edge.Spec.Verification.Interval.Duration + time.Minute)
	o.pass(t, edge)
	g.Expect(probes(edge)).To(BeNumerically(">", asked))
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, "set spec.readOnly: false")
	g.Expect(warningEvents(t, edge, edgev1.ReasonVerifiedWithWarnings)).To(Equal(1), "one for the transition, none for the rest")
	readOnly(t, false)
	awaitVerified(t, edge, edgev1.ReasonVerified)
}

func TestARegistryThatIsReadOnlyAgainstItsConfigIsWaitedFor(t *testing.T) {
	startOperator(t)
	keepPlatform(t)
	openShift.Registry.ReadOnly(true)
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false, openShift.Host(),
		`refuses pushes as read-only, though spec.readOnly of registry Config "cluster" is not set: wait until its pods have that setting`)
	openShift.Registry.ReadOnly(false)
	awaitReady(t, edge)
}

func TestAPullerThatMayPushIsFoundWhileTheRegistryIsReadOnly(t *testing.T) {
	startOperator(t)
	keepPlatform(t)
	readOnly(t, true)
	edge := awaitReady(t, apply(t, newEdge()))
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "edit" })
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonPullerCanPush, true, "edge-puller may push to "+openShift.Host())
}

func TestAFailingRegistryIsToldWithTheStateOfItsPods(t *testing.T) {
	startOperator(t)
	keepPlatform(t)
	openShift.ImageRegistry.SetAvailable(false)
	openShift.Router.Unavailable(true)
	edge := apply(t, newEdge())
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false, "answered 503 Service Unavailable",
		`; registry Config "cluster" says Available=False: NoReplicasAvailable: The deployment does not have available replicas`)
	// The probe alone decides.
	openShift.Router.Unavailable(false)
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, "Available=False")
	openShift.ImageRegistry.SetAvailable(true)
	awaitVerified(t, edge, edgev1.ReasonVerified)
	openShift.Registry.Fail(http.StatusInternalServerError)
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Interval.Duration *= 2 })
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false,
		"answered 500 Internal Server Error", "says Available=True: Ready: The registry is ready")
	openShift.Registry.Fail(0)
	awaitReady(t, edge)
}
