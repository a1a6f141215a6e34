// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// copied has no second step, for what is asked for after the copy of etcd is lost with it.
var copied = &Workload{Name: "copies made", Prepare: inviteCopies, Steps: []func(*Case){copyTo}}

// F2: etcd is restored from a copy that was made before the workload, or at one of its writes, and the operator goes on.
// What the copy holds of the workload it finishes once more, and what came after the copy it hears of as if nothing had
// happened.
func TestARestoreOfEtcdIsLivedThrough(t *testing.T) {
	suite := NewSuite(t, "F2", 8)
	its := worldOf(t, env.Options{})
	for _, workload := range []*Workload{Install, Rotate, copied, Delete} {
		moments := []string{""}
		for _, call := range workload.writes(t) {
			// Of an EdgeRegistry that was not there before nobody has a memory.
			if !workload.Installs {
				moments = append(moments, call.Signature)
			}
		}
		for _, moment := range moments {
			suite.RunAlone(workload.Name+"/as of before "+strings.TrimSpace("it "+moment), func(t *testing.T) {
				restored(t, its, workload, moment)
			})
		}
	}
}

// restored has etcd go back to a moment when the workload is done; without one, to before it was asked for.
func restored(t *testing.T, its *World, workload *Workload, moment string) {
	save := func(c *Case) {
		c.must(c.World.Env.SaveEtcd(c.ctx), "copy etcd")
		c.must(c.World.journal.begin(c.World.running), "begin the journal")
	}
	before := nothing
	if moment == "" {
		before = save
	}
	c := NewCase(t, its, workload.later(t, world, before))
	m := c.NewManager(At(moment, func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
		save(c)
		return on()
	}))
	m.Work()
	if moment != "" && m.Fired() == 0 {
		t.Fatal("the operator never came to this call")
	}
	c.must(its.Env.RestoreEtcd(c.ctx), "restore etcd")
	c.must(its.journal.begin(its.running), "begin the journal")
	if moment == "" {
		c.step = 1
		c.ask()
	}
	// It tries again to make its watches with pauses of up to a minute, and was refused for a while.
	const patience = 3 * soon
	c.awaitWithin(patience, "operator at rest", c.atRest)
	m.Work()
	if workload != Delete {
		deleteBinding(c)
		c.awaitWithin(patience, "role binding", func() bool { return len(c.bindingsOf("puller")) > 0 })
	}
	m.Stop()
	compare(t, "the state is another (- undisturbed, + now)", now(c.end()), now(workload.Reference(t, world).State))
	c.judgeRun()
}
