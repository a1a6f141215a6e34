// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestHowLongAnAnswerAsksToWait(t *testing.T) {
	const now = "Sun, 06 Nov 1994 08:49:37 GMT"
	for name, tt := range map[string]struct {
		date, after string
		want        time.Duration
	}{
		"seconds":                       {now, "90", 90 * time.Second},
		"seconds, with blanks":          {now, " 90 ", 90 * time.Second},
		"no time at all":                {now, "0", 0},
		"less than none":                {now, "-99999999999999999999", 0},
		"a date":                        {now, "Sun, 06 Nov 1994 08:51:07 GMT", 90 * time.Second},
		"a date as of RFC 850":          {now, "Sunday, 06-Nov-94 08:51:07 GMT", 90 * time.Second},
		"a date as asctime writes it":   {now, "Sun Nov  6 08:51:07 1994", 90 * time.Second},
		"a date that is over":           {now, "Sun, 06 Nov 1994 08:49:36 GMT", 0},
		"a date that is far away":       {now, "Fri, 31 Dec 9999 23:59:59 GMT", Longest},
		"a date, and none to compare":   {"", "Sun, 06 Nov 1994 08:51:07 GMT", 0},
		"a date, and nonsense beside":   {"today", "Sun, 06 Nov 1994 08:51:07 GMT", 0},
		"a fraction of a second":        {now, "1.5", 0},
		"a date in the form of another": {now, "1994-11-06T08:51:07Z", 0},
		"nothing":                       {now, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Date": {tt.date}, "Retry-After": {tt.after}}
			NewWithT(t).Expect(After(header)).To(Equal(tt.want))
		})
	}
}

// Beside the server, what stands before it may ask too, in a line of its own or in the same.
func TestTheLongestOfSeveralWaitsCounts(t *testing.T) {
	const now = "Sun, 06 Nov 1994 08:49:37 GMT"
	for name, tt := range map[string]struct {
		after []string
		want  time.Duration
	}{
		"none":                        {nil, 0},
		"an empty one first":          {[]string{"", "90"}, 90 * time.Second},
		"nonsense first":              {[]string{"soon", "90"}, 90 * time.Second},
		"the longer one last":         {[]string{"1", "90"}, 90 * time.Second},
		"the longer one first":        {[]string{"90", "1"}, 90 * time.Second},
		"seconds and a date":          {[]string{"1", "Sun, 06 Nov 1994 08:51:07 GMT"}, 90 * time.Second},
		"two in one line":             {[]string{"1, 90"}, 90 * time.Second},
		"the same twice in one line":  {[]string{"90,90"}, 90 * time.Second},
		"a date whose day is no wait": {[]string{"Sun, 06 Nov 1994 08:49:37 GMT"}, 0},
		"more than is believed":       {[]string{"1", "99999999999999999999"}, Longest},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Date": {now}, "Retry-After": tt.after}
			NewWithT(t).Expect(After(header)).To(Equal(tt.want))
		})
	}
}
