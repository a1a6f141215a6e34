// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import "time"

// lasting is since when this process knows that something is as it is, by topic.
type lasting map[string]state

type state struct {
	// what can be compared with ==.
	what  any
	since time.Time
}

// PauseWhile is when to look again at what nothing tells of, as long as what is known about a topic is the same: soon at first,
// and less and less often the longer it lasts, from least to most. nil is nothing, which lasts no time.
func (s *Scope) PauseWhile(topic string, what any, least, most time.Duration) time.Duration {
	all := Part[lasting](s.Memory)
	if *all == nil {
		*all = lasting{}
	}
	known := (*all)[topic]
	if known.what != what || s.Now.Before(known.since) {
		known = state{what, s.Now}
		(*all)[topic] = known
	}
	return min(max(s.Now.Sub(known.since)/20, least), most)
}

// PaceStall sets when to look again at what a person has to mend: soon at first, when somebody who reads the message is there to
// follow it. Another reason, another spec and a request begin again.
func (s *Scope) PaceStall(err error) {
	const topic = "stall"
	b := AsBlocked(err)
	if b == nil || !b.Stalled {
		s.PauseWhile(topic, nil, 0, 0)
		return
	}
	type stall struct {
		reason string
		asked  asked
	}
	pause := s.PauseWhile(topic, stall{b.Reason, askedOf(s.Edge)}, retryStalled, retryStalledLong)
	if b.Retry == 0 {
		b.Retry = pause
	}
}
