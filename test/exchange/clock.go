// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"strings"
	"sync"
	"time"
)

// Clock is the time of the Exchange and of the nodes. It moves by a millisecond with each reading, as no two writes of a real
// one have the same time, and further by Advance.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock {
	return &Clock{now: time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)}
}

// Now returns the time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

// peek returns the time without moving it.
func (c *Clock) peek() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stamp is a time as Java's Instant writes it: with as many digits as it has, in threes, and none where the second is whole
// (utility/ApiTime.scala). Old builds put a zone behind it.
func (e *Exchange) stamp(t time.Time) string {
	text := t.UTC().Format("2006-01-02T15:04:05.000000000")
	for range 3 {
		text = strings.TrimSuffix(text, "000")
	}
	text = strings.TrimSuffix(text, ".") + "Z"
	if e.options.OldDates {
		text += "[UTC]"
	}
	return text
}
