// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package leaks finds tokens in texts.
package leaks

import (
	"encoding/base64"
	"strings"
)

const (
	// least is how long a part has to be for a text with it to give something away.
	least = 12
	// start is how much of a form it is looked up by. No form is shorter.
	start = 8
)

// Finder knows some tokens. It reads a text once, whatever their number.
type Finder struct {
	// forms are what gives a token away, by their start.
	forms map[string][]string
	// begins has the first two bytes of each.
	begins [1 << 16]bool
}

// Of looks for the parts of tokens by which they could be used or known: the payload, the signature, and both inside
// another layer of base64, at each alignment. The header is the same in all tokens and gives nothing away. What has no such
// parts, such as a password, is looked for as a whole.
func Of(tokens ...string) *Finder {
	f := &Finder{forms: map[string][]string{}}
	for _, token := range tokens {
		for _, form := range formsOf(token) {
			f.forms[form[:start]] = append(f.forms[form[:start]], form)
			f.begins[pair(form)] = true
		}
	}
	return f
}

// In reports whether a text shows one of the tokens.
func (f *Finder) In(text string) bool {
	for ; len(text) >= start; text = text[1:] {
		if !f.begins[pair(text)] {
			continue
		}
		for _, form := range f.forms[text[:start]] {
			if strings.HasPrefix(text, form) {
				return true
			}
		}
	}
	return false
}

// Shows reports whether a text shows a token.
func Shows(text, token string) bool { return Of(token).In(text) }

// pair is the first two bytes of a text.
func pair(text string) uint16 { return uint16(text[0])<<8 | uint16(text[1]) }

func formsOf(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) > 1 {
		parts = parts[1:]
	}
	var forms []string
	for _, part := range parts {
		if len(part) < least {
			continue
		}
		forms = append(forms, part)
		for offset := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(part[offset:]))
			forms = append(forms, strings.TrimRight(encoded, "=")[:len(encoded)-8])
		}
	}
	return forms
}
