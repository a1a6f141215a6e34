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
	go t.follow(ctx, source{kind: corev1.SchemeGroupVersion.WithKind("NamespaceList")}, namespaces, "", nil)
	go t.follow(ctx, source{
		kind: corev1.SchemeGroupVersion.WithKind("ConfigMapList"), options: []client.ListOption{client.InNamespace(operatorNamespace)},
	}, byName(configMapChanged), "", nil)
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
	go t.follow(ctx, source{kind, []client.ListOption{client.InNamespace(namespace)}}, byName(tell), "", nil)
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
	for _, kind := range kinds {
		go t.follow(ctx, source{kind.Kind, t.ofEdge(name, namespace)}, byName(func(string) { t.enqueue(name) }), kind.At, nil)
	}
}

// ofEdge selects the objects of an EdgeRegistry in a namespace.
func (t *Triggers) ofEdge(edge, namespace string) []client.ListOption {
	return []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{t.label: edge}}
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

// source is what to watch.
type source struct {
	kind    schema.GroupVersionKind
	options []client.ListOption
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

// follow keeps one watch open until ctx ends, or until it is lost: from a version on, or from now on if that is empty. events is
// such a watch that is open already; nil for none.
func (t *Triggers) follow(ctx context.Context, from source, r reader, version string, events io.ReadCloser) {
	backoff := newWatchBackoff()
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		if events == nil {
			onNewStack(func() {
				if events, err = t.open(ctx, from, version); err == nil && version == "" {
					r.begun()
				}
			})
		}
		if err == nil {
			version, err = drain(events, version, t.isNews, r.changed)
		}
		events = nil
		if err != nil {
			onNewStack(func() {
				logf.FromContext(ctx).V(1).Info("Watch failed", "kind", from.kind.Kind, "cause", err.Error())
				if r.doubt != nil {
					r.doubt()
				}
			})
			version = ""
		}
		backoff = pause(ctx, began, backoff)
		if version == "" && r.lost != nil && ctx.Err() == nil {
			r.lost()
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
	return t.watch(ctx, from.kind, slices.Concat(from.options, []client.ListOption{&client.ListOptions{Raw: raw}})...)
}

const watchBackoffCap = time.Minute

func newWatchBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 10, Cap: watchBackoffCap}
}
