// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

// edge is an EdgeRegistry.
var edge = &metav1.ObjectMeta{Name: "edge", UID: "1"}

// reaching are triggers that watch the copies of edge in "ci", and how often they enqueued it.
func reaching(t *testing.T, server *watchServer) (*Triggers, *int) {
	t.Helper()
	w, wakes := NewTriggers(server.watch, objects.EdgeLabel, isPublished), 0
	w.ctx, w.enqueue = t.Context(), func(string) { wakes++ }
	w.RetainTargets(edge, sets.New("ci"))
	NewWithT(t).Expect(w.Reach(edge, "ci", "")).To(Succeed())
	return w, &wakes
}

// isSettled reports that the copy in "ci" is known to hold what is wanted.
func isSettled(w *Triggers, want Digest) bool {
	digest, at := w.Known(edge.UID, "ci", "copy")
	return at != "" && digest == want
}

func TestCopiesAreTakenForSettledOnlyWhileNothingHappened(t *testing.T) {
	want, other := Digest{1}, Digest{2}
	changed := func(version string) []watch.Event {
		return []watch.Event{{Type: watch.Modified, Object: metadataOf("copy", version)}}
	}
	for _, tt := range []struct {
		name string
		// before and after are the events of the watch before the copy is found good at version 8, and after it.
		before, after []watch.Event
		ask           Digest
		settled       bool
		wakes         int
	}{
		{"nothing was told", nil, nil, want, true, 0},
		{"another content is wanted", nil, nil, other, false, 0},
		{"the echo of the write", nil, changed("8"), want, true, 0},
		{"the echo of the write, ahead of its answer", changed("8"), nil, want, true, 1},
		{"an older state", nil, changed("7"), want, true, 0},
		{"a later state", nil, changed("9"), want, false, 1},
		{"a later state, told between the read and its note", changed("9"), nil, want, false, 1},
		{"it was deleted", nil, []watch.Event{{Type: watch.Deleted, Object: metadataOf("copy", "9")}}, want, false, 1},
		{"it was deleted between the read and its note", []watch.Event{{Type: watch.Deleted, Object: metadataOf("copy", "9")}}, nil, want, false, 1},
		{"another Secret changed", nil, []watch.Event{{Type: watch.Modified, Object: metadataOf("another", "9")}}, want, true, 0},
		{"a version that cannot be compared", nil, changed("nonsense"), want, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				events := watch.NewFake()
				w, wakes := reaching(t, &watchServer{answers: []any{events}})
				g.Expect(isSettled(w, want)).To(BeFalse())
				for _, event := range tt.before {
					events.Action(event.Type, event.Object)
				}
				synctest.Wait()
				w.Settle(edge.UID, "ci", "copy", want, "8")
				for _, event := range tt.after {
					events.Action(event.Type, event.Object)
				}
				synctest.Wait()
				g.Expect(isSettled(w, tt.ask)).To(Equal(tt.settled))
				g.Expect(*wakes).To(Equal(tt.wakes))
				w.Forget(edge.UID)
				events.Stop()
				g.Expect(isSettled(w, want)).To(BeFalse())
				g.Expect(w.targets).To(BeEmpty())
			})
		})
	}
}

func TestCopiesAreReadAgainAfterTheirWatchWasLost(t *testing.T) {
	broken := func() *watch.FakeWatcher {
		w := watch.NewFakeWithChanSize(2, false)
		w.Action(watch.Modified, metadataOf("copy", "7"))
		w.Action(watch.Error, tooOldVersion)
		return w
	}
	for _, tt := range []struct {
		name    string
		answers []any
		asked   []string
		// believed is until the next watch, settled when that is made.
		believed, settled bool
	}{
		{"a watch that ended goes on where it was", []any{finished(watch.Event{Type: watch.Modified, Object: metadataOf("copy", "7")})},
			[]string{"SecretList@", "SecretList@7"}, true, true},
		{"a watch that ended before it told anything", []any{finished()}, []string{"SecretList@"}, true, false},
		{"a watch that broke", []any{broken()}, []string{"SecretList@"}, false, false},
		{"a watch that cannot be made again, as when the invitation is withdrawn",
			[]any{finished(watch.Event{Type: watch.Modified, Object: metadataOf("copy", "7")}), errors.New("forbidden")},
			[]string{"SecretList@", "SecretList@7"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				server := &watchServer{answers: tt.answers}
				w, wakes := reaching(t, server)
				w.Known(edge.UID, "ci", "copy")
				w.Settle(edge.UID, "ci", "copy", Digest{1}, "8")
				synctest.Wait()
				g.Expect(isSettled(w, Digest{1})).To(Equal(tt.believed))
				*wakes = 0
				<-time.After(time.Hour)
				synctest.Wait()
				g.Expect(server.asked).To(Equal(tt.asked))
				g.Expect(isSettled(w, Digest{1})).To(Equal(tt.settled))
				if !tt.settled {
					g.Expect(*wakes).To(Equal(1))
					g.Expect(w.Reach(edge, "ci", "")).To(Succeed())
					g.Expect(server.asked).To(HaveLen(len(tt.asked)+1), "the next pass watches again")
				}
				w.Forget(edge.UID)
			})
		})
	}
}

