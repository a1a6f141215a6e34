// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package consumers_test gives both Secrets of a real EdgeRegistry, unmodified, to
// the real programs that read them, against the registry stand-in over real TLS.
package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/machine"
	"github.com/edge-registry/edge-registry-operator/test/operator"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	edgeName = "factory"
	patience = 2 * time.Minute
	often    = 100 * time.Millisecond
)

var (
	openShift *platform.Platform
	// publish and pull are the Secrets of one EdgeRegistry that is Ready.
	publish, pull *corev1.Secret
)

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	control, err := env.Start(ctx, env.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = control.Stop() }()
	if openShift, err = platform.Start(ctx, platform.Options{Env: control}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer openShift.Stop()
	stop, err := operator.Start(ctx, control, openShift)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	if err := makeSecrets(ctx, control.Client()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// makeSecrets applies an EdgeRegistry, waits until it is Ready, and reads its Secrets.
func makeSecrets(ctx context.Context, api client.Client) error {
	edge := &edgev1.EdgeRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: edgeName},
		Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
	}
	if err := api.Create(ctx, edge); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the EdgeRegistry is not Ready: %v", edge.Status.Conditions)
		case <-time.After(often):
		}
		if err := api.Get(ctx, client.ObjectKeyFromObject(edge), edge); err != nil {
			return err
		}
	}
	publish, pull = &corev1.Secret{}, &corev1.Secret{}
	return errors.Join(
		api.Get(ctx, client.ObjectKey{Namespace: edgeName, Name: edgeName + "-publish"}, publish),
		api.Get(ctx, client.ObjectKey{Namespace: edgeName, Name: edgeName + "-pull"}, pull))
}

// newMachine reaches the registry by the platform's proxy.
func newMachine(t *testing.T, secret *corev1.Secret) *machine.Machine {
	t.Helper()
	m := machine.New(t, secret, publish, pull)
	m.Env = append(m.Env, "HTTPS_PROXY="+openShift.ProxyURL().String(), "NO_PROXY=")
	return m
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
