// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/retry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode decodes the body into a value, and reports whether it could. Nothing of a malformed body is repeated.
func (a answer) decode(into any) bool { return json.Unmarshal(a.body, into) == nil }

// errorBody is the body of an error in each form of IBM's APIs: the token endpoint, IAM's other APIs, and the registry. It leaves out
// the details, because they repeat what was sent, even the API key.
type errorBody struct {
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`

	Errors []struct {
		Code        string `json:"code"`
		MessageCode string `json:"message_code"`
		Message     string `json:"message"`
	} `json:"errors"`
	Trace string `json:"trace"`

	Code     string `json:"code"`
	Message  string `json:"message"`
	Request  string `json:"request-id"`
	Incident string `json:"incidentID"`

	Context struct {
		RequestID     string `json:"requestId"`
		TransactionID string `json:"transaction_id"`
	} `json:"context"`
}

// apiError is an error of an API of IBM's; the zero value for a body that is none.
type apiError struct{ code, general, message, transaction string }

var (
	codeForm        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	transactionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$`)
)

// formed returns a word of an answer after redaction, if it has the form; empty otherwise.
func formed(form *regexp.Regexp, word string) string {
	if word = text.Foreign(word); form.MatchString(word) {
		return word
	}
	return ""
}

func (a answer) apiError() apiError {
	var s errorBody
	// If a field has another type, the others are decoded anyway.
	_ = json.Unmarshal(a.body, &s)
	code, general, message := cmp.Or(s.ErrorCode, s.Code), "", cmp.Or(s.ErrorMessage, s.Message)
	for _, one := range s.Errors {
		// The first error is what refused the request; the others follow from it.
		if named := cmp.Or(one.MessageCode, one.Code); formed(codeForm, named) != "" {
			code, general, message = named, one.Code, one.Message
			break
		}
	}
	code = formed(codeForm, code)
	if code == "" {
		return apiError{}
	}
	return apiError{
		code: code, general: general, message: strings.Join(strings.Fields(text.Foreign(message)), " "),
		transaction: formed(transactionForm, cmp.Or(
			s.Context.RequestID, s.Context.TransactionID, s.Trace, s.Request, s.Incident, a.header.Get("Transaction-Id"))),
	}
}

// unknownKey is the code of a key that IAM does not know.
const unknownKey = "BXNIM0415E"

// refusedTokens are the codes for an IAM token that is refused, whatever the status.
var refusedTokens = []string{"CRG0014E", "invalid_token"}

// reachedLimits are the codes for a limit that is reached.
var reachedLimits = []string{"BXNIM0151E"}

// limitWords recognise a limit whose code is not known.
var limitWords = regexp.MustCompile(`(?i)\b(limits?|maximum|quota)\b`)

// unwanted returns the error of an answer without success. Only an answer in a form of IBM's means that something does not exist,
// exists already, or that a key is refused. Any other form comes from a gateway on the way.
func (r request) unwanted(a answer) *Error {
	e := a.apiError()
	failure := r.fail(Unexpected, a.status, e.message)
	failure.Code, failure.Transaction, failure.RetryAfter = e.code, e.transaction, retry.After(a.header)
	switch {
	case a.status == http.StatusTooManyRequests:
		failure.Kind = Busy
	case a.status >= http.StatusInternalServerError, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		failure.Kind = Unavailable
	case r.anonymous:
		failure.Kind = refusal(a.status, e)
	case a.status == http.StatusUnauthorized, slices.Contains(refusedTokens, e.code), slices.Contains(refusedTokens, e.general):
		failure.Kind = Unauthorized
	case r.limit(a.status, e):
		failure.Kind = Limit
	case a.status == http.StatusForbidden:
		failure.Kind = Forbidden
	case a.status == http.StatusNotFound && e.code != "":
		failure.Kind = NotFound
	case a.status == http.StatusConflict && e.code != "":
		failure.Kind = Exists
	}
	return failure
}

// refusal is the kind of an answer of the token endpoint.
func refusal(status int, e apiError) Kind {
	switch {
	case (status == http.StatusBadRequest || status == http.StatusUnauthorized) && strings.HasPrefix(e.code, "BXNIM"):
		return KeyRefused
	case status == http.StatusForbidden:
		return Forbidden
	}
	return Unexpected
}

// limit reports whether something was not made because there are too many.
func (r request) limit(status int, e apiError) bool {
	if r.method != http.MethodPost && r.method != http.MethodPut {
		return false
	}
	switch status {
	case http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		return slices.Contains(reachedLimits, e.code) || limitWords.MatchString(e.message)
	}
	// The words of other statuses do not count: a 400 may be about the length of a name.
	return slices.Contains(reachedLimits, e.code)
}
