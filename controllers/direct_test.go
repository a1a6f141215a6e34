// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about passes that a test makes by hand: what the tests share.

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// newDirect returns a reconciler whose passes the test makes itself: no queue, no watch, no cache,
// so that nothing happens but by the test. It works as the operator's own service account.
func newDirect(t *testing.T, now clock.PassiveClock, wrap func(http.RoundTripper) http.RoundTripper, mods ...func(*EdgeRegistryReconciler)) *EdgeRegistryReconciler {
	t.Helper()
	g := NewWithT(t)
	config := rest.CopyConfig(operatorConfig)
	config.Wrap(wrap)
	r := &EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: now, Recorder: quiet{}, DialContext: openShift.DialContext,
	}
	for _, mod := range mods {
		mod(r)
	}
	g.Expect(r.Connect(config)).To(Succeed())
	return r
}

// directOperator is an operator that makes its passes by pass alone, and so as fast as can be. It sends no events.
func directOperator(t *testing.T, mods ...func(*EdgeRegistryReconciler)) *operator {
	t.Helper()
	return directAt(t, clocktesting.NewFakePassiveClock(time.Now()), mods...)
}

// directAt is such an operator whose time is another's too.
func directAt(t *testing.T, now *clocktesting.FakePassiveClock, mods ...func(*EdgeRegistryReconciler)) *operator {
	t.Helper()
	o := &operator{clock: now, wire: &wire{}, direct: true}
	o.EdgeRegistryReconciler = newDirect(t, now, o.wire.wrap, mods...)
	return o
}

// makePass makes a pass that logs nothing. The canary hears of its error.
func makePass(t *testing.T, r *EdgeRegistryReconciler, edge *edgev1.EdgeRegistry) (ctrl.Result, error) {
	t.Helper()
	ctx := logf.IntoContext(t.Context(), logr.Discard())
	result, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(edge)})
	if err != nil {
		fmt.Fprintln(canary, err)
	}
	return result, err
}

// settles makes passes until the EdgeRegistry is Ready.
func (o *operator) settles(t *testing.T, edge *edgev1.EdgeRegistry) *edgev1.EdgeRegistry {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		o.pass(t, edge)
		ready := condition(t, edge, edgev1.Ready)
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%s: %s", ready.Reason, ready.Message)
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return edge
}

// comesTo makes passes until a condition has a reason: what comes before it may take the cluster a moment.
func (o *operator) comesTo(t *testing.T, edge *edgev1.EdgeRegistry, name, reason string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		o.pass(t, edge)
		g.Expect(condition(t, edge, name).Reason).To(Equal(reason))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// turnsByItself does what a message says, and makes the one pass after it that the operator asked for before: within half a minute
// of its clock, and the condition turns.
func (o *operator) turnsByItself(t *testing.T, edge *edgev1.EdgeRegistry, name string, follow func()) {
	t.Helper()
	g := NewWithT(t)
	next, err := makePass(t, o.EdgeRegistryReconciler, edge)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(condition(t, edge, name).Status).NotTo(Equal(metav1.ConditionTrue))
	g.Expect(next.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", 30*time.Second)))
	follow()
	o.clock.SetTime(o.clock.Now().Add(next.RequeueAfter))
	o.pass(t, edge)
	found := condition(t, edge, name)
	g.Expect(found.Status).To(Equal(metav1.ConditionTrue), "%s: %s", found.Reason, found.Message)
}

// quiet is a recorder that keeps nothing.
type quiet struct{}

// Eventf implements events.EventRecorder.
func (quiet) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
