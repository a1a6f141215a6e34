// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/retry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Kind says why a probe has no answer.
type Kind string

const (
	// Unresolvable: DNS does not know the host.
	Unresolvable Kind = "Unresolvable"
	// Unreachable: the connection failed or broke.
	Unreachable Kind = "Unreachable"
	// Untrusted: the transport does not trust the certificate of the host.
	Untrusted Kind = "Untrusted"
	// Refused: the registry does not accept the token.
	Refused Kind = "Refused"
	// Unavailable: the registry, or what stands before it, cannot serve now.
	Unavailable Kind = "Unavailable"
	// Unexpected: the answer is not one of a registry.
	Unexpected Kind = "Unexpected"
	// OtherTokenHost: another host issues the tokens of the registry, and the login may not be sent there.
	OtherTokenHost Kind = "OtherTokenHost"
)

// op is the part of a probe that failed.
type op string

const (
	opChallenge op = "ask for the challenge"
	opLogin     op = "log in"
	opPull      op = "ask to pull"
	opPush      op = "ask to push"
)

// Error is the failure of a probe. Its text is one line that says what is wrong,
// where, and what to do, and holds nothing of a token.
type Error struct {
	Kind Kind
	Host string
	// Op is what was being done, such as "log in".
	Op string
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// RetryAfter is how long the answer asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// Err is the cause, if there is one that can be shown.
	Err error

	// advice and shown are those of the client; empty for none.
	advice, shown string
}

// advice is what to do about each kind, whatever the registry is.
var advice = map[Kind]string{
	Unresolvable: "check its DNS record",
	Unreachable:  "check the way to it, network policies and the proxy",
	Untrusted:    "its certificate and the published CA do not match; wait for the next check of the host or set spec.trust.caBundleRef",
	Refused:      "it has expired, was revoked, or does not count there",
	Unavailable:  "check the registry itself",
	Unexpected:   "check what answers at the host",

	OtherTokenHost: "see at the registry where it has its tokens given",
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "registry %s, on the attempt to %s: %s", e.Host, e.Op, e.what())
	if e.Err != nil {
		fmt.Fprintf(&b, " (%s)", text.Foreign(e.Err.Error()))
	}
	return b.String() + ": " + cmp.Or(e.advice, advice[e.Kind])
}

func (e *Error) what() string {
	if e.Status != 0 && e.Kind != Refused && e.Kind != OtherTokenHost {
		return strings.TrimSpace(fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status)))
	}
	switch e.Kind {
	case Unresolvable:
		return "its name cannot be resolved"
	case Untrusted:
		return "its certificate is not trusted"
	case Refused:
		return "the " + cmp.Or(e.shown, "token") + " is refused"
	case Unreachable:
		return "it cannot be reached"
	case OtherTokenHost:
		return "its tokens are given by another host, to which the login is not sent"
	default:
		return "it does not behave like a registry"
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (c *Client) fail(kind Kind, o op, status int, err error) *Error {
	return &Error{Kind: kind, Host: c.host, Op: string(o), Status: status, Err: err, advice: c.Advice[kind], shown: c.Shown}
}

// errUnmarked is the cause of an error for an answer that does not come from the registry itself.
var errUnmarked = errors.New("not in the way of the registry: by a router, a proxy or a firewall before it")

// unexpected returns the error for an answer that is neither yes nor no.
func (c *Client) unexpected(o op, a answer) *Error {
	kind := Unexpected
	if a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests {
		kind = Unavailable
	}
	cause := a.cause()
	if c.dialect.AnyRepository && !a.marked() {
		cause = errUnmarked
	}
	failure := c.fail(kind, o, a.status, cause)
	failure.RetryAfter = retry.After(a.header)
	return failure
}

// Busy reports whether the registry asks for a pause, which says nothing about any login.
func (e *Error) Busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// failTransport returns the error for a request without an answer.
func (c *Client) failTransport(ctx context.Context, o op, err error) *Error {
	var unknown *net.DNSError
	var unverified *tls.CertificateVerificationError
	var connection *net.OpError
	var plain tls.RecordHeaderError
	var byProxy text.ProxyRefusal
	switch {
	case errors.As(err, &byProxy):
		failure := c.fail(Unreachable, o, 0, byProxy)
		failure.advice = "check the cluster proxy and its noProxy"
		return failure
	case ctx.Err() != nil:
		return c.fail(Unreachable, o, 0, context.Cause(ctx))
	case errors.As(err, &unverified):
		return c.fail(Untrusted, o, 0, unverified.Err)
	case text.Untrusted(err):
		return c.fail(Untrusted, o, 0, err)
	case errors.As(err, &unknown):
		return c.fail(Unresolvable, o, 0, unknown)
	case errors.As(err, &plain):
		return c.fail(Unexpected, o, 0, errors.New("it does not speak TLS"))
	case errors.As(err, &connection):
		return c.fail(Unreachable, o, 0, said(connection))
	default:
		return c.fail(Unreachable, o, 0, said(err))
	}
}

// said returns the error, or text.NoAnswer in place of one that quotes the peer.
func said(err error) error {
	if text.Connection(err) == text.NoAnswer {
		return errors.New(text.NoAnswer)
	}
	return err
}
