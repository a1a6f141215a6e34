// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"errors"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

// Kind says why an operation failed.
type Kind string

const (
	// KeyRefused: IAM issues no token for the API key, because it is unknown, deleted, disabled or expired.
	KeyRefused Kind = "KeyRefused"
	// Unauthorized: an API refuses the IAM token.
	Unauthorized Kind = "Unauthorized"
	// Forbidden: the identity of the key may not do this.
	Forbidden Kind = "Forbidden"
	// NotFound: the object does not exist, or cannot be seen yet. What IAM has just made may be found only minutes later.
	NotFound Kind = "NotFound"
	// Exists: the object exists already.
	Exists Kind = "Exists"
	// Limit: the account has as many of these as it may have.
	Limit Kind = "Limit"
	// Busy: there were too many requests.
	Busy Kind = "Busy"
	// Unavailable: the connection failed or broke, the request took too long, or the API cannot serve now.
	Unavailable Kind = "Unavailable"
	// Untrusted: the certificate of the host is not trusted.
	Untrusted Kind = "Untrusted"
	// Unexpected: anything else, such as an answer that is not one of IBM's.
	Unexpected Kind = "Unexpected"
)

// Error is the error of an operation at IBM Cloud. It holds no key and no token, and its text is one line.
type Error struct {
	Kind Kind
	// Host is that of the API.
	Host string
	// Operation is what was being done, such as "create an API key".
	Operation string
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// Code is IBM's, such as BXNIM0415E; empty if there is none.
	Code string
	// Transaction is the id by which IBM's support finds the request. It differs each time, so it is not in the text.
	Transaction string
	// Text says what happened, in fixed words or in IBM's after redaction: one line.
	Text string
	// RetryAfter is how long the answer asks to wait; 0 if it does not say.
	RetryAfter time.Duration

	// ended is why the caller's context ended, if that is the cause.
	ended error
	// lasting: there was no answer, and sending the request again at once would not help.
	lasting bool
}

// Error implements error.
func (e *Error) Error() string {
	return remote.Describe("IBM Cloud at "+e.Host, e.Operation, e.what(), e.Status, e.Code, e.Text)
}

func (e *Error) what() string {
	switch e.Kind {
	case KeyRefused:
		return "the API key is refused"
	case Unauthorized:
		return "the IAM token is refused"
	case Forbidden:
		return "it is forbidden"
	case NotFound:
		return "it is not found"
	case Exists:
		return "it exists already"
	case Limit:
		return "a limit of the account is reached"
	case Busy:
		return "there were too many requests"
	case Untrusted:
		return "its certificate is not trusted"
	case Unavailable:
		if e.Status == 0 {
			return "there is no answer"
		}
		return "it cannot serve now"
	default:
		return "this answer is not expected"
	}
}

// Unwrap returns why the caller's context ended, if that is the cause.
func (e *Error) Unwrap() error { return e.ended }

// KindOf is the kind of an error of this package; empty for any other.
func KindOf(err error) Kind {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.Kind
	}
	return ""
}

// fail returns an error with a text of our own.
func (r request) fail(kind Kind, status int, said string) *Error {
	return &Error{Kind: kind, Host: r.host(), Operation: r.op, Status: status, Text: said}
}

// unanswered returns the error of a request without a usable answer.
func (r request) unanswered(why *remote.Failure) *Error {
	failure := r.fail(Kind(why.Kind), why.Status, why.Text)
	failure.ended, failure.lasting = why.Ended, why.Slow
	return failure
}

// failEnded returns the error of a call whose caller gave up.
func (r request) failEnded(caller context.Context) *Error { return r.unanswered(remote.Ended(caller)) }

const (
	malformed = remote.Malformed
	tooLong   = "its list has no end"
	noID      = "that is no id"
)
