// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package text prepares texts for conditions, events and errors: short, printable, and without any secret that the operator used.
package text

import (
	"strconv"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// limit is the longest message in bytes: the API server takes no more in an event
// (kubernetes, pkg/apis/core/validation/events.go).
const limit = 1024

// OneLine makes a text one line of at most 1024 bytes, with an ellipsis if it was longer. Secrets are redacted before it is cut.
func OneLine(text string) string {
	const ellipsis = "…"
	text = credential.Redact(text)
	text = strings.Join(strings.Fields(printable(text)), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit-len(ellipsis)], "") + ellipsis
	}
	return text
}

// Of returns the text of an error as OneLine does.
func Of(err error) string { return OneLine(err.Error()) }

// And joins the items of a list with commas and "and".
func And(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// foreignLimit is how many bytes of a text from outside a message repeats.
const foreignLimit = 200

// Foreign makes text from outside fit for a message: printable, on one line, at most 200 bytes, without secrets.
func Foreign(text string) string {
	text = printable(credential.Redact(text))
	if len(text) > foreignLimit {
		text = strings.ToValidUTF8(text[:foreignLimit], "") + "..."
	}
	return text
}

// printable replaces each unprintable character by a blank, so that none can control a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// Visible reports whether every byte is a printable ASCII character other than a space.
func Visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' })
}
