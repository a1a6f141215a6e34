// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

func withPolicy(policy edgev1.VerificationPolicy) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Policy = policy }
}

// editEdge edits an EdgeRegistry as its admin.
func editEdge(t *testing.T, edge *edgev1.EdgeRegistry, edit func(*edgev1.EdgeRegistry)) {
	t.Helper()
	before := reload(t, edge).DeepCopy()
	edit(edge)
	NewWithT(t).Expect(admin.Patch(t.Context(), edge, client.MergeFrom(before))).To(Succeed())
}

// probes is how often the registry was asked about the pull scope of a project: once for each
// token and verification.
func probes(edge *edgev1.EdgeRegistry) int {
	count := 0
	for _, request := range openShift.Registry.Requests() {
		if request.Path == "/v2/"+openshift.ProjectName(edge)+"/"+registry.ProbeRepository+"/tags/list" {
			count++
		}
	}
	return count
}

// advance steps the operator's clock.
func (o *operator) advance(by time.Duration) {
	o.clock.SetTime(o.clock.Now().Add(by))
}

func TestAVerificationTriesBothTokensAndLeavesNoUploadOpen(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	open := openShift.Registry.Uploads()
	edge := awaitReady(t, apply(t, newEdge()))
	g.Expect(condition(t, edge, edgev1.RegistryVerified)).To(And(
		HaveField("Reason", edgev1.ReasonVerified),
		HaveField("Message", ContainSubstring("edge-publisher can push and pull, edge-puller can only pull"))))
	g.Expect(edge.Status.VerifiedAt.Time).To(BeTemporally("==", o.latestOf(edge)))
	g.Expect(probes(edge)).To(Equal(2))
	g.Expect(openShift.Registry.Uploads()).To(Equal(open))
	var uploads []string
	for _, request := range openShift.Registry.Requests() {
		if strings.HasPrefix(request.Path, "/v2/"+openshift.ProjectName(edge)+"/") && request.Method != http.MethodGet {
			uploads = append(uploads, request.Method+" "+http.StatusText(request.Status))
		}
	}
	// An upload that was never begun: unknown to the publisher, forbidden to the puller.
	g.Expect(uploads).To(ConsistOf("PATCH Not Found", "PATCH Unauthorized"))
}

// latestOf is the operator's time, which stands still, or the time at which the API server issued a token after that: a
// verification is never older than the tokens that it tried.
func (o *operator) latestOf(edge *edgev1.EdgeRegistry) time.Time {
	latest := o.clock.Now()
	for _, token := range edge.Status.Credentials {
		if token.IssuedAt.After(latest) {
			latest = token.IssuedAt.Time
		}
	}
	return latest.Truncate(time.Second)
}

func TestARegistryIsNotAskedAgainBeforeTheIntervalIsOver(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	g.Expect(probes(edge)).To(Equal(2))
	o.advance(29 * time.Minute)
	o.pass(t, edge)
	g.Expect(probes(edge)).To(Equal(2))
	verified := reload(t, edge).Status.VerifiedAt

	o.stop(t)
	again := startOperator(t)
	again.clock.SetTime(o.clock.Now())
	again.pass(t, edge)
	g.Expect(probes(edge)).To(Equal(2))
	g.Expect(again.wire.matching(func(request string) bool {
		return !strings.HasPrefix(request, "GET ") && strings.Contains(request, "/"+edge.Name)
	})).To(BeEmpty())

	again.advance(2 * time.Minute)
	poke(t, edge)
	g.Eventually(func() time.Time { return reload(t, edge).Status.VerifiedAt.Time }).
		WithTimeout(soon).WithPolling(often).Should(BeTemporally(">", verified.Time))
	again.pass(t, edge)
	// A pass that was under way when the annotation came cannot write its status, and is repeated.
	tried := probes(edge)
	g.Expect(tried).To(BeElementOf(4, 6))
	again.pass(t, edge)
	g.Expect(probes(edge)).To(Equal(tried), "and then not again")
	g.Expect(again.writesFor(edge)).To(BeEmpty())
	awaitReady(t, edge)
}

func TestEachPolicyKeepsItsInterval(t *testing.T) {
	o := startOperator(t)
	for _, tt := range []struct {
		policy   edgev1.VerificationPolicy
		interval time.Duration
		// tokens are how many are tried at each verification.
		tokens int
	}{
		{edgev1.VerificationRequired, 30 * time.Minute, 2},
		{edgev1.VerificationRequired, 6 * time.Hour, 2},
		{edgev1.VerificationBestEffort, time.Minute, 2},
		{edgev1.VerificationDisabled, 30 * time.Minute, 0},
	} {
		t.Run(string(tt.policy)+" every "+tt.interval.String(), func(t *testing.T) {
			g := NewWithT(t)
			edge := awaitReady(t, apply(t, newEdge(withPolicy(tt.policy), func(e *edgev1.EdgeRegistry) {
				e.Spec.Verification.Interval.Duration = tt.interval
			})))
			o.pass(t, edge)
			before := probes(edge)
			if verified := edge.Status.VerifiedAt; verified != nil {
				o.clock.SetTime(verified.Time)
			}
			o.advance(tt.interval - time.Second)
			o.pass(t, edge)
			g.Expect(probes(edge)).To(Equal(before), "not before it is over")
			o.advance(time.Second)
			o.pass(t, edge)
			tried := probes(edge)
			// A pass whose status met an edit is made again.
			g.Expect(tried - before).To(BeElementOf(tt.tokens, 2*tt.tokens))
			o.pass(t, edge)
			g.Expect(probes(edge)).To(Equal(tried), "once")
		})
	}
}

