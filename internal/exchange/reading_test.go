// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAHeartbeatProvesWhatItsNodeWasTold(t *testing.T) {
	touched := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		heard []time.Duration
		read  bool
		// bothSides is the same after the Exchange was put back to an older copy.
		bothSides bool
	}{
		{"none", nil, false, false},
		{"before the touch", []time.Duration{-time.Minute}, false, false},
		{"too close to the touch", []time.Duration{margin}, false, false},
		{"after the touch", []time.Duration{margin + time.Second}, true, false},
		{"just under three hours after", []time.Duration{touchLife - time.Second}, true, false},
		{"three hours after", []time.Duration{touchLife}, false, false},
		{"days after", []time.Duration{100 * time.Hour}, false, false},
		{"before and after", []time.Duration{-time.Minute, time.Hour}, true, true},
		{"before, and three hours later", []time.Duration{-time.Minute, touchLife - time.Minute}, true, false},
		{"before, and less than three hours later", []time.Duration{-time.Minute, touchLife - 2*time.Minute}, true, true},
		{"again and again since before", []time.Duration{-time.Hour, time.Hour, 3 * time.Hour, 5 * time.Hour}, true, true},
		{"again and again since after", []time.Duration{time.Hour, 3 * time.Hour, 5 * time.Hour}, true, false},
		{"with a break over the touch", []time.Duration{-time.Hour, 4 * time.Hour, 5 * time.Hour}, false, false},
		{"with a break after it was read", []time.Duration{time.Hour, 9 * time.Hour}, false, false},
		{"the time went back", []time.Duration{time.Hour, 30 * time.Minute}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			var node track
			for _, at := range tt.heard {
				node, _ = node.see(touched.Add(at))
			}
			g.Expect(node.hasRead(touched, false)).To(Equal(tt.read))
			g.Expect(node.hasRead(touched, true)).To(Equal(tt.bothSides))
			g.Expect(node.hasRead(time.Time{}, false)).To(BeFalse(), "no touch is known")
		})
	}
}

func TestANodeIsLateOnceItHadTheTimeToAsk(t *testing.T) {
	g := NewWithT(t)
	touched := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)
	before, after := track{last: touched}, track{last: touched.Add(margin + time.Second)}
	g.Expect(before.isLate(touched, touched.Add(patience-time.Second))).To(BeFalse())
	g.Expect(before.isLate(touched, touched.Add(patience))).To(BeTrue())
	g.Expect(track{}.isLate(touched, touched.Add(patience))).To(BeTrue(), "one that never asked")
	g.Expect(after.isLate(touched, touched.Add(time.Hour))).To(BeFalse())
	g.Expect(before.isLate(time.Time{}, touched)).To(BeFalse(), "no touch is known")
}

func TestTouchesHaveABudget(t *testing.T) {
	written := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name           string
		changed, now   time.Duration
		silent, asking bool
	}{
		{"under three hours", time.Second, touchLife, false, false},
		{"three hours", 0, touchLife, true, true},
		{"the last for the silent", silence - time.Second, silence + touchLife, true, true},
		{"none for the silent after a day", silence, silence + touchLife, false, true},
		{"the pause grows", 80 * time.Hour, 89 * time.Hour, false, false},
		{"and ends", 80 * time.Hour, 90 * time.Hour, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			owes := func(silent, asking bool) bool {
				return owesAnother(written, written.Add(tt.changed), written.Add(tt.now), silent, asking)
			}
			g.Expect(owes(true, false)).To(Equal(tt.silent))
			g.Expect(owes(false, true)).To(Equal(tt.asking))
			g.Expect(owes(false, false)).To(BeFalse())
		})
	}
	g := NewWithT(t)
	touches, changed := 0, written
	for now := written; now.Before(written.Add(60 * 24 * time.Hour)); now = now.Add(lookAgain) {
		if owesAnother(written, changed, now, true, true) {
			touches, changed = touches+1, now
		}
	}
	g.Expect(touches).To(BeNumerically("<=", 45), "in two months, whatever nodes do")
}
