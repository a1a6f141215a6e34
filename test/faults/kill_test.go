// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
)

// A4: the real binary gets SIGKILL before and after each of its writes, and a new process finishes.
func TestAKilledProcessIsFollowedByAnother(t *testing.T) {
	suite := NewSuite(t, "A4", 12)
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		for _, call := range workload.Reference(t, world).Calls {
			if !call.Writes() {
				continue
			}
			for when, crash := range map[string]Fault{"before": CrashBefore, "after": CrashAfter} {
				suite.Run(workload.Name+"/"+when+" "+call.Signature, func(t *testing.T) {
					c := NewCase(t, world, workload)
					first := c.NewProcess(At(call.Signature, crash))
					first.Work()
					if !first.Dead() {
						t.Fatal("the process never came to this call")
					}
					first.Stop()
					second := c.NewProcess(nil)
					second.Work()
					second.Stop()
					c.Judge(OneLost)
				})
			}
		}
	}
}
