// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/project.go, on a control plane: who refuses the operator, and how that is reported.

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

// withTemplate gives new projects other contents until the test ends.
func withTemplate(t *testing.T, objects func(requester, name string) []client.Object) {
	t.Helper()
	openShift.Projects.Template(objects)
	t.Cleanup(func() { openShift.Projects.Template(nil) })
}

func roleInTemplate(role string) func(requester, name string) []client.Object {
	return func(requester, _ string) []client.Object {
		return []client.Object{&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "requester"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: requester}},
		}}
	}
}

func TestProjectTemplateThatGivesTheRequesterLessThanAdmin(t *testing.T) {
	o := startOperator(t)
	reader := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "edge-test-reader-"},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts", "secrets"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"get", "list", "watch"}},
		},
	}
	NewWithT(t).Expect(admin.Create(t.Context(), reader)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), reader) })

	for _, tt := range []struct{ name, role, condition, refused string }{
		{"view cannot read what the operator has there", "view", edgev1.ProjectReady, ""},
		{"edit cannot read the bindings", "edit", edgev1.ProjectReady, ""},
		{"a reader cannot write", reader.Name, edgev1.AccessGranted, "refused was: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			o.clock.SetTime(time.Now())
			withTemplate(t, roleInTemplate(tt.role))
			edge := apply(t, newEdge())
			c := awaitReason(t, edge, tt.condition, edgev1.ReasonRightsMissing)
			g.Expect(c.Message).To(And(ContainSubstring(inviteCommand(edge.Name, edge.Name)), ContainSubstring(tt.refused)))
			if tt.condition == edgev1.ProjectReady {
				g.Expect(isStalled(t, edge)).To(BeFalse(), "the binding of a new project may not count everywhere yet")
			}
			o.clock.SetTime(time.Now().Add(2 * bindingDelay))
			o.pass(t, edge)
			g.Expect(isStalled(t, edge)).To(BeTrue())
			invite(t, openshift.ProjectName(edge))
			heals(t, edge)
		})
	}
}

func TestProjectRequestThatTheClusterRefuses(t *testing.T) {
	o := startOperator(t)
	for _, tt := range []struct{ name, message, want string }{
		{"without a word", "", "You may not request a new project via this API."},
		{"with the admin's message", "Ask team-x for a project", "Ask team-x for a project"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			openShift.Projects.Disable(tt.message)
			t.Cleanup(openShift.Projects.Enable)
			edge := apply(t, newEdge())
			c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectRequestDenied)
			g.Expect(c.Message).To(And(ContainSubstring(tt.want), ContainSubstring(edge.Name), ContainSubstring("invite the operator")))
			g.Expect(isStalled(t, edge)).To(BeTrue())
			g.Expect(o.touched(edge.Name)).To(BeEmpty())
			if tt.message != "" {
				openShift.Projects.Enable()
			} else {
				makesByHand(t, edge, c.Message)
			}
			turns(t, edge, edgev1.ProjectReady)
		})
	}
}

func TestProjectAPIThatDoesNotAnswer(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	openShift.Projects.Down(true)
	t.Cleanup(func() { openShift.Projects.Down(false) })
	edge := apply(t, newEdge())
	c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonAPIUnavailable)
	g.Expect(c.Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(c.Message).To(ContainSubstring("request project"))
	g.Expect(isStalled(t, edge)).To(BeFalse())
	openShift.Projects.Down(false)
	awaitReady(t, edge) // without being asked
}

func TestProjectAPIThatTheClusterDoesNotHave(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	g.Expect(openShift.Projects.Unregister(t.Context())).To(Succeed())
	back := sync.OnceValue(func() error { return openShift.Projects.Register(context.Background()) })
	t.Cleanup(func() { _ = back() })
	edge := apply(t, newEdge())
	c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectAPIAbsent)
	g.Expect(c.Message).To(And(ContainSubstring("make the namespace"), ContainSubstring("invite the operator")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	makesByHand(t, edge, c.Message)
	turns(t, edge, edgev1.ProjectReady)
}

// makesByHand does what the message says of a project that the operator cannot request.
func makesByHand(t *testing.T, edge *edgev1.EdgeRegistry, message string) {
	t.Helper()
	NewWithT(t).Expect(message).To(ContainSubstring("set spec.openshift.project.policy to Adopt"))
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Project.Policy = edgev1.ProjectAdopt })
	createForTest(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: openshift.ProjectName(edge)}})
	runCommands(t, message)
}

