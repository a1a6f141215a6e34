// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"time"
)

// stampFormat is how IAM writes a time: to the minute.
const stampFormat = "2006-01-02T15:04-0700"

// stampFormats are the accepted formats. Those with seconds accept fractions too.
var stampFormats = []string{stampFormat, "2006-01-02T15:04:05-0700", time.RFC3339, "2006-01-02T15:04Z07:00"}

// stamp is a time of IBM's in JSON: one of the formats, seconds since 1970, or nothing.
type stamp struct {
	at time.Time
	// malformed: there is a value, and it is no time.
	malformed bool
}

// UnmarshalJSON implements json.Unmarshaler. It does not fail: the caller decides whether the time matters.
func (s *stamp) UnmarshalJSON(data []byte) error {
	*s = readStamp(data)
	return nil
}

func readStamp(data []byte) stamp {
	var value string
	var seconds int64
	if json.Unmarshal(data, &value) != nil {
		if json.Unmarshal(data, &seconds) != nil {
			return stamp{malformed: true}
		}
		return stamp{at: time.Unix(seconds, 0).UTC()}
	}
	for _, format := range stampFormats {
		if at, err := time.Parse(format, value); err == nil {
			return stamp{at: at.UTC()}
		}
	}
	return stamp{malformed: value != ""}
}

// writeStamp formats a time for IAM; empty for the zero time. It drops the seconds, so nothing works longer than asked for.
func writeStamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(stampFormat)
}
