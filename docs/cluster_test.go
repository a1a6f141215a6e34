// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const operatorNamespace = "edge-registry-system"

// stops ends what cluster started, the latest first.
var stops []func()

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	for len(stops) > 0 {
		stops[len(stops)-1]()
		stops = stops[:len(stops)-1]
	}
	os.Exit(code)
}

// cluster is a control plane with the stand-ins of OpenShift and the operator at work. It starts
// with the first test that asks for it: most tests of documents need none.
func cluster(t *testing.T) *env.Env {
	t.Helper()
	control, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	return control
}

var startCluster = sync.OnceValues(func() (*env.Env, error) {
	ctx, cancel := context.WithCancel(context.Background())
	stops = append(stops, cancel)
	control, err := env.Start(ctx, env.Options{})
	if err != nil {
		return nil, err
	}
	stops = append(stops, func() { _ = control.Stop() })
	openShift, err := platform.Start(ctx, platform.Options{Env: control})
	if err != nil {
		return nil, err
	}
	stops = append(stops, openShift.Stop)
	config, err := control.InstallOperator(ctx)
	if err != nil {
		return nil, err
	}
	manager, err := controllers.NewManager(config, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}},
		&controllers.EdgeRegistryReconciler{
			Namespace: operatorNamespace, Clock: clock.RealClock{}, DialContext: openShift.DialContext, MaxConcurrentReconciles: 1,
		})
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := manager.Start(running); err != nil {
			fmt.Fprintln(os.Stderr, "the operator ended:", err)
		}
	}()
	stops = append(stops, func() { end(); <-done })
	return control, nil
})
