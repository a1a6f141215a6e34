// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// world is shared by all cases.
var world *World

// parallel is how many cases run at once: they mostly wait for each other's control plane, so more than there are cores.
const parallel = "8"

func TestMain(m *testing.M) {
	os.Exit(runSuites(m))
}

func runSuites(m *testing.M) int {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err := flag.Set("test.parallel", parallel)
	if err == nil {
		world, err = NewWorld(ctx, env.Options{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer world.Stop()
	return m.Run()
}
