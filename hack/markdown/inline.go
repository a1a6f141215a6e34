// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package markdown

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// tags are those that a forge shows, and that are meant.
var tags = []string{"br", "details", "summary", "sub", "sup", "kbd"}

var tagName = regexp.MustCompile(`^</?([A-Za-z][A-Za-z0-9-]*)`)

func (p *page) inline(node ast.Node, leads func(string) string) {
	switch node := node.(type) {
	case *ast.RawHTML:
		p.tag(p.lineAt(node.Segments.At(0).Start), string(node.Segments.Value(p.source)))
	case *ast.HTMLBlock:
		p.tag(p.lineOf(node), strings.TrimSpace(string(node.Lines().Value(p.source))))
	case *ast.Link:
		p.link(node, string(node.Destination), leads)
	case *ast.Image:
		p.link(node, string(node.Destination), leads)
	case *ast.Text:
		p.text(node)
	}
}

// tag: GitHub swallows what looks like a tag, and shows the rest of the sentence.
func (p *page) tag(line int, content string) {
	name := tagName.FindStringSubmatch(content)
	if strings.HasPrefix(content, "<!--") || (name != nil && slices.Contains(tags, strings.ToLower(name[1]))) {
		return
	}
	first, _, _ := strings.Cut(content, "\n")
	p.say(line, "%s is taken for a tag and not shown: put it between backticks, or escape it by \\<", first)
}

func (p *page) link(node ast.Node, destination string, leads func(string) string) {
	if says := leads(destination); says != "" {
		p.say(p.lineOf(node), "a link to %s, %s", destination, says)
	}
}

// broken is what is left in a text of a link that is none: one whose reference is defined nowhere, or whose destination has a
// blank in it.
var broken = regexp.MustCompile(`\[[^\[\]]+\](\[[^\[\]]*\]|\([^()]*\))`)

// text looks at each run of text once, at its first piece: brackets divide it.
func (p *page) text(node *ast.Text) {
	if _, goesOn := node.PreviousSibling().(*ast.Text); goesOn {
		return
	}
	if _, isCode := node.Parent().(*ast.CodeSpan); isCode {
		return
	}
	run, end := node.Segment, node
	for next, ok := node.NextSibling().(*ast.Text); ok; next, ok = next.NextSibling().(*ast.Text) {
		end = next
	}
	whole := string(p.source[run.Start:end.Segment.Stop])
	for _, at := range broken.FindAllStringIndex(whole, -1) {
		if at[0] > 0 && whole[at[0]-1] == '\\' {
			continue
		}
		p.say(p.lineAt(run.Start+at[0]), "%s is no link: its reference is defined nowhere, or its destination has a blank in it", whole[at[0]:at[1]])
	}
}

var noSlug = regexp.MustCompile(`[^\p{L}\p{M}\p{N} _-]`)

// Anchors are those that a forge makes of a document's headings. One whose name is taken gets a number behind.
func Anchors(source []byte) []string {
	p, taken := newPage("", source), map[string]int{}
	var all []string
	_ = ast.Walk(p.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		heading, ok := node.(*ast.Heading)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		slug := strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(p.words(heading)), ""), " ", "-")
		taken[slug]++
		if n := taken[slug]; n > 1 {
			slug += "-" + strconv.Itoa(n-1)
		}
		all = append(all, slug)
		return ast.WalkSkipChildren, nil
	})
	return all
}

// words is what of a node is read as text.
func (p *page) words(node ast.Node) string {
	var all strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		switch child := child.(type) {
		case *ast.Text:
			all.Write(child.Segment.Value(p.source))
		default:
			all.WriteString(p.words(child))
		}
	}
	return all.String()
}

// Leads says what is wrong with where a link in a file leads to: a file or folder that is not there, or a heading that its
// document does not have. What is elsewhere is not asked for.
func Leads(file string) func(destination string) string {
	return func(destination string) string {
		to, err := url.Parse(destination)
		switch {
		case err != nil:
			return "which is no address"
		case to.Scheme != "" || to.Host != "":
			return ""
		}
		target := file
		if to.Path != "" {
			target = filepath.Join(filepath.Dir(file), filepath.FromSlash(to.Path))
		}
		if _, err := os.Stat(target); err != nil {
			return "which is not there"
		}
		if to.Fragment == "" {
			return ""
		}
		source, err := os.ReadFile(target)
		if err != nil || !slices.Contains(Anchors(source), to.Fragment) {
			return "which has no such heading"
		}
		return ""
	}
}
