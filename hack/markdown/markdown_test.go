// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package markdown

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// Every document of the tree is shown as it was meant.
func TestEveryDocumentIsShownAsItWasMeant(t *testing.T) {
	const root = "../.."
	documents := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "dist"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		documents++
		source, err := os.ReadFile(path)
		for _, says := range Check(strings.TrimPrefix(path, root+"/"), source, Leads(path)) {
			t.Error(says)
		}
		return err
	})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(documents).To(BeNumerically(">", 40))
}

func TestWhatIsNotShownAsItWasMeant(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		// says is empty where all is well.
		says string
	}{
		"a heading":                      {"# A\n\ntext\n", ""},
		"a heading right below a text":   {"text\n# A\n", "page.md:2: a heading without a blank line before it"},
		"a heading right above a text":   {"# A\ntext\n", "page.md:1: a heading without a blank line after it"},
		"a heading without a blank":      {"##A\n", "page.md:1: no heading"},
		"the number of an issue":         {"#20 is done\n", ""},
		"dashes below a text":            {"text\n---\n", "page.md:1: the line below makes this a heading"},
		"dashes apart from a text":       {"text\n\n---\n", ""},
		"a table":                        {"| a | b |\n|---|---|\n| `c \\| d` | e |\n", ""},
		"a table in a quotation":         {"> | a | b |\n> |---|---|\n> | c | d |\n", ""},
		"a table without outer bars":     {"a | b\n--|--\nc | d\n", ""},
		"a row with a cell too few":      {"| a | b |\n|---|---|\n| c | d |\n| e |\n", "page.md:4: a row of 1 cells below a head of 2"},
		"a row with a cell too many":     {"text\n\n| a | b |\n|---|---|\n| c | d | e |\n", "page.md:5: a row of 3 cells below a head of 2"},
		"a bar within code":              {"| a | b |\n|---|---|\n| `c|d` | e |\n", "page.md:3: a row of 3 cells"},
		"dashes for a column too few":    {"| a | b |\n|---|\n| c | d |\n", "page.md:1: no table"},
		"a row behind a blank line":      {"| a | b |\n|---|---|\n\n| c | d |\n", "page.md:4: no table"},
		"a word like a tag":              {"write <name> there\n", "page.md:1: <name> is taken for a tag"},
		"a word like a tag in a table":   {"| a |\n|---|\n| x-<secret> |\n", "page.md:3: <secret> is taken for a tag"},
		"a word like a tag at a start":   {"<name> is there\n", "page.md:1: <name> is taken for a tag"},
		"a word like a tag in a heading": {"# Set <name>\n", "page.md:1: <name>"},
		"a tag in code":                  {"write `<name>`, or \\<name>\n\n```\n<name>\n```\n", ""},
		"an address and a line end":      {"<https://example.com><br/>and more\n", ""},
		"a comment":                      {"<!-- written by hand -->\n", ""},
		"a fence that ends":              {"```sh\ntrue\n```\n", ""},
		"a fence that ends empty":        {"text\n\n```\n```\n", ""},
		"a fence in a list":              {"- a\n\n  ```sh\n  true\n  ```\n", ""},
		"a fence that does not end":      {"text\n\n```sh\ntrue\n", "page.md:3: code that no fence ends"},
		"a fence that another kind ends": {"```sh\ntrue\n~~~\n", "page.md:1: code that no fence ends"},
		"a fence that ends by a start":   {"```sh\ntrue\n```sh\nfalse\n", "page.md:1: code that no fence ends"},
		"code by four blanks":            {"text\n\n    more text\n", "page.md:3: four blanks make this code"},
		"a text too far in a list":       {"- a\n\n       more of a\n", "page.md:3: four blanks"},
		"a list":                         {"- a\n  - b\n- c\n\n1. d\n   - e\n2. f\n", ""},
		"a part of a list too near":      {"1. a\n  - b\n2. c\n", "page.md:3: this list begins at 2"},
		"a text that ends a list":        {"1. a\n\ntext of a\n\n2. b\n", "page.md:5: this list begins at 2"},
		"an entry by one blank":          {"- a\n - b\n", "page.md:2: an entry that begins 1 letters"},
		"a list within a text":           {"first:\n2. a\n", "page.md:2: no list begins here"},
		"a link by reference":            {"[a][b]\n\n[b]: https://example.com\n", ""},
		"a reference to nothing":         {"text\nand [a][b]\n", "page.md:2: [a][b] is no link"},
		"an escaped bracket":             {"\\[a][b] and a [c] and x[0] (y)\n", ""},
		"a destination with a blank":     {"see [a](b c.md)\n", "page.md:1: [a](b c.md) is no link"},
		"a link to a file":               {"# A\n\n[a](page.go) [b](.) [c](https://example.com/x) [d](#a)\n", ""},
		"a link to no file":              {"text\n\n[a](other.go)\n", "page.md:3: a link to other.go, which is not there"},
		"an image that is not there":     {"![a](other.svg)\n", "page.md:1: a link to other.svg"},
		"a reference to no file":         {"[a][b]\n\n[b]: other.go\n", "page.md:1: a link to other.go"},
		"a link to no heading":           {"# A\n\n[a](page.go#a)\n", "page.md:3: a link to page.go#a, which has no such heading"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join(t.TempDir(), "page.md")
			g.Expect(os.WriteFile(file, []byte(test.text), 0o600)).To(Succeed())
			g.Expect(os.WriteFile(filepath.Join(filepath.Dir(file), "page.go"), nil, 0o600)).To(Succeed())
			found := Check("page.md", []byte(test.text), Leads(file))
			if test.says == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(ContainElement(HavePrefix(test.says)))
		})
	}
}

func TestTheAnchorsOfHeadings(t *testing.T) {
	NewWithT(t).Expect(Anchors([]byte("# The `Config`, and *more*\n\n## A_b-c [d](e)\n\n### Twice\n\n### Twice\n\n```\n# none\n```\n"))).To(Equal(
		[]string{"the-config-and-more", "a_b-c-d", "twice", "twice-1"}))
}
