// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const (
	account = "0a1b2c"
	reader  = "iam-ServiceId-reader"
	// ownKey has each kind of character that an encoding changes.
	ownKey = `own-key+of/the"operator"&<more>%of-it`
)

// reply is what the cloud answers to one request.
type reply struct {
	status int
	body   string
	header []string
	// cut: the connection ends, half: it ends within the answer, and hang: nothing comes, after the request was read.
	cut, half, hang bool
}

// call is one request that came.
type call struct {
	method, path string
	query        map[string][]string
	header       http.Header
	body         string
}

func (c call) String() string { return c.method + " " + c.path }

// cloud answers as a table says. It gives a token for every key, unless the table says otherwise.
type cloud struct {
	*httptest.Server
	clock *clocktesting.FakePassiveClock

	mu sync.Mutex
	// replies are those to a method and a path, in turn; the last one stays.
	replies map[string][]reply
	calls   []call
	// given counts the tokens.
	given int
	// life is that of a token.
	life time.Duration
	// held, if there is one, holds up the token endpoint until it is closed; each request that waits signals it.
	held, waits chan struct{}
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	w := &cloud{
		clock: clocktesting.NewFakePassiveClock(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)), replies: map[string][]reply{},
		life: time.Hour, waits: make(chan struct{}, 100),
	}
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// on has the cloud answer to a method and a path.
func (w *cloud) on(route string, replies ...reply) *cloud {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies[route] = replies
	return w
}

func (w *cloud) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	c := call{r.Method, r.URL.Path, r.URL.Query(), r.Header, string(body)}
	w.calls = append(w.calls, c)
	one, found := reply{}, false
	if queue := w.replies[c.String()]; len(queue) > 0 {
		one, found = queue[0], true
		if len(queue) > 1 {
			w.replies[c.String()] = queue[1:]
		}
	}
	held := w.held
	w.mu.Unlock()
	if c.path == "/identity/token" && held != nil {
		w.waits <- struct{}{}
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
	switch {
	case one.cut, one.half:
		conn, _, _ := http.NewResponseController(rw).Hijack()
		if one.half {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		}
		_ = conn.Close()
		return
	case one.hang:
		<-r.Context().Done()
		return
	case !found && c.path == "/identity/token":
		one = reply{status: 200, body: w.token()}
	case !found:
		one = reply{status: 404, body: "<html>no such page</html>"}
	}
	for i := 0; i+1 < len(one.header); i += 2 {
		rw.Header().Set(one.header[i], one.header[i+1])
	}
	rw.WriteHeader(one.status)
	_, _ = io.WriteString(rw, one.body)
}

// token is the answer with the next token.
func (w *cloud) token() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.given++
	now := w.clock.Now()
	answer, _ := json.Marshal(map[string]any{
		"access_token": jwt(w.given, account), "expires_in": int(w.life / time.Second), "expiration": now.Add(w.life).Unix(),
		"token_type": "Bearer", "scope": "ibm openid", "refresh_token": "not_supported",
	})
	return string(answer)
}

func jwt(number int, account string) string {
	part := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iam_id":"iam-ServiceId-own","account":{"valid":true,"bss":%q},"n":%d}`, account, number)
	return part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(claims)) + "." + part([]byte(fmt.Sprintf("signature %d, which is long enough to be one", number)))
}

// client is one of a process that knows of nothing.
func (w *cloud) client(tokens *Tokens) *Client { return w.clientOf(ownKey, tokens) }

func (w *cloud) clientOf(key string, tokens *Tokens) *Client {
	c := New(Config{
		HTTP: w.Server.Client(), Endpoints: Endpoints{IAM: w.URL, Registry: w.URL}, Key: credential.NewToken(key), Clock: w.clock, Tokens: tokens,
	})
	c.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c
}

// asked are the requests that came, but those for tokens.
func (w *cloud) asked() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []call
	for _, c := range w.calls {
		if c.path != "/identity/token" {
			found = append(found, c)
		}
	}
	return found
}

// exchanged is how many requests for tokens came.
func (w *cloud) exchanged() int { return len(w.all()) - len(w.asked()) }

func (w *cloud) all() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]call(nil), w.calls...)
}

// failed takes an error apart.
func failed(t *testing.T, err error) *Error {
	t.Helper()
	var failure *Error
	NewWithT(t).Expect(errors.As(err, &failure)).To(BeTrue(), "%T", err)
	NewWithT(t).Expect(failure.Error()).To(And(HavePrefix("IBM Cloud at "), Not(ContainSubstring("\n"))))
	return failure
}

// lists is the answer of a list of IAM's identities, of which the next page has a token.
func lists(name, items, next string) reply {
	if next != "" {
		next = `,"next":"` + next + `"`
	}
	return reply{status: 200, body: `{"offset":0,` + `"` + name + `":[` + items + `]` + next + `}`}
}

// errorOf is an error in the form of IAM's identities.
func errorOf(status int, code, message string) reply {
	return reply{status: status, body: fmt.Sprintf(
		`{"context":{"transaction_id":"tx-1","unknown":1},"status_code":"%d","errors":[{"code":"x","message_code":%q,"message":%q,"details":"d"}],"trace":"tr-1"}`,
		status, code, message)}
}

// paths are the requests as method and path.
func paths(calls []call) string {
	var all []string
	for _, c := range calls {
		all = append(all, c.String())
	}
	return strings.Join(all, ", ")
}
