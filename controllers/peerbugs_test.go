// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about mistakes that other operators made, across all steps.

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	operatorv1 "github.com/openshift/api/operator/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// Tests of what went wrong in other operators. docs/internal/peer-bugs.md says where, and which tests of
// other files guard against the rest.

// recreated returns an object as who makes it again would send it.
func recreated(object client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: object.GetNamespace(), Name: object.GetName(),
		Labels: object.GetLabels(), Annotations: object.GetAnnotations(), OwnerReferences: object.GetOwnerReferences(),
	}
}

func TestMetadataThatIsStrippedAgainAndAgainMakesNoMoreSecrets(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	secrets := func() []string {
		var names []string
		for object := range contents(t, openshift.ProjectName(edge)) {
			if strings.HasPrefix(object, "*v1.Secret ") {
				names = append(names, object)
			}
		}
		slices.Sort(names)
		return names
	}
	before := secrets()
	g.Expect(before).To(HaveLen(4))
	for range 4 {
		for _, object := range ownedObjects(t, edge) {
			if secret, ok := object.(*corev1.Secret); ok {
				edit(t, secret, func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil })
			}
		}
		o.pass(t, edge)
		awaitReady(t, edge)
	}
	g.Expect(secrets()).To(Equal(before))
	g.Expect(o.mints(edge)).To(Equal(2))
}

func TestSecretsAreListedByLabelAndWatchedWithoutTheirContents(t *testing.T) {
	g := NewWithT(t)
	var mu sync.Mutex
	var watched, listed int
	var wrong []string
	o := startOperator(t, func(o *operator, _ *rest.Config) {
		o.wire.intercept = func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/secrets") {
				mu.Lock()
				query := r.URL.Query()
				contentless := strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata")
				isWatch := query.Get("watch") == "true"
				if isWatch {
					watched++
				} else {
					listed++
				}
				if !strings.Contains(r.URL.Path, "/namespaces/") || !strings.Contains(query.Get("labelSelector"), objects.EdgeLabel+"=") || isWatch && !contentless {
					wrong = append(wrong, r.URL.String())
				}
				mu.Unlock()
			}
			return next.RoundTrip(r)
		}
	})
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	mu.Lock()
	defer mu.Unlock()
	g.Expect(watched).To(BeNumerically(">", 0))
	g.Expect(listed).To(BeNumerically(">", 0))
	g.Expect(wrong).To(BeEmpty(), "they read Secrets that are not the operator's, or hold them in memory")
}

func TestARegistryThatIsRemovedWithItsDockercfgSecretsCausesNoWrite(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	keepPlatform(t)
	edge := awaitReady(t, apply(t, newEdge()))
	dockercfg := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: openshift.ProjectName(edge), Name: "edge-puller-dockercfg-x7k2p"},
		Type:       corev1.SecretTypeDockercfg, Data: map[string][]byte{corev1.DockerConfigKey: []byte(`{}`)},
	}
	g.Expect(admin.Create(t.Context(), dockercfg)).To(Succeed())
	account := serviceAccountOf(t, edge, "edge-puller")
	edit(t, account, func(a *corev1.ServiceAccount) {
		a.Secrets = []corev1.ObjectReference{{Name: dockercfg.Name}}
		a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: dockercfg.Name}}
	})
	o.pass(t, edge)
	wrote := len(o.writesFor(edge))
	// OpenShift takes these away again when the registry goes.
	setManagement(operatorv1.Removed)(t)
	edit(t, account, func(a *corev1.ServiceAccount) { a.Secrets, a.ImagePullSecrets = nil, nil })
	g.Expect(admin.Delete(t.Context(), dockercfg)).To(Succeed())
	before := projectState(t, edge)
	awaitReason(t, edge, edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved)
	written := len(o.wire.writes())
	for range 3 {
		o.pass(t, edge)
	}
	g.Expect(o.wire.writes()[written:]).To(BeEmpty(), "not even a status")
	setManagement(operatorv1.Managed)(t)
	awaitReady(t, edge)
	o.pass(t, edge)
	g.Expect(projectState(t, edge)).To(Equal(before))
	for _, request := range o.writesFor(edge)[wrote:] {
		g.Expect(isConfigPatch(request)).To(BeTrue(), request)
	}
	g.Expect(o.mints(edge)).To(Equal(2))
	g.Expect(o.wire.matching(func(request string) bool { return strings.Contains(request, "dockercfg") })).To(BeEmpty())
}

func TestADeletionMeetsTheObjectThatWasReadOrNone(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	binding := roleBindingOf(t, edge, edgev1.TokenPublisher)
	path := "/rolebindings/" + binding.Name
	foreign := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: binding.Namespace, Name: binding.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}
	var once sync.Once
	var swapped error
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if a.is(http.MethodDelete, path) {
			// Between the operator's read and its deletion another takes the name.
			once.Do(func() {
				if swapped = admin.Delete(context.Background(), binding); swapped == nil {
					swapped = admin.Create(context.Background(), foreign)
				}
			})
		}
		return on()
	})
	// The role of a binding cannot be changed, so the operator deletes it.
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-builder" })
	awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonConflict)
	g.Expect(swapped).NotTo(HaveOccurred())
	g.Expect(roleBindingOf(t, edge, edgev1.TokenPublisher)).To(And(HaveField("UID", foreign.UID), HaveField("ResourceVersion", foreign.ResourceVersion)))
	g.Expect(admin.Delete(t.Context(), foreign)).To(Succeed())
	heals(t, edge)
	g.Expect(roleBindingOf(t, edge, edgev1.TokenPublisher).RoleRef.Name).To(Equal("system:image-builder"))
}

