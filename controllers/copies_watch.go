// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// copyTarget is what the wakers know of one namespace of copyTo: that its copies are watched, and
// in which state each was last found good. A pass asks no more about a copy that is in that state
// still, so it costs nothing however many there are.
type copyTarget struct {
	// stop ends the watch; nil while there is none.
	stop context.CancelFunc
	// copies are by the name of the Secret.
	copies map[string]copyState
}

// digest is of all that the operator wants of a copy.
type digest [sha256.Size]byte

// copyState is what is known of one copy.
type copyState struct {
	// want is what the copy was found or made to hold at the resource version good.
	want digest
	good string
	// seen is the resource version of the latest event about it.
	seen string
}

// retainTargets makes the namespaces the only ones that an EdgeRegistry is known to copy to.
func (w *wakers) retainTargets(edge string, namespaces sets.Set[string]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	targets := make(map[string]*copyTarget, len(namespaces))
	for namespace := range namespaces {
		targets[namespace] = &copyTarget{}
	}
	for namespace, target := range w.targets[edge] {
		switch {
		case namespaces.Has(namespace):
			targets[namespace] = target
		case target.stop != nil:
			target.stop()
		}
	}
	w.targets[edge] = targets
	if len(targets) == 0 {
		delete(w.targets, edge)
	}
}

// reach watches the copies of an EdgeRegistry in a namespace, unless it does so already. That the
// watch is open before a copy is read is what makes it safe to remember the copy afterwards. An
// error is that of the API server, mostly that the operator was not invited.
func (w *wakers) reach(edge, namespace string) error {
	w.mu.Lock()
	target, parent := w.targets[edge][namespace], w.ctx
	nothingToDo := parent == nil || target == nil || target.stop != nil
	w.mu.Unlock()
	if nothingToDo {
		return nil
	}
	ctx, stop := context.WithCancel(parent)
	options := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{edgeLabel: edge}}
	open := func(version string) (io.ReadCloser, error) {
		return w.open(ctx, corev1.SchemeGroupVersion.WithKind("SecretList"), options, version)
	}
	events, err := open("")
	if err != nil {
		stop()
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	target.stop, target.copies = stop, map[string]copyState{}
	go w.attend(ctx, edge, target, events, open)
	return nil
}

// attend reads the watch of a target, and opens it again as long as no event is lost by that. After
// that nothing is known of the copies, and the next pass begins anew.
func (w *wakers) attend(ctx context.Context, edge string, target *copyTarget, events io.ReadCloser, open func(version string) (io.ReadCloser, error)) {
	version := ""
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		version, err = drain(events, version, func(object metav1.Object) { w.copyChanged(edge, target, object) })
		if err != nil {
			w.doubt(target)
		}
		pause(ctx, began)
		if err == nil && version != "" {
			apart(func() { events, err = open(version) })
		}
		if err != nil || version == "" {
			w.lose(ctx, edge, target)
			return
		}
	}
}

// doubt forgets the copies in a target at once, so that a pass that comes before the next watch reads them.
func (w *wakers) doubt(target *copyTarget) {
	w.mu.Lock()
	defer w.mu.Unlock()
	target.copies = nil
}

// lose forgets the copies in a target and has the next pass begin anew, unless that is nobody's target any more.
func (w *wakers) lose(ctx context.Context, edge string, target *copyTarget) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		target.stop()
		target.stop, target.copies = nil, nil
		w.wake(edge)
	}
}

// pause keeps a server that ends every watch soon from being pressed.
func pause(ctx context.Context, began time.Time) {
	rest := time.Second
	if time.Since(began) < watchBackoffCap {
		rest = 10 * time.Second
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait.Jitter(rest, 0.2)):
	}
}

// copyChanged wakes an EdgeRegistry for an event about a copy, but not for one that tells of the
// state in which the copy was found good: that is the echo of a write, or of an older one.
func (w *wakers) copyChanged(edge string, target *copyTarget, object metav1.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state, known := target.copies[object.GetName()]
	if !known || !newer(object.GetResourceVersion(), state.good) {
		return
	}
	if newer(object.GetResourceVersion(), state.seen) {
		state.seen = object.GetResourceVersion()
	}
	target.copies[object.GetName()] = state
	w.wake(edge)
}

// isSettled reports that a copy was found to hold what is wanted, and that no event has told of a
// later state. To ask is to have events about the copy noted from then on.
func (w *wakers) isSettled(edge, namespace, name string, want digest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	target := w.targets[edge][namespace]
	if target == nil || target.copies == nil {
		return false
	}
	state := target.copies[name]
	target.copies[name] = state
	return state.want == want && state.good != "" && !newer(state.seen, state.good)
}

// settle notes the resource version at which a copy holds what is wanted.
func (w *wakers) settle(edge, namespace, name string, want digest, resourceVersion string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	target := w.targets[edge][namespace]
	if target == nil || target.copies == nil {
		return
	}
	state := target.copies[name]
	state.want, state.good = want, resourceVersion
	target.copies[name] = state
}

// newer compares resource versions, where none is older than any. What cannot be compared counts as newer.
func newer(a, b string) bool {
	if a == "" || b == "" {
		return a != ""
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}
