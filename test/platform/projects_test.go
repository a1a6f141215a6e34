// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	projectv1 "github.com/openshift/api/project/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const requestsPath = "/apis/project.openshift.io/v1/projectrequests"

// provisioner is a ServiceAccount that may request projects and nothing else.
func provisioner(t *testing.T) (*rest.Config, string) {
	t.Helper()
	g := NewWithT(t)
	home := newProject(t)
	cfg, err := control.ServiceAccount(t.Context(), home, "operator")
	g.Expect(err).NotTo(HaveOccurred())
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: home},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "self-provisioner"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "operator", Namespace: home}},
	}
	g.Expect(admin.Create(t.Context(), binding)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), binding) })
	g.Eventually(func() (int, error) {
		status, _, err := call(t, cfg, http.MethodGet, requestsPath, "")
		return status, err
	}).WithTimeout(soon).WithPolling(often).Should(BeElementOf(http.StatusForbidden, http.StatusOK))
	return cfg, "system:serviceaccount:" + home + ":operator"
}

// call sends one request to kube-apiserver, so through its real aggregator.
func call(t *testing.T, cfg *rest.Config, method, path, body string) (int, map[string]any, error) {
	t.Helper()
	transport, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(cfg.Host, "/")+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := transport.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var object map[string]any
	return resp.StatusCode, object, json.Unmarshal(raw, &object)
}

// requestProject sends a project request in JSON once the caller may send it.
func requestProject(t *testing.T, cfg *rest.Config, name string) (int, map[string]any) {
	t.Helper()
	g := NewWithT(t)
	body := `{"apiVersion":"project.openshift.io/v1","kind":"ProjectRequest","metadata":{"name":"` + name +
		`","labels":{"a":"b"},"annotations":{"x":"y"}},"displayName":"Plant","description":"Edge images"}`
	status, object, err := call(t, cfg, http.MethodPost, requestsPath, body)
	g.Expect(err).NotTo(HaveOccurred())
	return status, object
}

func mayRequest(t *testing.T, cfg *rest.Config) {
	t.Helper()
	// A binding reaches the authorizer a moment after it was made.
	NewWithT(t).Eventually(func() any {
		_, object := requestProject(t, cfg, "openshift-x")
		return object["message"]
	}).WithTimeout(soon).WithPolling(often).Should(ContainSubstring("cannot request a project"))
}

func projectName(t *testing.T) string {
	t.Helper()
	name := "requested-" + rand.String(6)
	t.Cleanup(func() {
		_ = admin.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	})
	return name
}

func failure(code float64, reason, message string, details map[string]any) map[string]any {
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"code": code, "reason": reason, "message": message, "details": details,
	}
}

func TestProjectRequestsAreRefusedAsRecorded(t *testing.T) {
	g := NewWithT(t)
	cfg, user := provisioner(t)
	mayRequest(t, cfg)
	taken := newProject(t)
	of := func(kind, name string) map[string]any {
		return map[string]any{"name": name, "group": "project.openshift.io", "kind": kind}
	}
	tooShort := of("ProjectRequest", "x")
	tooShort["causes"] = []any{map[string]any{
		"reason": "FieldValueInvalid", "field": "metadata.name", "message": `Invalid value: "x": must be at least 2 characters long`,
	}}
	for _, c := range []struct {
		name    string
		message string
		code    float64
		reason  string
		details map[string]any
	}{
		{taken, `project.project.openshift.io "` + taken + `" already exists`, 409, "AlreadyExists", of("project", taken)},
		{"default", `project.project.openshift.io "default" already exists`, 409, "AlreadyExists", of("project", "default")},
		{"openshift-x", `project.project.openshift.io "openshift-x" is forbidden: cannot request a project starting with "openshift-"`,
			403, "Forbidden", of("project", "openshift-x")},
		{"kube-x", `project.project.openshift.io "kube-x" is forbidden: cannot request a project starting with "kube-"`,
			403, "Forbidden", of("project", "kube-x")},
		{"kubernetes", `project.project.openshift.io "kubernetes" is forbidden: cannot request a project with the name "kubernetes"`,
			403, "Forbidden", of("project", "kubernetes")},
		{"x", `ProjectRequest.project.openshift.io "x" is invalid: metadata.name: Invalid value: "x": must be at least 2 characters long`,
			422, "Invalid", tooShort},
	} {
		status, object := requestProject(t, cfg, c.name)
		g.Expect(status).To(BeEquivalentTo(c.code), c.name)
		g.Expect(object).To(Equal(failure(c.code, c.reason, c.message, c.details)), c.name)
	}

	stranger, err := control.ServiceAccount(t.Context(), newProject(t), "stranger")
	g.Expect(err).NotTo(HaveOccurred())
	status, object := requestProject(t, stranger, "other")
	g.Expect(status).To(Equal(http.StatusForbidden))
	g.Expect(object["message"]).To(HavePrefix(`projectrequests.project.openshift.io is forbidden: User "`))
	g.Expect(object["message"]).To(HaveSuffix(
		`" cannot create resource "projectrequests" in API group "project.openshift.io" at the cluster scope`))

	status, object, err = call(t, cfg, http.MethodGet, "/apis/project.openshift.io/v1/projects/"+taken, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusForbidden))
	g.Expect(object["message"]).To(Equal(`projects.project.openshift.io "` + taken + `" is forbidden: User "` + user +
		`" cannot get resource "projects" in API group "project.openshift.io" at the cluster scope`))
}

