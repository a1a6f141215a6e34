// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about passes and what they leave: what the tests share.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

var stamps atomic.Int64

// stamp is another text each time.
func stamp() string { return fmt.Sprintf("n%d", stamps.Add(1)) }

// poke asks for a pass.
func poke(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	annotate(t, edge, edgev1.ReconcileAnnotation, stamp())
}

// annotate sets an annotation of an EdgeRegistry, or takes it away when the value is empty.
func annotate(t *testing.T, edge *edgev1.EdgeRegistry, key, value string) {
	t.Helper()
	edit(t, edge, func(e *edgev1.EdgeRegistry) {
		metav1.SetMetaDataAnnotation(&e.ObjectMeta, key, value)
		if value == "" {
			delete(e.Annotations, key)
		}
	})
}

// edit changes an object as the admin, whatever others write to it meanwhile.
func edit[T client.Object](t *testing.T, object T, change func(T)) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
	before := object.DeepCopyObject().(client.Object)
	change(object)
	if edge, is := any(object).(*edgev1.EdgeRegistry); is {
		nameInInvitations(t, edge)
	}
	g.Expect(admin.Patch(t.Context(), object, client.MergeFrom(before))).To(Succeed())
}

// pass asks for a pass and returns once that has ended, its status included. It is one that found the question when it began,
// so nothing that was done before the call is too late for it.
func (o *operator) pass(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	if o.direct {
		_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
		return
	}
	g := NewWithT(t)
	poke(t, edge)
	asked := edge.Annotations[edgev1.ReconcileAnnotation]
	g.Eventually(func() string { return o.begun.latest(edge.Name) }).WithTimeout(soon).WithPolling(often).Should(Equal(asked))
	g.Eventually(activePasses).WithTimeout(soon).WithPolling(often / 10).Should(BeZero())
}

// begun is where the operator reads an EdgeRegistry at the beginning of each pass. It remembers what that pass was asked by.
type begun struct {
	client.Reader
	mu    sync.Mutex
	asked map[string]string
}

func (b *begun) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := b.Reader.Get(ctx, key, object, options...)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[key.Name] = object.GetAnnotations()[edgev1.ReconcileAnnotation]
	return err
}

func (b *begun) latest(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[name]
}

// activePasses is how many passes are running.
func activePasses() (float64, error) { return sumOf("controller_runtime_active_workers") }

// passes is how many passes have ended in this process.
func passes() (float64, error) { return sumOf("controller_runtime_reconcile_total") }

// sumOf adds up a gauge or a counter over its labels.
func sumOf(name string) (sum float64, err error) {
	families, err := metrics.Registry.Gather()
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
	}
	return sum, err
}

// asksUntil asks for passes until something holds, and gives each the time to report: a pass during which the EdgeRegistry
// is annotated leaves its status to the next.
func asksUntil(t *testing.T, edge *edgev1.EdgeRegistry, holds func(g Gomega)) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		poke(t, edge)
		g.Eventually(holds).WithTimeout(soon / 12).WithPolling(often).Should(Succeed())
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// heals asks for passes until the EdgeRegistry is Ready.
func heals(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	asksUntil(t, edge, func(g Gomega) {
		ready := condition(t, edge, edgev1.Ready)
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%s: %s", ready.Reason, ready.Message)
		g.Expect(edge.Status.ObservedGeneration).To(Equal(edge.Generation))
	})
}

func isStalled(t *testing.T, edge *edgev1.EdgeRegistry) bool {
	t.Helper()
	stalled := meta.IsStatusConditionTrue(reload(t, edge).Status.Conditions, edgev1.Stalled)
	NewWithT(t).Expect(meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Reconciling)).NotTo(Equal(stalled))
	return stalled
}

// touched returns the requests that could change something in a namespace, or make it; in the operator's own the records aside.
func (o *operator) touched(namespace string) []string {
	var touched []string
	for _, request := range o.wire.writes() {
		if strings.Contains(request+"/", "/namespaces/"+namespace+"/") && !strings.Contains(request, "/namespaces/"+operatorNamespace+"/secrets") {
			touched = append(touched, request)
		}
	}
	return touched
}

func (o *operator) projectRequests() int {
	return len(o.wire.matching(func(request string) bool { return strings.HasSuffix(request, "/projectrequests") }))
}

// mints is how many tokens the operator asked for in the project of an EdgeRegistry.
func (o *operator) mints(edge *edgev1.EdgeRegistry) int {
	count := 0
	for _, request := range o.touched(openshift.ProjectName(edge)) {
		if strings.HasSuffix(request, "/token") {
			count++
		}
	}
	return count
}

