// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// incarnation is one life of the operator, which ends at one of its requests.
type incarnation struct {
	*EdgeRegistryReconciler
	mu sync.Mutex
	// calls are the requests so far. The life ends before or after the one at dieAt, which counts
	// from one; 0 for a life that does not end.
	calls []string
	dieAt int
	after bool
	dead  bool
	// issued are the claims of the tokens that the API server issued, received or not.
	issued []credential.Claims
}

func newIncarnation(t *testing.T, dieAt int, after bool) *incarnation {
	t.Helper()
	life := &incarnation{dieAt: dieAt, after: after}
	life.EdgeRegistryReconciler = newDirect(t, clock.RealClock{}, func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return life.send(r, next) })
	})
	return life
}

// send lets a request through unless the operator is dead. Nothing of a dead operator reaches the API server.
func (life *incarnation) send(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	life.mu.Lock()
	defer life.mu.Unlock()
	if life.dead {
		return nil, &netError{errCut}
	}
	life.calls = append(life.calls, r.Method+" "+r.URL.Path)
	dies := len(life.calls) == life.dieAt
	if dies && !life.after {
		life.dead = true
		return nil, &netError{errCut}
	}
	response, err := next.RoundTrip(r)
	if err == nil && response.StatusCode == http.StatusCreated && strings.HasSuffix(r.URL.Path, "/token") {
		life.note(response)
	}
	if dies {
		life.dead = true
		return cut(response, err)
	}
	return response, err
}

func (life *incarnation) note(response *http.Response) {
	canary.issued(response)
	if claims, err := credential.ReadClaims(tokenIn(response)); err == nil {
		life.issued = append(life.issued, claims)
	}
}

// run makes passes until one finds nothing left to do, or the operator is dead.
func (life *incarnation) run(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	ctx := logf.IntoContext(t.Context(), logr.Discard())
	done := func() bool {
		result, err := life.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(edge)})
		return life.dead || (err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > 20*time.Second))
	}
	NewWithT(t).Eventually(done).WithTimeout(soon).WithPolling(often).Should(BeTrue(), "the operator comes to rest")
}

// work is something that the operator has to do.
type work struct {
	name string
	// ask makes the work. The EdgeRegistry is Ready before, unless the work is its installation.
	ask func(*testing.T, *edgev1.EdgeRegistry)
	// installs: the EdgeRegistry is new.
	installs bool
	// mints is how many tokens the work takes.
	mints int
}

var crashWorks = []work{
	{name: "install", installs: true, mints: 2},
	{name: "rotate", mints: 2, ask: func(t *testing.T, edge *edgev1.EdgeRegistry) {
		annotate(t, edge, edgev1.RotateAnnotation, stamp())
	}},
	{name: "another role", ask: func(t *testing.T, edge *edgev1.EdgeRegistry) {
		edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-builder" })
	}},
	{name: "a new service account", mints: 1, ask: func(t *testing.T, edge *edgev1.EdgeRegistry) {
		account := &corev1.ServiceAccount{}
		account.Namespace, account.Name = projectName(edge), "edge-puller"
		NewWithT(t).Expect(admin.Delete(t.Context(), account)).To(Succeed())
	}},
}

// The operator is killed before and after each of its requests, and what follows it has to end where
// an undisturbed one does: with the same objects, the same status, and no token alive that is not
// published.
func TestACrashAtAnyCallEndsInTheSameState(t *testing.T) {
	for _, w := range crashWorks {
		t.Run(w.name, func(t *testing.T) {
			reference, calls := w.undisturbed(t)
			sweep(t, calls, func(t *testing.T, n int, after bool) { w.disturbed(t, n, after, reference) })
		})
	}
}

// An operator that is killed while it deletes leaves the rest to its successor.
func TestACrashAtAnyCallOfADeletionLeavesNothingAlive(t *testing.T) {
	life, edge := beginDeletion(t, 0, false)
	life.run(t, edge)
	expectUndone(t, edge)
	sweep(t, life.calls, func(t *testing.T, n int, after bool) {
		first, edge := beginDeletion(t, n, after)
		first.run(t, edge)
		newIncarnation(t, 0, false).run(t, edge)
		expectUndone(t, edge)
	})
}

// sweep tries a death before and after each of some requests; a sample of them by default, all with LONG=1.
func sweep(t *testing.T, calls []string, try func(t *testing.T, n int, after bool)) {
	t.Helper()
	t.Logf("%d requests: %s", len(calls), strings.Join(calls, ", "))
	for n := 1; n <= len(calls); n++ {
		if os.Getenv("LONG") == "" && n%6 != len(calls)%6 {
			continue
		}
		for when, after := range map[string]bool{"before": false, "after": true} {
			t.Run(fmt.Sprintf("%d %s %s", n, when, calls[n-1]), func(t *testing.T) {
				t.Parallel()
				try(t, n, after)
			})
		}
	}
}

func beginDeletion(t *testing.T, dieAt int, after bool) (*incarnation, *edgev1.EdgeRegistry) {
	t.Helper()
	edge := apply(t, newEdge())
	newIncarnation(t, 0, false).run(t, edge)
	g := NewWithT(t)
	g.Expect(condition(t, edge, edgev1.Ready).Status).To(BeEquivalentTo("True"))
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	return newIncarnation(t, dieAt, after), edge
}

