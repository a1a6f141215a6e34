// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"testing"
)

// B3: any call meets any fault, crashes too, by chance, until there were most of them. The seed is in the name of the
// case, and makes the same choices again.
func TestManyFaultsByChanceHealByThemselves(t *testing.T) {
	const (
		seeds = 220
		most  = 60
	)
	suite := NewSuite(t, "B3", 10)
	for seed := range uint64(seeds) {
		workload := Workloads[seed%uint64(len(Workloads))]
		// The more likely a fault, the more of them meet the first calls of a pass.
		probability := []float64{0.2, 0.1, 0.05}[seed%3]
		suite.Run(fmt.Sprintf("%s/seed %d", workload.Name, seed), func(t *testing.T) {
			c := NewCase(t, world, workload)
			plan := Seeded(seed, probability, most, workload.anyFault)
			for range most + 1 {
				life := c.NewLife(plan)
				life.Patience = most + patience
				if life.Run(); !life.Dead() {
					break
				}
			}
			c.Judge(&Allowance{Lost: most, Again: []string{"delete project.openshift.io/projects NAME"}})
		})
	}
}

// anyFault are the faults that a call can meet. A deletion is not forbidden anything: it would believe that.
func (w *Workload) anyFault(c *Call) []Fault {
	faults := []Fault{CrashBefore, CrashAfter}
	for _, f := range faultTable {
		if f.meets(c) && (f.name != "forbidden" || !slices.Contains([]*Workload{Delete, Gone, Again}, w)) {
			faults = append(faults, f.fault)
		}
	}
	return faults
}
