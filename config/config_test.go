// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config_test holds what config/ ships against a real API server.
package config_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

var (
	control  *env.Env
	admin    client.Client
	operator client.Client
)

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		panic(err)
	}
	defer func() {
		if err := control.Stop(); err != nil {
			panic(err)
		}
	}()
	admin = control.Client()
	config, err := control.InstallOperator(ctx)
	if err == nil {
		operator, err = client.New(config, client.Options{Scheme: control.Scheme})
	}
	if err != nil {
		panic(err)
	}
	return m.Run()
}

// sample reads one of the samples.
func sample[T client.Object](t *testing.T, file string, into T) T {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("samples", file))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	// What an EdgeRegistry needs beside it comes after it.
	first, _, _ := strings.Cut(string(content), "\n---\n")
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(first), into)).To(Succeed())
	return into
}

// as returns a client that acts as the user.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	config := rest.CopyConfig(control.Admin)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	c, err := client.New(config, client.Options{Scheme: control.Scheme})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

// projectOf makes a namespace whose admin is the user.
func projectOf(t *testing.T, user string) string {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "invites-"}}
	g.Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	g.Expect(admin.Create(t.Context(), bind(namespace.Name, "admin", rbacv1.Subject{
		APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user,
	}))).To(Succeed())
	return namespace.Name
}

func bind(namespace, role string, subject rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{subject},
	}
}

// invitation is the sample for another namespace, from another invitation role.
func invitation(t *testing.T, namespace, role string) *rbacv1.RoleBinding {
	t.Helper()
	b := sample(t, "invitation.yaml", &rbacv1.RoleBinding{})
	b.Namespace, b.RoleRef.Name = namespace, role
	return b
}

// may reports whether the operator has a right in a namespace.
func may(ctx context.Context, g Gomega, namespace, verb, resource, subresource string) bool {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Resource: resource, Subresource: subresource,
		},
	}}
	g.Expect(operator.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

func TestAProjectsAdminInvitesTheOperator(t *testing.T) {
	for role, mints := range map[string]bool{"edge-registry-project": true, "edge-registry-secrets": false} {
		t.Run(role, func(t *testing.T) {
			g := NewWithT(t)
			project := projectOf(t, "olive")
			g.Expect(may(t.Context(), g, project, "get", "secrets", "")).To(BeFalse(), "before the invitation")

			// Authorisation follows the RoleBinding a moment later, for the admin and for the operator.
			g.Eventually(func() error {
				return as(t, "olive").Create(t.Context(), invitation(t, project, role))
			}).WithTimeout(30 * time.Second).Should(Succeed())

			g.Eventually(func(g Gomega) {
				g.Expect(may(t.Context(), g, project, "patch", "secrets", "")).To(BeTrue())
				g.Expect(may(t.Context(), g, project, "create", "serviceaccounts", "token")).To(Equal(mints))
			}).WithTimeout(30 * time.Second).Should(Succeed())
			g.Expect(may(t.Context(), g, "", "get", "secrets", "")).To(BeFalse(), "elsewhere")
		})
	}
}

func TestAnInvitedOperatorBindsRegistryRolesAndNoOthers(t *testing.T) {
	g := NewWithT(t)
	project := projectOf(t, "olive")
	g.Expect(admin.Create(t.Context(), invitation(t, project, "edge-registry-project"))).To(Succeed())
	puller := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: project, Name: "edge-puller"}

	for _, role := range []string{"edit", "system:image-builder", "system:image-pusher", "system:image-puller", "registry-editor", "registry-viewer"} {
		g.Eventually(func() error {
			return operator.Create(t.Context(), bind(project, role, puller))
		}).WithTimeout(30*time.Second).Should(Succeed(), role)
	}
	for _, role := range []string{"admin", "cluster-admin", "edge-registry-editor"} {
		err := operator.Create(t.Context(), bind(project, role, puller))
		g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", role, err)
	}
}

func TestTheInviterRoleIsWhatLetsAnAdminInvite(t *testing.T) {
	g := NewWithT(t)
	project := projectOf(t, "olive")
	inviter := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "edge-registry-inviter"}}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(inviter), inviter)).To(Succeed())
	rules := inviter.Rules
	t.Cleanup(func() {
		inviter.Rules = rules
		g.Expect(admin.Update(context.Background(), inviter)).To(Succeed())
	})
	inviter.Rules = nil
	g.Expect(admin.Update(t.Context(), inviter)).To(Succeed())

	g.Eventually(func() bool {
		b := invitation(t, project, "edge-registry-project")
		return apierrors.IsForbidden(as(t, "olive").Create(t.Context(), b, client.DryRunAll))
	}).WithTimeout(30 * time.Second).Should(BeTrue())
}

