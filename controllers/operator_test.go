// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about an operator in this process: what the tests share.

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
)

// operator is one run of the operator, in this process, with its own eyes and hands.
type operator struct {
	*EdgeRegistryReconciler
	clock *clocktesting.FakePassiveClock
	wire  *wire
	begun *begun
	// direct: it makes passes only when the test does.
	direct bool
	cancel context.CancelFunc
	done   chan error
}

// startOperator runs an operator until the test ends, or until stop.
func startOperator(t *testing.T, mods ...func(*operator, *rest.Config)) *operator {
	t.Helper()
	g := NewWithT(t)
	o := &operator{
		clock: clocktesting.NewFakePassiveClock(time.Now()),
		wire:  &wire{},
		done:  make(chan error, 1),
	}
	o.EdgeRegistryReconciler = &EdgeRegistryReconciler{
		Namespace:               operatorNamespace,
		Clock:                   o.clock,
		DialContext:             openShift.DialContext,
		MaxConcurrentReconciles: 4,
	}
	cfg := rest.CopyConfig(operatorConfig)
	for _, mod := range mods {
		mod(o, cfg)
	}
	cfg.Wrap(o.wire.wrap)
	mgr, err := NewManager(cfg, ctrl.Options{
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		Controller:              configForTests(),
		GracefulShutdownTimeout: ptr.To(10 * time.Second),
	}, o.EdgeRegistryReconciler)
	g.Expect(err).NotTo(HaveOccurred())
	o.begun = &begun{Reader: o.Edges, asked: map[string]string{}}
	o.Edges = o.begun
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	go func() { o.done <- mgr.Start(ctx) }()
	t.Cleanup(func() { o.stop(t) })
	g.Eventually(func() bool { return mgr.GetCache().WaitForCacheSync(ctx) }).WithTimeout(30 * time.Second).Should(BeTrue())
	return o
}

// stop ends the operator as SIGTERM does.
func (o *operator) stop(t *testing.T) {
	t.Helper()
	o.cancel()
	select {
	case err, running := <-o.done:
		if !running {
			return
		}
		close(o.done)
		if err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the operator did not end")
	}
}

// configForTests lets several operators live in one process.
func configForTests() config.Controller {
	return config.Controller{SkipNameValidation: ptr.To(true)}
}

// wire sees every request of one operator.
type wire struct {
	mu       sync.Mutex
	requests []string
	// intercept may answer a request itself, or fail it; nil for neither.
	intercept func(*http.Request, http.RoundTripper) (*http.Response, error)
}

// wrap is called for each identity that the operator speaks with.
func (w *wire) wrap(next http.RoundTripper) http.RoundTripper {
	return apiserver.RoundTripper(func(r *http.Request) (*http.Response, error) { return w.send(r, next) })
}

func (w *wire) send(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r.Method+" "+r.URL.Path)
	intercept := w.intercept
	w.mu.Unlock()
	var response *http.Response
	var err error
	if intercept != nil {
		response, err = intercept(r, next)
	} else {
		response, err = next.RoundTrip(r)
	}
	if err == nil && response.StatusCode == http.StatusCreated && strings.HasSuffix(r.URL.Path, "/token") {
		canary.issued(response)
	}
	return response, err
}

func (w *wire) setIntercept(f func(*http.Request, http.RoundTripper) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept = f
}

// housekeeping are requests that are not about any object of the operator's: who it is, and leases.
var housekeeping = regexp.MustCompile(`selfsubjectreviews|/leases`)

// writes returns the requests that change something, but events.
func (w *wire) writes() []string {
	return w.matching(func(request string) bool {
		return !strings.HasPrefix(request, "GET ") && !housekeeping.MatchString(request) && !strings.Contains(request, "/events")
	})
}

func (w *wire) matching(keep func(string) bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kept []string
	for _, request := range w.requests {
		if keep(request) {
			kept = append(kept, request)
		}
	}
	return kept
}

var tokenDecoder = func() *protobuf.Serializer {
	scheme := runtime.NewScheme()
	if err := authenticationv1.AddToScheme(scheme); err != nil {
		panic(fmt.Sprintf("add the authentication API: %v", err))
	}
	return protobuf.NewSerializer(scheme, scheme)
}()
