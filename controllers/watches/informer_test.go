// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	routev1 "github.com/openshift/api/route/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// forgetful stands in for an API server with one Route, whose watches report nothing.
type forgetful struct {
	client.WithWatch
	mu      sync.Mutex
	version int
	lists   int
	watches []*watch.FakeWatcher
}

func (f *forgetful) Watch(_ context.Context, _ client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := watch.NewFakeWithChanSize(2, false)
	if slices.ContainsFunc(options, func(o client.ListOption) bool {
		all, ok := o.(*client.ListOptions)
		return ok && ptr.Deref(all.Raw.SendInitialEvents, false)
	}) {
		f.lists++
		route := f.route()
		w.Add(route)
		route = f.route()
		route.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		w.Action(watch.Bookmark, route)
	}
	f.watches = append(f.watches, w)
	return w, nil
}

func (f *forgetful) route() *routev1.Route {
	return &routev1.Route{ObjectMeta: metav1.ObjectMeta{
		Namespace: "openshift-image-registry", Name: "default-route", ResourceVersion: strconv.Itoa(f.version),
	}}
}

func (*forgetful) GroupVersionKindFor(runtime.Object) (schema.GroupVersionKind, error) {
	return schema.GroupVersionKind{}, errors.New("not asked for")
}

// endWatch sends a bookmark on the last watch, ends it, and returns when there is another.
func (f *forgetful) endWatch(g Gomega) {
	f.mu.Lock()
	count := len(f.watches)
	last := f.watches[count-1]
	all := f.route()
	f.mu.Unlock()
	last.Action(watch.Bookmark, all)
	last.Stop()
	f.awaitWatch(g, count+1)
}

func (f *forgetful) awaitWatch(g Gomega, n int) {
	g.Eventually(func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.watches)
	}).WithTimeout(30 * time.Second).WithPolling(10 * time.Millisecond).Should(Equal(n))
}

func TestAnEventAboutAPlatformObjectThatWasLostIsMadeUpFor(t *testing.T) {
	g := NewWithT(t)
	server, passive := &forgetful{version: 1}, clocktesting.NewFakePassiveClock(time.Now())
	m := NewInformer(server, passive, func() *routev1.Route { return &routev1.Route{} }, &routev1.RouteList{}, "openshift-image-registry", "")
	var woken atomic.Int32
	g.Expect(m.Start(t.Context(), func() { woken.Add(1) })).To(Succeed())
	server.awaitWatch(g, 1)
	copied := func() string {
		route, err := m.Get(t.Context(), "openshift-image-registry", "default-route")
		g.Expect(err).NotTo(HaveOccurred())
		return route.ResourceVersion
	}
	g.Eventually(woken.Load).WithTimeout(30 * time.Second).WithPolling(10 * time.Millisecond).Should(BeEquivalentTo(1))
	g.Expect(copied()).To(Equal("1"))

	server.mu.Lock()
	server.version = 2
	server.mu.Unlock()
	server.endWatch(g)
	g.Expect(server.lists).To(Equal(1), "a watch goes on from where the previous one ended")
	passive.SetTime(passive.Now().Add(relistAfter))
	server.endWatch(g)
	g.Eventually(woken.Load).WithTimeout(30 * time.Second).WithPolling(10 * time.Millisecond).Should(BeEquivalentTo(2))
	g.Expect(copied()).To(Equal("2"))

	passive.SetTime(passive.Now().Add(relistAfter))
	server.endWatch(g)
	g.Expect(server.lists).To(Equal(3))
	g.Consistently(woken.Load).WithTimeout(100*time.Millisecond).WithPolling(10*time.Millisecond).Should(BeEquivalentTo(2), "what is known already wakes nobody")
}
