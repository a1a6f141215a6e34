// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// workers is how many EdgeRegistries the operator works on at once by default, and so the bare client.
	workers = 4
	// appliers is how many of the benchmark's own requests run at once.
	appliers = 16
)

// names makes n names that were not used before in this world.
func (w *world) names(kind string, n int) []string {
	names := make([]string, n)
	for i := range names {
		w.named++
		names[i] = fmt.Sprintf("%s-%05d", kind, w.named)
	}
	return names
}

// each does something for every item, some at once, and returns what went wrong.
func each[T any](ctx context.Context, atOnce int, items []T, do func(ctx context.Context, item T) error) error {
	var mu sync.Mutex
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workqueue.ParallelizeUntil(ctx, atOnce, len(items), func(i int) {
		if err := do(ctx, items[i]); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			cancel()
		}
	})
	return errors.Join(failed, ctx.Err())
}

// byOperator applies EdgeRegistries and returns how long it takes until all are Ready.
func (w *world) byOperator(ctx context.Context, names []string) (time.Duration, error) {
	return w.apply(ctx, names, func(string) edgev1.EdgeRegistrySpec {
		return edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}}
	})
}

func (w *world) apply(ctx context.Context, names []string, spec func(name string) edgev1.EdgeRegistrySpec) (time.Duration, error) {
	w.applied = append(w.applied, names...)
	return w.untilAll(ctx, names, isReady, func(ctx context.Context, name string) error {
		edge := &edgev1.EdgeRegistry{Spec: spec(name)}
		edge.Name = name
		return w.api.Create(ctx, edge)
	})
}

// byBare makes as many twins and returns how long it takes until the bare client has finished all.
func (w *world) byBare(ctx context.Context, names []string) (time.Duration, error) {
	b, err := newBare(w)
	if err != nil {
		return 0, err
	}
	defer b.background.Wait()
	began := time.Now()
	made := make(chan string, len(names))
	applied := make(chan error, 1)
	go func() {
		defer close(made)
		applied <- each(ctx, appliers, names, func(ctx context.Context, name string) error {
			if err := b.api.Create(ctx, newTwin(name)); err != nil {
				return err
			}
			made <- name
			return nil
		})
	}()
	err = each(ctx, workers, make([]struct{}, workers), func(ctx context.Context, _ struct{}) error {
		for name := range made {
			if err := b.install(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(began), errors.Join(err, <-applied)
}

// rotateByOperator asks for new tokens for all at once, and returns how long it takes until all have them.
func (w *world) rotateByOperator(ctx context.Context, names []string) (time.Duration, error) {
	mark := time.Now().UTC().Format(time.RFC3339Nano)
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, edgev1.RotateAnnotation, mark))
	rotated := func(edge *edgev1.EdgeRegistry) bool { return edge.Status.LastHandledRotation == mark && isReady(edge) }
	return w.untilAll(ctx, names, rotated, func(ctx context.Context, name string) error {
		edge := &edgev1.EdgeRegistry{}
		edge.Name = name
		return w.api.Patch(ctx, edge, patch)
	})
}

// rotateByBare gives the twins new tokens.
func (w *world) rotateByBare(ctx context.Context, names []string, generation int) (time.Duration, error) {
	b, err := newBare(w)
	if err != nil {
		return 0, err
	}
	defer b.background.Wait()
	began := time.Now()
	err = each(ctx, workers, names, func(ctx context.Context, name string) error { return b.rotate(ctx, name, generation) })
	return time.Since(began), err
}

func isReady(edge *edgev1.EdgeRegistry) bool {
	ready := meta.FindStatusCondition(edge.Status.Conditions, edgev1.Ready)
	return ready != nil && ready.Status == "True" && ready.ObservedGeneration == edge.Generation
}

// untilAll does something to each EdgeRegistry, and returns how long it takes until a watch has seen
// all of them as they should be.
func (w *world) untilAll(ctx context.Context, names []string, done func(*edgev1.EdgeRegistry) bool, do func(ctx context.Context, name string) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := w.watch(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { events.Stop() }()
	missing := make(map[string]bool, len(names))
	for _, name := range names {
		missing[name] = true
	}
	began := time.Now()
	applied := make(chan error, 1)
	go func() { applied <- each(ctx, appliers, names, do) }()
	for len(missing) > 0 {
		select {
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), fmt.Errorf("%d of %d EdgeRegistries are missing", len(missing), len(names)))
		case event := <-events.ResultChan():
			edge, ok := event.Object.(*edgev1.EdgeRegistry)
			if !ok {
				// The API server ends the watch of a client that is slow to read. Another begins with what is there.
				events.Stop()
				if events, err = w.watch(ctx); err != nil {
					return 0, err
				}
				continue
			}
			if done(edge) {
				delete(missing, edge.Name)
			}
		}
	}
	return time.Since(began), <-applied
}

func (w *world) watch(ctx context.Context) (watch.Interface, error) {
	events, err := w.api.Watch(ctx, &edgev1.EdgeRegistryList{})
	if err != nil {
		return nil, fmt.Errorf("watch EdgeRegistries: %w", err)
	}
	return events, nil
}
