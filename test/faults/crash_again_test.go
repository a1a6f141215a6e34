// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"testing"
)

// A2: the operator is killed after one of its writes, and its successor after one of its own. The third finishes.
func TestASecondCrashEndsInTheSameState(t *testing.T) {
	suite := NewSuite(t, "A2", 20)
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		writes := 0
		for _, call := range workload.Reference(t, world).Calls {
			if call.Writes() {
				writes++
			}
		}
		for first := 1; first <= writes; first++ {
			// What was written is not written again, but for the tokens and their anchors: so many are left at the most.
			for second := 1; second <= writes-first+1+len(anchorWrites); second++ {
				suite.Run(fmt.Sprintf("%s/writes %d and %d", workload.Name, first, second), func(t *testing.T) {
					c := NewCase(t, world, workload)
					if !c.Live(AtWrite(first, CrashAfter)).Dead() {
						t.Fatal("the operator never came to this write")
					}
					if c.Live(AtWrite(second, CrashAfter)).Dead() {
						c.Live(nil)
					}
					c.Judge(&Allowance{Lost: 2})
				})
			}
		}
	}
}

// anchorWrites are the writes that a lost mint costs, for each of the two roles: the old anchor goes, a new one comes, a
// token is issued.
var anchorWrites = [6]struct{}{}
