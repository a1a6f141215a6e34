// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/remote"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Kind says why an operation failed.
type Kind string

const (
	// Unauthorized: the account is refused: its password is wrong, or it is disabled or expired.
	Unauthorized Kind = "Unauthorized"
	// Forbidden: the account may not do this.
	Forbidden Kind = "Forbidden"
	// NotFound: what is asked for is not there.
	NotFound Kind = "NotFound"
	// Exists: something of that name is there already.
	Exists Kind = "Exists"
	// Invalid: Harbor does not take what was sent.
	Invalid Kind = "Invalid"
	// Unavailable: no connection, none that lasts, no time left, too many requests, or Harbor cannot serve now. What was asked
	// for may have been done.
	Unavailable Kind = "Unavailable"
	// Untrusted: the certificate of the host is not trusted.
	Untrusted Kind = "Untrusted"
	// Unexpected: anything else, such as an answer that is not one of Harbor's. What was asked for may have been done.
	Unexpected Kind = "Unexpected"
)

// Error is the error of an operation at Harbor. It holds no secret, and its text is one line.
type Error struct {
	Kind Kind
	// Host is where it was asked.
	Host string
	// Operation is what was being done, such as "make a robot".
	Operation string
	// Permission is what Harbor calls the right that it needs, such as robot:create.
	Permission string
	// Status is that of the answer; 0 where there was none.
	Status int
	// Code is Harbor's, such as FORBIDDEN; empty where there is none.
	Code string
	// Text says what happened, in fixed words or in Harbor's after redaction: one line.
	Text string

	// ended is why the caller's context ended, if that is the cause.
	ended error
}

// Error implements error.
func (e *Error) Error() string {
	return remote.Describe("Harbor at "+e.Host, e.Operation, e.what(), e.Status, e.Code, e.Text)
}

func (e *Error) what() string {
	switch e.Kind {
	case Unauthorized:
		return "the account is refused"
	case Forbidden:
		return "the account lacks the permission " + e.Permission
	case NotFound:
		return "it is not found"
	case Exists:
		return "it exists already"
	case Invalid:
		return "it is not taken"
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

// fail is a failure in words of this side.
func (r request) fail(kind Kind, status int, said string) *Error {
	return &Error{Kind: kind, Host: r.host, Operation: r.op, Permission: r.permission, Status: status, Text: said}
}

// unanswered is a request without an answer that can be judged.
func (r request) unanswered(why *remote.Failure) *Error {
	failure := r.fail(Kind(why.Kind), why.Status, why.Text)
	failure.ended = why.Ended
	return failure
}

// saying is how Harbor writes an error (src/lib/errors).
type saying struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

var codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// unwanted judges an answer that is not what was asked for. What is believed only in a form of Harbor's is that something is
// not there, is there, or is refused: other answers are those of something on the way.
func (r request) unwanted(status int, body []byte) *Error {
	var told saying
	_ = json.Unmarshal(body, &told)
	failure := r.fail(Unexpected, status, "")
	for _, one := range told.Errors {
		// The first that is in the form of a code: what comes after follows from it.
		if code := text.Foreign(one.Code); codeForm.MatchString(code) {
			failure.Code = code
			failure.Text = strings.Join(strings.Fields(text.Foreign(one.Message)), " ")
			break
		}
	}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		failure.Kind = Unavailable
	case status >= 300 && status < 400:
		failure.Text = "it leads to another place, where the account is not sent"
	case failure.Code == "":
	case status == http.StatusUnauthorized:
		failure.Kind = Unauthorized
	case status == http.StatusForbidden:
		failure.Kind = Forbidden
	case status == http.StatusNotFound:
		failure.Kind = NotFound
	case status == http.StatusConflict:
		failure.Kind = Exists
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity, status == http.StatusPreconditionFailed:
		failure.Kind = Invalid
	}
	return failure
}
