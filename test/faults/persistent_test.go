// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// lasting are the faults that may last.
var lasting = []string{"forbidden", "unavailable", "a timeout"}

// B2: a kind of request fails for as long as five passes. Meanwhile the status does not say that all is well, the passes
// make no more requests than an undisturbed one, and when the cause goes the same incarnation finishes.
func TestAFaultThatLastsIsToldAndHealsByItself(t *testing.T) {
	const passes = 5
	suite := NewSuite(t, "B2", 10)
	for _, workload := range []*Workload{Install, Rotate, Role, Delete} {
		reference := workload.Reference(t, world)
		for _, kind := range reference.kinds(anyCall) {
			for _, f := range workload.suffers(lasting) {
				suite.Run(workload.Name+"/"+f.name+" at each "+kind, func(t *testing.T) {
					c := NewCase(t, world, workload)
					lasts := true
					life := c.NewLife(While(func(call *Call) bool {
						return lasts && strings.HasPrefix(call.Signature, kind+" #")
					}, f.fault))
					for pass := range passes {
						_, _ = life.Pass()
						if life.Fired() <= pass && kind != "get edge.open-horizon.io/edgeregistries NAME" {
							t.Errorf("pass %d did not come to this call", pass+1)
						}
						if c.saysThatAllIsWell(kind) {
							t.Errorf("the operator says that all is well: %s", c.standing())
						}
					}
					if made, most := len(life.Calls()), 2*passes*len(reference.Calls); made > most {
						t.Errorf("%d passes made %d calls, an undisturbed run makes %d in all", passes, made, len(reference.Calls))
					}
					lasts = false
					life.Run()
					c.Judge(&Allowance{Lost: passes})
				})
			}
		}
	}
}

// suffers are the faults of some names that hold a workload up. A deletion does not wait for rights that the operator has
// not got: garbage collection needs none.
func (w *Workload) suffers(names []string) []namedFault {
	return slices.DeleteFunc(slices.Clone(faultTable), func(f namedFault) bool {
		return !slices.Contains(names, f.name) || (w == Delete && f.name == "forbidden")
	})
}

// kinds are the chosen requests of a run, each once: signatures without #k.
func (r *Reference) kinds(chosen func(*Call) bool) []string {
	var kinds []string
	for _, call := range r.Calls {
		if kind, _, _ := strings.Cut(call.Signature, " #"); chosen(call) && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// saysThatAllIsWell reports a status that does not tell of a kind of request that fails.
func (c *Case) saysThatAllIsWell(kind string) bool {
	c.T.Helper()
	return c.atRest() || c.saysReady(kind)
}

// saysReady reports a status, as it was last read, that says Ready and could tell of a kind of request that fails.
func (c *Case) saysReady(kind string) bool {
	// Without reading the EdgeRegistry and writing its status nothing can be told.
	tellable := c.Edge.DeletionTimestamp.IsZero() && !strings.Contains(kind, " edge.open-horizon.io/edgeregistries")
	return tellable && meta.IsStatusConditionTrue(c.Edge.Status.Conditions, edgev1.Ready)
}
