// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// retryWaiting is for causes that mend themselves. A watch mostly wakes the operator before.
	retryWaiting = 15 * time.Second
	// retryStalled is for causes that a person has to mend, where no watch tells of it.
	retryStalled = 5 * time.Minute
)

// blocked is the error of a step that cannot be done now, and why.
type blocked struct {
	reason  string
	message string
	// stalled: a person has to act first.
	stalled bool
	// carryOn: the steps after it can do their work all the same.
	carryOn bool
	// conflict: it is one of many conflicts in a row.
	conflict bool
	// retry is when to look again at the latest; zero for the usual time.
	retry time.Duration
}

func (b *blocked) Error() string { return b.message }

func waiting(reason, format string, args ...any) *blocked {
	return &blocked{reason: reason, message: fmt.Sprintf(format, args...)}
}

func stalled(reason, format string, args ...any) *blocked {
	return &blocked{reason: reason, message: fmt.Sprintf(format, args...), stalled: true}
}

// outcome turns the result of a pass into the time of the next one. next is when something is
// due; zero when nothing is.
func outcome(err error, now, next time.Time) (ctrl.Result, error) {
	var b *blocked
	switch {
	case err == nil:
		return ctrl.Result{RequeueAfter: until(next, now)}, nil
	case errors.As(err, &b):
		return ctrl.Result{RequeueAfter: wait.Jitter(sooner(b.patience(), until(next, now)), 0.1)}, nil
	case unavailable(err):
		return ctrl.Result{RequeueAfter: wait.Jitter(retryWaiting, 0.1)}, nil
	default:
		return ctrl.Result{}, err
	}
}

// outcomeOfWrite is the outcome of a pass that failed to write to the EdgeRegistry itself. One that
// was edited meanwhile is read again.
func outcomeOfWrite(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return retrySoon(), nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

func retrySoon() ctrl.Result { return ctrl.Result{RequeueAfter: time.Second} }

// patience is how long to wait for the cause to go.
func (b *blocked) patience() time.Duration {
	switch {
	case b.retry != 0:
		return b.retry
	case b.stalled:
		return retryStalled
	default:
		return retryWaiting
	}
}

func until(next, now time.Time) time.Duration {
	if next.IsZero() {
		return 0
	}
	return max(next.Sub(now), time.Second)
}

// leftOf is how long to wait for a time that was at most so far ahead when it was noted. One that is further ahead was noted
// before the clock was set back, and is not waited for.
func leftOf(at, now time.Time, ahead time.Duration) time.Duration {
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

// verdict is what a step's error says of its condition.
func verdict(err error) (status metav1.ConditionStatus, reason, message string) {
	var b *blocked
	switch {
	case errors.As(err, &b):
		return metav1.ConditionFalse, b.reason, b.message
	case unavailable(err):
		return metav1.ConditionUnknown, edgev1.ReasonAPIUnavailable, oneLine(err)
	default:
		return metav1.ConditionFalse, edgev1.ReasonRequestFailed, oneLine(err)
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
