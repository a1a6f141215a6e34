// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// zombies are workloads of which one write is held while the operator dies and its successor does the whole, and more:
// so that the write comes when the spec may have changed.
var zombies = []struct{ during, whole *Workload }{
	{Install, Install},
	{Install, Install.Then("another role", anotherRole)},
	{Rotate, Rotate},
	{Rotate, Rotate.Then("another role", anotherRole)},
	{Role, Role.Then("the first role again", firstRole)},
	{Copies, Copies},
	{CA, CA},
	{Host, Host.Then("the first host again", firstHost)},
	{Account, Account},
	{Delete, Delete},
	{Gone, Gone},
	{Again, Again},
}

func firstRole(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "edit" })
}

func firstHost(c *Case) {
	c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "a"), c.ca), "change the host back")
}

// A5: each write of an operator that is replaced arrives after its successor has finished. It is refused, or it changes
// nothing that lasts.
func TestAWriteThatComesLateChangesNothing(t *testing.T) {
	suite := NewSuite(t, "A5", 8)
	for _, z := range zombies {
		for _, call := range z.during.Reference(t, world).Calls {
			if !call.Writes() {
				continue
			}
			z.whole.Reference(t, world)
			suite.Run(z.whole.Name+"/late "+call.Signature, func(t *testing.T) {
				c := NewCase(t, world, z.whole)
				held, over := NewHeld(), make(chan struct{})
				defer held.Release()
				zombie := c.NewLife(At(call.Signature, held.Fault))
				go func() {
					defer close(over)
					zombie.Run()
				}()
				select {
				case <-held.Reached:
				case <-over:
					t.Fatal("the operator never came to this call")
				}
				zombie.Kill()
				successor := c.Live(nil)
				held.Release()
				<-over
				if call.Verb == "create" && strings.HasPrefix(call.Signature, "create secrets NAME-copies/") {
					goesWithTheEdgeRegistry(c, successor)
					return
				}
				// Its watches would tell the successor.
				successor.Run()
				c.Judge(&Allowance{Lost: 1, Again: []string{"delete project.openshift.io/projects NAME"}})
			})
		}
	}
}

// goesWithTheEdgeRegistry is all that holds of a copy that comes late to a namespace that was taken off copyTo meanwhile:
// no precondition can keep the API server from making what is not there, and nothing tells the successor. The token in it
// was there before, and the EdgeRegistry owns it.
func goesWithTheEdgeRegistry(c *Case, successor *Life) {
	deleteEdge(c)
	successor.Run()
	c.awaitCollected()
}
