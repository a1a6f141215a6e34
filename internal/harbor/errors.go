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
	// Unauthorized: Harbor refuses the account, because its password is wrong, or it is disabled or expired.
	Unauthorized Kind = "Unauthorized"
	// Forbidden: the account may not do this.
	Forbidden Kind = "Forbidden"
	// NotFound: the object does not exist.
	NotFound Kind = "NotFound"
	// Exists: an object of that name exists already.
	Exists Kind = "Exists"
	// Invalid: Harbor does not accept the request.
	Invalid Kind = "Invalid"
	// Unavailable: the connection failed or broke, the request took too long, there were too many, or Harbor cannot serve now. The
	// request may have been carried out.
	Unavailable Kind = "Unavailable"
	// Untrusted: the certificate of the host is not trusted.
	Untrusted Kind = "Untrusted"
	// Unexpected: anything else, such as an answer that is not one of Harbor's. The request may have been carried out.
	Unexpected Kind = "Unexpected"
)

// Error is the error of an operation at Harbor. It holds no secret, and its text is one line.
type Error struct {
	Kind Kind
	// Host is Harbor's.
	Host string
	// Operation is what was being done, such as "make a robot".
	Operation string
	// Permission is what Harbor calls the right that the operation needs, such as robot:create.
	Permission string
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// Code is Harbor's, such as FORBIDDEN; empty if there is none.
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

// fail returns an error with a text of our own.
func (r request) fail(kind Kind, status int, said string) *Error {
	return &Error{Kind: kind, Host: r.host, Operation: r.op, Permission: r.permission, Status: status, Text: said}
}

// unanswered returns the error of a request without a usable answer.
func (r request) unanswered(why *remote.Failure) *Error {
	failure := r.fail(Kind(why.Kind), why.Status, why.Text)
	failure.ended = why.Ended
	return failure
}

// errorBody is the body of an error of Harbor's (src/lib/errors).
type errorBody struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

var codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// unwanted returns the error of an answer without success. Only an answer in Harbor's own form means that something does not exist,
// exists already or is refused. Any other form comes from a gateway on the way.
func (r request) unwanted(status int, body []byte) *Error {
	var answer errorBody
	_ = json.Unmarshal(body, &answer)
	failure := r.fail(Unexpected, status, "")
	for _, one := range answer.Errors {
		// The first error with a proper code: later ones follow from it.
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
