// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	registryConfigName      = "cluster"
	registryConfigFinalizer = "imageregistry.operator.openshift.io/finalizer"
	pollInterval            = 20 * time.Millisecond
)

// ImageRegistryOperator simulates openshift/cluster-image-registry-operator: it
// turns the Config "cluster" into Routes and conditions (pkg/operator/controller.go
// and status.go, pkg/resource/generator.go). Storage comes first and Routes come
// last, so that an operator without storage makes no Route. There is no
// Deployment; SetAvailable says whether its pods would be ready.
type ImageRegistryOperator struct {
	api    client.WithWatch
	domain string
	waker  waker

	mu        sync.Mutex
	bootstrap bool // make the Config when there is none
	storage   bool
	available bool
	deployed  bool // the resources before the Routes were applied once
}

// permanentError is a failure that the operator reports as Degraded.
type permanentError struct{ reason, message string }

func (e permanentError) Error() string { return e.message }

func newImageRegistryOperator(api client.WithWatch, domain string) *ImageRegistryOperator {
	return &ImageRegistryOperator{api: api, domain: domain, waker: newWaker(), storage: true, available: true}
}

func (o *ImageRegistryOperator) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	o.waker.watch(ctx, &group, o.api, &imageregistryv1.ConfigList{})
	o.waker.watch(ctx, &group, o.api, &routev1.RouteList{}, client.InNamespace(RegistryNamespace))
	o.waker.watch(ctx, &group, o.api, &corev1.SecretList{}, client.InNamespace(RegistryNamespace))
	o.waker.run(ctx, o.pass)
}

func (o *ImageRegistryOperator) set(change func()) {
	o.mu.Lock()
	change()
	o.mu.Unlock()
	o.waker.wake()
}

// SetStorage says whether the registry's storage can be configured. Without it
// the operator is Degraded with StorageNotConfigured and touches no Route.
func (o *ImageRegistryOperator) SetStorage(yes bool) { o.set(func() { o.storage = yes }) }

// SetAvailable says whether the registry's pods are ready. It moves conditions
// alone: what the registry answers is set at Router and Registry.
func (o *ImageRegistryOperator) SetAvailable(yes bool) { o.set(func() { o.available = yes }) }

// CreateConfig makes the Config "cluster" as an installed cluster has it:
// Managed, with storage, without the default route. It keeps one that exists,
// and from now on the operator makes it again when it is deleted, as the real
// one does.
func (o *ImageRegistryOperator) CreateConfig(ctx context.Context) error {
	o.set(func() { o.bootstrap = true })
	return o.createConfig(ctx)
}

func (o *ImageRegistryOperator) createConfig(ctx context.Context) error {
	secret := make([]byte, 64)
	_, _ = rand.Read(secret)
	cfg := &imageregistryv1.Config{
		ObjectMeta: metav1.ObjectMeta{Name: registryConfigName, Finalizers: []string{registryConfigFinalizer}},
		Spec: imageregistryv1.ImageRegistrySpec{
			OperatorSpec: operatorv1.OperatorSpec{
				ManagementState: operatorv1.Managed, LogLevel: operatorv1.Normal, OperatorLogLevel: operatorv1.Normal,
			},
			HTTPSecret:      hex.EncodeToString(secret),
			Replicas:        1,
			RolloutStrategy: "RollingUpdate",
			Storage: imageregistryv1.ImageRegistryConfigStorage{
				ManagementState: imageregistryv1.StorageManagementStateManaged,
				EmptyDir:        &imageregistryv1.ImageRegistryConfigStorageEmptyDir{},
			},
		},
	}
	if err := o.api.Create(ctx, cfg); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create registry Config: %w", err)
	}
	return nil
}

// DeleteConfig removes the Config and its Routes for good, as in a cluster
// without the ImageRegistry capability, and returns when it is gone.
func (o *ImageRegistryOperator) DeleteConfig(ctx context.Context) error {
	o.set(func() { o.bootstrap = false })
	cfg := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: registryConfigName}}
	if err := o.api.Delete(ctx, cfg); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete registry Config: %w", err)
	}
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		err := o.api.Get(ctx, client.ObjectKeyFromObject(cfg), cfg)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("wait for the registry Config to go: %w", err)
	}
	return nil
}

// pass is the operator's one control loop.
func (o *ImageRegistryOperator) pass(ctx context.Context) error {
	cfg := &imageregistryv1.Config{}
	err := o.api.Get(ctx, client.ObjectKey{Name: registryConfigName}, cfg)
	o.mu.Lock()
	bootstrap := o.bootstrap
	o.mu.Unlock()
	switch {
	case apierrors.IsNotFound(err) && bootstrap:
		return o.createConfig(ctx)
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read registry Config: %w", err)
	case cfg.DeletionTimestamp != nil:
		return o.finalize(ctx, cfg)
	}
	var failed error
	switch cfg.Spec.ManagementState {
	case operatorv1.Managed:
		failed = o.apply(ctx, cfg)
	case operatorv1.Removed:
		failed = o.remove(ctx, cfg)
	}
	if err := o.report(ctx, cfg, failed); err != nil {
		return err
	}
	if permanent := (permanentError{}); errors.As(failed, &permanent) {
		return nil
	}
	return failed
}

func (o *ImageRegistryOperator) finalize(ctx context.Context, cfg *imageregistryv1.Config) error {
	if err := o.remove(ctx, cfg); err != nil {
		return err
	}
	before := cfg.DeepCopy()
	cfg.Finalizers = nil
	if err := o.api.Patch(ctx, cfg, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("release registry Config: %w", err)
	}
	return nil
}

// report writes the status when it changed.
func (o *ImageRegistryOperator) report(ctx context.Context, cfg *imageregistryv1.Config, failed error) error {
	routes := &routev1.RouteList{}
	if err := o.api.List(ctx, routes, client.InNamespace(RegistryNamespace)); err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	before := cfg.DeepCopy()
	o.mu.Lock()
	state := registryState{
		management: cfg.Spec.ManagementState, available: o.available, deployed: o.deployed,
		failed: failed, rejected: rejectedRoute(routes.Items),
	}
	o.mu.Unlock()
	state.write(&cfg.Status)
	cfg.Status.ObservedGeneration = cfg.Generation
	if cfg.Spec.ManagementState == operatorv1.Managed && failed == nil {
		cfg.Status.Storage = cfg.Spec.Storage
		cfg.Status.StorageManaged = true
	}
	if cfg.Spec.ManagementState == operatorv1.Removed {
		cfg.Status.Storage = imageregistryv1.ImageRegistryConfigStorage{}
	}
	if reflect.DeepEqual(before.Status, cfg.Status) {
		return nil
	}
	if err := o.api.Status().Update(ctx, cfg); err != nil {
		return fmt.Errorf("write status of registry Config: %w", err)
	}
	return nil
}
