// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
)

// blindPasses is how often an operator looks that is not told what happened.
const blindPasses = 3

// tell finds out what is told of some workloads, at the same time.
func tell(t *testing.T, workloads []*Workload) {
	t.Helper()
	var all sync.WaitGroup
	for _, workload := range workloads {
		all.Go(func() { workload.told(t, world) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// events are what an undisturbed incarnation is told of a workload about a resource; about all with none.
func (w *Workload) events(t *testing.T, resource string) []string {
	t.Helper()
	var told []string
	for _, signature := range w.told(t, world) {
		if fields := strings.Fields(signature); resource == "" || fields[1] == resource || strings.HasSuffix(fields[1], "/"+resource) {
			told = append(told, signature)
		}
	}
	return told
}

// stills are the kinds that the operator keeps a copy of, and the workloads that change them.
var stills = []struct {
	resource  string
	workloads []*Workload
}{
	{"edgeregistries", Workloads},
	{"routes", []*Workload{CA, Host}},
}

// C1: the cache of one kind stands still, from any event of any workload on. The operator, which looks again and again,
// makes, mints and deletes nothing twice, and ends where it should when the cache goes on.
func TestACacheThatStandsStillMisleadsNobody(t *testing.T) {
	suite := NewSuite(t, "C1", 5)
	tell(t, Workloads)
	for _, still := range stills {
		for _, workload := range still.workloads {
			for _, signature := range workload.events(t, still.resource) {
				suite.Run(workload.Name+"/from "+signature, func(t *testing.T) {
					c := NewCase(t, world, workload.later(t, world, nothing))
					gate, cached := NewGate(), atomic.Bool{}
					cached.Store(!workload.Installs)
					t.Cleanup(gate.Open)
					stream := c.NewStream(func(e Event) bool {
						if e.Signature == signature {
							gate.Wait()
						}
						if e.Signature != "" && e.Resource == "edgeregistries" {
							cached.Store(e.Type != watch.Deleted)
						}
						return true
					})
					m := c.NewManager(stream.Plan)
					m.Watching()
					stream.Arm()
					over := make(chan struct{})
					go func() {
						defer close(over)
						defer gate.Open()
						<-gate.Reached
						for range blindPasses {
							if cached.Load() {
								m.Nudge()
							}
						}
					}()
					m.Work()
					c.await("event", gate.HasReached)
					<-over
					m.Work()
					m.Stop()
					c.Judge(nil)
				})
			}
		}
	}
}

// goneAgain has the project gone too, and another requested.
var goneAgain = Gone.Then("again", func(c *Case) {
	c.awaitCollected()
	c.Create()
})

// pasts are the kinds that the operator keeps a copy of, and the workloads whose past they may show.
var pasts = []struct {
	resource  string
	workloads []*Workload
}{
	{"edgeregistries", append(slices.Clone(Workloads), goneAgain)},
	{"routes", []*Workload{CA, Host}},
}

// moments are before the workload, and before each write to the EdgeRegistry.
func (w *Workload) moments(t *testing.T, resource string) []string {
	t.Helper()
	if w == goneAgain {
		// They are the same, and its own reference takes long.
		return Again.moments(t, resource)
	}
	moments := []string{""}
	for _, call := range w.Reference(t, world).Calls {
		if call.Writes() && call.Resource == resource {
			moments = append(moments, call.Signature)
		}
	}
	return moments
}

// C2: an incarnation is started when all is done, and its cache of one kind shows the state of an earlier moment. It
// touches nothing before the cache goes on, and then finds nothing to do.
func TestAnOperatorThatBeginsInThePastTouchesNothing(t *testing.T) {
	suite := NewSuite(t, "C2", 3)
	tell(t, Workloads)
	for _, past := range pasts {
		for _, workload := range past.workloads {
			for _, moment := range workload.moments(t, past.resource) {
				suite.Run(workload.Name+"/"+past.resource+" as of before "+strings.TrimSpace("it "+moment), func(t *testing.T) {
					var then uint64
					note := func(c *Case) { then = c.revision() }
					c := NewCase(t, world, workload.later(t, world, note))
					c.Live(At(moment, func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
						note(c)
						return on()
					}))
					c.awaitCollected()
					before := ofObjects(c.Snapshot())
					gate := NewGate()
					t.Cleanup(gate.Open)
					m := c.NewManager(From(then, past.resource, c.NewStream(func(Event) bool {
						gate.Wait()
						return true
					})))
					cached := moment != "" || !workload.Installs
					for range blindPasses {
						if cached {
							m.Nudge()
						}
					}
					compare(t, "an operator that looks into the past changes something (- before, + now)", ofObjects(c.Snapshot()), before)
					gate.Open()
					m.Work()
					m.Stop()
					c.Judge(nil)
				})
			}
		}
	}
}