func TestWhatWasRepairedIsVerifiedAtOnce(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	g.Expect(probes(edge)).To(Equal(2))
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{
		Namespace: openshift.ProjectName(edge), Name: bindingName(edge, edgev1.TokenPublisher),
	}}
	g.Expect(admin.Delete(t.Context(), binding)).To(Succeed())
	g.Eventually(func() int { return probes(edge) }).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">=", 4))
	awaitReady(t, edge)
}

// TestATrialThatIsAskedForIsMadeOnce also restarts the operator: what was asked for is on record.
func TestATrialThatIsAskedForIsMadeOnce(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	before := probes(edge)
	ask := func(value string, restart bool) {
		annotate(t, edge, edgev1.VerifyAnnotation, value)
		g.Eventually(func() string { return reload(t, edge).Status.LastHandledVerification }).WithTimeout(soon).WithPolling(often).Should(Equal(value))
		if restart {
			o.stop(t)
			o = startOperator(t)
		}
		o.pass(t, edge)
	}
	ask("one", false)
	g.Expect(probes(edge)).To(Equal(before + 2))
	ask("two", true)
	g.Expect(probes(edge)).To(Equal(before+4), "a restart asks nothing again")
	ask("", false)
	g.Expect(probes(edge)).To(Equal(before+4), "nothing is asked for")
	g.Expect(meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready)).To(BeTrue())
}

func TestAPolicySaysWhatAFailedVerificationMeans(t *testing.T) {
	o := startOperator(t)
	keepPlatform(t)
	openShift.Registry.Fail(http.StatusServiceUnavailable)
	t.Run("Disabled sends nothing to the registry", func(t *testing.T) {
		g := NewWithT(t)
		asked := len(openShift.Registry.Requests())
		edge := awaitReady(t, apply(t, newEdge(withPolicy(edgev1.VerificationDisabled))))
		o.pass(t, edge)
		g.Expect(meta.FindStatusCondition(reload(t, edge).Status.Conditions, edgev1.RegistryVerified)).To(BeNil())
		g.Expect(edge.Status.VerifiedAt).To(BeNil())
		g.Expect(openShift.Registry.Requests()).To(HaveLen(asked))
	})
	t.Run("BestEffort tells of it and stays Ready", func(t *testing.T) {
		g := NewWithT(t)
		edge := awaitReady(t, apply(t, newEdge(withPolicy(edgev1.VerificationBestEffort))))
		g.Eventually(func() metav1.Condition { return condition(t, edge, edgev1.RegistryVerified) }).
			WithTimeout(soon).WithPolling(often).Should(And(
			HaveField("Status", metav1.ConditionFalse), HaveField("Reason", edgev1.ReasonRegistryUnavailable)))
		awaitReady(t, edge)
		for _, name := range []string{edgev1.Stalled, edgev1.Reconciling} {
			g.Expect(meta.FindStatusCondition(edge.Status.Conditions, name)).To(BeNil())
		}
	})
	t.Run("Required waits for it, and a change of the policy takes the condition away", func(t *testing.T) {
		g := NewWithT(t)
		edge := apply(t, newEdge())
		expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false, "503")
		editEdge(t, edge, withPolicy(edgev1.VerificationDisabled))
		awaitReady(t, edge)
		g.Expect(meta.FindStatusCondition(edge.Status.Conditions, edgev1.RegistryVerified)).To(BeNil())
		g.Expect(edge.Status.VerifiedAt).To(BeNil())
		openShift.Registry.Fail(0)
		editEdge(t, edge, withPolicy(edgev1.VerificationRequired))
		awaitReady(t, edge)
		g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonVerified))
	})
}

func TestAPublisherThatMayNotPushIsTold(t *testing.T) {
	startOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-puller" }))
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonPushDenied, false,
		"edge-publisher may not push to "+openShift.Host(), `ClusterRole "system:image-puller"`, "update on imagestreams/layers")
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-builder" })
	awaitReady(t, edge)
}

func TestAnAccountThatMayNotPullIsTold(t *testing.T) {
	startOperator(t)
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "looks-only-"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"image.openshift.io"}, Resources: []string{"imagestreams"}, Verbs: []string{"get"}}},
	}
	createForTest(t, role)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = role.Name }))
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonPullDenied, false,
		"edge-puller may not pull from "+openShift.Host(), role.Name, "get on imagestreams/layers")
	role.Rules[0].Resources = []string{"imagestreams/layers"}
	NewWithT(t).Expect(admin.Update(t.Context(), role)).To(Succeed())
	awaitReady(t, edge)
}

func TestAPullerThatMayPushStopsForAPerson(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "edit" })
	parts := []string{"edge-puller may push to " + openShift.Host(), "so may every node that holds its token", "system:image-puller"}
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonPullerCanPush, true, parts...)
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "system:image-puller" })
	awaitReady(t, edge)

	// A right that somebody else gave it counts as well.
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: openshift.ProjectName(edge), Name: "too-much"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: openshift.ProjectName(edge), Name: "edge-puller"}},
	}
	createForTest(t, binding)
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Interval = metav1.Duration{Duration: time.Hour} })
	expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonPullerCanPush, true, append(parts, "remove other bindings of edge-puller")...)
	g.Expect(admin.Delete(t.Context(), binding)).To(Succeed())
	poke(t, edge)
	awaitReady(t, edge)
}
