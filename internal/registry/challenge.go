// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "strings"

// findBearer returns the parameters of the first Bearer challenge among the
// values of WWW-Authenticate headers (RFC 9110, section 11.6.1). One challenge
// for each value is what registries send, and all that is read.
func findBearer(values []string) (map[string]string, bool) {
	for _, value := range values {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if params, ok := parseParams(rest); ok {
			return params, true
		}
	}
	return nil, false
}

// parseParams reads `key=token, key="quoted \"text\""`. Keys are lower-cased; of
// a key that is given twice the first value counts.
func parseParams(text string) (map[string]string, bool) {
	params := map[string]string{}
	for text = strings.TrimLeft(text, " \t,"); text != ""; text = strings.TrimLeft(text, " \t,") {
		key, rest, ok := strings.Cut(text, "=")
		if !ok {
			return nil, false
		}
		key = strings.ToLower(strings.TrimSpace(key))
		var value string
		if value, text, ok = parseValue(strings.TrimLeft(rest, " \t")); !ok || key == "" {
			return nil, false
		}
		if _, known := params[key]; !known {
			params[key] = value
		}
	}
	return params, true
}

// parseValue splits text after its leading token or quoted string.
func parseValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ", \t")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}
