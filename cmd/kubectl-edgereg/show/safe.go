// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Safe makes a text of somebody else's fit for a terminal, on one line: what is not printed but obeyed, such as escape
// sequences, line breaks and marks that turn the direction of writing, is spelt out.
func Safe(text string) string {
	var safe strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			safe.WriteString(`\x` + strconv.FormatUint(uint64(text[0]), 16))
		case strconv.IsPrint(r):
			safe.WriteRune(r)
		default:
			safe.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		text = text[size:]
	}
	return safe.String()
}

// IsPlain reports that Safe would change nothing.
func IsPlain(text string) bool { return Safe(text) == text }