func TestARequesterOwnsWhatItRequested(t *testing.T) {
	g := NewWithT(t)
	cfg, user := provisioner(t)
	mayRequest(t, cfg)
	name := projectName(t)

	status, object := requestProject(t, cfg, name)
	g.Expect(status).To(Equal(http.StatusCreated))
	g.Expect(object).To(HaveKeyWithValue("kind", "Project"))
	g.Expect(object).To(HaveKeyWithValue("spec", map[string]any{"finalizers": []any{"openshift.io/origin", "kubernetes"}}))
	g.Expect(object).To(HaveKeyWithValue("status", map[string]any{"phase": "Active"}))
	metadata, _ := object["metadata"].(map[string]any)
	g.Expect(metadata["labels"]).To(Equal(map[string]any{"kubernetes.io/metadata.name": name}))
	g.Expect(metadata["annotations"]).To(Equal(map[string]any{
		"openshift.io/description": "Edge images", "openshift.io/display-name": "Plant", "openshift.io/requester": user,
	}))
	g.Expect(metadata).NotTo(HaveKey("managedFields"))

	api, err := client.New(cfg, client.Options{Scheme: control.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	namespace := &corev1.Namespace{}
	g.Eventually(func() (map[string]string, error) {
		err := api.Get(t.Context(), client.ObjectKey{Name: name}, namespace)
		return namespace.Annotations, err
	}).WithTimeout(soon).WithPolling(often).Should(HaveKey("openshift.io/sa.scc.uid-range"))

	binding := &rbacv1.RoleBinding{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "admin"}, binding)).To(Succeed())
	g.Expect(binding.Subjects).To(Equal([]rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}))
	g.Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}))

	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "pub", Namespace: name}}
	g.Expect(api.Create(t.Context(), account)).To(Succeed())
	for _, role := range []string{"edit", "system:image-builder", "system:image-puller"} {
		g.Expect(api.Create(t.Context(), bindTo(name, role))).To(Succeed(), role)
	}
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bound", Namespace: name}}
	g.Expect(api.Create(t.Context(), bound)).To(Succeed())
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID},
	}}
	g.Expect(api.SubResource("token").Create(t.Context(), account, token)).To(Succeed())
	g.Expect(token.Status.Token == "").To(BeFalse())

	err = api.Create(t.Context(), bindTo(name, "cluster-admin"))
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("is attempting to grant RBAC permissions not currently held")))
	err = api.Create(t.Context(), bindTo(name, "no-such-role"))
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
	err = api.List(t.Context(), &corev1.SecretList{}, client.InNamespace("kube-system"))
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue())
}

func bindTo(namespace, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "bind-", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "pub", Namespace: namespace}},
	}
}

func TestATemplateDecidesWhatTheRequesterGets(t *testing.T) {
	g := NewWithT(t)
	cfg, user := provisioner(t)
	mayRequest(t, cfg)
	defer openShift.Projects.Template(nil)
	name := projectName(t)
	openShift.Projects.Template(func(requester, project string) []client.Object {
		view := bindTo(project, "view")
		view.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: requester}}
		view.Name, view.GenerateName = "view", ""
		return []client.Object{view, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"}}}
	})
	status, _ := requestProject(t, cfg, name)
	g.Expect(status).To(Equal(http.StatusCreated))
	binding := &rbacv1.RoleBinding{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "view"}, binding)).To(Succeed())
	g.Expect(binding.Subjects[0].Name).To(Equal(user))
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "quota"}, &corev1.ResourceQuota{})).To(Succeed())
	g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "admin"}, binding))).To(BeTrue())

	broken := projectName(t)
	openShift.Projects.Template(func(_, _ string) []client.Object {
		return []client.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "Not A Name"}}}
	})
	status, object := requestProject(t, cfg, broken)
	g.Expect(status).To(Equal(http.StatusInternalServerError))
	g.Expect(object["reason"]).To(Equal("InternalError"))
	g.Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Name: broken}, &corev1.Namespace{}))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue(), "a project whose template fails goes")
}

