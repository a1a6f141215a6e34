// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"errors"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Outcome turns the error of a pass, or nil, into the time of the next one. next is when something is due; zero if nothing is.
func Outcome(err error, now, next time.Time) (ctrl.Result, error) {
	var b *Blocked
	switch {
	case err == nil:
		return ctrl.Result{RequeueAfter: until(next, now)}, nil
	case errors.As(err, &b):
		return ctrl.Result{RequeueAfter: wait.Jitter(sooner(b.patience(), until(next, now)), 0.1)}, nil
	case unavailable(err):
		return ctrl.Result{RequeueAfter: wait.Jitter(RetryWaiting, 0.1)}, nil
	default:
		return ctrl.Result{}, err
	}
}

// RetrySoon requeues after a second.
func RetrySoon() ctrl.Result { return ctrl.Result{RequeueAfter: time.Second} }

func until(next, now time.Time) time.Duration {
	if next.IsZero() {
		return 0
	}
	return max(next.Sub(now), time.Second)
}

// LeftOf is how long to wait for a time that was at most so far ahead when it was noted. One that is further ahead was noted
// before the clock was set back, and is not waited for.
func LeftOf(at, now time.Time, ahead time.Duration) time.Duration {
	if wait := at.Sub(now); wait <= ahead {
		return max(wait, 0)
	}
	return 0
}

// sooner returns the lesser of two waits, where zero is no wait at all.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Verdict is what a step's error says of its condition.
func Verdict(err error) (status metav1.ConditionStatus, reason, message string) {
	var b *Blocked
	switch {
	case errors.As(err, &b):
		return metav1.ConditionFalse, b.Reason, b.Message
	case unavailable(err):
		return metav1.ConditionUnknown, edgev1.ReasonAPIUnavailable, text.Of(err)
	default:
		return metav1.ConditionFalse, edgev1.ReasonRequestFailed, text.Of(err)
	}
}

// unavailable reports an API that does not answer for now. Setting defaultRoute itself makes
// OpenShift roll its API servers, so this is an ordinary event.
func unavailable(err error) bool {
	var netErr net.Error
	return apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		errors.As(err, &netErr) || errors.Is(err, context.DeadlineExceeded)
}
