// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// A pause that began before its cause could be written down would hide it for as long as it lasts.
func TestAPauseAfterConflictsBeginsOnceTheyAreReported(t *testing.T) {
	g := NewWithT(t)
	s := newPass()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "a", nil)
	for range conflictsUnreported - 1 {
		g.Expect(s.CountConflict(s.persistent(conflict))).To(BeTrue())
		s.PauseAfterConflicts()
		g.Expect(s.ConflictPause()).To(BeZero())
	}
	lasting := s.persistent(conflict)
	g.Expect(IsStalled(lasting)).To(BeTrue())
	g.Expect(s.CountConflict(lasting)).To(BeFalse())
	g.Expect(s.ConflictPause()).To(BeZero(), "its status may not have been written")
	s.PauseAfterConflicts()
	g.Expect(s.ConflictPause()).To(Equal(2 * time.Second))
	g.Expect(s.CountConflict(nil)).To(BeFalse())
	g.Expect(s.ConflictPause()).To(BeZero())
}
