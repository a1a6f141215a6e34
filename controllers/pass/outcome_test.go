// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

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
	impatient := Waiting(edgev1.ReasonPending, "soon")
	impatient.Retry = time.Second
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
		{name: "a wait", err: Waiting(edgev1.ReasonPending, "x"), from: RetryWaiting, to: RetryWaiting * 11 / 10},
		{name: "a wait of its own length", err: impatient, from: time.Second, to: 1100 * time.Millisecond},
		{name: "a stall", err: Stalled(edgev1.ReasonConflict, "x"), from: retryStalled, to: retryStalled * 11 / 10},
		{name: "a stall, as who follows its message looks at it", err: Stalled(edgev1.ReasonConflict, "x"), from: time.Second, to: 30 * time.Second},
		{name: "a stall under another error", err: fmt.Errorf("step: %w", Stalled(edgev1.ReasonConflict, "x")), from: retryStalled, to: retryStalled * 11 / 10},
		{name: "a stall with something due before", err: Stalled(edgev1.ReasonConflict, "x"), next: now.Add(10 * time.Second), from: 10 * time.Second, to: 11 * time.Second},
		{name: "a wait with something due later", err: Waiting(edgev1.ReasonPending, "x"), next: now.Add(time.Hour), from: RetryWaiting, to: RetryWaiting * 11 / 10},
		{name: "an API that is down", err: errOffline, from: RetryWaiting, to: RetryWaiting * 11 / 10},
		{name: "any other error, with the queue's own backoff", err: plain, fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			for range 50 {
				result, err := Outcome(tt.err, now, tt.next)
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
		{"a cause with a name", Stalled(edgev1.ReasonConflict, "Secret %q", "a"), metav1.ConditionFalse, edgev1.ReasonConflict, `Secret "a"`},
		{"one under another error", fmt.Errorf("step: %w", Waiting(edgev1.ReasonPending, "b")), metav1.ConditionFalse, edgev1.ReasonPending, "b"},
		{"an API that is down", fmt.Errorf("read Route: %w", errOffline), metav1.ConditionUnknown, edgev1.ReasonAPIUnavailable,
			`read Route: Get "https://api/": dial tcp: connection refused`},
		{"an error of several lines", errors.New("one\n\ttwo\r\n three"), metav1.ConditionFalse, edgev1.ReasonRequestFailed, "one two three"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			status, reason, message := Verdict(tt.err)
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
