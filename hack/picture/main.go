// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command picture draws what `make demo` prints as an SVG. It reads the demo's plain output from standard input and writes
// the picture to standard output: the titles, the commands with what they print, and what came out as it should. `make
// picture` runs it.
package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

const (
	columns    = 132 // of a line; what is longer is cut
	answer     = 4   // lines of what a command prints
	charWidth  = 8   // pixels, of a font of 13
	lineHeight = 17
	margin     = 16
)

// Colours of a terminal.
const (
	background = "#0d1117"
	ink        = "#c9d1d9"
	bright     = "#ffffff"
	green      = "#3fb950"
	yellow     = "#d29922"
)

var title = regexp.MustCompile(`^\d+\. `)

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(in io.Reader, out io.Writer) error {
	lines, err := chosen(in)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errors.New("the input is not what the demo prints: run `make picture`")
	}
	var svg bytes.Buffer
	width, height := columns*charWidth+2*margin, len(lines)*lineHeight+2*margin
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height, width, height)
	fmt.Fprintf(&svg, "<title>What make demo prints</title>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"%s\"/>\n", background)
	svg.WriteString("<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"13\" xml:space=\"preserve\">\n")
	for i, line := range lines {
		colour, weight := look(line)
		fmt.Fprintf(&svg, "<text x=\"%d\" y=\"%d\" fill=\"%s\" font-weight=\"%s\">", margin, margin+(i+1)*lineHeight-4, colour, weight)
		if err := xml.EscapeText(&svg, []byte(line)); err != nil {
			return fmt.Errorf("write a line: %w", err)
		}
		svg.WriteString("</text>\n")
	}
	svg.WriteString("</g>\n</svg>\n")
	_, err = out.Write(svg.Bytes())
	return err
}

// look is the colour and the weight of a line.
func look(line string) (colour, weight string) {
	switch text := strings.TrimSpace(line); {
	case title.MatchString(line), strings.HasPrefix(text, "$ "):
		return bright, "bold"
	case strings.HasPrefix(text, "✓"), strings.HasPrefix(text, "- "):
		return green, "normal"
	case strings.HasPrefix(text, "·"):
		return yellow, "normal"
	default:
		return ink, "normal"
	}
}

// chosen are the lines that are drawn, cut to the width. What make and the builds print before the first title is not.
func chosen(in io.Reader) ([]string, error) {
	var lines []string
	begun, left := false, 0
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		line := strings.TrimRight(scanner.Text(), " ")
		text := strings.TrimSpace(line)
		switch {
		case title.MatchString(line):
			if begun {
				lines = append(lines, "")
			}
			begun, left = true, 0
		case !begun:
			continue
		case strings.HasPrefix(text, "$ kubectl describe"):
			left = 0
			continue
		case strings.HasPrefix(text, "$ "):
			left = answer
		case strings.HasPrefix(text, "✓"), strings.HasPrefix(text, "·"), strings.HasPrefix(text, "- "):
		case left > 0 && text != "":
			left--
		default:
			left = 0
			continue
		}
		lines = append(lines, cut(line))
	}
	return lines, scanner.Err()
}

func cut(line string) string {
	if runes := []rune(line); len(runes) > columns {
		return string(runes[:columns-1]) + "…"
	}
	return line
}
