// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// rotateCopies changes two copies. An operator that was just started reads both first; one that knows them changes them by
// the versions in which it knows them, which only the manager driver shows.
var rotateCopies = &Workload{Name: "rotate with copies", Prepare: beginWithAllCopies, Steps: []func(*Case){rotate}}

// Q: an operator that knows its copies changes them, and each request that it sends to their namespace meets each fault, or
// is the last of its incarnation. So does the read of a copy that is not as it was known. It goes on by itself, or the
// next one does, and ends where an undisturbed one does.
func TestAFaultAtAChangeOfAKnownCopyHealsByItself(t *testing.T) {
	suite := NewSuite(t, "Q", 5)
	crashes := []namedFault{{"a crash before", CrashBefore, anyCall}, {"a crash after", CrashAfter, anyCall}}
	for _, call := range copyCalls(t) {
		for _, f := range slices.Concat(faultTable, crashes) {
			if !f.meets(call) {
				continue
			}
			kind, _, _ := strings.Cut(call.Signature, " #")
			suite.Run(f.name+" at "+kind, func(t *testing.T) {
				c := NewCase(t, world, rotateCopies.later(t, world, nothing))
				var armed, met atomic.Bool
				plan := While(func(call *Call) bool {
					return armed.Load() && strings.HasPrefix(call.Signature, kind+" #") && met.CompareAndSwap(false, true)
				}, f.fault)
				if call.Verb == "get" && call.Resource == "secrets" {
					plan = otherwise(plan, aConflictAtAChange(&armed))
				}
				m := c.knowingCopies(plan)
				armed.Store(true)
				c.ask()
				if c.await("fault", met.Load); f.name == crashes[0].name || f.name == crashes[1].name {
					c.await("crash", m.Dead)
					m.Stop()
					m = c.NewManager(nil)
				}
				reference := rotateCopies.Reference(t, world)
				m.WorkBySchedule(interval, m.Look, func() bool { return slices.Equal(c.Snapshot(), reference.State) })
				m.Stop()
				c.Judge(OneLost)
			})
		}
	}
}

// copyCalls are the requests that an operator which knows its copies sends to their namespace in a rotation, each kind once,
// and the one of which it is spared while they are as it knows them.
func copyCalls(t *testing.T) []*Call {
	t.Helper()
	c := NewCase(t, world, rotateCopies.later(t, world, nothing))
	var armed atomic.Bool
	m := c.knowingCopies(aConflictAtAChange(&armed))
	armed.Store(true)
	before := len(m.Calls())
	c.ask()
	m.Work()
	m.Stop()
	c.Judge(nil)
	var kinds []*Call
	for _, call := range m.Calls()[before:] {
		kind, _, _ := strings.Cut(call.Signature, " #")
		known := slices.ContainsFunc(kinds, func(k *Call) bool { return strings.HasPrefix(k.Signature, kind+" #") })
		if call.Verb != "watch" && (call.Namespace == c.copies() || call.Name == c.copies()) && !known {
			kinds = append(kinds, call)
		}
	}
	return kinds
}

// knowingCopies starts an incarnation by the manager driver, and waits until it knows its copies and is at rest.
func (c *Case) knowingCopies(plan Plan) *Manager {
	c.T.Helper()
	m := c.NewManager(plan)
	c.await("watch of the copies", func() bool {
		return slices.ContainsFunc(m.Calls(), func(call *Call) bool { return call.Verb == "watch" && call.Namespace == c.copies() })
	})
	m.Informed()
	c.awaitSilence(m.Wire)
	return m
}

// aConflictAtAChange has the first change of the copy of the publish Secret find another version than the one that is known.
func aConflictAtAChange(armed *atomic.Bool) Plan {
	var met atomic.Bool
	return While(func(call *Call) bool {
		return armed.Load() && strings.HasPrefix(call.Signature, "patch secrets NAME-copies/NAME-publish #") && met.CompareAndSwap(false, true)
	}, Refuse(409, "Conflict", "the object has been modified", -1))
}

// otherwise is a plan, and another for the calls that the first lets pass.
func otherwise(first, then Plan) Plan {
	return func(c *Call) Fault {
		if fault := first(c); fault != nil {
			return fault
		}
		return then(c)
	}
}
