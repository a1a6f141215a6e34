// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credential holds tokens in memory without letting them print, takes
// those that were in hand out of whatever else is said, and reads the claims of
// those that Kubernetes issues.
//
// Token keeps a token from being printed by mistake. Others may still repeat it:
// a webhook in its refusal, a registry in its answer. So each value of a Token
// is known from when it is made, and again each time that it is revealed, and
// Redact takes it out of a text. Nothing can be sent that is not known, because
// the only way to the text of a token is Reveal.
package credential

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Token is a bearer token. No formatting verb, encoder or logger prints it:
// the only way to its text is Reveal. Tokens cannot be compared with ==.
type Token struct {
	// reveal holds the text where no reflection finds it: fmt passes the methods
	// below by in fields that are not exported and for some verbs, and so do
	// the matchers of tests.
	reveal func() string
}

// NewToken wraps the text of a token, which is redacted from now on.
func NewToken(text string) Token {
	live.add(text)
	return Token{reveal: func() string { return text }}
}

// Reveal returns the text of the token, for a request or a published Secret. It
// is redacted from now on as if it were new.
func (t Token) Reveal() string {
	text := t.text()
	live.add(text)
	return text
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool {
	return t.text() == ""
}

// Equal reports whether both are the same token.
func (t Token) Equal(other Token) bool {
	return t.text() == other.text()
}

func (t Token) text() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// String implements fmt.Stringer.
func (Token) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Token) GoString() string { return redacted }

// Format implements fmt.Formatter, for the verbs that pass String by.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalLog implements logr.Marshaler.
func (Token) MarshalLog() any { return redacted }
