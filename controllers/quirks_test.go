// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about clusters that are not as a clean one is, across all steps.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// What clusters and other tools do to the objects of the operator.

// The admission plugin is OpenShift's own, so its answer is simulated.
func TestQuirkOfARoleBindingRestriction(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	project := makeNamespace(t)
	invite(t, project.Name)
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if a.is(http.MethodPost, "/namespaces/"+project.Name+"/rolebindings") {
			return refusedByAdmission(a.Request, fmt.Sprintf(
				`rolebindings.rbac.authorization.k8s.io %q is forbidden: rolebindings to ServiceAccount "edge-publisher" are not allowed in project %q`,
				a.object.GetName(), project.Name)), nil
		}
		return on()
	})
	edge := apply(t, newEdge(inProject(project.Name)))
	expectHeldUp(t, edge, edgev1.AccessGranted, edgev1.ReasonRoleNotGrantable, true,
		"a RoleBindingRestriction of project", project.Name, "add one that allows the service accounts", `ServiceAccount "edge-publisher" are not allowed`)
	g.Expect(o.mints(edge)).To(BeZero())
	o.wire.setIntercept(nil)
	heals(t, edge)
}

// refusedByAdmission is a 403 of an admission plugin.
func refusedByAdmission(r *http.Request, message string) *http.Response {
	body, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message,
	})
	return &http.Response{
		StatusCode: http.StatusForbidden, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)),
	}
}

func TestQuirkOfBindingsMadeByOcPolicy(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	// What 'oc policy add-role-to-user edit -z edge-publisher' makes.
	theirs := bindingNamed(edge, "edit")
	theirs.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"}
	theirs.Subjects = []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: edge.Name, Name: "edge-publisher"}}
	g.Expect(admin.Create(t.Context(), theirs)).To(Succeed())
	before, writes := projectState(t, edge), len(o.writesFor(edge))
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
	g.Expect(o.writesFor(edge)[writes:]).To(BeEmpty())

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	gone(t, edge.DeepCopy())
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs)).To(Succeed(), "it is somebody else's")
}

func TestQuirkOfAProjectTemplateWithAQuota(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: secretsQuota("0")}}
	withTemplate(t, func(requester, name string) []client.Object {
		return append(roleInTemplate("admin")(requester, name), quota.DeepCopy())
	})
	// No quota controller runs here: the answer to the request waits until the test has counted.
	requested, hasCounted := make(chan struct{}), make(chan struct{})
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		if a.is(http.MethodPost, "/projectrequests") {
			close(requested)
			<-hasCounted
		}
		return response, err
	})
	edge := apply(t, newEdge())
	<-requested
	quota.Namespace = edge.Name
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(quota), quota)).To(Succeed())
	counted(t, quota, secretsQuota("0"), secretsQuota("0"), "exceeded quota")
	close(hasCounted)
	expectHeldUp(t, edge, edgev1.CredentialsIssued, edgev1.ReasonQuotaExceeded, true, "small", edge.Name, "count/secrets")
	g.Expect(o.mints(edge)).To(BeZero())
	counted(t, quota, secretsQuota("9"), secretsQuota("0"), "")
	heals(t, edge)
}

// Velero restores a namespace with its annotations and an EdgeRegistry with a UID of its own.
func TestQuirkOfAnEdgeRegistryThatVeleroRestored(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, muchLater)
	const name = "edge-restored"
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
		requesterAnnotation: operatorUser, descriptionAnnotation: "images " + "[EdgeRegistry " + name + " 2606fb67-334d-4353-be85-fa46ed7597f6]",
	}}}
	g.Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), namespace) })
	restored := bindingNamed(&edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}, "admin")
	restored.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}
	restored.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}}
	g.Expect(admin.Create(t.Context(), restored)).To(Succeed())

	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.GenerateName, e.Name = "", name }))
	expectHeldUp(t, edge, edgev1.ProjectReady, edgev1.ReasonProjectConflict, true,
		"was requested for another EdgeRegistry", "restored or recreated", inviteCommand(name, name))
	g.Expect(o.touched(name)).To(BeEmpty())
	invite(t, name, edge.Name)
	edit(t, edge, inProject(name))
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(2))
}

// Velero restores Secrets with UIDs of their own, and a token dies with the UID of its bound Secret.
func TestQuirkOfSecretsThatVeleroRestored(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	dead := liveTokens(t, edge)
	o.stop(t)
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		for _, backup := range []*corev1.Secret{secret.DeepCopy(), boundSecretOf(t, edge, role)} {
			removed(t, backup.DeepCopy())
			backup.UID, backup.ResourceVersion, backup.ManagedFields = "", "", nil
			g.Expect(admin.Create(t.Context(), backup)).To(Succeed())
		}
	}
	again := startOperator(t)
	again.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(again.mints(edge)).To(Equal(2), "once for each")
	liveTokens(t, edge)
	for _, token := range dead {
		expectDead(t, token)
	}
	again.pass(t, edge)
	g.Expect(again.mints(edge)).To(Equal(2))
}
