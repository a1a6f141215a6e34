// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// troubles are the faults that one EdgeRegistry may have for long: what a person has to mend, what ends by itself, and
// what the operator knows nothing of, so that the queue alone says when to try again.
var troubles = []string{"forbidden", "unavailable", "an internal error"}

// B4: a kind of request fails for one EdgeRegistry until the operator, with its caches, queue and watches, has done the
// same for another. Meanwhile it does not press the API server, and the status does not say that all is well. When the
// cause goes it heals by itself.
func TestTheTroubleOfOneEdgeRegistryIsNotAnothers(t *testing.T) {
	suite := NewSuite(t, "B4", 8)
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		for _, kind := range workload.Reference(t, world).kinds((*Call).Writes) {
			for _, f := range workload.suffers(troubles) {
				suite.Run(workload.Name+"/"+f.name+" at each "+kind, func(t *testing.T) {
					c, other := NewCase(t, world, workload), NewCase(t, world, workload)
					trouble := &trouble{kind: kind, fault: f.fault}
					m := c.NewManagerBeside(other, trouble.plan)
					c.await("trouble", func() bool { return m.Fired() > 0 })
					other.work(m.Wire)
					// A queue that waits longer each time comes to rest for as long as this takes.
					c.awaitSilence(m.Wire)
					trouble.judgePressure(t)
					if c.saysThatAllIsWell(kind) {
						t.Errorf("the operator says that all is well: %s", c.standing())
					}
					trouble.end()
					c.heal(m)
					m.Work()
					m.Stop()
					c.Judge(&Allowance{Lost: m.Fired()})
					other.Judge(nil)
				})
			}
		}
	}
}

// heal waits until the operator is at rest: it may pause for a minute before it tries again. Where it waits for a person it
// looks again after minutes, and an event comes in the place of that timer.
func (c *Case) heal(m *Manager) {
	c.T.Helper()
	c.awaitWithin(2*soon, "operator that heals", func() bool {
		if c.atRest() {
			return true
		}
		if meta.IsStatusConditionTrue(c.Edge.Status.Conditions, edgev1.Stalled) {
			m.Nudge()
		}
		return false
	})
}

// trouble has a kind of request fail until it ends.
type trouble struct {
	kind  string
	fault Fault

	mu    sync.Mutex
	over  bool
	first time.Time
	met   int
}

func (f *trouble) plan(c *Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || !strings.HasPrefix(c.Signature, f.kind+" #") {
		return nil
	}
	return f.meet
}

func (f *trouble) meet(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	f.mu.Lock()
	if f.met++; f.met == 1 {
		f.first = time.Now()
	}
	f.mu.Unlock()
	return f.fault(c, on)
}

func (f *trouble) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

// judgePressure bounds how often the request was made by how long it has failed: a queue waits twice as long after each
// failure. Besides, there may be news of so many other objects.
func (f *trouble) judgePressure(t *testing.T) {
	t.Helper()
	const (
		shortest = 5 * time.Millisecond
		atOnce   = 12
	)
	f.mu.Lock()
	defer f.mu.Unlock()
	since := time.Since(f.first)
	if most := atOnce + int(math.Log2(1+float64(since/shortest))); f.met > most {
		t.Errorf("%q was tried %d times within %s, and %d at most are allowed", f.kind, f.met, since, most)
	}
}