func TestCopiesOfATargetThatIsRetainedAreNotWatchedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		server := &watchServer{}
		w, wakes := reaching(t, server)
		w.Expect(edge, "project")
		g.Expect(w.Reach(edge, "ci", "")).To(Succeed())
		w.RetainTargets(edge, sets.New("ci", "absent"))
		g.Expect(w.Reach(edge, "ci", "")).To(Succeed())
		g.Expect(server.asked).To(HaveLen(1))
		for namespace, woken := range map[string]int{"ci": 1, "absent": 1, "project": 1, "elsewhere": 0, "": 1} {
			*wakes = 0
			w.namespaceChanged(namespace)
			g.Expect(*wakes).To(Equal(woken), "namespace %q", namespace)
		}
		w.RetainTargets(edge, sets.New("absent"))
		w.namespaceChanged("ci")
		g.Expect(w.Reach(edge, "ci", "")).To(Succeed(), "it is nobody's target any more")
		g.Expect(server.asked).To(HaveLen(1))
		w.Forget(edge.UID)
	})
}

// leaving are triggers of edge that know of a copy in each of some namespaces, by the version in which it was left, and watch
// none.
func leaving(t *testing.T, server *watchServer, left map[string]string) (*Triggers, *int) {
	t.Helper()
	w, wakes := NewTriggers(server.watch, objects.EdgeLabel, isPublished), 0
	w.ctx, w.enqueue = t.Context(), func(string) { wakes++ }
	w.RetainTargets(edge, sets.KeySet(left))
	for namespace, version := range left {
		w.Known(edge.UID, namespace, "copy")
		w.Settle(edge.UID, namespace, "copy", Digest{1}, version)
	}
	return w, &wakes
}

func TestCopiesAreWatchedFromWhereTheyWereLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		changed := watch.NewFakeWithChanSize(1, false)
		changed.Action(watch.Deleted, metadataOf("copy", "12"))
		server := &watchServer{answers: []any{changed}}
		w, wakes := leaving(t, server, map[string]string{"ci": "10"})
		w.Known(edge.UID, "ci", "another")
		w.Settle(edge.UID, "ci", "another", Digest{1}, "9")
		g.Expect(isSettled(w, Digest{1})).To(BeTrue(), "its watch will tell")
		w.Watch(edge)
		w.Watch(edge)
		synctest.Wait()
		g.Expect(server.asked).To(Equal([]string{"SecretList@9"}), "the oldest of both, and once")
		g.Expect(isSettled(w, Digest{1})).To(BeFalse())
		g.Expect(*wakes).To(Equal(1))
		w.Forget(edge.UID)
		changed.Stop()
	})
}

func TestCopiesAreReachedFromTheOldestVersionThatIsAtHand(t *testing.T) {
	for _, tt := range []struct {
		name        string
		left, since string
		asked       string
	}{
		{"from now on", "", "", "SecretList@"},
		{"from that of a list", "", "20", "SecretList@20"},
		{"from where a copy was left, which is older", "10", "20", "SecretList@10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				server := &watchServer{}
				w, _ := leaving(t, server, map[string]string{"ci": tt.left})
				g.Expect(w.Reach(edge, "ci", tt.since)).To(Succeed())
				g.Expect(server.asked).To(Equal([]string{tt.asked}))
				w.Forget(edge.UID)
			})
		})
	}
}

func TestCopiesThatCannotBeWatchedAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		server := &watchServer{answers: []any{errors.New("too old resource version")}}
		w, wakes := leaving(t, server, map[string]string{"ci": "10"})
		w.Watch(edge)
		g.Expect(*wakes).To(Equal(1))
		g.Expect(isSettled(w, Digest{1})).To(BeFalse())
		g.Expect(w.Reach(edge, "ci", "20")).To(Succeed())
		g.Expect(server.asked).To(Equal([]string{"SecretList@10", "SecretList@20"}))
		w.Forget(edge.UID)
	})
}

// An API server that went away may come back with an older etcd, to which the version of a copy means nothing.
func TestCopiesThatNoWatchTellsOfAreForgottenWhenTheAPIServerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		namespaces := watch.NewFakeWithChanSize(1, false)
		rest := &watchServer{}
		w, _ := leaving(t, rest, map[string]string{"ci": "10"})
		w.watch = func(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) (io.ReadCloser, error) {
			if kind.Kind == "NamespaceList" && !namespaces.IsStopped() {
				return bodyOf(runtime.ContentTypeProtobuf, namespaces), nil
			}
			return rest.watch(ctx, kind, options...)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.Start(ctx, "operator", func(string) {}, func() {}, func(string) {})
		synctest.Wait()
		g.Expect(w.Outages()).To(BeZero())
		g.Expect(isSettled(w, Digest{1})).To(BeTrue())
		namespaces.Action(watch.Error, tooOldVersion)
		synctest.Wait()
		g.Expect(w.Outages()).To(Equal(1))
		g.Expect(isSettled(w, Digest{1})).To(BeFalse())
		w.Settle(edge.UID, "ci", "copy", Digest{1}, "11")
		w.wentAway()
		w.Settle(edge.UID, "ci", "copy", Digest{1}, "11")
		g.Expect(isSettled(w, Digest{1})).To(BeFalse(), "what was written before is not believed afterwards")
		cancel()
		synctest.Wait()
	})
}

// What may have happened to a target is news, once.
func TestTakeNews(t *testing.T) {
	for name, tt := range map[string]struct {
		happened []string
		news     bool
	}{
		"nothing happened":                    {nil, false},
		"something happened to it":            {[]string{"ci"}, true},
		"something happened to another":       {[]string{"default"}, false},
		"events about any may have been lost": {[]string{""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, _ := reaching(t, &watchServer{})
			w.Expect(edge, "home")
			for _, namespace := range tt.happened {
				w.namespaceChanged(namespace)
			}
			g.Expect(w.TakeNews(edge.UID, "ci")).To(Equal(tt.news))
			g.Expect(w.TakeNews(edge.UID, "ci")).To(BeFalse())
		})
	}
}
