// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"regexp"
	"slices"
	"strings"

	"github.com/edge-registry/edge-registry-operator/docs"
)

var (
	codeSpan = regexp.MustCompile("`([^`]*)`")
	link     = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)
)

// Advice is what docs/troubleshooting.md says to do about a reason, as plain text; empty where it has no row of that reason. Some
// reasons have a row for each of the conditions that they may be of.
func Advice(condition, reason string) string {
	advice := ""
	for line := range strings.Lines(docs.Troubleshooting) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|")
		if len(cells) != 5 || !names(cells[2], reason) {
			continue
		}
		if advice == "" || strings.Contains(cells[1], condition) {
			advice = plain(strings.ReplaceAll(cells[3], "\x00", "|"))
		}
	}
	return advice
}

func names(cell, reason string) bool {
	return slices.ContainsFunc(codeSpan.FindAllStringSubmatch(cell, -1), func(span []string) bool { return span[1] == reason })
}

// plain takes the marks of Markdown out of a text. Of links the words stay, and the pages come last.
func plain(cell string) string {
	text := strings.TrimSpace(codeSpan.ReplaceAllString(link.ReplaceAllString(cell, "$1"), "$1"))
	var pages []string
	for _, found := range link.FindAllStringSubmatch(cell, -1) {
		pages = append(pages, "docs/"+found[2])
	}
	if len(pages) > 0 {
		text += " (" + strings.Join(pages, ", ") + ")"
	}
	return text
}
