// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator runs the operator in the process of a test, for tests that need it at work and look at something else.
package operator

import (
	"context"
	"fmt"
	"os"
	"slices"

	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// namespace is the operator's own.
const namespace = "edge-registry-system"

// StartAll starts a control plane with the stand-ins of OpenShift and the operator at work, and returns what ends all of it; that
// is there with an error too.
func StartAll(ctx context.Context) (control *env.Env, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, one := range slices.Backward(stops) {
			one()
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	stops = append(stops, cancel)
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		return nil, stop, err
	}
	stops = append(stops, func() { _ = control.Stop() })
	openShift, err := platform.Start(ctx, platform.Options{Env: control})
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, openShift.Stop)
	end, err := Start(ctx, control, openShift)
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, end)
	return control, stop, nil
}

// Start installs the operator as config/ ships it, runs it as its own service account, and returns what ends it.
func Start(ctx context.Context, control *env.Env, openShift *platform.Platform) (func(), error) {
	config, err := control.InstallOperator(ctx)
	if err != nil {
		return nil, err
	}
	manager, err := controllers.NewManager(config, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}},
		&controllers.EdgeRegistryReconciler{Namespace: namespace, DialContext: openShift.DialContext})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := manager.Start(running); err != nil {
			fmt.Fprintln(os.Stderr, "the operator ended:", err)
		}
	}()
	return func() { cancel(); <-done }, nil
}
