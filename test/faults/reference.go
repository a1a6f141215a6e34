// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Reference is what an undisturbed incarnation makes of a workload.
type Reference struct {
	// Calls are its requests, in their order.
	Calls []*Call
	// State is what it leaves behind.
	State []string
	// Effects are what it did: see Wire.Effects.
	Effects map[string]int
}

// undisturbedRuns is how often a workload is run before its reference counts.
const undisturbedRuns = 3

type known struct {
	mu        sync.Mutex
	reference *Reference
	told      []string
}

// Reference runs the workload undisturbed, and again to see that each run makes the same requests in the same order and
// ends in the same state. Later calls return what the first found.
func (w *Workload) Reference(t *testing.T, world *World) *Reference {
	t.Helper()
	w.known.mu.Lock()
	defer w.known.mu.Unlock()
	if w.known.reference != nil {
		return w.known.reference
	}
	// A workload that fails undisturbed is not tried again for each of its cases.
	first := &Reference{}
	w.known.reference = first
	for i := range undisturbedRuns {
		run := w.undisturbed(t, world)
		if i == 0 {
			*first = *run
		}
		if !w.Unsteady {
			compare(t, "a second undisturbed run makes other requests", run.signatures(), first.signatures())
		}
		compare(t, "a second undisturbed run ends in another state", run.State, first.State)
	}
	return first
}

func (w *Workload) undisturbed(t *testing.T, world *World) *Reference {
	t.Helper()
	c := NewCase(t, world, w)
	life := c.Live(nil)
	reference := &Reference{Calls: life.Calls(), State: c.end(), Effects: life.Effects()}
	c.judge(reference, nil)
	return reference
}

// later is a workload before which the operator comes to rest, so that it has to be told. It ends where the workload does.
func (w *Workload) later(t *testing.T, world *World, rest func(*Case)) *Workload {
	t.Helper()
	later := &Workload{Name: w.Name, Prepare: w.Prepare, Installs: w.Installs, Steps: append([]func(*Case){rest}, w.Steps...)}
	later.known.reference = w.Reference(t, world)
	return later
}

func nothing(*Case) {}

// told are the signatures of the events that an undisturbed incarnation gets, which is at rest before the workload.
func (w *Workload) told(t *testing.T, world *World) []string {
	t.Helper()
	later := w.later(t, world, nothing)
	w.known.mu.Lock()
	defer w.known.mu.Unlock()
	if w.known.told == nil {
		c := NewCase(t, world, later)
		var mu sync.Mutex
		var told []string
		stream := c.NewStream(func(e Event) bool {
			mu.Lock()
			defer mu.Unlock()
			if e.Signature != "" {
				told = append(told, e.Signature)
			}
			return true
		})
		m := c.NewManager(stream.Plan)
		m.Watching()
		stream.Arm()
		m.Work()
		m.Informed()
		m.Stop()
		w.known.told = slices.DeleteFunc(slices.Sorted(slices.Values(told)), func(signature string) bool {
			return c.route != "" && w.known.reference.isBetween(signature)
		})
	}
	return w.known.told
}

// isBetween reports an event about a pass that some runs have between a change of a Route and that of its router.
func (r *Reference) isBetween(signature string) bool {
	writes := 0
	for _, call := range r.Calls {
		if call.Writes() && call.Resource == "edgeregistries" {
			writes++
		}
	}
	number, found := strings.CutPrefix(signature, "modified edge.open-horizon.io/edgeregistries NAME #")
	n, _ := strconv.Atoi(number)
	return found && n > writes
}

// InDeletion reports whether a call belongs to the deletion of the EdgeRegistry, which ends when that is let go.
func (r *Reference) InDeletion(call *Call) bool {
	for _, later := range r.Calls[call.Number-1:] {
		if later.letsGo() {
			return true
		}
	}
	return false
}

func (r *Reference) signatures() []string {
	var signatures []string
	for _, call := range r.Calls {
		signatures = append(signatures, call.Signature)
	}
	return signatures
}

// compare fails with the lines in which two lists differ.
func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%s:\n%s", what, difference(got, want))
}

// difference shows what is in one list and not in the other.
func difference(got, want []string) string {
	var text strings.Builder
	for _, side := range []struct {
		sign string
		has  []string
		not  []string
	}{{"-", want, got}, {"+", got, want}} {
		left := slices.Clone(side.not)
		for _, line := range side.has {
			if i := slices.Index(left, line); i >= 0 {
				left = slices.Delete(left, i, i+1)
				continue
			}
			_, _ = fmt.Fprintln(&text, side.sign, line)
		}
	}
	if text.Len() == 0 {
		return "the same lines in another order: " + strings.Join(got, ", ")
	}
	return text.String()
}

// letsGo reports whether a call takes the finalizer off.
func (c *Call) letsGo() bool {
	return c.Verb == "patch" && c.Resource == "edgeregistries" && c.Subresource == "" && strings.Contains(string(c.Body), `"finalizers":null`)
}
