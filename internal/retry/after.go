// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package retry reads for how long an HTTP server asks its clients to wait.
package retry

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Longest is the longest wait that is honoured.
const Longest = 5 * time.Minute

// After returns how long a response asks to wait, in seconds or until a date (RFC 9110, section 10.2.3); 0 if it does not. A date is
// compared with that of the response, since the clock here may differ; without that it is ignored. If a server and a proxy before it
// both ask, the longest wait counts.
func After(header http.Header) time.Duration {
	var longest time.Duration
	for _, value := range header.Values("Retry-After") {
		longest = max(longest, after(value, header.Get("Date")))
		// A proxy may have joined two values by a comma. A date holds a comma too, so the whole value is tried first.
		for one := range strings.SplitSeq(value, ",") {
			longest = max(longest, after(one, ""))
		}
	}
	return longest
}

// after is what one value asks for, compared with a date.
func after(asked, date string) time.Duration {
	asked = strings.TrimSpace(asked)
	seconds, err := strconv.Atoi(asked)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(max(seconds, 0), int(Longest/time.Second))) * time.Second
	}
	until, err := http.ParseTime(asked)
	now, unknown := http.ParseTime(date)
	if err != nil || unknown != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), Longest)
}
