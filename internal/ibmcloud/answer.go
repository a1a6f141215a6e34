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

// answer is a response of which everything is read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode reads an answer; false where it is not what was asked for. What it says instead is not repeated.
func (a answer) decode(into any) bool { return json.Unmarshal(a.body, into) == nil }

// saying is an error in each form that IBM's APIs write it: the token endpoint's, that of IAM's other APIs, and the registry's.
// The details are left out, because they repeat what was sent: the API key too.
type saying struct {
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

// said is what an answer says of an error; nothing where it is not in a form of IBM's.
type said struct{ code, general, message, transaction string }

var (
	codeForm        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	transactionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$`)
)

// formed is a stranger's word after redaction, if it has the form.
func formed(form *regexp.Regexp, word string) string {
	if word = text.Foreign(word); form.MatchString(word) {
		return word
	}
	return ""
}

func (a answer) said() said {
	var s saying
	// A field of another type is left out; the others are read anyway.
	_ = json.Unmarshal(a.body, &s)
	code, general, message := cmp.Or(s.ErrorCode, s.Code), "", cmp.Or(s.ErrorMessage, s.Message)
	for _, one := range s.Errors {
		// IBM puts what refused the request first, and what follows from that behind it.
		if named := cmp.Or(one.MessageCode, one.Code); formed(codeForm, named) != "" {
			code, general, message = named, one.Code, one.Message
			break
		}
	}
	code = formed(codeForm, code)
	if code == "" {
		return said{}
	}
	return said{
		code: code, general: general, message: strings.Join(strings.Fields(text.Foreign(message)), " "),
		transaction: formed(transactionForm, cmp.Or(
			s.Context.RequestID, s.Context.TransactionID, s.Trace, s.Request, s.Incident, a.header.Get("Transaction-Id"))),
	}
}

// unknownKey is the code of a key that IAM does not know.
const unknownKey = "BXNIM0415E"

// refusedTokens are the codes of an IAM token that is not taken, whatever the status.
var refusedTokens = []string{"CRG0014E", "invalid_token"}

// reachedLimits are the codes of a limit.
var reachedLimits = []string{"BXNIM0151E"}

// limitWords are those of a limit whose code is not known.
var limitWords = regexp.MustCompile(`(?i)\b(limits?|maximum|quota)\b`)

// unwanted judges an answer that is not what was asked for. That something is not there, or is there, or that a key is refused,
// is believed only in a form of IBM's: other answers are those of something on the way.
func (r request) unwanted(a answer) *Error {
	told := a.said()
	failure := r.fail(Unexpected, a.status, told.message)
	failure.Code, failure.Transaction, failure.RetryAfter = told.code, told.transaction, retry.After(a.header)
	switch {
	case a.status == http.StatusTooManyRequests:
		failure.Kind = Busy
	case a.status >= http.StatusInternalServerError, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		failure.Kind = Unavailable
	case r.anonymous:
		failure.Kind = refusal(a.status, told)
	case a.status == http.StatusUnauthorized, slices.Contains(refusedTokens, told.code), slices.Contains(refusedTokens, told.general):
		failure.Kind = Unauthorized
	case r.limit(a.status, told):
		failure.Kind = Limit
	case a.status == http.StatusForbidden:
		failure.Kind = Forbidden
	case a.status == http.StatusNotFound && told.code != "":
		failure.Kind = NotFound
	case a.status == http.StatusConflict && told.code != "":
		failure.Kind = Exists
	}
	return failure
}

// refusal is the kind of an answer of the token endpoint.
func refusal(status int, told said) Kind {
	switch {
	case (status == http.StatusBadRequest || status == http.StatusUnauthorized) && strings.HasPrefix(told.code, "BXNIM"):
		return KeyRefused
	case status == http.StatusForbidden:
		return Forbidden
	}
	return Unexpected
}

// limit reports that something was not made because there are too many.
func (r request) limit(status int, told said) bool {
	if r.method != http.MethodPost && r.method != http.MethodPut {
		return false
	}
	switch status {
	case http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		return slices.Contains(reachedLimits, told.code) || limitWords.MatchString(told.message)
	}
	// A bad request may be about the length of a name.
	return slices.Contains(reachedLimits, told.code)
}
