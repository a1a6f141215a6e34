// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTimesOfEveryBuildAreRead(t *testing.T) {
	at := func(nanos int) time.Time { return time.Date(2026, time.March, 1, 8, 9, 10, nanos, time.UTC) }
	for text, want := range map[string]time.Time{
		"2026-03-01T08:09:10Z":                at(0),
		"2026-03-01T08:09:10.5Z":              at(500_000_000),
		"2026-03-01T08:09:10.123Z":            at(123_000_000),
		"2026-03-01T08:09:10.123456Z":         at(123_456_000),
		"2026-03-01T08:09:10.123456789Z":      at(123_456_789),
		"2026-03-01T08:09:10.123Z[UTC]":       at(123_000_000),
		"2026-03-01T08:09Z[UTC]":              time.Date(2026, time.March, 1, 8, 9, 0, 0, time.UTC),
		"2026-03-01T09:09:10+01:00[Europe/X]": at(0),
		"":                                    {},
		"yesterday":                           {},
	} {
		NewWithT(t).Expect(parseStamp(text)).To(BeTemporally("==", want), "%q", text)
	}
	g := NewWithT(t)
	g.Expect(parseStamp("2026-03-01T08:09:10.9Z")).To(BeTemporally(">", parseStamp("2026-03-01T08:09:10.123456Z")),
		"as texts they would compare the other way with other digits")
}