func TestProjectRequestsCanBeDisabledAndDown(t *testing.T) {
	g := NewWithT(t)
	cfg, _ := provisioner(t)
	mayRequest(t, cfg)
	defer openShift.Projects.Enable()
	openShift.Projects.Disable("")
	status, object := requestProject(t, cfg, "plant")
	g.Expect(status).To(Equal(http.StatusForbidden))
	g.Expect(object["message"]).To(Equal("You may not request a new project via this API."))

	openShift.Projects.Disable("ask the platform team")
	_, object = requestProject(t, cfg, "plant")
	g.Expect(object["message"]).To(Equal("ask the platform team"))
	g.Expect(object["details"]).To(Equal(map[string]any{
		"kind": "ProjectRequest", "causes": []any{map[string]any{"message": "ask the platform team"}},
	}))
	openShift.Projects.Enable()

	openShift.Projects.Down(true)
	status, _ = requestProject(t, cfg, "plant")
	openShift.Projects.Down(false)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(openShift.Projects.Register(t.Context())).To(Succeed(), "the API is available again")
}

func TestTheProjectAPICanBeAbsent(t *testing.T) {
	g := NewWithT(t)
	g.Expect(openShift.Projects.Unregister(t.Context())).To(Succeed())
	err := admin.Create(t.Context(), &projectv1.ProjectRequest{ObjectMeta: metav1.ObjectMeta{Name: "plant"}})
	g.Expect(openShift.Projects.Register(t.Context())).To(Succeed())
	g.Expect(apierrors.IsNotFound(err) || meta.IsNoMatchError(err)).To(BeTrue(), "got: %v", err)
}

func TestAnAdminSeesEditsAndDeletesProjects(t *testing.T) {
	g := NewWithT(t)
	name := newProject(t)
	project := &projectv1.Project{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: name}, project)).To(Succeed())
	g.Expect(project.Status.Phase).To(Equal(corev1.NamespaceActive))
	list := &projectv1.ProjectList{}
	g.Expect(admin.List(t.Context(), list)).To(Succeed())
	g.Expect(list.Items).To(ContainElement(HaveField("Name", name)))

	patch := func(body string) error {
		return admin.Patch(t.Context(), project.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body)))
	}
	g.Expect(patch(`{"metadata":{"annotations":{"openshift.io/description":"new"}}}`)).To(Succeed())
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: name}, project)).To(Succeed())
	g.Expect(project.Annotations).To(HaveKeyWithValue("openshift.io/description", "new"))
	err := patch(`{"metadata":{"annotations":{"edge.open-horizon.io/x":"y"}}}`)
	g.Expect(apierrors.IsInvalid(err)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("field is immutable, try updating the namespace")))

	g.Expect(admin.Delete(t.Context(), project)).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Name: name}, project))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
}

// OpenShift's kube-apiserver authorises a request about a project inside its namespace.
func TestTheAdminOfAProjectMayDeleteItAndNoOther(t *testing.T) {
	g := NewWithT(t)
	cfg, user := provisioner(t)
	mayRequest(t, cfg)
	name, foreign := projectName(t), newProject(t)
	status, _ := requestProject(t, cfg, name)
	g.Expect(status).To(Equal(http.StatusCreated))
	path := "/apis/project.openshift.io/v1/projects/"
	remove := func(project, uid string) (int, map[string]any) {
		status, object, err := call(t, cfg, http.MethodDelete, path+project, `{"preconditions":{"uid":"`+uid+`"}}`)
		g.Expect(err).NotTo(HaveOccurred())
		return status, object
	}
	namespace := &corev1.Namespace{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: foreign}, namespace)).To(Succeed())
	status, object := remove(foreign, string(namespace.UID))
	g.Expect(status).To(Equal(http.StatusForbidden))
	g.Expect(object["message"]).To(HavePrefix(`projects.project.openshift.io "` + foreign + `" is forbidden: User "` + user + `" cannot delete`))

	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: name}, namespace)).To(Succeed())
	status, _ = remove(name, "of-another-project")
	g.Expect(status).To(Equal(http.StatusConflict))
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: name}, namespace)).To(Succeed())
	g.Expect(namespace.DeletionTimestamp).To(BeNil())
	status, _ = remove(name, string(namespace.UID))
	g.Expect(status).To(Equal(http.StatusOK))
	g.Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Name: name}, namespace))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
}
