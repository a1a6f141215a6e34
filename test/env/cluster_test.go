// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	routev1 "github.com/openshift/api/route/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestATokenDiesWithTheSecretItIsBoundTo(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := newNamespace(ctx, g)
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bound", Namespace: namespace}}
	g.Expect(shared.Client().Create(ctx, bound)).To(Succeed())
	token := mint(ctx, g, namespace, &authenticationv1.BoundObjectReference{
		APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID,
	})
	g.Expect(accepted(ctx, g, token)).To(BeTrue())

	g.Expect(shared.Client().Delete(ctx, bound)).To(Succeed())

	// The API server remembers a good token for ten seconds.
	g.Eventually(func() bool { return accepted(ctx, g, token) }).WithTimeout(eventually).Should(BeFalse())
}

func TestALongLivedTokenSecretIsFilled(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := newNamespace(ctx, g)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "account", Namespace: namespace}}
	g.Expect(shared.Client().Create(ctx, account)).To(Succeed())
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "long-lived", Namespace: namespace,
			Annotations: map[string]string{corev1.ServiceAccountNameKey: account.Name},
		},
		Type: corev1.SecretTypeServiceAccountToken,
	}
	g.Expect(shared.Client().Create(ctx, secret)).To(Succeed())
	g.Eventually(func() bool {
		err := shared.Client().Get(ctx, client.ObjectKeyFromObject(secret), secret)
		return err == nil && len(secret.Data[corev1.ServiceAccountTokenKey]) > 0 && len(secret.Data["ca.crt"]) > 0
	}).WithTimeout(eventually).Should(BeTrue())
	g.Expect(accepted(ctx, g, credential.NewToken(string(secret.Data[corev1.ServiceAccountTokenKey])))).To(BeTrue())
}

func TestWhatADeletedClusterScopedOwnerOwnedIsCollected(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	owner := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "owner-"}}
	g.Expect(shared.Client().Create(ctx, owner)).To(Succeed())
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "owned", Namespace: newNamespace(ctx, g),
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: owner.Name, UID: owner.UID,
		}},
	}}
	g.Expect(shared.Client().Create(ctx, owned)).To(Succeed())

	g.Expect(shared.Client().Delete(ctx, owner)).To(Succeed())

	g.Eventually(func() bool {
		return apierrors.IsNotFound(shared.Client().Get(ctx, client.ObjectKeyFromObject(owned), owned))
	}).WithTimeout(eventually).Should(BeTrue())
}

func TestADeletedNamespaceIsEmptiedAndGoes(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: newNamespace(ctx, g)}}
	g.Expect(shared.Client().Delete(ctx, namespace)).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(shared.Client().Get(ctx, client.ObjectKeyFromObject(namespace), namespace))
	}).WithTimeout(eventually).Should(BeTrue())
}