// makeNamespace makes a namespace that belongs to somebody else, and waits until the cluster has put its own things there.
func makeNamespace(t *testing.T) *corev1.Namespace {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "foreign-"}}
	g.Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), namespace) })
	g.Eventually(func(g Gomega) {
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace.Name, Name: "default"}, &corev1.ServiceAccount{})).To(Succeed())
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace.Name, Name: "kube-root-ca.crt"}, &corev1.ConfigMap{})).To(Succeed())
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return namespace
}

// invite binds the shipped role to the operator, as an owner would, for some EdgeRegistries and those that the test makes
// from then on.
func invite(t *testing.T, namespace string, edges ...string) {
	t.Helper()
	NewWithT(t).Expect(admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "edge-registry", Labels: testInvitation,
			Annotations: map[string]string{edgev1.ForAnnotation: strings.Join(edges, ",")},
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: consent.Project.ClusterRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "edge-registry-controller-manager"}},
	})).To(Succeed())
}

// contents is everything in a namespace that the operator could have a hand in, by kind and name,
// each with its UID and resource version: two equal results mean that nothing was written between.
func contents(t *testing.T, namespace string) map[string]string {
	t.Helper()
	g := NewWithT(t)
	found := map[string]string{}
	for _, list := range []client.ObjectList{
		&corev1.SecretList{}, &corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ResourceQuotaList{},
		&rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	} {
		g.Expect(admin.List(t.Context(), list, client.InNamespace(namespace))).To(Succeed())
		g.Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := accessor(item)
			if secret, is := item.(*corev1.Secret); is && secret.Type == recordSecretType {
				return nil // It is in the operator's own namespace, and those of all tests are.
			}
			version := object.GetResourceVersion()
			if _, ofTheTest := object.GetLabels()["edge.test/invitation"]; ofTheTest {
				version = "" // It is written for each EdgeRegistry of the test.
			}
			found[fmt.Sprintf("%T %s", item, object.GetName())] = string(object.GetUID()) + "@" + version
			return nil
		})).To(Succeed())
	}
	owner := &corev1.Namespace{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: namespace}, owner)).To(Succeed())
	found["namespace"] = string(owner.UID) + "@" + owner.ResourceVersion
	return found
}

// expectEvent waits for an event about an EdgeRegistry whose reason is given and whose note has all the parts.
func expectEvent(t *testing.T, edge *edgev1.EdgeRegistry, reason string, parts ...string) {
	t.Helper()
	NewWithT(t).Eventually(func() []string { return eventNotes(t, edge, reason) }).WithTimeout(soon).WithPolling(often).
		Should(ContainElement(Satisfy(func(note string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(note, part) })
		})), "an event %s with %q", reason, parts)
}

// works asks the API server whether it takes a token.
func works(t *testing.T, token credential.Token) bool {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Reveal()}}
	if err := admin.Create(t.Context(), review); err != nil {
		t.Fatal("the API server could not review a token")
	}
	return review.Status.Authenticated
}

// expectDead waits until the API server refuses a token: it may remember for ten seconds that it took it.
func expectDead(t *testing.T, token credential.Token) {
	t.Helper()
	NewWithT(t).Eventually(func() bool { return works(t, token) }).WithTimeout(soon).WithPolling(10 * often).Should(BeFalse())
}

// ask is one request of the operator on its way out.
type ask struct {
	*http.Request
	// object is the metadata of what the body holds; without a name when it holds no object.
	object metav1.Object
}

func (a ask) is(method, suffix string) bool {
	return a.Method == method && strings.HasSuffix(a.URL.Path, suffix)
}

// intercepting runs a function on every request of the operator. The function may call on; what it
// returns is what the operator gets.
func (o *operator) intercepting(f func(a ask, on func() (*http.Response, error)) (*http.Response, error)) {
	o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return f(ask{r, bodyMetadata(r)}, func() (*http.Response, error) { return next.RoundTrip(r) })
	})
}

// bodyMetadata reads the metadata of what a request sends, in JSON or in protobuf.
func bodyMetadata(r *http.Request) metav1.Object {
	body := requestBody(r)
	if object, _, err := bodyDecoder.Decode(body, nil, nil); err == nil {
		return accessor(object)
	}
	partial := &metav1.PartialObjectMetadata{}
	_ = json.Unmarshal(body, partial)
	return partial
}

// accessor is a short name for the metadata of an object that may be of any kind.
func accessor(object runtime.Object) metav1.Object {
	m, err := meta.Accessor(object)
	if err != nil {
		return &metav1.ObjectMeta{}
	}
	return m
}

var bodyDecoder = protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)

func requestBody(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	body, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

var errCut = errors.New("the connection was cut by the test")

// cut drops an answer.
func cut(response *http.Response, err error) (*http.Response, error) {
	if err == nil && response != nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return nil, &netError{errCut}
}

// netError is a failure of the network, as net/http reports it.
type netError struct{ error }

func (*netError) Timeout() bool   { return false }
func (*netError) Temporary() bool { return true }

func gone(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue(), "%T %s is gone", object, object.GetName())
}
