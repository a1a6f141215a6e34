// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what happens between the acts of tenants: owners, authors, routers and time go on, and the operator starts again.

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
)

// restore gives actors the roles again that they have, where they gave them away, and has owners invite the operator again
// for the EdgeRegistries that they serve. A namespace that somebody requested and that is gone is theirs no more.
func (e *estate) restore(t *testing.T) {
	t.Helper()
	_ = admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.in("adopted")}})
	for _, a := range e.actors {
		for name, role := range a.roles {
			namespace := &corev1.Namespace{}
			if admin.Get(t.Context(), client.ObjectKey{Name: e.in(name)}, namespace) != nil {
				continue
			}
			if !namespace.DeletionTimestamp.IsZero() {
				dropFinalizers(t.Context(), namespace.Name)
				continue
			}
			if requester := namespace.Annotations[projectv1.ProjectRequesterAnnotation]; role == "admin" && requester != "" && requester != e.in(a.name) {
				continue
			}
			_ = admin.Create(t.Context(), &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "tenant-" + a.name},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: e.in(a.name)}},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			})
			switch name {
			case "adopted":
				_ = a.Create(t.Context(), invitation(namespace.Name, consent.Project, e.in("lines")))
			case "target-1", "target-2":
				_ = a.Create(t.Context(), invitation(namespace.Name, consent.Secrets, e.in("lines")+","+e.in("held")))
			}
		}
	}
	clear(e.powers)
}

// meanwhile is what happens besides: time goes by, the operator starts again or loses a record, an author wants new tokens or
// accepts a namespace that was made again.
func (e *estate) meanwhile(t *testing.T) {
	t.Helper()
	e.o.advance([]time.Duration{0, 0, 0, 30 * time.Second, 3 * time.Minute, 8 * time.Minute}[e.random.IntN(6)])
	victim := e.victims()[e.random.IntN(4)]
	switch e.random.IntN(40) {
	case 0, 1:
		e.restart(t)
	case 2:
		e.note("the record of %s is lost", victim.Name)
		deleteRecord(t, victim)
		e.restart(t)
	case 3:
		if victim == e.quiet {
			return
		}
		e.note("%s is to get new tokens", victim.Name)
		annotate(t, victim, edgev1.RotateAnnotation, stamp())
	case 4, 5:
		for _, name := range []string{"target-1", "target-2", "adopted"} {
			namespace := &corev1.Namespace{}
			if admin.Get(t.Context(), client.ObjectKey{Name: e.in(name)}, namespace) == nil && e.random.IntN(2) == 0 {
				e.note("lines accepts %s", namespace.Name)
				annotate(t, e.lines, edgev1.AcceptAnnotation, namespace.Name+"/"+string(namespace.UID))
			}
		}
	}
}

func (e *estate) restart(t *testing.T) {
	t.Helper()
	e.note("the operator starts again")
	e.restarts++
	e.o.EdgeRegistryReconciler = newDirect(t, e.o.clock, e.o.wire.wrap)
}

// hostIsWanted reports that somebody else has a Route of the registry's host.
func (e *estate) hostIsWanted(t *testing.T) bool {
	t.Helper()
	list := &routev1.RouteList{}
	NewWithT(t).Expect(admin.List(t.Context(), list)).To(Succeed())
	return slices.ContainsFunc(list.Items, func(r routev1.Route) bool {
		return strings.HasPrefix(r.Namespace, e.prefix) && r.Spec.Host == openShift.Host()
	})
}

// contest has a second router, which looks at the tenants' namespaces too, know the host as that of the other Route.
func (e *estate) contest(t *testing.T) {
	t.Helper()
	e.note("a router knows the host as another Route's")
	e.contests++
	openShift.Router.Rename("sharded", "default")
	openShift.Router.Claim("sharded")
	e.awaitRouters(t, 2, corev1.ConditionFalse)
	minted, asked := len(e.minted), len(openShift.Registry.Requests())
	e.round(t)
	g := NewWithT(t)
	g.Expect(condition(t, e.quiet, edgev1.RegistryExposed).Reason).To(Equal(edgev1.ReasonRouteNotAdmitted), e.where())
	g.Expect(len(e.minted)-minted).To(BeZero(), "tokens for a host that may be another's, %s", e.where())
	g.Expect(len(openShift.Registry.Requests())-asked).To(BeZero(), "requests to a host that may be another's, %s", e.where())
	openShift.Router.Admit()
	openShift.Router.Rename()
	e.awaitRouters(t, 1, corev1.ConditionTrue)
	e.round(t)
	e.expectNoHarm(t)
}

// awaitRouters waits until the status of the registry's Route has the word of so many routers, the first one's as given.
func (e *estate) awaitRouters(t *testing.T, count int, first corev1.ConditionStatus) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		route := &routev1.Route{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: "openshift-image-registry", Name: "default-route"}, route)).To(Succeed())
		g.Expect(route.Status.Ingress).To(HaveLen(count))
		g.Expect(route.Status.Ingress[0].Conditions).To(ContainElement(HaveField("Status", first)))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// end deletes the EdgeRegistries whose projects nobody else could reach: whatever tenants hold elsewhere holds none of them.
func (e *estate) end(t *testing.T) {
	t.Helper()
	for _, namespace := range e.namespaces(t.Context()) {
		secrets := &corev1.SecretList{}
		NewWithT(t).Expect(admin.List(t.Context(), secrets, client.InNamespace(namespace.Name))).To(Succeed())
		for _, a := range e.actors {
			may := func(p power) bool { return p.resource == "/secrets" && p.verb == "patch" }
			if !slices.ContainsFunc(e.powersOf(t, a, namespace), may) {
				continue
			}
			for i := range secrets.Items {
				_ = a.Patch(t.Context(), &secrets.Items[i], client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.test/hold"]}}`)))
			}
		}
	}
	e.note("tenants hold all that they can")
	for _, edge := range []*edgev1.EdgeRegistry{e.quiet, e.held, e.patient} {
		g := NewWithT(t)
		g.Expect(admin.Delete(t.Context(), edge, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		g.Eventually(func(g Gomega) {
			_, _ = makePass(t, e.o.EdgeRegistryReconciler, edge)
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), edge.DeepCopy())).NotTo(Succeed())
		}).WithTimeout(soon).WithPolling(often).Should(Succeed(), "%s is held, %s", edge.Name, e.where())
	}
}

// release takes away all that the estate has.
func (e *estate) release() {
	ctx := context.Background()
	edges := &edgev1.EdgeRegistryList{}
	_ = admin.List(ctx, edges)
	for i := range edges.Items {
		if edge := &edges.Items[i]; strings.HasPrefix(edge.Name, e.prefix) {
			_ = admin.Delete(ctx, edge)
			releaseNow(edge)
		}
	}
	for _, namespace := range e.namespaces(ctx) {
		_ = admin.Delete(ctx, &namespace)
		dropFinalizers(ctx, namespace.Name)
	}
}

// dropFinalizers takes the finalizers off what is in a namespace.
func dropFinalizers(ctx context.Context, namespace string) {
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleBindingList{}, &routev1.RouteList{}} {
		_ = admin.List(ctx, list, client.InNamespace(namespace))
		eachOf(list, func(object client.Object) {
			if len(object.GetFinalizers()) > 0 {
				_ = admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
			}
		})
	}
}