func TestProjectIsNotRequestedForAnEdgeRegistryThatIsGone(t *testing.T) {
	o := startOperator(t)
	named := func(name string) *edgev1.EdgeRegistry {
		return newEdge(func(e *edgev1.EdgeRegistry) { e.GenerateName, e.Name = "", name })
	}
	// meddle acts once, as the operator looks whether the project is there.
	meddle := func(t *testing.T, name string, act func()) {
		var once sync.Once
		o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
			response, err := on()
			if a.is(http.MethodGet, "/namespaces/"+name) {
				once.Do(act)
			}
			return response, err
		})
		t.Cleanup(func() { o.wire.setIntercept(nil) })
	}

	t.Run("deleted as the pass is about to ask", func(t *testing.T) {
		g := NewWithT(t)
		name := "edge-gone-" + stamp()
		meddle(t, name, func() { _ = admin.Delete(context.Background(), named(name)) })
		apply(t, named(name))
		g.Eventually(func() []string {
			return o.wire.matching(func(request string) bool {
				return strings.HasPrefix(request, "PATCH ") && strings.HasSuffix(request, "/edgeregistries/"+name+"/status")
			})
		}).WithTimeout(soon).WithPolling(often).ShouldNot(BeEmpty(), "the pass has ended")
		g.Expect(o.projectRequests()).To(BeZero())
		gone(t, named(name))
		gone(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	})

	t.Run("deleted and recreated", func(t *testing.T) {
		g := NewWithT(t)
		name := "edge-again-" + stamp()
		second := make(chan types.UID, 1)
		meddle(t, name, func() {
			again := named(name)
			_ = admin.Delete(context.Background(), named(name))
			releaseNow(named(name))
			_ = admin.Create(context.Background(), again)
			second <- again.UID
		})
		edge := apply(t, named(name))
		uid := <-second
		heals(t, edge)
		g.Expect(edge.UID).To(Equal(uid))
		g.Expect(namespaceOf(t, edge).Annotations[descriptionAnnotation]).To(ContainSubstring(string(uid)))
		g.Expect(o.projectRequests()).To(Equal(1))
	})
}

func TestProjectQuotaThatRefusesSecrets(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	project := makeNamespace(t)
	invite(t, project.Name)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: project.Name, Name: "small"},
		Spec:       corev1.ResourceQuotaSpec{Hard: secretsQuota("0")},
	}
	g.Expect(admin.Create(t.Context(), quota)).To(Succeed())
	counted(t, quota, secretsQuota("0"), nil, "status unknown for quota")

	edge := apply(t, newEdge(inProject(project.Name)))
	c := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonQuotaExceeded)
	g.Expect(c.Message).To(And(ContainSubstring("not been counted"), ContainSubstring("small"), ContainSubstring(project.Name)))
	g.Expect(isStalled(t, edge)).To(BeFalse())

	counted(t, quota, secretsQuota("0"), secretsQuota("0"), "exceeded quota")
	o.pass(t, edge)
	c = awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonQuotaExceeded)
	g.Expect(c.Message).To(And(ContainSubstring("small"), ContainSubstring(project.Name), ContainSubstring("count/secrets")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(o.mints(edge)).To(BeZero())

	counted(t, quota, secretsQuota("9"), secretsQuota("0"), "")
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2))
}

func secretsQuota(limit string) corev1.ResourceList {
	return corev1.ResourceList{"count/secrets": resource.MustParse(limit)}
}

// counted writes what the quota controller would, and waits until the API server says no to another
// Secret for a reason, or yes when the reason is empty.
func counted(t *testing.T, quota *corev1.ResourceQuota, hard, used corev1.ResourceList, refusal string) {
	t.Helper()
	g := NewWithT(t)
	answer := BeEmpty()
	if refusal != "" {
		answer = ContainSubstring(refusal)
	}
	before := quota.DeepCopy()
	quota.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: used}
	g.Expect(admin.Status().Patch(t.Context(), quota, client.MergeFrom(before))).To(Succeed())
	g.Eventually(func() string {
		one := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: quota.Namespace, Name: "one-more"}}
		if err := admin.Create(t.Context(), one, client.DryRunAll); err != nil {
			return err.Error()
		}
		return ""
	}).WithTimeout(soon).WithPolling(often).Should(answer)
}

// To a write into a project that is on its way out the API server answers as to one without the right.
func TestProjectThatIsDeletedDuringAPassIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"edge.test/hold"}}}
	var mu sync.Mutex
	var deleted bool
	var failed error
	var statuses []string
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !deleted && a.is(http.MethodPost, "/serviceaccounts"):
			deleted = true
			held.Namespace = a.object.GetNamespace()
			project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: held.Namespace}}
			failed = errors.Join(admin.Create(context.Background(), held), admin.Delete(context.Background(), project))
		case deleted && a.is(http.MethodPatch, "/status"):
			statuses = append(statuses, string(requestBody(a.Request)))
		}
		return on()
	})
	edge := apply(t, newEdge())
	awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectTerminating)
	mu.Lock()
	g.Expect(failed).NotTo(HaveOccurred())
	for _, status := range statuses {
		g.Expect(status).To(ContainSubstring(edgev1.ReasonProjectTerminating))
		g.Expect(status).NotTo(ContainSubstring(edgev1.Stalled))
	}
	mu.Unlock()
	edit(t, held, func(c *corev1.ConfigMap) { c.Finalizers = nil })
	awaitReady(t, edge)
	g.Expect(o.projectRequests()).To(Equal(2))
}
