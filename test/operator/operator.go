// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator runs the operator in the process of a test, for tests that need it at work and look at something else.
package operator

import (
	"context"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// namespace is the operator's own.
const namespace = "edge-registry-system"

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
