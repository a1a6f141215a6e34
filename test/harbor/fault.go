// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
)

// Call is one request. It holds no query and no header, and with them no secret.
type Call struct {
	Method, Path string
	// Status is that of the answer; 0 where none was sent.
	Status int
}

// String is the call as METHOD PATH STATUS.
func (c Call) String() string { return c.Method + " " + c.Path + " " + strconv.Itoa(c.Status) }

// Fault is what goes wrong with one call.
type Fault struct {
	// Match says which calls it may meet; nil for all.
	Match func(Call) bool
	// Always: it meets every one, and not the first alone.
	Always bool
	// Do runs before anything else.
	Do func()
	// Commit: the call takes effect, and then goes wrong.
	Commit bool
	// Hang: there is no answer until the caller gives up.
	Hang bool
	// Status, Header and Body are the answer. Without a status the connection ends without one.
	Status int
	Header http.Header
	Body   string

	met int
}

// LostReply lets a call take effect and loses its answer.
func LostReply(match func(Call) bool) *Fault { return &Fault{Match: match, Commit: true} }

// HTML is the page of a gateway that is in the way.
func HTML(match func(Call) bool, status int) *Fault {
	return &Fault{
		Match: match, Status: status, Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>",
	}
}

// To matches calls by their method and the beginning of their path; an empty text matches all.
func To(method, path string) func(Call) bool {
	return func(c Call) bool { return (method == "" || c.Method == method) && strings.HasPrefix(c.Path, path) }
}

// API matches all calls of the API.
func API(c Call) bool { return strings.HasPrefix(c.Path, "/api/") }

// Writes matches the calls of the API that change something.
func Writes(c Call) bool { return API(c) && c.Method != http.MethodGet }

// Inject adds a fault.
func (h *Harbor) Inject(f *Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, f)
}

// Heal takes all faults away.
func (h *Harbor) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// Met is how many calls a fault met.
func (h *Harbor) Met(f *Fault) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return f.met
}

// Calls are those that match, since the start or the last Forget, in the order of their answers.
func (h *Harbor) Calls(match func(Call) bool) []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.calls), func(c Call) bool { return !match(c) })
}

// Forget drops the calls so far.
func (h *Harbor) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = nil
}

// fault returns the one that meets a call, or nil.
func (h *Harbor) fault(call Call) *Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.faults {
		if (f.met > 0 && !f.Always) || (f.Match != nil && !f.Match(call)) {
			continue
		}
		f.met++
		return f
	}
	return nil
}

// ServeHTTP implements http.Handler. Only calls of the API and of the token endpoint are noted and meet faults.
func (h *Harbor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		h.routes.ServeHTTP(w, r)
		return
	}
	// Only who has read the whole body sees a caller hang up.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := Call{Method: r.Method, Path: r.URL.Path}
	met := h.fault(call)
	if met != nil && met.Do != nil {
		met.Do()
	}
	served := httptest.NewRecorder()
	if met == nil || met.Commit {
		h.routes.ServeHTTP(served, r)
		call.Status = served.Code
	}
	if met != nil {
		call.Status = met.Status
	}
	h.mu.Lock()
	h.calls = append(h.calls, call)
	h.mu.Unlock()
	if met != nil {
		h.goWrong(w, r, met)
		return
	}
	maps.Copy(w.Header(), served.Header())
	w.WriteHeader(served.Code)
	_, _ = w.Write(served.Body.Bytes())
}

// goWrong answers as a fault does, or not at all.
func (h *Harbor) goWrong(w http.ResponseWriter, r *http.Request, f *Fault) {
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-h.ended.Done():
		}
	}
	if f.Hang || f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}
