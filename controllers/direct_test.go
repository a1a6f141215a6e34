// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// newDirect returns a reconciler whose passes the test makes itself: no queue, no watch, no cache,
// so that nothing happens but by the test. It works as the operator's own service account.
func newDirect(t *testing.T, now clock.PassiveClock, wrap func(http.RoundTripper) http.RoundTripper) *EdgeRegistryReconciler {
	t.Helper()
	g := NewWithT(t)
	config := rest.CopyConfig(operatorConfig)
	config.Wrap(wrap)
	r := &EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: now, Recorder: quiet{}, DialContext: openShift.DialContext,
	}
	g.Expect(r.Connect(config)).To(Succeed())
	return r
}

// quiet is a recorder that keeps nothing.
type quiet struct{}

// Eventf implements events.EventRecorder.
func (quiet) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
