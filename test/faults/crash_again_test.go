// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"testing"
)

// A2: the operator is killed after one of its writes, and its successor after one of its own. The third finishes.
func TestASecondCrashEndsInTheSameState(t *testing.T) {
	suite := NewSuite(t, "A2", 10)
	for _, workload := range []*Workload{Install, Rotate, Delete} {
		writes := 0
		for _, call := range workload.Reference(t, world).Calls {
			if call.Writes() {
				writes++
			}
		}
		for first := 1; first <= writes; first++ {
			name := fmt.Sprintf("%s/after write %d", workload.Name, first)
			if !suite.chosen(name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// As many as the successor makes, which depends on what the first left behind.
				for second, again := 1, true; again; second++ {
					again = false
					t.Run(fmt.Sprintf("and %d of the successor", second), func(t *testing.T) {
						c := NewCase(t, world, workload)
						if !c.Live(AtWrite(first, CrashAfter)).Dead() {
							t.Fatal("the operator never came to this write")
						}
						if again = c.Live(AtWrite(second, CrashAfter)).Dead(); !again {
							return
						}
						suite.Count(t)
						c.Live(nil)
						c.Judge(&Allowance{Lost: 2})
					})
				}
			})
		}
	}
}
