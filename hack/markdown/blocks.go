// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package markdown

import (
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

func (p *page) block(node ast.Node) {
	switch node := node.(type) {
	case *ast.Heading:
		p.heading(node)
	case *extast.Table:
		p.table(node)
	case *ast.List:
		p.list(node)
	case *ast.FencedCodeBlock:
		p.fence(node)
	case *ast.CodeBlock:
		p.say(p.lineOf(node), "four blanks make this code: take them out, or write code between fences")
	case *ast.Paragraph:
		p.paragraph(node)
	}
}

var marks = regexp.MustCompile(`^#{1,6} `)

func (p *page) heading(node *ast.Heading) {
	at := p.lineOf(node)
	switch {
	case !marks.MatchString(p.line(at)):
		p.say(at, "the line below makes this a heading: leave a blank line between, or begin it with #")
	case p.line(at-1) != "":
		p.say(at, "a heading without a blank line before it")
	case p.line(at+1) != "":
		p.say(at, "a heading without a blank line after it")
	}
}

// table: a row with a cell too few or too many is shown without a word, and what is beyond the head is lost.
func (p *page) table(node *extast.Table) {
	at, wanted := p.lineOf(node), len(node.Alignments)
	for row := range node.ChildCount() {
		line := at + row
		if row > 0 {
			line++ // The dashes are no row.
		}
		if cells := cellsOf(p.line(line)); cells != wanted {
			p.say(line, "a row of %d cells below a head of %d", cells, wanted)
		}
	}
}

// cellsOf counts the cells of a row. A bar within code counts, too, unless it is escaped.
func cellsOf(line string) int {
	line = strings.TrimSpace(strings.ReplaceAll(line, `\|`, ""))
	return strings.Count(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|") + 1
}

func (p *page) list(node *ast.List) {
	if node.IsOrdered() && node.Start > 1 {
		p.say(p.lineOf(node), "this list begins at %d, for what stands before it ended one: indent that as far as the text of its entry", node.Start)
	}
	column := -1
	for item := node.FirstChild(); item != nil; item = item.NextSibling() {
		at := p.start(item)
		begins := strings.LastIndex(string(p.source[:at]), "\n") + 1
		switch {
		case column < 0:
			column = at - begins
		case column != at-begins:
			p.say(p.lineAt(at), "an entry that begins %d letters into its line, in a list whose first begins %d: it is no part of the entry above", at-begins, column)
		}
	}
}

var closing = regexp.MustCompile("^(```+|~~~+)[ \t]*$")

func (p *page) fence(node *ast.FencedCodeBlock) {
	last := p.lineOf(node) + node.Lines().Len() + 1
	if !closing.MatchString(p.line(last)) {
		p.say(p.lineOf(node), "code that no fence ends")
	}
}

var (
	noHeading = regexp.MustCompile(`^#{1,6}[A-Za-z]`)
	listMark  = regexp.MustCompile(`^[0-9]{1,9}[.)] `)
)

// paragraph finds what was meant for another block than text.
func (p *page) paragraph(node *ast.Paragraph) {
	if _, inItem := node.Parent().(*extast.TableCell); inItem {
		return
	}
	for i := range node.Lines().Len() {
		at := p.lineAt(node.Lines().At(i).Start)
		switch line := p.line(at); {
		case strings.HasPrefix(line, "|"):
			p.say(at, "no table: it needs a head, a line of as many dashes, and a blank line before")
			return
		case noHeading.MatchString(line):
			p.say(at, "no heading: leave a blank behind the #")
		case i > 0 && listMark.MatchString(line):
			p.say(at, "no list begins here: leave a blank line before it")
		}
	}
}
