// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import "time"

// stall is how long an EdgeRegistry waits for a person.
type stall struct {
	reason string
	since  time.Time
	asked  asked
}

// PaceStall sets when to look again at what a person has to mend: soon at first, when somebody who reads the message is there to
// follow it, and less and less often while nobody does. Another reason, another spec and a request begin anew.
func (s *Scope) PaceStall(err error) {
	before, b := Part[stall](s.Memory), AsBlocked(err)
	if b == nil || !b.Stalled {
		*before = stall{}
		return
	}
	if asked := askedOf(s.Edge); before.reason != b.Reason || before.asked != asked || s.Now.Before(before.since) {
		*before = stall{b.Reason, s.Now, asked}
	}
	if b.Retry == 0 {
		b.Retry = min(max(s.Now.Sub(before.since)/20, retryStalled), retryStalledLong)
	}
}
