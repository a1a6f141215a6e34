// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A row with a bar too few loses its last column without a word, and GitHub swallows what looks like a tag.
func TestEveryTableHasAllItsBars(t *testing.T) {
	g := NewWithT(t)
	for _, file := range documents(t) {
		wanted := 0
		for line := range strings.Lines(fence.ReplaceAllString(read(t, file), "")) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "|") {
				wanted = 0
				continue
			}
			bars := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if wanted == 0 {
				wanted = bars
			}
			g.Expect(bars).To(Equal(wanted), "%s: %s", file, line)
			g.Expect(code.ReplaceAllString(line, "")).NotTo(MatchRegexp(`<[a-z-]+>`), "%s: GitHub takes it for a tag", file)
		}
	}
}

var code = regexp.MustCompile("`[^`]*`")
