// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
)

// The manager driver ends where the direct one does, for every workload, undisturbed and after a crash.
func TestAManagerDoesWhatDirectPassesDo(t *testing.T) {
	suite := NewSuite(t, "manager", 1)
	for _, workload := range Workloads {
		workload.Reference(t, world)
		suite.Run(workload.Name, func(t *testing.T) {
			c := NewCase(t, world, workload)
			manager := c.NewManager(nil)
			manager.Work()
			manager.Stop()
			c.Judge(nil)
		})
	}
}
