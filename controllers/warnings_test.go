// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Short names for the table below.
type (
	registrySpec = imageregistryv1.ImageRegistrySpec
	storageSpec  = imageregistryv1.ImageRegistryConfigStorage
	s3Spec       = imageregistryv1.ImageRegistryConfigStorageS3
	azureSpec    = imageregistryv1.ImageRegistryConfigStorageAzure
	ossSpec      = imageregistryv1.ImageRegistryConfigStorageAlibabaOSS
)

func registryAt(endpoint string) registrySpec {
	return registrySpec{Storage: storageSpec{S3: &s3Spec{RegionEndpoint: endpoint}}}
}

func TestWarningsOfTheRegistrysConfig(t *testing.T) {
	const redirect = `set spec.disableRedirect: true of registry Config "cluster" if nodes cannot reach or trust that`
	azure := func(access imageregistryv1.AzureNetworkAccessType, cloud string) registrySpec {
		return registrySpec{Storage: storageSpec{Azure: &azureSpec{CloudName: cloud, NetworkAccess: &imageregistryv1.AzureNetworkAccess{Type: access}}}}
	}
	oss := func(access imageregistryv1.EndpointAccessibility) registrySpec {
		return registrySpec{Storage: storageSpec{OSS: &ossSpec{EndpointAccessibility: access}}}
	}
	cdn := registryAt("https://s3.example.com")
	cdn.Storage.S3.CloudFront = &imageregistryv1.ImageRegistryConfigStorageS3CloudFront{BaseURL: "https://cdn.example.com"}
	direct := registryAt("https://s3.openshift-storage.svc")
	direct.DisableRedirect = true
	available := func(status operatorv1.ConditionStatus) []operatorv1.OperatorCondition {
		return []operatorv1.OperatorCondition{{Type: "Available", Status: status, Reason: "SomeReason", Message: "as it\nsays"}}
	}
	for _, tt := range []struct {
		name       string
		spec       registrySpec
		conditions []operatorv1.OperatorCondition
		// want are parts of the warnings, in their order.
		want [][]string
	}{
		{"nothing set", registrySpec{}, nil, nil},
		{"read-only", registrySpec{ReadOnly: true}, nil, [][]string{{`registry Config "cluster" refuses pushes`, "set spec.readOnly: false"}}},

		{"a volume", registrySpec{Storage: storageSpec{PVC: &imageregistryv1.ImageRegistryConfigStoragePVC{}}}, nil, nil},
		{"a folder of the pod", registrySpec{Storage: storageSpec{EmptyDir: &imageregistryv1.ImageRegistryConfigStorageEmptyDir{}}}, nil, nil},
		{"Amazon", registrySpec{Storage: storageSpec{S3: &s3Spec{Region: "eu-central-1"}}}, nil, nil},
		{"Amazon by name", registryAt("https://s3.eu-central-1.amazonaws.com"), nil, nil},
		{"Amazon in China", registryAt("https://s3.cn-north-1.amazonaws.com.cn/"), nil, nil},
		{"Amazon behind a private endpoint", registryAt("https://bucket.vpce-1a2b-3c.s3.eu-central-1.vpce.amazonaws.com"), nil,
			[][]string{{"bucket.vpce-1a2b-3c.s3.eu-central-1.vpce.amazonaws.com (spec.storage.s3.regionEndpoint)", redirect}}},
		{"a host that only looks like Amazon's", registryAt("https://amazonaws.com.example.com"), nil, [][]string{{"from amazonaws.com.example.com (", redirect}}},
		{"Amazon's CDN", cdn, nil, nil},
		{"storage in the cluster", registryAt("https://s3.openshift-storage.svc:443"), nil,
			[][]string{{"image layers are fetched from s3.openshift-storage.svc (spec.storage.s3.regionEndpoint)", redirect}}},
		{"an endpoint without a scheme", registryAt("minio.example.com:9000"), nil, [][]string{{"from minio.example.com:9000 (", redirect}}},
		{"redirects switched off", direct, nil, nil},
		{"Google", registrySpec{Storage: storageSpec{GCS: &imageregistryv1.ImageRegistryConfigStorageGCS{}}}, nil, nil},
		{"IBM", registrySpec{Storage: storageSpec{IBMCOS: &imageregistryv1.ImageRegistryConfigStorageIBMCOS{}}}, nil, nil},
		{"Swift", registrySpec{Storage: storageSpec{Swift: &imageregistryv1.ImageRegistryConfigStorageSwift{}}}, nil,
			[][]string{{"OpenStack Swift (spec.storage.swift)", redirect}}},
		{"Azure", azure(imageregistryv1.AzureNetworkAccessTypeExternal, "AzurePublicCloud"), nil, nil},
		{"Azure, as it is by default", registrySpec{Storage: storageSpec{Azure: &azureSpec{}}}, nil, nil},
		{"Azure in a private network", azure(imageregistryv1.AzureNetworkAccessTypeInternal, "AzurePublicCloud"), nil,
			[][]string{{"a private endpoint of Azure (spec.storage.azure.networkAccess)", redirect}}},
		{"Azure at home", azure("", "AzureStackCloud"), nil, [][]string{{"Azure Stack Hub (spec.storage.azure.cloudName)", redirect}}},
		{"Alibaba", oss(imageregistryv1.PublicEndpoint), nil, nil},
		{"Alibaba in a private network", oss(imageregistryv1.InternalEndpoint), nil, [][]string{{"(spec.storage.oss.endpointAccessibility)", redirect}}},
		{"Alibaba, as it is by default", oss(""), nil, [][]string{{"the internal endpoint of Alibaba OSS", redirect}}},

		{"pods are ready", registrySpec{}, available(operatorv1.ConditionTrue), nil},
		{"nobody knows of pods", registrySpec{}, available(operatorv1.ConditionUnknown), nil},
		{"no pods", registrySpec{}, available(operatorv1.ConditionFalse),
			[][]string{{`registry Config "cluster" says Available=False: SomeReason: as it says: check the pods in openshift-image-registry`}}},
		{"all at once", registrySpec{ReadOnly: true, Storage: registryAt("https://x.example.com").Storage}, available(operatorv1.ConditionFalse),
			[][]string{{"spec.readOnly"}, {"spec.disableRedirect"}, {"Available=False"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}, Spec: tt.spec}
			config.Status.Conditions = tt.conditions
			g := NewWithT(t)
			found := registryWarnings(config)
			g.Expect(found).To(HaveLen(len(tt.want)))
			for i, parts := range tt.want {
				for _, part := range parts {
					g.Expect(found[i]).To(ContainSubstring(part))
				}
			}
		})
	}
}

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
		c.Spec.Storage = registryAt(endpoint).Storage
		c.Spec.Storage.ManagementState = imageregistryv1.StorageManagementStateUnmanaged
	})
}

func TestASettingThatKeepsPeopleFromTheirImagesIsWarnedOfAtOnce(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.awaitAPass(t, edge)
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
	// A registry in maintenance is verified as well: who may push is told so.
	readOnly(t, true)
	edge := awaitReady(t, apply(t, newEdge()))
	awaitVerified(t, edge, edgev1.ReasonVerifiedWithWarnings, "set spec.readOnly: false")
	o.awaitAPass(t, edge)
	status, asked := reload(t, edge).Status.DeepCopy(), probes(edge)
	o.awaitAPass(t, edge)
	g.Expect(&reload(t, edge).Status).To(Equal(status))
	g.Expect(probes(edge)).To(Equal(asked))

	o.advance(edge.Spec.Verification.Interval.Duration + time.Minute)
	o.awaitAPass(t, edge)
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
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "edit" }))
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
