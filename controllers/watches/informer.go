// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// Informer caches a few platform objects of one namespace, or one object. It never delays the start of the operator, since the API
// may be absent, and it serves reads only while its watch is up: otherwise a read goes to the API server, which says what is
// wrong. It lists again after a while, to make up for lost events.
type Informer[T client.Object] struct {
	client   client.WithWatch
	informer cache.SharedIndexInformer
	fresh    func() T
	// answered: the last list or watch succeeded.
	answered atomic.Bool
	// open: a watch is open. Between two watches, which may take a minute, the cache gets stale.
	open atomic.Bool
	// listed is the time of the last list.
	listed  atomic.Pointer[time.Time]
	enqueue func()
}

// relistAfter is the age at which the cache is listed again. It is checked when a watch is renewed, which an informer does within
// ten minutes.
const relistAfter = 30 * time.Minute

// NewInformer returns an informer that has not started yet. fresh returns an empty object, and list an empty list of them. With an
// empty name it caches all objects of the namespace.
func NewInformer[T client.Object](c client.WithWatch, passive clock.PassiveClock, fresh func() T, list client.ObjectList, namespace, name string) *Informer[T] {
	m := &Informer[T]{client: c, fresh: fresh}
	options := func(o metav1.ListOptions) *client.ListOptions {
		limited := &client.ListOptions{Namespace: namespace, Raw: &o}
		if name != "" {
			limited.FieldSelector = fields.OneTermEqualSelector("metadata.name", name)
		}
		return limited
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			m.listed.Store(ptr.To(passive.Now()))
			l := list.DeepCopyObject().(client.ObjectList)
			err := c.List(ctx, l, options(o))
			m.observe(err)
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if now := passive.Now(); ptr.Deref(o.SendInitialEvents, false) {
				m.listed.Store(&now)
			} else if now.Sub(*m.listed.Load()) >= relistAfter {
				return nil, apierrors.NewResourceExpired("the copy is old")
			}
			w, err := c.Watch(ctx, list.DeepCopyObject().(client.ObjectList), options(o))
			m.observe(err)
			if err != nil {
				return nil, err
			}
			m.open.Store(true)
			return onStop{w, func() { m.open.Store(false) }}, nil
		},
	}
	m.informer = cache.NewSharedIndexInformer(source, fresh(), 0, cache.Indexers{})
	return m
}

// Start watches until ctx ends, and calls enqueue on every change and when the watch fails.
func (m *Informer[T]) Start(ctx context.Context, enqueue func()) error {
	m.enqueue = enqueue
	_, err := m.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { enqueue() },
		UpdateFunc: func(before, after any) {
			// To list again brings what is known already, too.
			if before.(T).GetResourceVersion() != after.(T).GetResourceVersion() {
				enqueue()
			}
		},
		DeleteFunc: func(any) { enqueue() },
	})
	if err != nil {
		return err
	}
	err = m.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		logf.FromContext(ctx).V(1).Info("Watch of a platform object ended", "type", m.kind(), "cause", err.Error())
	})
	if err != nil {
		return err
	}
	go m.informer.RunWithContext(ctx)
	return nil
}

// observe notes whether the last list or watch succeeded. The first failure is reported, further ones are not.
func (m *Informer[T]) observe(err error) {
	if err == nil {
		m.answered.Store(true)
	} else if m.answered.Swap(false) {
		m.enqueue()
	}
}

func (m *Informer[T]) kind() string {
	gvk, err := m.client.GroupVersionKindFor(m.fresh())
	if err != nil {
		return "unknown"
	}
	return gvk.Kind
}

// Get returns an object that the caller must not change.
func (m *Informer[T]) Get(ctx context.Context, namespace, name string) (T, error) {
	key := client.ObjectKey{Namespace: namespace, Name: name}
	if m.informer.HasSynced() && m.open.Load() {
		item, found, err := m.informer.GetStore().GetByKey(cache.NewObjectName(namespace, name).String())
		if err == nil && found {
			return item.(T), nil
		}
	}
	object := m.fresh()
	err := m.client.Get(ctx, key, object)
	return object, err
}

// onStop is a watch that calls a function when its reader stops it.
type onStop struct {
	watch.Interface
	onEnd func()
}

// Stop implements watch.Interface. A reflector calls it whenever its watch has ended.
func (w onStop) Stop() {
	w.Interface.Stop()
	w.onEnd()
}
