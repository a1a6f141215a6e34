// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// send sends a request to a server with a given answer.
func send(ctx context.Context, t *testing.T, client func(*httptest.Server) *http.Client, timeout time.Duration, answer http.HandlerFunc) (Answer, *Failure) {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return Send(client(server), req, timeout)
}

func trusted(server *httptest.Server) *http.Client { return server.Client() }

func body(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func TestWhatIsAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		failure *Failure
	}{
		"JSON":                     {body(200, `{}`), nil},
		"nothing":                  {body(204, ""), nil},
		"a refusal":                {body(403, `{"code": 1}`), nil},
		"a page that refuses":      {body(403, "<html>"), nil},
		"a page of success":        {body(200, "\n <!DOCTYPE html>"), &Failure{Kind: Unexpected, Status: 200, Text: Malformed}},
		"as much as is read":       {body(200, strings.Repeat(" ", MaxBody)), nil},
		"more than is read":        {body(200, strings.Repeat(" ", MaxBody+1)), &Failure{Kind: Unexpected, Status: 200, Text: TooLarge}},
		"a connection that breaks": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, &Failure{Kind: Unavailable, Text: "EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a, failure := send(t.Context(), t, trusted, Timeout, test.answer)
			g.Expect(failure).To(Equal(test.failure))
			if failure == nil {
				g.Expect(a.Succeeded()).To(Equal(a.Status < 300))
			}
		})
	}
}

func TestWhyThereIsNoAnswer(t *testing.T) {
	g := NewWithT(t)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

	_, failure := send(t.Context(), t, trusted, time.Millisecond, hang)
	g.Expect(failure).To(Equal(&Failure{Kind: Unavailable, Text: TooSlow, Slow: true}))

	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, failure = send(over, t, trusted, Timeout, hang)
	g.Expect(failure).To(Equal(&Failure{Kind: Unavailable, Text: "the time for it is over", Ended: context.DeadlineExceeded}))

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, failure = send(cancelled, t, trusted, Timeout, hang)
	g.Expect(failure).To(Equal(&Failure{Kind: Unavailable, Text: "it was cancelled", Ended: context.Canceled}))

	_, failure = send(t.Context(), t, func(*httptest.Server) *http.Client { return &http.Client{} }, Timeout, body(200, "{}"))
	g.Expect(failure).To(And(HaveField("Kind", Untrusted), HaveField("Text", Not(ContainSubstring("https://")))))
}

func TestAFailureIsOneLine(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Describe("S at h", "list things", "it is forbidden", 403, "CODE", "", "why")).To(
		Equal("S at h, on the attempt to list things: it is forbidden, with 403 Forbidden (CODE: why)"))
	g.Expect(Describe("S at h", "list things", "there is no answer", 0, "", "")).To(Equal("S at h, on the attempt to list things: there is no answer"))
	g.Expect(Describe("S at h", "list things", "it is odd", 299)).To(Equal("S at h, on the attempt to list things: it is odd, with 299"))
}
