// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	barWidth  = 24
	frameTime = 100 * time.Millisecond
	megabyte  = 1 << 20
)

// progress writes how far things are: on a terminal as a bar in one line, elsewhere a line for each tenth of the packages.
type progress struct {
	out   io.Writer
	live  bool
	width int // columns
	drawn time.Time
	open  bool // the line of the bar is not ended
	tenth int
}

func newProgress(file *os.File) *progress {
	p := &progress{out: file}
	if term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		p.live = true
		p.width, _, _ = term.GetSize(int(file.Fd()))
	}
	return p
}

// say writes a line that stays.
func (p *progress) say(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.out, "controlplane: "+format+"\n", args...)
}

// end removes the bar.
func (p *progress) end() {
	if p.open {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.open = false
	}
}

// note shows what is done now, on a terminal.
func (p *progress) note(text string) { p.draw(text, false) }

// packages shows how many packages are compiled.
func (p *progress) packages(done, total int, now string) {
	p.draw(fmt.Sprintf("building %s %d of %d packages  %s", bar(int64(done), int64(total)), done, total, now), done == total)
	if tenth := 10 * done / total; !p.live && tenth > p.tenth {
		p.tenth = tenth
		p.say("built %d of %d packages", done, total)
	}
}

// read shows how much of a file was read. The size is -1 where it is not known.
func (p *progress) read(from io.Reader, name string, size int64) io.Reader {
	done := int64(0)
	return heard{countedReader{from, &done}, func() {
		text := fmt.Sprintf("%s %d MB", name, done/megabyte)
		if size > 0 {
			text = fmt.Sprintf("%-23s %s %3d of %d MB", name, bar(done, size), done/megabyte, size/megabyte)
		}
		p.draw(text, done == size)
	}}
}

// countedReader counts what was read.
type countedReader struct {
	io.Reader
	n *int64
}

// Read implements io.Reader.
func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	*r.n += int64(n)
	return n, err
}

// draw writes the line of the bar again, at most once in a frame unless it has to be seen.
func (p *progress) draw(text string, must bool) {
	if !p.live || (!must && time.Since(p.drawn) < frameTime) {
		return
	}
	if p.width > 1 && len(text) >= p.width {
		text = text[:p.width-1]
	}
	fmt.Fprintf(p.out, "\r%s\x1b[K", text)
	p.drawn, p.open = time.Now(), true
}

func bar(done, total int64) string {
	full := int(barWidth * min(done, total) / total)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}