func TestSamplesAreValid(t *testing.T) {
	var files []string
	for pattern, least := range map[string]int{"samples/edge_*.yaml": 2, "samples/external_*.yaml": 6, "samples/ibmcloud_*.yaml": 3} {
		found, err := filepath.Glob(pattern)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(len(found)).To(BeNumerically(">=", least))
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			object := sample(t, filepath.Base(file), &unstructured.Unstructured{})
			strict := client.FieldValidation(metav1.FieldValidationStrict)
			NewWithT(t).Expect(admin.Create(t.Context(), object, client.DryRunAll, strict)).To(Succeed())
		})
	}
}

// What External Secrets writes for the sample of ECR says that it is for its EdgeRegistry, in the namespace of its Secrets.
func TestTheSecretsOfTheECRSampleSupplyItsLogins(t *testing.T) {
	g := NewWithT(t)
	edge := sample(t, "external_ecr.yaml", &edgev1.EdgeRegistry{})
	content, err := os.ReadFile("samples/external_ecr.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var supplied []string
	for _, document := range strings.Split(string(content), "\n---\n")[1:] {
		object := &unstructured.Unstructured{}
		g.Expect(yaml.UnmarshalStrict([]byte(document), &object.Object)).To(Succeed())
		g.Expect(object.GetNamespace()).To(Equal("edge-registry-credentials"))
		if object.GetKind() != "ExternalSecret" {
			continue
		}
		target, _, err := unstructured.NestedMap(object.Object, "spec", "target")
		g.Expect(err).NotTo(HaveOccurred())
		supplied = append(supplied, target["name"].(string))
		template := target["template"].(map[string]any)
		g.Expect(template).To(HaveKeyWithValue("type", string(corev1.SecretTypeDockerConfigJson)))
		g.Expect(template["metadata"]).To(Equal(map[string]any{
			"labels":      map[string]any{"edge.open-horizon.io/credentials": "true"},
			"annotations": map[string]any{edgev1.ForAnnotation: edge.Name, "edge.open-horizon.io/publish-to": edge.Spec.Secrets.Namespace},
		}))
		var login struct {
			Auths map[string]map[string]string `json:"auths"`
		}
		g.Expect(yaml.UnmarshalStrict([]byte(template["data"].(map[string]any)[".dockerconfigjson"].(string)), &login)).To(Succeed())
		g.Expect(login.Auths).To(HaveKeyWithValue(edge.Spec.External.Host, map[string]string{"username": "{{ .username }}", "password": "{{ .password }}"}))
	}
	g.Expect(supplied).To(ConsistOf(edge.Spec.External.Publisher.CredentialsSecretRef.Name, edge.Spec.External.Puller.CredentialsSecretRef.Name))
}

// warnings collects what the API server warns of.
type warnings struct {
	sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.Lock()
	defer w.Unlock()
	w.texts = append(w.texts, text)
}

func TestTheDeploymentMeetsThePodSecurityOfItsNamespace(t *testing.T) {
	g := NewWithT(t)
	deployment := &appsv1.Deployment{}
	rendered, err := control.Rendered()
	g.Expect(err).NotTo(HaveOccurred())
	for _, object := range rendered {
		if object.GetKind() == "Deployment" {
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment)).To(Succeed())
		}
	}
	heard := &warnings{}
	config := rest.CopyConfig(control.Admin)
	config.WarningHandler = heard
	c, err := client.New(config, client.Options{Scheme: control.Scheme})
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(c.Create(t.Context(), deployment.DeepCopy(), client.DryRunAll)).To(Succeed())
	g.Expect(heard.texts).To(BeEmpty())

	pod := deployment.Spec.Template.Spec
	g.Expect(pod.SecurityContext.RunAsUser).To(BeNil(), "restricted-v2 assigns the user")
	g.Expect(pod.Containers).To(HaveLen(1))
	g.Expect(pod.Containers[0].Resources.Limits).To(BeEmpty())

	// The namespace does warn where there is something to warn of.
	deployment.Spec.Template.Spec.SecurityContext.SeccompProfile = nil
	g.Expect(c.Create(t.Context(), deployment, client.DryRunAll)).To(Succeed())
	g.Expect(heard.texts).NotTo(BeEmpty())
}
