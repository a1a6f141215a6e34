// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what goes wrong with a call. The zero value cuts the connection of the next call before it takes effect.
type Fault struct {
	// Match says which calls it may meet; nil for all.
	Match func(Call) bool
	// Skip is how many of these pass before it meets one.
	Skip int
	// Always: it meets every one from then on, and not one alone.
	Always bool
	// Do runs before anything else: what somebody else does at that moment.
	Do func()
	// Pass: the call is served as ever, after Do.
	Pass bool
	// Commit: the call takes effect, and then goes wrong.
	Commit bool
	// Hang: there is no answer until the caller gives up.
	Hang bool
	// Change rewrites the body of the answer that the call would get.
	Change func(body []byte) []byte
	// Status, Header and Body are the answer. Without a status the connection ends without one.
	Status int
	Header http.Header
	Body   string

	met int
}

// LostReply lets a call take effect and loses its answer.
func LostReply(match func(Call) bool) *Fault { return &Fault{Match: match, Commit: true} }

// Hang lets a call wait, without effect, until its caller gives up.
func Hang(match func(Call) bool) *Fault { return &Fault{Match: match, Hang: true} }

// TooMany is the answer to too many requests, of whatever stands before the API: it has no body.
func TooMany(match func(Call) bool, after time.Duration) *Fault {
	return &Fault{
		Match: match, Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {strconv.Itoa(int(after.Seconds()))}},
	}
}

// HTML is the page of a gateway that is in the way.
func HTML(match func(Call) bool, status int) *Fault {
	return &Fault{
		Match: match, Status: status, Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>",
	}
}

// Huge is a body of five MiB that is JSON, and begins like a good answer with a token.
func Huge(match func(Call) bool) *Fault {
	return &Fault{
		Match: match, Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"access_token":"` + strings.Repeat("x", 5<<20) + `"}`,
	}
}

// wrong: the answer is the fault's, and not that of the stand-in.
func (f *Fault) wrong() bool { return f != nil && !f.Pass && f.Change == nil }

// Inject adds a fault. Of two that may meet a call the older one does.
func (j *Journal) Inject(f *Fault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, f)
}

// Met is how many calls a fault met.
func (j *Journal) Met(f *Fault) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return f.met
}

// Heal takes all faults away.
func (j *Journal) Heal() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = nil
}

// meet returns the fault that meets a call, or nil.
func (j *Journal) meet(c Call) *Fault {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.faults {
		if f.met > 0 && !f.Always || f.Match != nil && !f.Match(c) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.met++
		return f
	}
	return nil
}
