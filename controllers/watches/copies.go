// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"crypto/sha256"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
)

// copyTarget is what the triggers know of one namespace of copyTo: the version at which each of its copies was last right, and the
// watch that reports any later one. A pass does not read a copy that is still at that version, so copies cost nothing at rest.
// Copies that were just written are not watched yet: their watch begins at the version of that write, so that no later event is
// missed.
type copyTarget struct {
	edge string
	// stop ends the watch; nil while there is none.
	stop context.CancelFunc
	// copies are by the name of the Secret; nil while events about them may have been missed.
	copies map[string]copyState
	// news: the namespace was created, deleted or changed since the last TakeNews.
	news bool
}

// openers is how many watches of copies are opened concurrently.
const openers = 16

// Digest is a digest of the desired content of a copy.
type Digest [sha256.Size]byte

// copyState is what is known of one copy.
type copyState struct {
	// want is the digest of what the copy held at the resource version good.
	want Digest
	good string
	// seen is the resource version of the latest event about it.
	seen string
}

// RetainTargets forgets all targets of an EdgeRegistry except these namespaces.
func (t *Triggers) RetainTargets(edge metav1.Object, namespaces sets.Set[string]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retain(edge.GetUID(), edge.GetName(), namespaces)
}

func (t *Triggers) retain(uid types.UID, edge string, namespaces sets.Set[string]) {
	targets := make(map[string]*copyTarget, len(namespaces))
	for namespace := range namespaces {
		targets[namespace] = &copyTarget{edge: edge}
	}
	for namespace, target := range t.targets[uid] {
		switch {
		case namespaces.Has(namespace):
			targets[namespace] = target
		case target.stop != nil:
			target.stop()
		}
	}
	t.targets[uid] = targets
	if len(targets) == 0 {
		delete(t.targets, uid)
	}
}

// Reach watches the copies of an EdgeRegistry in a namespace, unless they are watched already. The watch begins at the version of
// the oldest write that no watch covers yet; otherwise at since, the version of a list before any of them is read, or from now on
// if that is empty. So a copy that is read afterwards can be remembered. An error is that of the API server, mostly that the
// operator was not invited.
func (t *Triggers) Reach(edge metav1.Object, namespace, since string) error {
	t.mu.Lock()
	target, parent := t.targets[edge.GetUID()][namespace], t.ctx
	nothingToDo := parent == nil || target == nil || target.stop != nil
	if !nothingToDo && target.left() != "" {
		since = target.left()
	}
	t.mu.Unlock()
	if nothingToDo {
		return nil
	}
	ctx, stop := context.WithCancel(parent)
	from := source{corev1.SchemeGroupVersion.WithKind("SecretList"), namespace, edge.GetName()}
	events, err := t.open(ctx, from, since)
	if err != nil {
		stop()
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	target.stop = stop
	if target.copies == nil {
		target.copies = map[string]copyState{}
	}
	go t.follow(ctx, &followed{source: from, version: since, events: events, reader: reader{
		changed: func(object metav1.Object) { t.copyChanged(target, object) },
		doubt:   func() { t.doubt(target) },
		lost:    func() { t.lose(ctx, target) },
	}})
	return nil
}

// left is the oldest version of a written copy that no watch covers yet; empty if there is none.
func (c *copyTarget) left() string {
	oldest := ""
	for _, state := range c.copies {
		if c.stop == nil && state.good != "" && (oldest == "" || Newer(oldest, state.good)) {
			oldest = state.good
		}
	}
	return oldest
}

// Watch watches the copies of an EdgeRegistry that no watch covers yet. If that fails they are forgotten, and the next pass finds
// out why.
func (t *Triggers) Watch(edge metav1.Object) {
	t.mu.Lock()
	var unwatched []string
	for namespace, target := range t.targets[edge.GetUID()] {
		if target.left() != "" {
			unwatched = append(unwatched, namespace)
		}
	}
	ctx := t.ctx
	t.mu.Unlock()
	if len(unwatched) == 0 {
		return
	}
	workqueue.ParallelizeUntil(ctx, openers, len(unwatched), func(i int) {
		if err := t.Reach(edge, unwatched[i], ""); err != nil {
			t.giveUp(edge, unwatched[i])
		}
	})
}

// giveUp forgets the copies in a namespace that cannot be watched, and asks for a pass.
func (t *Triggers) giveUp(edge metav1.Object, namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if target := t.targets[edge.GetUID()][namespace]; target != nil && target.stop == nil {
		target.copies = nil
		t.enqueue(target.edge)
	}
}

// Outages counts how often the API server went away, as seen by the watch of the namespaces. It may have come back with an older
// etcd, which uses the same versions a second time: versions from before mean nothing afterwards.
func (t *Triggers) Outages() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outages
}

// wentAway forgets the copies whose watch would begin at a version from before the outage.
func (t *Triggers) wentAway() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outages++
	for _, targets := range t.targets {
		for _, target := range targets {
			if target.stop == nil {
				target.copies = nil
			}
		}
	}
}

// TakeNews reports whether a target was created, deleted or changed since the last call.
func (t *Triggers) TakeNews(edge types.UID, namespace string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	target := t.targets[edge][namespace]
	if target == nil || !target.news {
		return false
	}
	target.news = false
	return true
}

// doubt forgets the copies in a target at once, so that a pass that comes before the next watch reads them.
func (t *Triggers) doubt(target *copyTarget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	target.copies = nil
}

// lose forgets the copies in a target and enqueues a pass that watches it again, unless it is no longer a target.
func (t *Triggers) lose(ctx context.Context, target *copyTarget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() == nil {
		target.stop()
		target.stop, target.copies = nil, nil
		t.enqueue(target.edge)
	}
}

// copyChanged enqueues an EdgeRegistry for an event about a copy, unless it is about the version at which the copy was right, or an
// older one: that is the echo of a write.
func (t *Triggers) copyChanged(target *copyTarget, object metav1.Object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	state, known := target.copies[object.GetName()]
	if !known || !Newer(object.GetResourceVersion(), state.good) {
		return
	}
	if Newer(object.GetResourceVersion(), state.seen) {
		state.seen = object.GetResourceVersion()
	}
	target.copies[object.GetName()] = state
	t.enqueue(target.edge)
}

// Known returns the digest that a copy last had, and the version; none if that is not known, or if an event brought a later
// version. After the first call, events about the copy are noted.
func (t *Triggers) Known(edge types.UID, namespace, name string) (Digest, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	target := t.targets[edge][namespace]
	if target == nil || t.ctx == nil || (target.copies == nil && target.stop != nil) {
		return Digest{}, ""
	}
	if target.copies == nil {
		target.copies = map[string]copyState{}
	}
	state := target.copies[name]
	target.copies[name] = state
	if Newer(state.seen, state.good) {
		return Digest{}, ""
	}
	return state.want, state.good
}

// Settle notes the resource version at which a copy holds what is wanted.
func (t *Triggers) Settle(edge types.UID, namespace, name string, want Digest, resourceVersion string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	target := t.targets[edge][namespace]
	if target == nil || target.copies == nil {
		return
	}
	state := target.copies[name]
	state.want, state.good = want, resourceVersion
	target.copies[name] = state
}

// Newer reports whether one resource version is newer than another. An empty one is the oldest; what cannot be compared counts as
// newer.
func Newer(a, b string) bool {
	if a == "" || b == "" {
		return a != ""
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}
