// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the rights that the operator ships with, across all steps.

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
)

// insecureClient talks to a metrics server that signed its own certificate.
func insecureClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
}

// asOperator returns a client with the operator's own rights.
func asOperator(t *testing.T) client.Client {
	t.Helper()
	c, err := client.New(operatorConfig, client.Options{Scheme: control.Scheme})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func mayOperator(t *testing.T, c client.Client, attributes authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
	NewWithT(t).Expect(c.Create(t.Context(), review)).To(Succeed())
	return review.Status.Allowed
}

// The standing rights: what the operator may do in a cluster where nobody invited it anywhere.
func TestTheOperatorHasTheRightsOfItsDesignAndNoMore(t *testing.T) {
	g := NewWithT(t)
	c := asOperator(t)
	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "foreign-"}}
	g.Expect(admin.Create(t.Context(), foreign)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), foreign) })
	const edgeGroup, registryGroup, rbacGroup = "edge.open-horizon.io", "imageregistry.operator.openshift.io", rbacv1.GroupName

	tests := []struct {
		verbs, group, resource, namespace, name string
		allowed                                 bool
	}{
		{"get list watch patch", edgeGroup, "edgeregistries", "", "", true},
		{"create update delete deletecollection", edgeGroup, "edgeregistries", "", "", false},
		{"patch", edgeGroup, "edgeregistries/status", "", "", true},
		{"get update", edgeGroup, "edgeregistries/status", "", "", false},
		{"update", edgeGroup, "edgeregistries/finalizers", "", "", true},
		{"get list watch patch", registryGroup, "configs", "", "cluster", true},
		{"update delete create deletecollection", registryGroup, "configs", "", "cluster", false},
		{"get patch", registryGroup, "configs", "", "other", false},
		{"get patch update", registryGroup, "configs/status", "", "cluster", false},
		{"get patch", registryGroup, "imagepruners", "", "cluster", false},
		{"create", "project.openshift.io", "projectrequests", "", "", true},
		{"get list create delete update", "project.openshift.io", "projects", "", "", false},
		{"get watch", "", "namespaces", "", "", true},
		{"list create update patch delete", "", "namespaces", "", "", false},
		{"get", "config.openshift.io", "proxies", "", "cluster", true},
		{"list watch update patch", "config.openshift.io", "proxies", "", "cluster", false},
		{"get list watch", "route.openshift.io", "routes", "openshift-image-registry", "", true},
		{"create update patch delete", "route.openshift.io", "routes", "openshift-image-registry", "", false},
		{"get list watch", "route.openshift.io", "routes", "openshift-console", "", false},
		{"get list watch", "", "configmaps", "openshift-config-managed", "default-ingress-cert", true},
		{"update patch delete", "", "configmaps", "openshift-config-managed", "default-ingress-cert", false},
		{"get", "", "configmaps", "openshift-config-managed", "other", false},
		{"get watch", "", "configmaps", operatorNamespace, "", true},
		{"create update patch delete", "", "configmaps", operatorNamespace, "", false},
		{"create patch", "events.k8s.io", "events", "default", "", true},
		{"get list delete", "events.k8s.io", "events", "default", "", false},
		{"get create update", "coordination.k8s.io", "leases", operatorNamespace, "", true},
		{"get create update", "coordination.k8s.io", "leases", "kube-system", "", false},
		{"get create update delete", "", "secrets", operatorNamespace, "", true},
		{"list watch patch deletecollection", "", "secrets", operatorNamespace, "", false},
		{"create", "authentication.k8s.io", "tokenreviews", "", "", true},
		{"create", "authorization.k8s.io", "subjectaccessreviews", "", "", true},
		{"impersonate", "", "users", "", "", false},
		{"impersonate", "", "groups", "", "", false},
		{"impersonate", "", "serviceaccounts", "", "", false},
		{"bind escalate", rbacGroup, "clusterroles", "", "", false},
		{"bind escalate", rbacGroup, "clusterroles", "", "cluster-admin", false},
		{"bind", rbacGroup, "clusterroles", "", "edit", false},
		{"get list create update patch delete", rbacGroup, "clusterrolebindings", "", "", false},
	}
	for _, test := range tests {
		for verb := range strings.FieldsSeq(test.verbs) {
			resource, subresource, _ := strings.Cut(test.resource, "/")
			allowed := mayOperator(t, c, authorizationv1.ResourceAttributes{
				Verb: verb, Group: test.group, Resource: resource, Subresource: subresource, Namespace: test.namespace, Name: test.name,
			})
			g.Expect(allowed).To(Equal(test.allowed), "%s %s %s in %q", verb, test.resource, test.name, test.namespace)
		}
	}
	for _, namespace := range []string{"", "default", "kube-system", "openshift-config", "openshift-image-registry", "openshift-config-managed", operatorNamespace, foreign.Name} {
		for _, forbidden := range []string{
			"get/secrets", "list/secrets", "watch/secrets", "create/secrets", "patch/secrets", "delete/secrets",
			"create/serviceaccounts", "create/serviceaccounts/token", "get/serviceaccounts", "list/serviceaccounts",
			"create/pods", "get/pods", "create/pods/exec", "list/pods",
		} {
			verb, resource, _ := strings.Cut(forbidden, "/")
			if resource == "secrets" && namespace == operatorNamespace {
				continue // Its records, above.
			}
			resource, subresource, _ := strings.Cut(resource, "/")
			g.Expect(mayOperator(t, c, authorizationv1.ResourceAttributes{Verb: verb, Resource: resource, Subresource: subresource, Namespace: namespace})).
				To(BeFalse(), "%s in %q", forbidden, namespace)
		}
		for _, verb := range []string{"create", "get", "list", "delete", "patch"} {
			for _, resource := range []string{"rolebindings", "roles"} {
				g.Expect(mayOperator(t, c, authorizationv1.ResourceAttributes{Verb: verb, Group: rbacGroup, Resource: resource, Namespace: namespace})).
					To(BeFalse(), "%s %s in %q", verb, resource, namespace)
			}
		}
	}
	// And by real requests, of the kind that would do most harm.
	g.Expect(c.List(t.Context(), &corev1.SecretList{})).To(Satisfy(apierrors.IsForbidden))
	g.Expect(c.List(t.Context(), &corev1.SecretList{}, client.InNamespace(foreign.Name))).To(Satisfy(apierrors.IsForbidden))
	config := &imageregistryv1.Config{}
	g.Expect(c.Get(t.Context(), client.ObjectKey{Name: imageRegistryConfig}, config)).To(Succeed())
	g.Expect(c.Update(t.Context(), config)).To(Satisfy(apierrors.IsForbidden))
	g.Expect(c.Delete(t.Context(), config)).To(Satisfy(apierrors.IsForbidden))
}