// expectUndone checks what the operator itself does at a deletion: garbage collection does the rest.
func expectUndone(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), &edgev1.EdgeRegistry{}))).To(BeTrue(), "the EdgeRegistry is gone")
	secrets := &corev1.SecretList{}
	g.Expect(admin.List(t.Context(), secrets, client.InNamespace(projectName(edge)))).To(Succeed())
	g.Expect(secrets.Items).NotTo(ContainElement(Satisfy(func(secret corev1.Secret) bool { return madeFor(&secret, edge.UID) })), "Secrets that keep a token alive")
	bindings := &rbacv1.RoleBindingList{}
	g.Expect(admin.List(t.Context(), bindings, client.InNamespace(projectName(edge)))).To(Succeed())
	for _, binding := range bindings.Items {
		for _, subject := range binding.Subjects {
			g.Expect(isSubject(subject, projectName(edge), serviceAccountPrefix+operatorNamespace+":edge-registry-controller-manager")).
				To(BeFalse(), "the operator gave up what %s gives it", binding.Name)
		}
	}
}

func (w work) undisturbed(t *testing.T) (state []string, calls []string) {
	t.Helper()
	life, edge := w.begin(t, 0, false)
	life.run(t, edge)
	for i, call := range life.calls {
		life.calls[i] = strings.ReplaceAll(call, edge.Name, "NAME")
	}
	NewWithT(t).Expect(life.issued).To(HaveLen(w.mints))
	return shape(t, edge), life.calls
}

func (w work) disturbed(t *testing.T, n int, after bool, reference []string) {
	t.Helper()
	g := NewWithT(t)
	first, edge := w.begin(t, n, after)
	first.run(t, edge)
	second := newIncarnation(t, 0, false)
	second.run(t, edge)
	g.Expect(shape(t, edge)).To(Equal(reference))
	issued := slices.Concat(first.issued, second.issued)
	g.Expect(len(issued)).To(And(BeNumerically(">=", w.mints), BeNumerically("<=", 2*w.mints)), "at most one token of each role was lost")
	g.Expect(unpublished(t, edge, issued)).To(BeEmpty(), "tokens that are alive and not published")
	quietNow := len(second.calls)
	second.run(t, edge)
	for _, call := range second.calls[quietNow:] {
		g.Expect(call).To(HavePrefix("GET "), "nothing is left to do")
	}
}

// begin makes an EdgeRegistry that needs the work, and an operator that dies while doing it.
func (w work) begin(t *testing.T, dieAt int, after bool) (*incarnation, *edgev1.EdgeRegistry) {
	t.Helper()
	edge := apply(t, newEdge())
	if !w.installs {
		newIncarnation(t, 0, false).run(t, edge)
		NewWithT(t).Expect(condition(t, edge, edgev1.Ready).Status).To(BeEquivalentTo("True"))
		w.ask(t, edge)
	}
	return newIncarnation(t, dieAt, after), edge
}

// unpublished are the tokens whose anchor exists and does not say that its token was published.
func unpublished(t *testing.T, edge *edgev1.EdgeRegistry, issued []credential.Claims) []string {
	t.Helper()
	list := &corev1.SecretList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(projectName(edge)))).To(Succeed())
	anchors := map[types.UID]*corev1.Secret{}
	for i := range list.Items {
		anchors[list.Items[i].UID] = &list.Items[i]
	}
	var alive []string
	for _, claims := range issued {
		if anchor := anchors[claims.AnchorUID]; anchor != nil && anchor.Annotations[credentialIDAnnotation] != claims.ID {
			alive = append(alive, anchor.Name)
		}
	}
	return alive
}

// shape is what is left in the project and in the status, without what differs from run to run.
func shape(t *testing.T, edge *edgev1.EdgeRegistry) []string {
	t.Helper()
	g := NewWithT(t)
	var lines []string
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleBindingList{}} {
		g.Expect(admin.List(t.Context(), list, client.InNamespace(projectName(edge)), client.MatchingLabels{edgeLabel: edge.Name})).To(Succeed())
		g.Expect(meta.EachListItem(list, func(item runtime.Object) error {
			lines = append(lines, shapeOf(edge, item))
			return nil
		})).To(Succeed())
	}
	reload(t, edge)
	for _, c := range edge.Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s %s %s", c.Type, c.Status, c.Reason))
	}
	for _, token := range edge.Status.Tokens {
		lines = append(lines, fmt.Sprintf("token %s current=%v", token.Role, token.Current))
	}
	slices.Sort(lines)
	return lines
}

func shapeOf(edge *edgev1.EdgeRegistry, item runtime.Object) string {
	object := accessor(item)
	name := strings.ReplaceAll(object.GetName(), edge.Name, "NAME")
	details := ""
	switch o := item.(type) {
	case *corev1.Secret:
		if object.GetLabels()[kindLabel] == kindAnchor {
			name = strings.TrimRight(name, "0123456789")
		}
		details = fmt.Sprintf("%s published=%v %v", o.Type, wasPublished(o), slices.Sorted(maps.Keys(o.Data)))
	case *rbacv1.RoleBinding:
		details = o.RoleRef.Name
	}
	return fmt.Sprintf("%T %s %v %s", item, name, slices.Sorted(maps.Keys(object.GetLabels())), details)
}
