// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/retry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Kind says why a call failed.
type Kind string

const (
	// Unresolvable: DNS does not know the host.
	Unresolvable Kind = "Unresolvable"
	// Unreachable: the connection failed or broke.
	Unreachable Kind = "Unreachable"
	// Untrusted: the certificate of the host is not trusted.
	Untrusted Kind = "Untrusted"
	// Unavailable: the Exchange, or a gateway before it, cannot serve now.
	Unavailable Kind = "Unavailable"
	// Refused: the Exchange does not accept the login. It caches users for an hour and a half, so it is no use to try again soon.
	Refused Kind = "Refused"
	// Denied: the login may not do this, or the Exchange denies everything while it migrates its database. It caches owners as long
	// as users.
	Denied Kind = "Denied"
	// NotFound: the object does not exist.
	NotFound Kind = "NotFound"
	// Conflict: the object exists already.
	Conflict Kind = "Conflict"
	// Invalid: the Exchange does not accept the request.
	Invalid Kind = "Invalid"
	// Unexpected: the answer is not one of an Exchange.
	Unexpected Kind = "Unexpected"
)

// Error is the failure of a call. Its text is one line that says what is wrong, where, and what to do. From the server it repeats
// only the status and known codes.
type Error struct {
	Kind Kind
	Host string
	// Op is what was being done, such as "list the services of plant".
	Op string
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// RetryAfter is how long the answer asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// Err is the cause, if there is one that can be shown.
	Err error
}

// advice is what to do about each kind.
var advice = map[Kind]string{
	Unresolvable: "check its DNS record",
	Unreachable:  "check the way to it, network policies and the proxy",
	Untrusted:    "put its root CA into the ConfigMap that spec.exchanges[].caBundleRef names, in the namespace of the operator",
	Unavailable:  "check the Exchange itself; it is tried again",
	Refused:      "check HZN_EXCHANGE_USER_AUTH; it is tried again slowly, for the Exchange keeps what it knows of users for 90 minutes",
	Denied:       "use the user that owns the service, or an administrator of the organisation; it is tried again slowly, for the Exchange keeps owners for 90 minutes",
	NotFound:     "it may have been deleted meanwhile; it is looked for again",
	Conflict:     "somebody else made it meanwhile; it is looked for again",
	Invalid:      "the Exchange may be of a version that is not known",
	Unexpected:   "check that HZN_EXCHANGE_URL is the address of an Exchange, and what answers there",
}

// Error implements error.
func (e *Error) Error() string {
	detail := ""
	if e.Err != nil {
		detail = " (" + text.Foreign(e.Err.Error()) + ")"
	}
	return fmt.Sprintf("Exchange %s, on the attempt to %s: %s%s: %s", e.Host, e.Op, e.what(), detail, advice[e.Kind])
}

func (e *Error) what() string {
	switch e.Kind {
	case Unresolvable:
		return "its name cannot be resolved"
	case Untrusted:
		return "its certificate is not trusted"
	case Unreachable:
		return "it cannot be reached"
	case Refused:
		return "the login is refused"
	case Denied:
		return "it is denied"
	default:
		if e.Status == 0 {
			return "it does not behave like an Exchange"
		}
		return strings.TrimSpace(fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status)))
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Whole reports whether the failure is about the Exchange or the login, so that any other call would fail too. A 500 is about one
// call: the Exchange answers so to a new entry in a service that is gone.
func (e *Error) Whole() bool {
	switch e.Kind {
	case Unresolvable, Unreachable, Untrusted, Refused:
		return true
	case Unavailable:
		return e.Status != http.StatusInternalServerError
	default:
		return false
	}
}

// IsKind reports whether an error is a failure of that kind.
func IsKind(err error, kind Kind) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == kind
}

func isWhole(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Whole()
}

func (c *Client) fail(kind Kind, op string, status int, err error) *Error {
	return &Error{Kind: kind, Host: c.host, Op: op, Status: status, Err: err}
}

// codes are those that an Exchange sends (exchange-api, src/main/resources/messages.txt).
var codes = []string{
	"ok", "invalid-credentials", "access-denied", "already-exists", "invalid-input", "not-found", "method-not-allowed",
	"internal_error", "not-implemented", "database-connection-error", "database-timeout",
}

// noRoute is the message of an Exchange for a path that it does not know. The code is the same as for an absent object.
const noRoute = "unrecognized route"

// unwanted returns the error of an answer without success. A refusal in another form than the Exchange's comes from a gateway on the
// way, and says nothing about the login.
func (c *Client) unwanted(op string, a answer) *Error {
	said := a.errorBody()
	if !slices.Contains(codes, said.Code) {
		said = errorBody{}
	}
	var cause error
	if said.Code != "" {
		cause = errors.New("code " + said.Code)
	}
	kind := Unexpected
	switch {
	case a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError:
		kind = Unavailable
	case said.Code == "":
	case a.status == http.StatusUnauthorized:
		kind = Refused
	case a.status == http.StatusConflict, said.Code == "already-exists":
		kind = Conflict
	case a.status == http.StatusForbidden:
		kind = Denied
	case a.status == http.StatusNotFound && said.Msg != noRoute:
		kind = NotFound
	case a.status == http.StatusBadRequest:
		kind = Invalid
	}
	failure := c.fail(kind, op, a.status, cause)
	failure.RetryAfter = retry.After(a.header)
	return failure
}

// failTransport returns the error of a request without an answer.
func (c *Client) failTransport(ctx context.Context, op string, err error) *Error {
	var unknown *net.DNSError
	var plain tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return c.fail(Unreachable, op, 0, context.Cause(ctx))
	case text.Untrusted(err):
		return c.fail(Untrusted, op, 0, errors.New(text.Connection(err)))
	case errors.As(err, &unknown):
		return c.fail(Unresolvable, op, 0, unknown)
	case errors.As(err, &plain):
		return c.fail(Unexpected, op, 0, errors.New("it does not speak TLS"))
	default:
		return c.fail(Unreachable, op, 0, errors.New(text.Connection(err)))
	}
}
