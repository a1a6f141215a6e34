// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Call is one request. It holds no query and no header, and with them no key.
type Call struct {
	Method, Host, Path string
	// Status is that of the answer; 0 where none was sent.
	Status int
}

// String is the call as HOST: METHOD PATH STATUS.
func (c Call) String() string {
	return c.Host + ": " + c.Method + " " + c.Path + " " + strconv.Itoa(c.Status)
}

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

// TooMany is the answer to too many requests.
func TooMany(match func(Call) bool, after time.Duration) *Fault {
	return &Fault{
		Match: match, Status: http.StatusTooManyRequests, Body: `{"trace":"t","errors":[{"code":"too_many_requests","message":"slow down"}]}`,
		Header: http.Header{"Retry-After": {strconv.Itoa(int(after.Seconds()))}, "Content-Type": {"application/json"}},
	}
}

// HTML is the page of a gateway that is in the way.
func HTML(match func(Call) bool, status int) *Fault {
	return &Fault{
		Match: match, Status: status, Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>",
	}
}

// Huge is a body of five MiB that begins like a good answer.
func Huge(match func(Call) bool) *Fault {
	return &Fault{
		Match: match, Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"access_token":"` + strings.Repeat("x", 5<<20) + `"}`,
	}
}

// Inject adds a fault.
func (c *Cloud) Inject(f *Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
}

// Met is how many calls a fault met.
func (c *Cloud) Met(f *Fault) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f.met
}

// Heal takes all faults away.
func (c *Cloud) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// Calls returns what was asked since the start or the last Forget, in the order of the answers.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Count is the number of calls that match.
func (c *Cloud) Count(match func(Call) bool) int {
	count := 0
	for _, call := range c.Calls() {
		if match(call) {
			count++
		}
	}
	return count
}

// Forget drops the calls so far.
func (c *Cloud) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = nil
}

// Exposed are calls that held the value of a key where none belongs: in a URL, or in a header that is not for one.
func (c *Cloud) Exposed() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.exposed)
}

// To matches calls by their method and the beginning of their path; an empty text matches all.
func To(method, path string) func(Call) bool {
	return func(c Call) bool {
		return (method == "" || c.Method == method) && strings.HasPrefix(c.Path, path)
	}
}

// Writes matches all calls of the IAM and registry APIs that change something.
func Writes(c Call) bool {
	_, registry := regionOf(c.Host)
	images := registry && strings.HasPrefix(c.Path, "/v2/")
	return c.Method != http.MethodGet && c.Method != http.MethodHead && c.Path != "/identity/token" && !images
}

// fault returns the one that meets a call, or nil.
func (c *Cloud) fault(call Call) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		if f.met > 0 && !f.Always || f.Match != nil && !f.Match(call) {
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

// ServeHTTP implements http.Handler.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Only who has read the whole body sees a caller hang up.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := Call{Method: r.Method, Host: hostOf(r), Path: r.URL.Path}
	c.look(call, r, string(body))
	met := c.fault(call)
	if met != nil && met.Do != nil {
		met.Do()
	}
	wrong := met != nil && !met.Pass && met.Change == nil
	served := httptest.NewRecorder()
	if !wrong || met.Commit {
		c.serve(served, r)
	}
	if met != nil && met.Change != nil {
		changed := met.Change(served.Body.Bytes())
		served.Body = bytes.NewBuffer(changed)
		served.Header().Del("Content-Length")
	}
	call.Status = served.Code
	if wrong {
		call.Status = met.Status
	}
	c.mu.Lock()
	c.calls = append(c.calls, call)
	c.mu.Unlock()
	if wrong {
		c.goWrong(w, r, met)
		return
	}
	maps.Copy(w.Header(), served.Header())
	w.WriteHeader(served.Code)
	_, _ = w.Write(served.Body.Bytes())
}

// goWrong answers as a fault does, or not at all.
func (c *Cloud) goWrong(w http.ResponseWriter, r *http.Request, f *Fault) {
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-c.ended.Done():
		}
	}
	if f.Hang || f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// Shown is where the value of a key was shown to, in whatever part of a call, as HOST METHOD PATH: each once, sorted.
func (c *Cloud) Shown(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.shown[id]))
}

// look remembers what call holds a key's value, and whether it does where none belongs.
func (c *Cloud) look(call Call, r *http.Request, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, password, _ := r.BasicAuth()
	wrong, right := r.URL.String(), body+"\n"+password
	for name, values := range r.Header {
		if text := "\n" + strings.Join(values, "\n"); name == "Iam-Apikey" || name == "Authorization" {
			right += text
		} else {
			wrong += text
		}
	}
	misplaced := false
	for _, k := range c.keys {
		misplaces := strings.Contains(wrong, k.value)
		misplaced = misplaced || misplaces
		if !misplaces && !strings.Contains(right, k.value) {
			continue
		}
		if c.shown[k.ID] == nil {
			c.shown[k.ID] = map[string]bool{}
		}
		c.shown[k.ID][call.Host+" "+call.Method+" "+call.Path] = true
	}
	if misplaced {
		c.exposed = append(c.exposed, call)
	}
}
