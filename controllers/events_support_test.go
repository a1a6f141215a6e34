// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about events: how the tests of the steps keep and find them.

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

// eventRecorder keeps the events of a reconciler, as TYPE REASON TEXT, and shows them to the canary.
type eventRecorder struct {
	mu     sync.Mutex
	events []string
}

// Eventf implements events.EventRecorder.
func (r *eventRecorder) Eventf(_, _ runtime.Object, kind, reason, _, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event := kind + " " + reason + " " + fmt.Sprintf(format, args...)
	r.events = append(r.events, event)
	fmt.Fprintln(canary, event)
}

func (r *eventRecorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// of are the events of a reason.
func (r *eventRecorder) of(reason string) []string {
	return slices.DeleteFunc(r.all(), func(event string) bool { return !strings.Contains(event, " "+reason+" ") })
}

func (r *eventRecorder) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}
