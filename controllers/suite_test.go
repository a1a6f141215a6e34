// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the control plane of the suite.

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// The suite runs against a real control plane. The operator works as the service account that
// config/ ships, with the rights that config/ ships.
var (
	control   *env.Env
	openShift *platform.Platform
	admin     client.Client
	// operatorConfig authenticates as the operator's own service account.
	operatorConfig *rest.Config
	// canary knows every token that the operator was given, and where none may show.
	canary = newVault()
)

const operatorNamespace = "edge-registry-system"

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	// The most talkative level, so that whatever could log a token does.
	logger := credential.WithoutBodies(zap.New(zap.WriteTo(canary), zap.Level(zapLevel(-10)), zap.UseDevMode(true)))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := startSuite(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		openShift.Stop()
		if err := control.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	code := m.Run()
	if leaks := canary.search(context.Background()); len(leaks) > 0 {
		fmt.Fprintf(os.Stderr, "a token shows in: %v\n", leaks)
		return 1
	}
	return code
}

func startSuite(ctx context.Context) error {
	var err error
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		return err
	}
	admin = control.Client()
	if openShift, err = platform.Start(ctx, platform.Options{Env: control}); err != nil {
		return err
	}
	operatorConfig, err = control.InstallOperator(ctx)
	return err
}
