// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// J: two incarnations at once. Without an election each write of one waits until the other has finished, or they take turns
// by chance. With one, the leader dies at a write, loses its lease at a write, or ends.
func TestTwoIncarnationsEndWhereOneDoes(t *testing.T) {
	suite := NewSuite(t, "J", 12)
	amongProcesses(t, suite)
	for _, workload := range []*Workload{Install, Rotate} {
		for _, call := range workload.writes(t) {
			suite.Run(workload.Name+"/another comes at "+call.Signature, func(t *testing.T) {
				anotherComes(NewCase(t, world, workload), call)
			})
		}
	}
	const seeds = 40
	for seed := range uint64(seeds) {
		workload := []*Workload{Install, Rotate, Role, Copies, Account}[seed%5]
		suite.Run(fmt.Sprintf("%s/two in turns, seed %d", workload.Name, seed), func(t *testing.T) {
			twoInTurns(NewCase(t, world, workload), seed)
		})
	}
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		for _, call := range workload.writes(t) {
			suite.Run(workload.Name+"/the leader dies at "+call.Signature, func(t *testing.T) {
				leaderDies(NewCase(t, world, workload), call, managers)
			})
		}
		suite.Run(workload.Name+"/the leader ends", func(t *testing.T) { leaderEnds(NewCase(t, world, workload), managers) })
	}
	for _, call := range Rotate.writes(t) {
		suite.Run("rotate/the lease is lost at "+call.Signature, func(t *testing.T) {
			leaseIsLost(NewCase(t, world, Rotate), call, managers)
		})
	}
}

// amongProcesses is the same of the real binary, one case after the other, for it knows one lease.
func amongProcesses(t *testing.T, suite *Suite) {
	mint := Rotate.writes(t)[1]
	for what, happens := range map[string]func(*Case){
		"the leader dies":   func(c *Case) { leaderDies(c, mint, processes) },
		"the lease is lost": func(c *Case) { leaseIsLost(c, mint, processes) },
		"the leader ends":   func(c *Case) { leaderEnds(c, processes) },
	} {
		name := "processes/" + what
		if !suite.chosen(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			suite.Count(t)
			happens(NewCase(t, world, Rotate))
		})
	}
}

// writes are the calls of an undisturbed run that write.
func (w *Workload) writes(t *testing.T) []*Call {
	t.Helper()
	var writes []*Call
	for _, call := range w.Reference(t, world).Calls {
		if call.Writes() {
			writes = append(writes, call)
		}
	}
	return writes
}

// anotherComes holds a write of one incarnation until another has done the whole. Unlike a zombie the first one lives on.
func anotherComes(c *Case, call *Call) {
	held, over := NewHeld(), make(chan struct{})
	defer held.Release()
	first := c.NewLife(At(call.Signature, held.Fault))
	go func() {
		defer close(over)
		for first.Fired() == 0 {
			_, _ = first.Pass()
		}
	}()
	c.await("call to hold", held.HasReached)
	second := c.Live(nil)
	held.Release()
	<-over
	first.Run()
	second.Run()
	c.Judge(OneLost)
}

// twoInTurns has two incarnations make passes at once, of which one at a time may write, by chance.
func twoInTurns(c *Case, seed uint64) {
	const rounds = 4
	turns := newTurns(seed)
	lives := []*Life{c.NewLife(turns.plan), c.NewLife(turns.plan)}
	for range rounds {
		for _, life := range lives {
			go func() {
				_, _ = life.Pass()
				turns.arrived <- nil
			}()
		}
		turns.take(len(lives))
	}
	turns.over()
	lives[0].Run()
	lives[1].Run()
	// Each may have a token under way.
	c.Judge(&Allowance{Lost: 1, Excused: []string{"S1"}})
}

// turns lets one write go on at a time, and chooses which.
type turns struct {
	random *rand.Rand
	// arrived gets the way on of each write that waits, and nil for each pass that is over.
	arrived chan chan struct{}
	off     chan struct{}
}

func newTurns(seed uint64) *turns {
	return &turns{random: rand.New(rand.NewPCG(seed, 0)), arrived: make(chan chan struct{}), off: make(chan struct{})}
}

func (o *turns) plan(c *Call) Fault {
	if !c.Writes() {
		return nil
	}
	return o.await
}

func (o *turns) await(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
	way := make(chan struct{})
	select {
	case o.arrived <- way:
		<-way
	case <-o.off:
	}
	return on()
}

// take chooses among the writes of some passes, each time when every pass that is not over waits with one.
func (o *turns) take(passes int) {
	var waiting []chan struct{}
	for passes > 0 {
		if len(waiting) < passes {
			if way := <-o.arrived; way != nil {
				waiting = append(waiting, way)
			} else {
				passes--
			}
			continue
		}
		i := o.random.IntN(len(waiting))
		close(waiting[i])
		waiting = append(waiting[:i], waiting[i+1:]...)
	}
}

// over lets everything pass from now on.
func (o *turns) over() { close(o.off) }

// briefly is a lease that a test can wait for, and forEver one that it cannot. The one that waits goes by the lease of the other.
var briefly, forEver = Election{Lease: 5 * time.Second}, Election{Lease: time.Hour}

// ballot is how to stand for a lease.
type ballot struct {
	stand func(*Case, Plan, Election) candidate
	lease func(*Case) string
}

var (
	managers = ballot{
		func(c *Case, plan Plan, e Election) candidate { return c.NewManager(plan, e) },
		func(c *Case) string { return c.Edge.Name },
	}
	processes = ballot{
		func(c *Case, plan Plan, e Election) candidate { return c.NewProcess(plan, e.flags()...) },
		func(*Case) string { return "edge-registry-operator" },
	}
)

// leaderDies kills the leader at a write: another waits for its lease to end, and follows.
func leaderDies(c *Case, call *Call, by ballot) {
	before := c.leader(by.lease(c))
	first := by.stand(c, At(call.Signature, CrashAfter), briefly)
	c.awaitLeader(by.lease(c), before)
	second := by.stand(c, nil, forEver)
	c.await("death of the leader", first.Dead)
	second.Work()
	second.End()
	c.Judge(OneLost)
}

// leaseIsLost has the API server refuse the leader its lease while one of its writes is on its way: it ends by itself, and
// the write arrives when another has finished.
func leaseIsLost(c *Case, call *Call, by ballot) {
	held := NewHeld()
	defer held.Release()
	refuse := Refuse(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "refused by the test", -1)
	first := by.stand(c, func(made *Call) Fault {
		switch {
		case made.Signature == call.Signature:
			return held.Fault
		case made.Resource == "leases" && held.HasReached():
			return refuse
		}
		return nil
	}, briefly)
	c.await("call to hold", held.HasReached)
	second := by.stand(c, nil, forEver)
	<-first.Ended()
	second.Work()
	held.Release()
	<-held.Done
	second.Work()
	second.End()
	c.Judge(OneLost)
}

// leaderEnds ends the leader when it has done its work: it gives its lease back, so that another need not wait for it.
func leaderEnds(c *Case, by ballot) {
	first := by.stand(c, nil, forEver)
	first.Work()
	was := c.leader(by.lease(c))
	first.End()
	second := by.stand(c, nil, forEver)
	c.awaitLeader(by.lease(c), was)
	second.Work()
	second.End()
	c.Judge(nil)
}
