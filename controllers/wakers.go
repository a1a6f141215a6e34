// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// wakers are watches that keep nothing: an event, or a watch that had to be made again, means
// "look at this EdgeRegistry", and the pass reads live. So they need no right to list, cost no
// memory for what they see, and cannot mislead with a stale copy.
type wakers struct {
	watch watcher
	// wake asks for a pass over the EdgeRegistry of a name.
	wake func(edge string)
	// begun is called whenever the watch of the namespaces begins anew, as when an API server went away.
	begun func()

	mu       sync.Mutex
	ctx      context.Context
	projects map[string]projectWatch
	// targets are the namespaces that each EdgeRegistry copies to, by both names.
	targets map[string]map[string]*copyTarget
}

// projectWatch is what the wakers know of the project of one EdgeRegistry.
type projectWatch struct {
	namespace string
	uid       types.UID
	stop      context.CancelFunc
}

// watchedKinds are the kinds of the operator's objects in a project.
var watchedKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("ServiceAccountList"),
	rbacv1.SchemeGroupVersion.WithKind("RoleBindingList"),
	corev1.SchemeGroupVersion.WithKind("SecretList"),
}

func newWakers(watch watcher) *wakers {
	return &wakers{
		watch: watch, begun: func() {}, projects: map[string]projectWatch{}, targets: map[string]map[string]*copyTarget{},
	}
}

// start watches all namespaces, and the ConfigMaps of the operator's own.
func (w *wakers) start(ctx context.Context, operatorNamespace string, wake, configMapChanged func(name string)) {
	w.mu.Lock()
	w.ctx, w.wake = ctx, wake
	w.mu.Unlock()
	go w.follow(ctx, corev1.SchemeGroupVersion.WithKind("NamespaceList"), nil, w.namespaceChanged)
	go w.follow(ctx, corev1.SchemeGroupVersion.WithKind("ConfigMapList"),
		[]client.ListOption{client.InNamespace(operatorNamespace)}, configMapChanged)
}

// namespaceChanged wakes the EdgeRegistries whose project a namespace is, or that copy to it;
// without a name, all.
func (w *wakers) namespaceChanged(namespace string) {
	if namespace == "" {
		go w.begun()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for edge, project := range w.projects {
		_, target := w.targets[edge][namespace]
		if namespace == "" || project.namespace == namespace || target {
			w.wake(edge)
		}
	}
}

// expect notes which namespace an EdgeRegistry waits for, so that its events wake it.
func (w *wakers) expect(edge, namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	current := w.projects[edge]
	if current.namespace == namespace {
		return
	}
	if current.stop != nil {
		current.stop()
	}
	w.projects[edge] = projectWatch{namespace: namespace}
}

// project watches the objects of an EdgeRegistry in its project. The UID tells a project that was
// deleted and requested again from the one before.
func (w *wakers) project(edge, namespace string, uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	current := w.projects[edge]
	if w.ctx == nil || (current.stop != nil && current.uid == uid) {
		return
	}
	if current.stop != nil {
		current.stop()
	}
	ctx, stop := context.WithCancel(w.ctx)
	w.projects[edge] = projectWatch{namespace: namespace, uid: uid, stop: stop}
	options := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{edgeLabel: edge}}
	for _, kind := range watchedKinds {
		go w.follow(ctx, kind, options, func(string) { w.wake(edge) })
	}
}

// forget ends the watches of an EdgeRegistry that is gone.
func (w *wakers) forget(edge string) {
	w.retainTargets(edge, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	if current := w.projects[edge]; current.stop != nil {
		current.stop()
	}
	delete(w.projects, edge)
}

// follow keeps one watch open until ctx ends. It calls changed with the name of each object that
// an event is about, and with no name whenever events may have been missed.
func (w *wakers) follow(ctx context.Context, kind schema.GroupVersionKind, options []client.ListOption, changed func(name string)) {
	backoff := newWatchBackoff()
	resourceVersion := ""
	for ctx.Err() == nil {
		began := time.Now()
		var events io.ReadCloser
		var err error
		apart(func() {
			if events, err = w.open(ctx, kind, options, resourceVersion); err == nil && resourceVersion == "" {
				changed("")
			}
		})
		if err == nil {
			resourceVersion, err = drain(events, resourceVersion, func(object metav1.Object) { changed(object.GetName()) })
		}
		if err != nil {
			apart(func() { logf.FromContext(ctx).V(1).Info("Watch failed", "kind", kind.Kind, "cause", err.Error()) })
			resourceVersion = ""
		}
		if time.Since(began) > watchBackoffCap {
			backoff = newWatchBackoff()
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff.Step()):
		}
	}
}

// open watches the metadata of objects, from a resource version on, or from now on without one.
func (w *wakers) open(ctx context.Context, kind schema.GroupVersionKind, options []client.ListOption, resourceVersion string) (io.ReadCloser, error) {
	raw := &metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: resourceVersion, TimeoutSeconds: watchSeconds()}
	return w.watch(ctx, kind, slices.Concat(options, []client.ListOption{&client.ListOptions{Raw: raw}})...)
}

const watchBackoffCap = time.Minute

func newWatchBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 10, Cap: watchBackoffCap}
}

// isNewAnchor reports an anchor whose token is not published. It comes and goes within a pass: were
// it news, a pass that fails after the mint would wake the next, without any pause between.
func isNewAnchor(object metav1.Object) bool {
	return object.GetLabels()[kindLabel] == kindAnchor && !wasPublished(object)
}
