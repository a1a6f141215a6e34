// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Fault is what goes wrong with a call.
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
	// Status and Body are the answer. Without a status the connection ends without one, or with Hang when the caller gives
	// up.
	Status int
	Body   string
	Hang   bool

	met bool
}

// Inject adds a fault.
func (e *Exchange) Inject(f *Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, f)
}

// Met reports whether a fault met a call.
func (e *Exchange) Met(f *Fault) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f.met
}

// Heal takes all faults away.
func (e *Exchange) Heal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = nil
}

// To matches calls by their method and the end of their path; an empty text matches all.
func To(method, pathEnd string) func(Call) bool {
	return func(c Call) bool {
		return (method == "" || c.Method == method) && strings.HasSuffix(c.Path, pathEnd)
	}
}

// Writes matches all calls that change something. What is searched for is sent by POST.
func Writes(c Call) bool { return c.Method != http.MethodGet && !strings.HasPrefix(c.Path, "search/") }

// fault returns the one that meets a call, or nil.
func (e *Exchange) fault(c Call) *Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.faults {
		if f.met && !f.Always || f.Match != nil && !f.Match(c) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.met = true
		return f
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	leave := e.enter()
	defer leave()
	c := callOf(r)
	met := e.fault(c)
	if met != nil && met.Do != nil {
		met.Do()
	}
	served := httptest.NewRecorder()
	if met == nil || met.Pass || met.Commit {
		e.mux.ServeHTTP(served, r)
	}
	wrong := met != nil && !met.Pass
	c.Status = served.Code
	if wrong {
		c.Status = met.Status
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	e.mu.Unlock()
	if wrong && met.Hang {
		// That the caller is gone shows only once all that it sent was read.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	// Each answer says when it was made, by the clock of the Exchange, as that of a real one does.
	w.Header().Set("Date", e.Clock.peek().UTC().Format(http.TimeFormat))
	switch {
	case wrong && met.Status == 0:
		panic(http.ErrAbortHandler)
	case wrong:
		w.WriteHeader(met.Status)
		_, _ = w.Write([]byte(met.Body))
	default:
		maps.Copy(w.Header(), served.Header())
		w.WriteHeader(served.Code)
		_, _ = w.Write(served.Body.Bytes())
	}
}
