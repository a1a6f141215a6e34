// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// elsewhereHost is what every registry of a case is called by, whatever its address is.
const elsewhereHost = "registry.plant.test:5000"

// Elsewhere is a registry that is not the cluster's own, with users of its own. It numbers and names each request, and a
// fault may meet one.
type Elsewhere struct {
	// Tokens: it gives tokens for logins, and otherwise takes the logins themselves.
	Tokens bool

	ca     *platform.CA
	server *httptest.Server

	mu sync.Mutex
	// users are by name; each may have several passwords.
	users map[string]*elsewhereUser
	// calls are the signatures of the requests since Arm, and alike how many there were of each.
	calls []string
	alike map[string]int
	at    string
	fault AnswerFault
	fired int
	// changed are the requests that could leave something behind.
	changed []string
}

type elsewhereUser struct {
	passwords []string
	pushes    bool
}

// AnswerFault decides what becomes of a request to a registry. on has the registry do what it asks, and returns its answer.
type AnswerFault func(w http.ResponseWriter, r *http.Request, on func() *httptest.ResponseRecorder)

// StartElsewhere starts a registry with a user that may push and one that may not, until stop.
func StartElsewhere(tokens bool) (e *Elsewhere, stop func()) {
	e = &Elsewhere{Tokens: tokens, ca: platform.NewCA("the plant"), alike: map[string]int{}, users: map[string]*elsewhereUser{
		"pusher": {[]string{"pusher-1-secret"}, true}, "puller": {[]string{"puller-1-secret"}, false},
	}}
	e.server = httptest.NewUnstartedServer(e)
	e.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	name, _, _ := strings.Cut(elsewhereHost, ":")
	e.server.TLS = &tls.Config{Certificates: []tls.Certificate{e.ca.Leaf(name)}, MinVersion: tls.VersionTLS12}
	e.server.StartTLS()
	return e, e.server.Close
}

// Dial connects to the registry, by whatever name.
func (e *Elsewhere) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, e.server.Listener.Addr().String())
}

// Admit gives a user a further password.
func (e *Elsewhere) Admit(user, password string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users[user].passwords = append(e.users[user].passwords, password)
}

// Arm counts requests from now on, and lets a fault meet the one with a signature; none when that is empty.
func (e *Elsewhere) Arm(at string, fault AnswerFault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.alike, e.at, e.fault, e.fired = nil, map[string]int{}, at, fault, 0
}

// Calls are the signatures of the requests since Arm, as "USER METHOD what #k".
func (e *Elsewhere) Calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Fired is how many requests a fault has met since Arm.
func (e *Elsewhere) Fired() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fired
}

// Changed are the requests so far that could leave something behind.
func (e *Elsewhere) Changed() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.changed)
}

// ServeHTTP implements http.Handler.
func (e *Elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := e.userOf(r)
	e.mu.Lock()
	what := fmt.Sprintf("%s %s %s", user, r.Method, e.asked(r))
	e.alike[what]++
	what += fmt.Sprintf(" #%d", e.alike[what])
	e.calls = append(e.calls, what)
	if r.Method != http.MethodGet && (r.Method != http.MethodPatch || strings.HasSuffix(r.URL.Path, "/uploads/")) {
		e.changed = append(e.changed, what)
	}
	var fault AnswerFault
	if what == e.at {
		fault = e.fault
		e.fired++
	}
	e.mu.Unlock()
	on := func() *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		e.answer(recorder, r, user)
		return recorder
	}
	if fault != nil {
		fault(w, r, on)
		return
	}
	answer := on()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = io.Copy(w, answer.Body)
}

// asked is what a request is about.
func (e *Elsewhere) asked(r *http.Request) string {
	switch {
	case r.URL.Path == "/token":
		_, rights, _ := strings.Cut(strings.TrimPrefix(r.URL.Query().Get("scope"), "repository:"), ":")
		return strings.TrimSpace("token " + rights)
	case strings.Contains(r.URL.Path, "/uploads/"):
		return "upload"
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		return "tags"
	default:
		return "root"
	}
}

// userOf is whose request it is; "nobody" where it shows no login, or a wrong one.
func (e *Elsewhere) userOf(r *http.Request) string {
	name, password, _ := r.BasicAuth()
	if given, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer given-to-"); is {
		return given
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if user := e.users[name]; user != nil && slices.Contains(user.passwords, password) {
		return name
	}
	return "nobody"
}

func (e *Elsewhere) answer(w http.ResponseWriter, r *http.Request, user string) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
	}
	isBasic := strings.HasPrefix(r.Header.Get("Authorization"), "Basic ")
	switch {
	case r.URL.Path == "/token" && user == "nobody" && isBasic:
		refuse(http.StatusUnauthorized, "UNAUTHORIZED")
	case r.URL.Path == "/token":
		_, _ = fmt.Fprintf(w, `{"token":"given-to-%s"}`, user)
	case user == "nobody", e.Tokens && isBasic:
		challenge := `Basic realm="plant"`
		if e.Tokens {
			challenge = `Bearer realm="https://` + elsewhereHost + `/token",service="plant"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		refuse(http.StatusUnauthorized, "UNAUTHORIZED")
	case r.URL.Path == "/v2/":
		_, _ = io.WriteString(w, "{}")
	case r.Method == http.MethodPatch && !e.users[user].pushes:
		refuse(http.StatusForbidden, "DENIED")
	case r.Method == http.MethodPatch:
		refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	default:
		_, _ = io.WriteString(w, `{"tags":["1"]}`)
	}
}

// cutOff ends the connection without an answer.
func cutOff(w http.ResponseWriter) {
	if hijacker, can := w.(http.Hijacker); can {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// answers is a fault by which something else answers.
func answers(status int, header map[string]string, body []byte) AnswerFault {
	return func(w http.ResponseWriter, _ *http.Request, on func() *httptest.ResponseRecorder) {
		if status >= http.StatusInternalServerError {
			on()
		}
		for key, value := range header {
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
		_, _ = io.Copy(w, bytes.NewReader(body))
	}
}
