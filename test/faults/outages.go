// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// Outage is something that happens to a whole control plane.
type Outage struct {
	Name string
	// Down begins it and Up ends it.
	Down, Up func(context.Context, *World) error
}

// Outages strike when each case that is under way waits for one, so that as many as can share it. The control plane is
// theirs alone.
type Outages struct {
	t     *testing.T
	world *World

	// mu is held as long as an outage lasts.
	mu       sync.Mutex
	underWay int
	waiting  []waiting
}

type waiting struct {
	*Outage
	struck chan struct{}
}

// NewOutages starts a control plane that ends with the test.
func NewOutages(t *testing.T, o env.Options) *Outages {
	t.Helper()
	return &Outages{t: t, world: worldOf(t, o)}
}

// worldOf starts a world that is a test's alone, and ends with it.
func worldOf(t *testing.T, o env.Options) *World {
	t.Helper()
	its, err := NewWorld(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(its.Stop)
	return its
}

// Join begins a case, when the control plane works.
func (o *Outages) Join(t *testing.T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.underWay++
	t.Cleanup(func() {
		o.mu.Lock()
		o.underWay--
		o.strikeOrUnlock()
	})
}

// Await returns when an outage strikes.
func (o *Outages) Await(outage *Outage) {
	w := waiting{outage, make(chan struct{})}
	o.mu.Lock()
	o.waiting = append(o.waiting, w)
	o.strikeOrUnlock()
	<-w.struck
}

// Before has an outage strike before a call reaches the API server.
func (o *Outages) Before(outage *Outage) Fault {
	return func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
		o.Await(outage)
		return on()
	}
}

// After has an outage strike when the API server has done what a call asks, and before its answer arrives.
func (o *Outages) After(outage *Outage) Fault {
	return func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
		lose(on())
		o.Await(outage)
		return nil, errCut
	}
}

// strikeOrUnlock ends what was begun by locking: at once, or when the outage that is due is over.
func (o *Outages) strikeOrUnlock() {
	if len(o.waiting) == 0 || len(o.waiting) < o.underWay {
		o.mu.Unlock()
		return
	}
	outage := o.waiting[0].Outage
	go func() {
		defer o.mu.Unlock()
		ctx := context.WithoutCancel(o.t.Context())
		if err := outage.Down(ctx, o.world); err != nil {
			o.t.Errorf("%s: %v", outage.Name, err)
		}
		o.waiting = slices.DeleteFunc(o.waiting, func(w waiting) bool {
			if w.Outage == outage {
				close(w.struck)
			}
			return w.Outage == outage
		})
		if err := outage.Up(ctx, o.world); err != nil {
			o.t.Errorf("after %s: %v", outage.Name, err)
		}
	}()
}
