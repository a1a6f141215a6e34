// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
)

// Triggers are watches that store nothing: an event, or a watch that had to be restarted, enqueues an EdgeRegistry, and the pass
// reads live. So they need no right to list, take no memory for objects, and are never stale.
type Triggers struct {
	watch Opener
	// label names the EdgeRegistry that an object was made for.
	label string
	// isNews reports whether the creation or deletion of an object is worth a pass.
	isNews func(metav1.Object) bool
	// enqueue requests a pass over the EdgeRegistry of a name.
	enqueue func(edge string)
	// begun is called whenever the watch of the namespaces starts over, as after an outage of the API server.
	begun func()

	mu    sync.Mutex
	ctx   context.Context
	homes map[types.UID]home
	// targets are the namespaces that each EdgeRegistry copies to.
	targets map[types.UID]map[string]*copyTarget
	// outages counts how often the API server went away.
	outages int
	// observers are the callbacks for what is observed.
	observers map[observed][]func(name string)
}

// observed is a kind in a namespace.
type observed struct {
	kind      schema.GroupVersionKind
	namespace string
}

// home is what is known of the namespace of one EdgeRegistry's Secrets.
type home struct {
	edge, namespace string
	uid             types.UID
	stop            context.CancelFunc
}

// NewTriggers returns triggers that have not started yet. label names the EdgeRegistry that an object was made for, and isNews
// reports whether the creation or deletion of an object is worth a pass.
func NewTriggers(watch Opener, label string, isNews func(metav1.Object) bool) *Triggers {
	return &Triggers{
		watch: watch, label: label, isNews: isNews, begun: func() {}, homes: map[types.UID]home{}, targets: map[types.UID]map[string]*copyTarget{},
		observers: map[observed][]func(string){},
	}
}

// Start watches all namespaces, and the ConfigMaps in the operator's own. begun is called whenever events about namespaces may have
// been missed, and configMapChanged with the name of a ConfigMap, or with an empty one when events may have been missed.
func (t *Triggers) Start(ctx context.Context, operatorNamespace string, enqueue func(edge string), begun func(), configMapChanged func(name string)) {
	t.mu.Lock()
	t.ctx, t.enqueue, t.begun = ctx, enqueue, begun
	t.mu.Unlock()
	namespaces := byName(t.namespaceChanged)
	namespaces.doubt = t.wentAway
	go t.follow(ctx, &followed{source: source{kind: corev1.SchemeGroupVersion.WithKind("NamespaceList")}, reader: namespaces})
	go t.follow(ctx, &followed{
		source: source{kind: corev1.SchemeGroupVersion.WithKind("ConfigMapList"), namespace: operatorNamespace}, reader: byName(configMapChanged),
	})
}

// Observe watches the objects of a kind in a namespace until ctx ends, and calls changed with the name of each that changed, or with
// an empty name when events may have been missed. Calls for the same kind and namespace share one watch.
func (t *Triggers) Observe(ctx context.Context, kind schema.GroupVersionKind, namespace string, changed func(name string)) {
	key := observed{kind, namespace}
	t.mu.Lock()
	_, watched := t.observers[key]
	t.observers[key] = append(t.observers[key], changed)
	t.mu.Unlock()
	if watched {
		go changed("")
		return
	}
	tell := func(name string) {
		t.mu.Lock()
		all := slices.Clone(t.observers[key])
		t.mu.Unlock()
		for _, changed := range all {
			changed(name)
		}
	}
	go t.follow(ctx, &followed{source: source{kind: kind, namespace: namespace}, reader: byName(tell)})
}

