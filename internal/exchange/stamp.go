// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"strings"
	"time"
)

// parseStamp parses a time of the Exchange: a java.time.ZonedDateTime with up to nine digits of fractions. Old builds append a zone in
// brackets, and leave the seconds out if they are zero. Anything else is the zero time.
func parseStamp(text string) time.Time {
	text, _, _ = strings.Cut(text, "[")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
