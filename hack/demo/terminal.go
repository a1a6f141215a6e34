// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	indent     = "  "
	taskWidth  = 62 // columns of a task's text, so that times stand in one column
	frameTime  = 100 * time.Millisecond
	tailLength = 20 // lines
)

// frames of the spinner.
var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// style is an ANSI sequence.
type style string

const (
	bold   style = "\x1b[1m"
	dim    style = "\x1b[2m"
	red    style = "\x1b[31m"
	green  style = "\x1b[32m"
	yellow style = "\x1b[33m"
	plain  style = "\x1b[0m"
)

// terminal writes what people read. Lines are plain, unless it is a terminal
// that can move its cursor.
type terminal struct {
	out    io.Writer
	live   bool // a spinner may redraw its line
	colour bool
	width  int // columns; zero is no limit
	titles int
}

// newTerminal writes to the file, and calls broken once nobody reads it any more.
func newTerminal(file *os.File, broken func(error)) *terminal {
	t := &terminal{out: watchedWriter{file, broken}}
	if term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		t.live, t.colour = true, os.Getenv("NO_COLOR") == ""
		t.width, _, _ = term.GetSize(int(file.Fd()))
	}
	return t
}

// watchedWriter reports the first error, because nobody checks those of prints.
type watchedWriter struct {
	io.Writer
	broken func(error)
}

// Write implements io.Writer.
func (w watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.broken(fmt.Errorf("nobody reads the output: %w", err))
	}
	return n, err
}

// fit cuts text that would not end in the line, of which some columns are used.
func (t *terminal) fit(text string, used int) string {
	runes := []rune(text)
	if room := t.width - used; t.width > 0 && room > 0 && len(runes) > room {
		return string(runes[:room-1]) + "…"
	}
	return text
}

func (t *terminal) paint(s style, text string) string {
	if !t.colour {
		return text
	}
	return string(s) + text + string(plain)
}

func (t *terminal) print(line string) { fmt.Fprintln(t.out, strings.TrimRight(indent+line, " ")) }

func (t *terminal) gap() { fmt.Fprintln(t.out) }

func (t *terminal) title(text string) {
	t.titles++
	fmt.Fprintf(t.out, "\n%s\n", t.paint(bold, fmt.Sprintf("%d. %s", t.titles, text)))
}

// good prints what came out as it should.
func (t *terminal) good(line string) { t.print(t.paint(green, "✓") + " " + line) }

// pending prints what is not as it should be, yet.
func (t *terminal) pending(line string) { t.print(t.paint(yellow, "·") + " " + line) }

// command prints a command that was run and what it printed.
func (t *terminal) command(line, output string) {
	fmt.Fprintf(t.out, "\n%s%s\n", indent, t.paint(bold, "$ "+line))
	t.lines(output)
}

// block prints lines under a heading.
func (t *terminal) block(heading, text string) {
	fmt.Fprintf(t.out, "\n%s%s\n", indent, t.paint(dim, heading+":"))
	t.lines(text)
}

func (t *terminal) lines(text string) {
	for line := range strings.Lines(text) {
		t.print(strings.TrimRight(line, "\r\n"))
	}
}

// task does work, and shows that it is being done, how it ended and how long it took.
func (t *terminal) task(text string, work func() error) error {
	started := time.Now()
	padded := fmt.Sprintf("%-*s", taskWidth, text)
	stop := t.begin(padded, started)
	err := work()
	stop()
	mark, rest := t.paint(green, "✓"), ""
	if err != nil {
		mark, rest = t.paint(red, "✗"), " failed"
	}
	if t.live {
		fmt.Fprintf(t.out, "\r\x1b[K%s%s %s", indent, mark, padded)
	}
	fmt.Fprintf(t.out, " %6s%s\n", seconds(time.Since(started)), rest)
	return err
}

// begin shows a task. The function that it returns ends the spinner.
func (t *terminal) begin(text string, started time.Time) (stop func()) {
	if !t.live {
		fmt.Fprintf(t.out, "%s- %s", indent, text)
		return func() {}
	}
	var spinner sync.WaitGroup
	done := make(chan struct{})
	spinner.Go(func() {
		ticker := time.NewTicker(frameTime)
		defer ticker.Stop()
		for i := 0; ; i++ {
			frame := t.paint(yellow, string(frames[i%len(frames)]))
			fmt.Fprintf(t.out, "\r%s%s %s %6s", indent, frame, text, seconds(time.Since(started)))
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() { close(done); spinner.Wait() }
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// tail keeps the last lines written to it.
type tail struct {
	mu      sync.Mutex
	content []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.content = append(t.content, p...)
	cut := len(bytes.TrimRight(t.content, "\n"))
	for range tailLength {
		if cut = bytes.LastIndexByte(t.content[:cut], '\n'); cut < 0 {
			return len(p), nil
		}
	}
	t.content = bytes.Clone(t.content[cut+1:])
	return len(p), nil
}

// String returns the last lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.content)
}
