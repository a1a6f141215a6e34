// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// retryPause is how long a stand-in waits before it tries again what failed:
// a pass, or a watch that the API server ended.
const retryPause = 100 * time.Millisecond

// waker asks for a pass. Many requests before the pass begins are one.
type waker chan struct{}

func newWaker() waker { return make(waker, 1) }

func (w waker) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// run makes a pass each time it is asked for one, and again after a failed one,
// until ctx ends.
func (w waker) run(ctx context.Context, pass func(context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w:
		}
		if err := pass(ctx); err != nil {
			pause(ctx)
			w.wake()
		}
	}
}

// watch asks for a pass on every change of the listed kind, and after every
// time the watch had to be recreated.
func (w waker) watch(ctx context.Context, group *sync.WaitGroup, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) {
	group.Go(func() {
		for ctx.Err() == nil {
			w.follow(ctx, c, list, opts)
			pause(ctx)
		}
	})
}

func (w waker) follow(ctx context.Context, c client.WithWatch, list client.ObjectList, opts []client.ListOption) {
	events, err := c.Watch(ctx, list, opts...)
	if err != nil {
		return
	}
	defer events.Stop()
	w.wake()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events.ResultChan():
			if !open {
				return
			}
			w.wake()
		}
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryPause):
	}
}