// staleEdges is a cache that holds an EdgeRegistry as it once was.
type staleEdges struct {
	client.Reader
	edge *edgev1.EdgeRegistry
}

func (s staleEdges) Get(_ context.Context, _ types.NamespacedName, object client.Object, _ ...client.GetOption) error {
	s.edge.DeepCopyInto(object.(*edgev1.EdgeRegistry))
	return nil
}

func (s staleEdges) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*edgev1.EdgeRegistryList).Items = []edgev1.EdgeRegistry{*s.edge}
	return nil
}

func TestACacheThatMissesAGuestDeletesNoProject(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, muchLater)
	edge := awaitReady(t, apply(t, newEdge(deletionPolicy(edgev1.DeletionDelete))))
	apply(t, newEdge(inProject(edge.Name), distinctNames("guest")))
	r := &EdgeRegistryReconciler{Namespace: operatorNamespace, Clock: o.clock}
	g.Expect(r.prepare(o.Connection, staleEdges{edge: edge})).To(Succeed())
	s := pass.NewScope(edge, o.clock.Now(), &pass.Memory{})
	g.Expect(r.openRecord(t.Context(), s)).To(Succeed())
	cleanups := r.begin(s).cleanups()
	leave := cleanups[len(cleanups)-2]
	g.Expect(leave.What).To(Equal("leave the project"))
	g.Expect(leave.Run(t.Context())).To(Succeed())
	g.Expect(namespaceOf(t, edge).DeletionTimestamp).To(BeNil())
	g.Expect(s.Notes).To(HaveLen(1))
	g.Expect(s.Notes[0].Message).To(ContainSubstring("uses it too"))
}

func TestACacheBehindTheOperatorsLastWriteIsNotBelieved(t *testing.T) {
	g := NewWithT(t)
	edge := apply(t, newEdge())
	old := edge.DeepCopy()
	edit(t, edge, withPolicy(edgev1.VerificationDisabled))
	live, err := client.NewWithWatch(control.Admin, client.Options{Scheme: control.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	r := &EdgeRegistryReconciler{}
	g.Expect(r.prepare(&apiserver.Connection{WithWatch: live}, staleEdges{edge: old})).To(Succeed())
	key := client.ObjectKeyFromObject(edge)
	read := func() string {
		found, err := r.read(t.Context(), key)
		g.Expect(err).NotTo(HaveOccurred())
		return found.ResourceVersion
	}
	g.Expect(read()).To(Equal(old.ResourceVersion), "nothing was written: a watch brings what is new")
	*r.seen(edge) = seenVersion{known: true, version: edge.ResourceVersion}
	g.Expect(read()).To(Equal(edge.ResourceVersion))
	*r.seen(edge) = seenVersion{known: true, version: old.ResourceVersion}
	g.Expect(read()).To(Equal(old.ResourceVersion))
	r.noteWrite(edge, apierrors.NewConflict(edgev1.GroupVersion.WithResource("edgeregistries").GroupResource(), edge.Name, nil))
	g.Expect(read()).To(Equal(edge.ResourceVersion), "a write over the copy was refused")
	g.Expect(read()).To(Equal(edge.ResourceVersion), "the cache is behind what was read since")

	r.memories.Forget(edge.Name)
	controllerutil.AddFinalizer(old, objects.CleanupFinalizer)
	g.Expect(read()).To(Equal(edge.ResourceVersion), "another incarnation may have done more than this cache shows")
}

func TestAnAccountRecreatedWhileNobodyLookedGetsANewToken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	dead, _ := published(t, edge, edgev1.TokenPuller)
	kept, _ := published(t, edge, edgev1.TokenPublisher)
	o.stop(t)
	account := serviceAccountOf(t, edge, "edge-puller")
	g.Expect(admin.Delete(t.Context(), account)).To(Succeed())
	again := &corev1.ServiceAccount{ObjectMeta: recreated(account)}
	g.Expect(admin.Create(t.Context(), again)).To(Succeed())

	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	g.Expect(o.mints(edge)).To(Equal(1))
	secret, claims := published(t, edge, edgev1.TokenPuller)
	g.Expect(claims.ServiceAccountUID).To(Equal(again.UID))
	g.Expect(works(t, tokenOf(secret))).To(BeTrue())
	expectDead(t, tokenOf(dead))
	now, _ := published(t, edge, edgev1.TokenPublisher)
	g.Expect(same(tokenOf(now), tokenOf(kept))).To(BeTrue())
}

func TestNoOwnerReferenceCrossesNamespaces(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	for _, object := range ownedObjects(t, edge) {
		expectOwned(t, edge, object)
	}
	g.Expect(namespaceOf(t, edge).OwnerReferences).To(BeEmpty())

	// A person copies a Secret with all its metadata, and the garbage collector runs.
	elsewhere := makeNamespace(t)
	source := secretOf(t, edge, pass.PullSecretName(edge))
	copied := &corev1.Secret{ObjectMeta: recreated(source), Type: source.Type, Data: source.Data}
	copied.Namespace = elsewhere.Name
	g.Expect(admin.Create(t.Context(), copied)).To(Succeed())
	orphan := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere.Name, Name: "orphan"}}
	orphan.OwnerReferences = slices.Clone(source.OwnerReferences)
	orphan.OwnerReferences[0].UID = "11111111-2222-3333-4444-555555555555"
	g.Expect(admin.Create(t.Context(), orphan)).To(Succeed())
	gone(t, orphan)
	o.pass(t, edge)
	awaitReady(t, edge)
	version := copied.ResourceVersion
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(copied), copied)).To(Succeed())
	g.Expect(copied.ResourceVersion).To(Equal(version), "it is not the operator's")
	g.Expect(o.touched(elsewhere.Name)).To(BeEmpty())
}
