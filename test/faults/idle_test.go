// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"slices"
	"testing"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// N: in a state that does not change, be it good or not, the operator looks as often as it is woken and writes nothing.
func TestAStateThatDoesNotChangeCausesNoWrite(t *testing.T) {
	suite := NewSuite(t, "N", 4)
	idlesWith := func(name string, workload *Workload, alive bool, reach func(*Case)) {
		suite.Run(name, func(t *testing.T) {
			c := NewCase(t, world, workload)
			c.Live(nil)
			// A verification is dated in the status, which is a write that is due.
			c.patchSpec(`{verification: {interval: 12h}}`)
			reach(c)
			c.expectIdle(c.NewLife(nil))
			if alive {
				c.judgeTokens()
			}
		})
	}
	idles := func(name string, workload *Workload, reach func(*Case)) { idlesWith(name, workload, true, reach) }
	for _, b := range beginnings {
		idles("all is well/"+b.what, staged(b.what, b.patch), func(*Case) {})
	}
	for _, m := range mistakes {
		idles(m.what, staged(m.what, beginnings[0].patch), func(c *Case) {
			if m.prepare != nil {
				m.prepare(c)
			}
			c.patchSpec(m.patch)
		})
	}
	for _, p := range parts {
		for _, o := range obstacles {
			if !p.is("bound Secret") {
				// Tokens die with their account. The API server accepts them for some seconds after that.
				alive := !p.is("account") || o.how != anothersByNow
				idlesWith(p.what+" "+o.how, resting, alive, func(c *Case) { o.do(c, p) })
			}
		}
	}
	idles("what holds a deletion up", resting, func(c *Case) {
		c.Edit(func(edge *edgev1.EdgeRegistry) { holdBack(edge) })
		for _, p := range parts {
			p.edit(c, holdBack)
		}
		deleteEdge(c)
	})
}

// expectIdle fails unless the operator comes to a state and then writes nothing, though it looks each minute.
func (c *Case) expectIdle(life *Life) {
	c.T.Helper()
	const looks = 60
	look := func() {
		_, _ = life.Pass()
		c.Clock.SetTime(c.Clock.Now().Add(time.Minute))
	}
	for range patience {
		look()
	}
	effects, versions := life.Effects(), c.versions()
	for range looks {
		look()
	}
	if !maps.Equal(life.Effects(), effects) {
		c.T.Errorf("an operator at rest wrote: %v, and before %v; %s", life.Effects(), effects, c.standing())
	}
	if after := c.versions(); !slices.Equal(after, versions) {
		c.T.Errorf("objects changed at rest: %v, and before %v", after, versions)
	}
}

// versions are the resource versions of all that is there.
func (c *Case) versions() []string {
	c.T.Helper()
	var versions []string
	for _, object := range c.objects() {
		versions = append(versions, object.GetNamespace()+"/"+object.GetName()+" "+object.GetResourceVersion())
	}
	if c.Reload() {
		versions = append(versions, c.Edge.Name+" "+c.Edge.ResourceVersion)
	}
	slices.Sort(versions)
	return versions
}
