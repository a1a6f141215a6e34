// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credential holds service account tokens in memory without letting
// them print, and reads the claims of those that Kubernetes issues.
package credential

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Token is a bearer token. No formatting verb, encoder or logger prints it:
// the only way to its text is Reveal.
type Token struct {
	text string
}

// NewToken wraps the text of a token.
func NewToken(text string) Token {
	return Token{text: text}
}

// Reveal returns the text of the token, for a request or a published Secret.
func (t Token) Reveal() string {
	return t.text
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool {
	return t.text == ""
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
