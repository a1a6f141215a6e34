// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credential holds tokens so that nothing prints them, redacts them in
// all other texts, and reads the claims of tokens that Kubernetes issues.
//
// A Token is never printed by mistake. But others may repeat its text: a webhook
// in its refusal, a registry in its answer. So each value is remembered when the
// Token is made and each time that it is revealed, and Redact removes it from a
// text. Nothing can be sent that is not remembered, because Reveal is the only
// way to the text of a token.
package credential

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Token is a bearer token. No formatting verb, encoder or logger prints it:
// the only way to its text is Reveal. Tokens cannot be compared with ==.
type Token struct {
	// reveal holds the text where reflection does not find it: for unexported
	// fields and some verbs fmt ignores the methods below, and so do the
	// matchers of tests.
	reveal func() string
}

// NewToken wraps the text of a token. From now on it is redacted.
func NewToken(text string) Token {
	live.add(text)
	return Token{reveal: func() string { return text }}
}

// Reveal returns the text of the token, for a request or a published Secret. The
// time for which it is redacted begins again.
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

// Format implements fmt.Formatter, for the verbs that do not use String.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalLog implements logr.Marshaler.
func (Token) MarshalLog() any { return redacted }
