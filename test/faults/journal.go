// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// version is one state of an object. Resource versions are those of etcd, so versions of all kinds have one order.
type version struct {
	client.Object
	at      uint64
	deleted bool
	// listed: it was there when the journal began.
	listed bool
}

// journal keeps every version of every object of the cases, as an admin's watches saw it: independent of what the
// operator or the wire says.
type journal struct {
	admin client.WithWatch

	mu  sync.Mutex
	end context.CancelFunc
	// pages are by namespace, and for EdgeRegistries by name, which is that of their project.
	pages map[string][]version
}

// watchedLists are the kinds that the journal keeps.
func watchedLists() []client.ObjectList {
	return []client.ObjectList{
		&edgev1.EdgeRegistryList{}, &corev1.SecretList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleBindingList{},
	}
}

func startJournal(ctx context.Context, admin client.WithWatch) (*journal, error) {
	j := &journal{admin: admin, pages: map[string][]version{}}
	return j, j.begin(ctx)
}

// begin keeps what is there, and what happens to it until ctx ends or the journal begins again. After a restore of etcd
// it has to, for there the same versions come a second time.
func (j *journal) begin(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.end != nil {
		j.end()
	}
	for name := range j.pages {
		j.pages[name] = []version{}
	}
	ctx, j.end = context.WithCancel(ctx)
	for _, list := range watchedLists() {
		if err := j.admin.List(ctx, list); err != nil {
			return fmt.Errorf("begin the journal: %w", err)
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			j.enter(version{Object: item.(client.Object), listed: true})
			return nil
		})
		lw := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return j.admin.Watch(ctx, list.DeepCopyObject().(client.ObjectList), &client.ListOptions{Raw: &o})
		}}
		watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), lw)
		if err != nil {
			return fmt.Errorf("begin the journal: %w", err)
		}
		go j.keep(ctx, watcher)
	}
	return nil
}

func (j *journal) keep(ctx context.Context, watcher watch.Interface) {
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(client.Object)
		if !ok || event.Type == watch.Bookmark {
			continue
		}
		j.mu.Lock()
		if ctx.Err() == nil {
			j.enter(version{Object: object, deleted: event.Type == watch.Deleted})
		}
		j.mu.Unlock()
	}
}

// enter notes a version on its page, if that is followed.
func (j *journal) enter(v version) {
	var err error
	if v.at, err = strconv.ParseUint(v.GetResourceVersion(), 10, 64); err != nil {
		return
	}
	if page, followed := j.pages[pageOf(v)]; followed {
		j.pages[pageOf(v)] = append(page, v)
	}
}

func pageOf(object client.Object) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace()
}

// follow keeps what happens to an EdgeRegistry or in a namespace from now on.
func (j *journal) follow(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pages[name] = []version{}
}

// forget drops a page.
func (j *journal) forget(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.pages, name)
}

// read returns what was kept on some pages, in its order.
func (j *journal) read(names ...string) []version {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []version
	for _, name := range names {
		all = append(all, j.pages[name]...)
	}
	slices.SortStableFunc(all, func(a, b version) int { return cmp.Compare(a.at, b.at) })
	return all
}

// living are the objects that are there after the last of some versions, by UID, with their resource version.
func living(versions []version) map[types.UID]string {
	alive := map[types.UID]string{}
	for _, v := range versions {
		if v.deleted {
			delete(alive, v.GetUID())
		} else {
			alive[v.GetUID()] = v.GetResourceVersion()
		}
	}
	return alive
}
