// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import "time"

// lasting is since when a state is the same, by topic, as far as this process knows.
type lasting map[string]state

type state struct {
	// what can be compared with ==.
	what  any
	since time.Time
}

// PauseWhile returns the requeue interval for a state that no watch reports: least at first, and longer the longer the state of
// the topic stays the same, up to most. A nil state ends it.
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

// Pace sets the requeue interval of an error that no watch ends: short at first, when a person reads the message and acts, longer
// later. Another reason, another spec and a request start over.
func (s *Scope) Pace(err error) {
	const topic = "error"
	b := AsBlocked(err)
	if b == nil || !b.Stalled && !b.Remote {
		s.PauseWhile(topic, nil, 0, 0)
		return
	}
	type lasts struct {
		reason string
		asked  asked
	}
	longest := retryStalledLong
	if !b.Stalled {
		longest = RetryCap
	}
	pause := s.PauseWhile(topic, lasts{b.Reason, askedOf(s.Edge)}, retryStalled, longest)
	if b.Retry == 0 || b.Remote {
		b.Retry = max(b.Retry, pause)
	}
}
