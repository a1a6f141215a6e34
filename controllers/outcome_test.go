// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

var (
	routeResource = schema.GroupResource{Group: "route.openshift.io", Resource: "routes"}
	errOffline    = &url.Error{Op: "Get", URL: "https://api/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
)

func TestOutcomeIsTheTimeOfTheNextPass(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	plain := errors.New("refused")
	impatient := waiting(edgev1.ReasonPending, "soon")
	impatient.retry = time.Second
	for _, tt := range []struct {
		name     string
		err      error
		next     time.Time
		from, to time.Duration
		fails    bool
	}{
		{name: "all is done and nothing is due", to: 0},
		{name: "all is done and something is due", next: now.Add(time.Hour), from: time.Hour, to: time.Hour},
		{name: "what is due is overdue", next: now.Add(-time.Hour), from: time.Second, to: time.Second},
		{name: "a wait", err: waiting(edgev1.ReasonPending, "x"), from: retryWaiting, to: retryWaiting * 11 / 10},
		{name: "a wait of its own length", err: impatient, from: time.Second, to: 1100 * time.Millisecond},
		{name: "a stall", err: stalled(edgev1.ReasonConflict, "x"), from: retryStalled, to: retryStalled * 11 / 10},
		{name: "a stall under another error", err: fmt.Errorf("step: %w", stalled(edgev1.ReasonConflict, "x")), from: retryStalled, to: retryStalled * 11 / 10},
		{name: "a stall with something due before", err: stalled(edgev1.ReasonConflict, "x"), next: now.Add(time.Minute), from: time.Minute, to: 66 * time.Second},
		{name: "a wait with something due later", err: waiting(edgev1.ReasonPending, "x"), next: now.Add(time.Hour), from: retryWaiting, to: retryWaiting * 11 / 10},
		{name: "an API that is down", err: errOffline, from: retryWaiting, to: retryWaiting * 11 / 10},
		{name: "any other error, with the queue's own backoff", err: plain, fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			for range 50 {
				result, err := outcome(tt.err, now, tt.next)
				g.Expect(err != nil).To(Equal(tt.fails))
				g.Expect(result.RequeueAfter).To(And(BeNumerically(">=", tt.from), BeNumerically("<=", tt.to)))
			}
		})
	}
}

func TestVerdictIsWhatAConditionSays(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		{"a cause with a name", stalled(edgev1.ReasonConflict, "Secret %q", "a"), metav1.ConditionFalse, edgev1.ReasonConflict, `Secret "a"`},
		{"one under another error", fmt.Errorf("step: %w", waiting(edgev1.ReasonPending, "b")), metav1.ConditionFalse, edgev1.ReasonPending, "b"},
		{"an API that is down", fmt.Errorf("read Route: %w", errOffline), metav1.ConditionUnknown, edgev1.ReasonAPIUnavailable,
			`read Route: Get "https://api/": dial tcp: connection refused`},
		{"an error of several lines", errors.New("one\n\ttwo\r\n three"), metav1.ConditionFalse, edgev1.ReasonRequestFailed, "one two three"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			status, reason, message := verdict(tt.err)
			g.Expect(status).To(Equal(tt.status))
			g.Expect(reason).To(Equal(tt.reason))
			g.Expect(message).To(Equal(tt.message))
		})
	}
}

func TestUnavailableIsAnAPIThatMayComeBackByItself(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"503", apierrors.NewServiceUnavailable("the server is currently unable to handle the request"), true},
		{"429", apierrors.NewTooManyRequests("slow down", 1), true},
		{"a server that ran out of time", apierrors.NewServerTimeout(routeResource, "get", 1), true},
		{"504", apierrors.NewTimeoutError("gateway", 1), true},
		{"a refused connection", errOffline, true},
		{"a request that ran out of time", fmt.Errorf("get: %w", context.DeadlineExceeded), true},
		{"404", apierrors.NewNotFound(routeResource, "a"), false},
		{"403", apierrors.NewForbidden(routeResource, "a", errors.New("no")), false},
		{"401", apierrors.NewUnauthorized("no"), false},
		{"409", apierrors.NewConflict(routeResource, "a", errors.New("changed")), false},
		{"422", apierrors.NewInvalid(schema.GroupKind{Kind: "Route"}, "a", nil), false},
		{"an error of our own", errors.New("no"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			NewWithT(t).Expect(unavailable(fmt.Errorf("read: %w", tt.err))).To(Equal(tt.want))
		})
	}
}

