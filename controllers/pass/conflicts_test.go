// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestThePauseAfterConflictsGrowsUpToAMinute(t *testing.T) {
	g := NewWithT(t)
	for passes, want := range map[int]time.Duration{
		conflictsUnreported: 2 * time.Second, conflictsUnreported + 1: 4 * time.Second, conflictsUnreported + 4: 32 * time.Second,
		conflictsUnreported + 5: RetryCap, 100: RetryCap, 1 << 30: RetryCap,
	} {
		g.Expect(conflictPause(passes)).To(Equal(want), "after %d", passes)
	}
}
