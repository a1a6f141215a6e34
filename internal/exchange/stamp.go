// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"strings"
	"time"
)

// parseStamp reads a time of the Exchange: with none to nine digits of a second, in old builds with a zone in brackets behind
// it, and there without the seconds where these are zero (java.time.ZonedDateTime). What is none of that is the zero time.
func parseStamp(text string) time.Time {
	text, _, _ = strings.Cut(text, "[")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