// TestRolesAllowWhatTheyDoOnOpenShift asks the API server about a user who holds
// the role in one namespace.
func TestRolesAllowWhatTheyDoOnOpenShift(t *testing.T) {
	tests := map[string]struct{ may, mayNot []string }{
		"system:image-puller": {
			may:    []string{"get image.openshift.io/imagestreams/layers", "get /imagestreams/layers"},
			mayNot: []string{"update image.openshift.io/imagestreams/layers", "get image.openshift.io/imagestreams"},
		},
		"system:image-pusher": {
			may:    []string{"get image.openshift.io/imagestreams/layers", "update image.openshift.io/imagestreams/layers"},
			mayNot: []string{"create image.openshift.io/imagestreams", "get image.openshift.io/imagestreams"},
		},
		"system:image-builder": {
			may:    []string{"update image.openshift.io/imagestreams/layers", "create image.openshift.io/imagestreams", "update /builds/details"},
			mayNot: []string{"get /secrets", "delete image.openshift.io/imagestreams", "create /serviceaccounts/token"},
		},
		"registry-viewer": {
			may:    []string{"get image.openshift.io/imagestreams/layers", "list image.openshift.io/imagestreamtags", "get project.openshift.io/projects"},
			mayNot: []string{"update image.openshift.io/imagestreams/layers", "get /secrets"},
		},
		"registry-editor": {
			may:    []string{"update image.openshift.io/imagestreams/layers", "create /secrets", "patch /serviceaccounts", "create image.openshift.io/imagestreamimports"},
			mayNot: []string{"create /serviceaccounts/token", "impersonate /serviceaccounts", "create rbac.authorization.k8s.io/rolebindings"},
		},
		"registry-admin": {
			may:    []string{"update image.openshift.io/imagestreams/layers", "create rbac.authorization.k8s.io/rolebindings"},
			mayNot: []string{"create /serviceaccounts/token", "update project.openshift.io/projects"},
		},
		"view": {
			may:    []string{"get image.openshift.io/imagestreams/layers", "watch route.openshift.io/routes"},
			mayNot: []string{"update image.openshift.io/imagestreams/layers", "get /secrets"},
		},
		"edit": {
			may: []string{
				"update image.openshift.io/imagestreams/layers", "create image.openshift.io/imagestreams", "create /serviceaccounts/token",
				"create route.openshift.io/routes/custom-host", "get project.openshift.io/projects", "watch image.openshift.io/imagestreams/status",
			},
			mayNot: []string{"create rbac.authorization.k8s.io/rolebindings", "delete project.openshift.io/projects", "update route.openshift.io/routes/status"},
		},
		"admin": {
			may: []string{
				"update image.openshift.io/imagestreams/layers", "create rbac.authorization.k8s.io/rolebindings",
				"create authorization.openshift.io/rolebindings", "delete project.openshift.io/projects", "create /serviceaccounts/token",
				"update route.openshift.io/routes/status",
			},
			mayNot: []string{"create project.openshift.io/projectrequests", "create project.openshift.io/projects"},
		},
		"self-provisioner": {
			may:    []string{"create project.openshift.io/projectrequests"},
			mayNot: []string{"create project.openshift.io/projects", "create /namespaces"},
		},
	}
	for role, test := range tests {
		t.Run(role, func(t *testing.T) {
			g := NewWithT(t)
			ctx := t.Context()
			namespace := newNamespace(ctx, g)
			user := rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "holder of " + role}
			bind(ctx, g, namespace, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}, user)
			for _, action := range test.may {
				g.Eventually(func() bool { return allowed(ctx, g, user.Name, namespace, action) }).
					WithTimeout(eventually).Should(BeTrue(), action)
			}
			for _, action := range test.mayNot {
				g.Expect(allowed(ctx, g, user.Name, namespace, action)).To(BeFalse(), action)
			}
		})
	}
}

func TestBlockingAnOwnersDeletionNeedsARightOverTheOwner(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := newNamespace(ctx, g)
	cfg, err := shared.ServiceAccount(ctx, namespace, "writer")
	g.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "writer", Namespace: namespace},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}}},
	}
	g.Expect(shared.Client().Create(ctx, role)).To(Succeed())
	bind(ctx, g, namespace, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "writer", Namespace: namespace})
	owner := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: namespace}}
	g.Expect(shared.Client().Create(ctx, owner)).To(Succeed())
	writer, err := client.New(cfg, client.Options{Scheme: shared.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	create := func(name string, block bool) error {
		return writer.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Secret", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: &block,
			}},
		}})
	}

	g.Eventually(func() error { return create("not-blocking", false) }).WithTimeout(eventually).Should(Succeed())
	g.Expect(create("blocking", true)).To(And(
		Satisfy(apierrors.IsForbidden), MatchError(ContainSubstring("cannot set blockOwnerDeletion"))))
}

func TestTheAuditLogNamesTheCredentialOfAMintAndOfItsUses(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	namespace := newNamespace(ctx, g)
	token := mint(ctx, g, namespace, nil)
	claims, err := credential.ReadClaims(token)
	g.Expect(err).NotTo(HaveOccurred())
	cfg := rest.AnonymousClientConfig(shared.Admin)
	cfg.BearerToken = token.Reveal()
	identityOf(g, cfg)

	mints, uses := 0, 0
	for _, event := range auditEvents(g) {
		if event.Annotations["authentication.kubernetes.io/issued-credential-id"] == "JTI="+claims.ID {
			g.Expect(event.ObjectRef.Resource + "/" + event.ObjectRef.Subresource).To(Equal("serviceaccounts/token"))
			g.Expect(event.ObjectRef.Namespace).To(Equal(namespace))
			mints++
		}
		for _, id := range event.User.Extra["authentication.kubernetes.io/credential-id"] {
			if id == "JTI="+claims.ID {
				uses++
			}
		}
	}
	g.Expect(mints).To(Equal(1))
	g.Expect(uses).To(Equal(1))
}