// invitedEdge is an EdgeRegistry in a project of somebody else's, who invited a user.
func invitedEdge(t *testing.T, user string, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "invited-"}}
	g.Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), namespace) })
	g.Expect(admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "edge-registry", Labels: testInvitation},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: consent.Project.ClusterRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
	mods = append(mods, inProject(namespace.Name))
	return apply(t, newEdge(mods...))
}

func setDefaultRoute(t *testing.T, yes bool) {
	t.Helper()
	config := &imageregistryv1.Config{}
	config.Name = imageRegistryConfig
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"defaultRoute":%t}}`, yes))
	NewWithT(t).Expect(admin.Patch(context.Background(), config, patch)).To(Succeed())
}

// bundleRef gives an EdgeRegistry the router's CA by hand.
func bundleRef(t *testing.T) func(*edgev1.EdgeRegistry) {
	t.Helper()
	bundle := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, GenerateName: "ca-"},
		Data:       map[string]string{caBundleKey: string(openShift.Router.CA().PEM())},
	}
	NewWithT(t).Expect(admin.Create(t.Context(), bundle)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), bundle) })
	return func(e *edgev1.EdgeRegistry) {
		e.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: bundle.Name, Key: caBundleKey}
	}
}

// eventsOf returns the events about an EdgeRegistry.
func eventsOf(t *testing.T, edge *edgev1.EdgeRegistry) []eventsv1.Event {
	t.Helper()
	list := &eventsv1.EventList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace("default"))).To(Succeed())
	var about []eventsv1.Event
	for _, event := range list.Items {
		if event.Regarding.UID == edge.UID {
			about = append(about, event)
		}
	}
	return about
}
