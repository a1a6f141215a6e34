// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"testing"
)

// budgeted are workloads with the number of calls that is enough for an incarnation to get ahead: a token that was minted
// is only kept if it is put on record and its Secret is written in the same life, and one that it found is reviewed before it
// rests.
var budgeted = []struct {
	workload *Workload
	enough   int
}{
	{Install, 27}, {Rotate, 27}, {Copies, 31}, {Delete, 11},
}

// A3: no incarnation may make more than so many calls. With fewer than enough the operator gets nowhere, but nothing is
// lost or left behind for it; with enough it arrives.
func TestAnOperatorThatNeverLivesLongArrives(t *testing.T) {
	const lives = 8
	suite := NewSuite(t, "A3", 10)
	for _, b := range budgeted {
		for calls := 1; calls <= len(b.workload.Reference(t, world).Calls); calls++ {
			suite.Run(fmt.Sprintf("%s/%d calls", b.workload.Name, calls), func(t *testing.T) {
				c := NewCase(t, world, b.workload)
				arrived := false
				for range lives {
					if arrived = !c.Live(Budget(calls)).Dead(); arrived {
						break
					}
				}
				if !arrived && calls >= b.enough {
					t.Errorf("%d incarnations of %d calls did not arrive, though %d are enough", lives, calls, b.enough)
				}
				if !arrived {
					c.Live(nil)
				}
				c.Judge(&Allowance{Lost: lives})
			})
		}
	}
}
