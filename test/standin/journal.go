// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Call is one request. It holds no header and no body, and with them no login.
type Call struct {
	Method string
	// Host is the name that was asked, of a stand-in that answers to several.
	Host string
	Path string
	// Query is noted where none holds a login.
	Query string
	// Status is that of the answer; 0 where none was sent.
	Status int
}

// Plain is a call by its method and its path alone.
func Plain(r *http.Request) Call { return Call{Method: r.Method, Path: r.URL.Path} }

// String is what was asked, without its query: METHOD PATH, and behind HOST: where a host is noted.
func (c Call) String() string {
	asked := c.Method + " " + c.Path
	if c.Host != "" {
		return c.Host + ": " + asked
	}
	return asked
}

// To matches calls by their method and the beginning of their path; an empty text matches all.
func To(method, path string) func(Call) bool {
	return func(c Call) bool { return (method == "" || c.Method == method) && strings.HasPrefix(c.Path, path) }
}

// ToEnd matches calls by their method and the end of their path; an empty text matches all.
func ToEnd(method, path string) func(Call) bool {
	return func(c Call) bool { return (method == "" || c.Method == method) && strings.HasSuffix(c.Path, path) }
}

// Journal holds the calls of one stand-in, and the faults that meet them. It is safe for concurrent use.
type Journal struct {
	note func(*http.Request) Call

	mu     sync.Mutex
	calls  []Call
	faults []*Fault
	// running is how many calls run, and busiest how many ever ran at once.
	running, busiest int
}

// NewJournal returns an empty journal. Note says what is written down of a request.
func NewJournal(note func(*http.Request) Call) *Journal { return &Journal{note: note} }

// Calls are those since the start or the last Forget, in the order of their answers.
func (j *Journal) Calls() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

// Matching are the calls that match, in the order of their answers.
func (j *Journal) Matching(match func(Call) bool) []Call {
	return slices.DeleteFunc(j.Calls(), func(c Call) bool { return !match(c) })
}

// Count is the number of calls that match.
func (j *Journal) Count(match func(Call) bool) int { return len(j.Matching(match)) }

// Busiest is how many calls ran at once since the start or the last Forget, at most.
func (j *Journal) Busiest() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.busiest
}

// Forget drops the calls so far.
func (j *Journal) Forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls, j.busiest = nil, 0
}

// enter counts a call while it runs: until it is left for the first time.
func (j *Journal) enter() (leave func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running++
	j.busiest = max(j.busiest, j.running)
	return sync.OnceFunc(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.running--
	})
}

func (j *Journal) write(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, c)
}
