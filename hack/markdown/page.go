// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package markdown finds what a forge does not show as it was meant, without an error anywhere: a column that is lost, a word
// that is taken for a tag, a link that leads nowhere. It is a module of its own for what it requires.
//
//	page.go    a document, and where in it something is
//	blocks.go  headings, tables, lists and code
//	inline.go  links and tags
package markdown

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// page is a document as the reference implementation of CommonMark in Go, with GitHub's tables, reads it.
type page struct {
	name   string
	source []byte
	lines  []string
	root   ast.Node
	found  []finding
}

type finding struct {
	line int
	says string
}

func newPage(name string, source []byte) *page {
	reader := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	return &page{name: name, source: source, lines: strings.Split(string(source), "\n"), root: reader.Parse(text.NewReader(source))}
}

// Check returns what is wrong with a document, each as "NAME:LINE: what". leads says what is wrong with a link's destination;
// empty if nothing is.
func Check(name string, source []byte, leads func(destination string) string) []string {
	p := newPage(name, source)
	// The walk fails for no node.
	_ = ast.Walk(p.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		p.block(node)
		p.inline(node, leads)
		return ast.WalkContinue, nil
	})
	slices.SortStableFunc(p.found, func(a, b finding) int { return a.line - b.line })
	var all []string
	for _, one := range p.found {
		all = append(all, fmt.Sprintf("%s:%d: %s", p.name, one.line+1, one.says))
	}
	return all
}

func (p *page) say(line int, format string, args ...any) {
	p.found = append(p.found, finding{line, fmt.Sprintf(format, args...)})
}

// lineOf is the line, from 0, on which a node begins.
func (p *page) lineOf(node ast.Node) int { return p.lineAt(p.start(node)) }

func (p *page) lineAt(offset int) int {
	return bytes.Count(p.source[:min(max(offset, 0), len(p.source))], []byte("\n"))
}

// start is where a node begins. What is not noted there begins where its first text does, or else where its block does.
func (p *page) start(node ast.Node) int {
	if at := node.Pos(); at >= 0 {
		return at
	}
	if node.Type() != ast.TypeInline && node.Lines() != nil && node.Lines().Len() > 0 {
		return node.Lines().At(0).Start
	}
	if in := node.Parent(); in != nil {
		return p.start(in)
	}
	return 0
}

// line is a line without what it is quoted by; empty beyond the ends.
func (p *page) line(number int) string {
	if number < 0 || number >= len(p.lines) {
		return ""
	}
	return strings.TrimLeft(p.lines[number], "> \t")
}
