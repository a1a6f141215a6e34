// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
)

// Serve has next serve a call and notes it, unless a fault meets it.
func (j *Journal) Serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	leave := j.enter()
	defer leave()
	// Only who has read the whole body sees a caller hang up.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := j.note(r)
	met := j.meet(call)
	if met != nil && met.Do != nil {
		met.Do()
	}
	served := httptest.NewRecorder()
	if !met.wrong() || met.Commit {
		next.ServeHTTP(served, r)
	}
	call.Status = served.Code
	if met.wrong() {
		call.Status = met.Status
	}
	j.write(call)
	if met.wrong() && met.Hang {
		<-r.Context().Done()
	}
	// A client that has read the answer sends the next call, perhaps before this one has returned.
	leave()
	if met.wrong() {
		met.answer(w)
		return
	}
	if met != nil && met.Change != nil {
		served.Body = bytes.NewBuffer(met.Change(served.Body.Bytes()))
		served.Header().Del("Content-Length")
	}
	maps.Copy(w.Header(), served.Header())
	w.WriteHeader(served.Code)
	_, _ = w.Write(served.Body.Bytes())
}

// answer answers as the fault does, or not at all.
func (f *Fault) answer(w http.ResponseWriter) {
	if f.Hang || f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}