func TestAnAPIOfOpenShiftMayBeAbsent(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	list := func() error {
		fresh, err := client.New(shared.Admin, client.Options{Scheme: shared.Scheme})
		g.Expect(err).NotTo(HaveOccurred())
		return fresh.List(ctx, &routev1.RouteList{})
	}
	g.Expect(list()).To(Succeed())
	g.Expect(shared.RemoveCRD(ctx, "routes.route.openshift.io")).To(Succeed())
	g.Expect(list()).To(Satisfy(meta.IsNoMatchError))
	g.Expect(shared.InstallCRDs(ctx)).To(Succeed())
	g.Expect(list()).To(Succeed())
	g.Expect(shared.RemoveCRD(ctx, "no-such.crd")).To(Satisfy(apierrors.IsNotFound))
}

func TestExtensionServersLearnTheFrontProxyCA(t *testing.T) {
	g := NewWithT(t)
	published := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "extension-apiserver-authentication"}
	g.Expect(shared.Client().Get(t.Context(), key, published)).To(Succeed())
	g.Expect(published.Data).To(HaveKeyWithValue("requestheader-client-ca-file", string(shared.FrontProxyCA)))
	g.Expect(published.Data).To(HaveKeyWithValue("requestheader-allowed-names", `["front-proxy-client"]`))
}

func newNamespace(ctx context.Context, g *WithT) string {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	g.Expect(shared.Client().Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// mint returns a token of a new service account.
func mint(ctx context.Context, g *WithT, namespace string, to *authenticationv1.BoundObjectReference) credential.Token {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{GenerateName: "account-", Namespace: namespace}}
	g.Expect(shared.Client().Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To[int64](3600), BoundObjectRef: to,
	}}
	g.Expect(shared.Client().SubResource("token").Create(ctx, account, request)).To(Succeed())
	return credential.NewToken(request.Status.Token)
}

func accepted(ctx context.Context, g *WithT, token credential.Token) bool {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Reveal()}}
	g.Expect(shared.Client().Create(ctx, review)).To(Succeed())
	return review.Status.Authenticated
}

// identityOf asks the API server for whom it takes the bearer of cfg.
func identityOf(g *WithT, cfg *rest.Config) string {
	c, err := client.New(cfg, client.Options{Scheme: shared.Scheme, Mapper: shared.Client().RESTMapper()})
	g.Expect(err).NotTo(HaveOccurred())
	review := &authenticationv1.SelfSubjectReview{}
	g.Expect(c.Create(context.Background(), review)).To(Succeed())
	return review.Status.UserInfo.Username
}

func bind(ctx context.Context, g *WithT, namespace string, role rbacv1.RoleRef, subject rbacv1.Subject) {
	g.Expect(shared.Client().Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace},
		RoleRef:    role, Subjects: []rbacv1.Subject{subject},
	})).To(Succeed())
}

// allowed asks about an action such as "get image.openshift.io/imagestreams/layers";
// the core group is empty, as in "get /secrets".
func allowed(ctx context.Context, g *WithT, user, namespace, action string) bool {
	verb, path, _ := strings.Cut(action, " ")
	group, path, _ := strings.Cut(path, "/")
	resource, subresource, _ := strings.Cut(path, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
		},
	}}
	g.Expect(shared.Client().Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

func auditEvents(g *WithT) []auditv1.Event {
	content, err := os.ReadFile(shared.AuditLog)
	g.Expect(err).NotTo(HaveOccurred())
	var events []auditv1.Event
	for line := range strings.Lines(string(content)) {
		var event auditv1.Event
		g.Expect(json.Unmarshal([]byte(line), &event)).To(Succeed())
		events = append(events, event)
	}
	return events
}
