// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// What a person has to do is not hidden behind what mends itself, whichever login it is about.
func TestWhatWaitsTogether(t *testing.T) {
	waits, stalls, late := Waiting("Away", "it is away"), Stalled("Missing", "make it"), Waiting("Later", "it is later")
	late.Retry = time.Hour
	for name, tt := range map[string]struct {
		waits           []*Blocked
		reason, message string
		stalled         bool
		within          time.Duration
	}{
		"one":                            {[]*Blocked{late}, "Later", "it is later", false, time.Hour},
		"the same twice":                 {[]*Blocked{waits, waits}, "Away", "it is away", false, RetryWaiting},
		"a stall behind a wait":          {[]*Blocked{waits, stalls}, "Missing", "make it; it is away", true, RetryWaiting},
		"a stall before a wait":          {[]*Blocked{stalls, waits}, "Missing", "make it; it is away", true, RetryWaiting},
		"the second is looked at sooner": {[]*Blocked{late, waits}, "Later", "it is later; it is away", false, RetryWaiting},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			all := Together(tt.waits)
			g.Expect([]any{all.Reason, all.Message, all.Stalled, all.patience()}).To(Equal([]any{tt.reason, tt.message, tt.stalled, tt.within}))
		})
	}
	NewWithT(t).Expect(late.Message).To(Equal("it is later"), "what was given stays as it was")
}
