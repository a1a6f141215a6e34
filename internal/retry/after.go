// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package retry tells how long a server in HTTP asks to be left alone.
package retry

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Longest is the longest wait that an answer is believed to ask for.
const Longest = 5 * time.Minute

// After is how long an answer asks to wait, in seconds or until a date (RFC 9110, section 10.2.3); 0 where it does not say. A
// date is compared with the answer's own, since the clock here may be another; without that nothing is known of it.
func After(header http.Header) time.Duration {
	asked := strings.TrimSpace(header.Get("Retry-After"))
	seconds, err := strconv.Atoi(asked)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(seconds, 0), int(Longest/time.Second))) * time.Second
	}
	until, err := http.ParseTime(asked)
	now, unknown := http.ParseTime(header.Get("Date"))
	if err != nil || unknown != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), Longest)
}
