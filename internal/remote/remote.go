// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package remote sends a request to an API outside of the cluster and reads the whole answer. If there is no usable answer it says
// why, without repeating any text of the server. What an answer means is up to the client of each API.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const (
	// MaxBody is how many bytes of an answer are read.
	MaxBody = 1 << 20
	// Timeout bounds one request.
	Timeout = 30 * time.Second
)

// Texts for an answer that cannot be used.
const (
	Malformed = "its answer is malformed"
	TooLarge  = "its answer is too large"
	TooSlow   = "it took too long"
)

// Kind says why there is no usable answer.
type Kind string

const (
	// Unavailable: the connection failed or broke, or the request took too long.
	Unavailable Kind = "Unavailable"
	// Untrusted: the certificate of the host is not trusted.
	Untrusted Kind = "Untrusted"
	// Unexpected: the answer does not come from an API.
	Unexpected Kind = "Unexpected"
)

// Failure is why there is no usable answer. It holds nothing that the server said.
type Failure struct {
	Kind Kind
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	Text   string
	// Ended is why the caller's context ended, if that is the cause.
	Ended error
	// Slow: the request took longer than its timeout.
	Slow bool
}

// Answer is a response whose body was read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Succeeded reports whether the status is one of success.
func (a Answer) Succeeded() bool { return a.Status >= 200 && a.Status <= 299 }

// isPage reports whether the body is HTML: some gateways answer with a page and the status 200.
func (a Answer) isPage() bool { return bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")) }

var errSlow = errors.New(TooSlow)

// Send sends a request once, with a timeout. With a failure the answer is returned too, if there was one.
func Send(client *http.Client, req *http.Request, timeout time.Duration) (Answer, *Failure) {
	caller := req.Context()
	own, cancel := context.WithTimeoutCause(caller, timeout, errSlow)
	defer cancel()
	resp, err := client.Do(req.WithContext(own)) //nolint:gosec // Where it goes, the client of the API decides.
	if err != nil {
		return Answer{}, unanswered(caller, own, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return Answer{}, unanswered(caller, own, err)
	}
	if len(body) > MaxBody {
		return Answer{}, &Failure{Kind: Unexpected, Status: resp.StatusCode, Text: TooLarge}
	}
	a := Answer{resp.StatusCode, resp.Header, body}
	if a.Succeeded() && a.isPage() {
		return a, &Failure{Kind: Unexpected, Status: a.Status, Text: Malformed}
	}
	return a, nil
}

// unanswered returns the failure of a request without an answer. The address is removed from net/http's error, because it may show
// an account.
func unanswered(caller, own context.Context, err error) *Failure {
	var addressed *url.Error
	if errors.As(err, &addressed) {
		err = addressed.Err
	}
	switch {
	case caller.Err() != nil:
		return Ended(caller)
	case errors.Is(context.Cause(own), errSlow):
		return &Failure{Kind: Unavailable, Text: TooSlow, Slow: true}
	case text.Untrusted(err):
		return &Failure{Kind: Untrusted, Text: text.Connection(err)}
	default:
		return &Failure{Kind: Unavailable, Text: text.Connection(err)}
	}
}

// Ended returns the failure of a request whose caller gave up.
func Ended(caller context.Context) *Failure {
	said := "the time for it is over"
	if errors.Is(caller.Err(), context.Canceled) {
		said = "it was cancelled"
	}
	return &Failure{Kind: Unavailable, Text: said, Ended: caller.Err()}
}

// Describe returns the text of a failure on one line: what happened on the attempt to do something at a server. Empty details and the
// status 0 are left out.
func Describe(server, operation, what string, status int, details ...string) string {
	if status != 0 {
		what += strings.TrimRight(fmt.Sprintf(", with %d %s", status, http.StatusText(status)), " ")
	}
	var known []string
	for _, detail := range details {
		if detail != "" {
			known = append(known, detail)
		}
	}
	if len(known) > 0 {
		what += " (" + strings.Join(known, ": ") + ")"
	}
	return fmt.Sprintf("%s, on the attempt to %s: %s", server, operation, what)
}
