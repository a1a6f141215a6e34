// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import "strings"

// challenge is one way in which a registry asks for a login.
type challenge struct {
	// scheme is in lower case, as are the keys of params.
	scheme string
	params map[string]string
}

// parseChallenges returns all challenges in the values of WWW-Authenticate headers (RFC 9110, section 11.6.1). One value may hold
// several. At a syntax error it drops the challenge with the error and the rest of that value.
func parseChallenges(values []string) []challenge {
	var all []challenge
	for _, value := range values {
		all = append(all, parseChallengesOf(value)...)
	}
	return all
}

func parseChallengesOf(text string) []challenge {
	var found []challenge
	for text = strings.TrimLeft(text, " \t,"); text != ""; text = strings.TrimLeft(text, " \t,") {
		end := strings.IndexAny(text, " \t,=\"")
		if end < 0 {
			end = len(text)
		}
		word, rest := text[:end], text[end:]
		value, isParam := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
		if !isParam {
			if word == "" {
				return found
			}
			found, text = append(found, challenge{strings.ToLower(word), map[string]string{}}), rest
			continue
		}
		if word == "" || len(found) == 0 {
			return found
		}
		var ok bool
		if value, text, ok = parseValue(strings.TrimLeft(value, " \t")); !ok {
			return found[:len(found)-1]
		}
		params := found[len(found)-1].params
		if _, known := params[strings.ToLower(word)]; !known {
			params[strings.ToLower(word)] = value
		}
	}
	return found
}

// bearerOf returns the parameters of the first Bearer challenge that suits. If none does, it returns those of the first one, for the
// error message.
func bearerOf(values []string, suits func(params map[string]string) bool) (params map[string]string, ok bool) {
	for _, offered := range parseChallenges(values) {
		switch {
		case offered.scheme != "bearer":
		case suits(offered.params):
			return offered.params, true
		case !ok:
			params, ok = offered.params, true
		}
	}
	return params, ok
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