// namespaceChanged enqueues the EdgeRegistries whose home a namespace is, or that copy to it; without a name, all, since
// anything may have happened to any.
func (t *Triggers) namespaceChanged(namespace string) {
	if namespace == "" {
		go t.begun()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, home := range t.homes {
		target := t.targets[uid][namespace]
		if target != nil {
			target.news = true
		}
		if namespace == "" {
			for _, each := range t.targets[uid] {
				each.news = true
			}
		}
		if namespace == "" || home.namespace == namespace || target != nil {
			t.enqueue(home.edge)
		}
	}
}

// Expect makes the events of a namespace enqueue an EdgeRegistry that waits for it.
func (t *Triggers) Expect(edge metav1.Object, namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	current := t.homes[edge.GetUID()]
	if current.namespace == namespace {
		return
	}
	if current.stop != nil {
		current.stop()
	}
	t.homes[edge.GetUID()] = home{edge: edge.GetName(), namespace: namespace}
}

// Listed is a kind, by its list kind, and the version at which the pass listed it. The watch begins there, so that no event is
// missed; with an empty version, when it opens.
type Listed struct {
	Kind schema.GroupVersionKind
	At   string
}

// Follow watches the objects of an EdgeRegistry of some kinds in its home. The UID distinguishes a recreated namespace from the
// previous one.
func (t *Triggers) Follow(edge metav1.Object, namespace string, uid types.UID, kinds ...Listed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	current := t.homes[edge.GetUID()]
	if t.ctx == nil || (current.stop != nil && current.uid == uid) {
		return
	}
	if current.stop != nil {
		current.stop()
	}
	ctx, stop := context.WithCancel(t.ctx)
	name := edge.GetName()
	t.homes[edge.GetUID()] = home{edge: name, namespace: namespace, uid: uid, stop: stop}
	r := byName(func(string) { t.enqueue(name) })
	for _, kind := range kinds {
		go t.follow(ctx, &followed{source: source{kind.Kind, namespace, name}, reader: r, version: kind.At})
	}
}

// Forget ends the watches of an EdgeRegistry that is gone.
func (t *Triggers) Forget(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retain(uid, "", nil)
	if current := t.homes[uid]; current.stop != nil {
		current.stop()
	}
	delete(t.homes, uid)
}

// source is what to watch: a kind, in one namespace unless that is empty, and of one EdgeRegistry unless that is.
type source struct {
	kind            schema.GroupVersionKind
	namespace, edge string
}

// reader is the set of callbacks of a watch.
type reader struct {
	// changed is called for each event.
	changed func(metav1.Object)
	// begun is called whenever a watch starts over: events may have been missed before.
	begun func()
	// doubt is called as soon as events may have been missed, and lost when the watch is given up for that. Without lost it is
	// restarted.
	doubt, lost func()
}

// byName returns a reader that gets the name of each changed object, and an empty name whenever events may have been missed.
func byName(changed func(name string)) reader {
	return reader{changed: func(object metav1.Object) { changed(object.GetName()) }, begun: func() { changed("") }}
}

// followed is a watch that is kept open. It is passed as a pointer, so that its loop fits on the smallest stack while it waits.
type followed struct {
	source
	reader
	// version is the one from which the watch resumes; empty for from now on.
	version string
	// events are of the watch that is open; nil for none.
	events io.ReadCloser
}

// follow keeps one watch open until ctx ends, or until it is lost.
func (t *Triggers) follow(ctx context.Context, f *followed) {
	backoff := newWatchBackoff()
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		if f.events == nil {
			onNewStack(func() {
				if f.events, err = t.open(ctx, f.source, f.version); err == nil && f.version == "" {
					f.begun()
				}
			})
		}
		if err == nil {
			err = f.drain(t.isNews)
		}
		f.events = nil
		onNewStack(func() {
			if err != nil {
				logf.FromContext(ctx).V(1).Info("Watch failed", "kind", f.kind.Kind, "cause", err.Error())
				if f.doubt != nil {
					f.doubt()
				}
				f.version = ""
			}
			backoff = pause(ctx, began, backoff)
		})
		if f.version == "" && f.lost != nil && ctx.Err() == nil {
			f.lost()
			return
		}
	}
}

// pause waits before a watch is opened again, longer if the server ends every watch soon, and returns the next pause.
func pause(ctx context.Context, began time.Time, backoff wait.Backoff) wait.Backoff {
	if time.Since(began) > watchBackoffCap {
		return newWatchBackoff()
	}
	select {
	case <-ctx.Done():
	case <-time.After(backoff.Step()):
	}
	return backoff
}

// open watches the metadata of objects, from a resource version on, or from now on if that is empty.
func (t *Triggers) open(ctx context.Context, from source, version string) (io.ReadCloser, error) {
	raw := &metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: version, TimeoutSeconds: apiserver.WatchSeconds()}
	options := []client.ListOption{&client.ListOptions{Raw: raw}, client.InNamespace(from.namespace)}
	if from.edge != "" {
		options = append(options, client.MatchingLabels{t.label: from.edge})
	}
	return t.watch(ctx, from.kind, options...)
}

const watchBackoffCap = time.Minute

func newWatchBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 10, Cap: watchBackoffCap}
}
