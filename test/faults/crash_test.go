// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
)

// A1: the operator is killed before and after each of its requests, and what follows it has to end where an undisturbed
// one does.
func TestACrashAtAnyCallEndsInTheSameState(t *testing.T) {
	suite := NewSuite(t, "A1", 10)
	for _, workload := range Workloads {
		for _, call := range workload.Reference(t, world).Calls {
			for when, crash := range map[string]Fault{"before": CrashBefore, "after": CrashAfter} {
				suite.Run(workload.Name+"/"+when+" "+call.Signature, func(t *testing.T) {
					c := NewCase(t, world, workload)
					first := c.Live(At(call.Signature, crash))
					if !first.Dead() {
						t.Fatal("the operator never came to this call")
					}
					c.Live(nil)
					c.Judge(OneLost)
				})
			}
		}
	}
}