func ingressSaying(router, host string, status corev1.ConditionStatus, reason, message string) routev1.RouteIngress {
	return routev1.RouteIngress{Host: host, RouterName: router, Conditions: []routev1.RouteIngressCondition{
		{Type: routev1.RouteAdmitted, Status: status, Reason: reason, Message: message},
	}}
}

func expectBlocked(g *WithT, err error, reason string, stalled bool) {
	var b *blocked
	g.Expect(errors.As(err, &b)).To(BeTrue())
	g.Expect(b.reason).To(Equal(reason))
	g.Expect(b.stalled).To(Equal(stalled))
}

func TestTheHostIsTheOneThatARouterAdmitted(t *testing.T) {
	refused := ingressSaying("default", "a.example.com", corev1.ConditionFalse, "HostAlreadyClaimed", "taken")
	admitted := ingressSaying("shard", "b.example.com", corev1.ConditionTrue, "", "")
	other := admitted
	other.Conditions = []routev1.RouteIngressCondition{{Type: "Extended", Status: corev1.ConditionTrue}}
	for _, tt := range []struct {
		name    string
		ingress []routev1.RouteIngress
		host    string
		err     string
	}{
		{"one router admits it", []routev1.RouteIngress{admitted}, "b.example.com", ""},
		{"one of two routers admits it", []routev1.RouteIngress{refused, admitted}, "b.example.com", ""},
		{"no router has seen it", nil, "", "no router has picked it up"},
		{"a router refuses it", []routev1.RouteIngress{refused}, "", `router "default" refuses it: HostAlreadyClaimed: taken`},
		{"a router says something else of it", []routev1.RouteIngress{other}, "", "no router has picked it up"},
		{"a router admits it without a host", []routev1.RouteIngress{ingressSaying("default", "", corev1.ConditionTrue, "", "")}, "", `router "default"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			route := &routev1.Route{ObjectMeta: metav1.ObjectMeta{Name: "r"}}
			// A wish, which does not count.
			route.Spec.Host = "wished.example.com"
			route.Status.Ingress = tt.ingress
			host, _, err := admittedHost(route)
			g.Expect(host).To(Equal(tt.host))
			if tt.err == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tt.err)))
			expectBlocked(g, err, edgev1.ReasonRouteNotAdmitted, false)
		})
	}
}

func TestWhyThereIsNoRoute(t *testing.T) {
	condition := func(kind string, status operatorv1.ConditionStatus, reason, message string) operatorv1.OperatorCondition {
		return operatorv1.OperatorCondition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	for _, tt := range []struct {
		name       string
		conditions []operatorv1.OperatorCondition
		reason     string
		stalled    bool
		message    string
	}{
		{"its operator has not come to it", nil, edgev1.ReasonRouteNotFound, false, `Route "r" is not there yet: the image registry operator makes it`},
		{"its operator is well", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionFalse, "", "")},
			edgev1.ReasonRouteNotFound, false, "is not there yet: the image registry operator makes it"},
		{"its operator is in trouble", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionTrue, "VerificationFailed", "two of a name")},
			edgev1.ReasonRouteNotFound, false, `registry Config "cluster" is Degraded: VerificationFailed: two of a name`},
		{"there is no storage", []operatorv1.OperatorCondition{condition("Available", operatorv1.ConditionFalse, "StorageNotConfigured", "x")},
			edgev1.ReasonStorageNotConfigured, true, "set spec.storage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
			config.Status.Conditions = tt.conditions
			err := routeAbsent(config, "r")
			g.Expect(err).To(MatchError(ContainSubstring(tt.message)))
			expectBlocked(g, err, tt.reason, tt.stalled)
		})
	}
}
