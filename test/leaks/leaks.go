// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package leaks tells whether a text gives a token away.
package leaks

import (
	"encoding/base64"
	"strings"
)

// least is how long a part has to be for a text with it to give something away.
const least = 12

// Shows looks for the parts of a token by which it could be used or known: the payload, the signature, and both inside
// another layer of base64, at each alignment. The header is the same in all tokens and gives nothing away. What has no such
// parts, such as a password, is looked for as a whole.
func Shows(text, token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) > 1 {
		parts = parts[1:]
	}
	for _, part := range parts {
		if len(part) < least {
			continue
		}
		if strings.Contains(text, part) {
			return true
		}
		for offset := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(part[offset:]))
			if strings.Contains(text, strings.TrimRight(encoded, "=")[:len(encoded)-8]) {
				return true
			}
		}
	}
	return false
}
