// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"
	"time"
)

// report is what docs/benchmarks.md says.
type report struct {
	Date, Version, Machine, Versions string
	Took                             time.Duration
	// Empty is how many kilobytes are resident without any object.
	Empty int
	// Strangers is how many kilobytes more are resident beside Foreign Secrets of others.
	Strangers, Foreign int

	Rows   []row
	Points []point
	// Install, Rotation and AtRest are the operator's requests, Bare those of the bare client for the same as Install.
	Install, Rotation, AtRest, Bare requests
	// Elsewhere and BareElsewhere are those for an object of another registry.
	Elsewhere, BareElsewhere requests
}

// row is a line of the table.
type row struct{ Measure, Operator, Bare, Ratio, Goal, Verdict string }

// point is what a number of objects costs.
type point struct {
	N              int
	Operator, Bare time.Duration // until all are Ready
	P50, P99       time.Duration // of a pass
	Peak           int           // kilobytes resident, at most, while they became Ready
	Rest, Heap     int           // kilobytes, of a manager that was started after that
	Watches        int           // kilobytes resident, of a process that holds the same watches and does nothing
	Start          time.Duration // from the end of one manager until the next has looked at all of them
	// StartWrites and StartMints are requests of that manager.
	StartWrites, StartMints requests
}

// compare adds a comparison of the medians; no goal when it is 0.
func (r *report) compare(measure string, operator, other []time.Duration, goal float64) {
	mine, theirs := median(operator), median(other)
	ratio := mine.Seconds() / theirs.Seconds()
	line := row{Measure: measure, Operator: brief(mine), Bare: brief(theirs), Ratio: fmt.Sprintf("%.2fx", ratio)}
	if goal > 0 {
		line.Goal, line.Verdict = fmt.Sprintf("<= %.2fx", goal), verdict(ratio <= goal)
	}
	r.Rows = append(r.Rows, line)
}

// Names are those of all requests for one object, of either side.
func (r *report) Names() []string {
	both := maps.Clone(r.Install)
	maps.Copy(both, r.Bare)
	return slices.Sorted(maps.Keys(both))
}

// tell adds a figure that is compared with nothing.
func (r *report) tell(measure, value string) {
	r.Rows = append(r.Rows, row{Measure: measure, Operator: value})
}

// count adds requests of which there have to be none.
func (r *report) count(measure string, sent requests) {
	r.Rows = append(r.Rows, row{Measure: measure, Operator: sent.String(), Goal: "none", Verdict: verdict(len(sent) == 0)})
}

// atMost adds an amount of memory in kilobytes.
func (r *report) atMost(measure string, kilobytes, goal int) {
	r.Rows = append(r.Rows, row{
		Measure: measure, Operator: fmt.Sprintf("%d KB", kilobytes), Goal: fmt.Sprintf("<= %d KB", goal), Verdict: verdict(kilobytes <= goal),
	})
}

// beside adds to the last row what the same costs the bare client, in kilobytes.
func (r *report) beside(operator, bare int) {
	row := &r.Rows[len(r.Rows)-1]
	row.Bare, row.Ratio = fmt.Sprintf("%d KB", bare), fmt.Sprintf("%.2fx", float64(operator)/float64(max(1, bare)))
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

// conclude adds what follows from the points.
func (r *report) conclude() {
	first, last := r.Points[0], r.Points[len(r.Points)-1]
	r.tell("resident with no object", megabytes(r.Empty))
	r.atMost(fmt.Sprintf("resident with %d objects", first.N), first.Rest, 50*1024)
	more := max(1, last.N-first.N)
	each := (last.Rest - first.Rest) / more
	r.atMost(fmt.Sprintf("resident for each further object, up to %d", last.N), each, 50)
	r.beside(each, (last.Watches-first.Watches)/more)
	r.atMost(fmt.Sprintf("resident memory more with %d Secrets of others", r.Foreign), r.Strangers, 1024)
	restart := fmt.Sprintf("restart with %d objects: ", last.N)
	r.tell(restart+"all looked at", seconds(last.Start))
	r.count(restart+"writes", last.StartWrites)
	r.count(restart+"mints", last.StartMints)
}

// describe fills in where and when the figures come from.
func (r *report) describe(binary string) {
	r.Date = time.Now().UTC().Format(time.DateOnly)
	r.Machine = fmt.Sprintf("%s, %d cores, %s, %s/%s", processor(), runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH)
	r.Version = "unknown"
	if out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		r.Version = strings.TrimSpace(string(out))
	}
	r.Versions = runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "sigs.k8s.io/controller-runtime" || module.Path == "k8s.io/client-go" {
				r.Versions += ", " + module.Path + " " + module.Version
			}
		}
	}
	if info, err := os.Stat(binary); err == nil {
		r.Versions += fmt.Sprintf(", a binary of %d MB", info.Size()>>20)
	}
}

func processor() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	return field(string(content), "model name")
}

func memory() string {
	content, _ := os.ReadFile("/proc/meminfo")
	var kilobytes int
	_, _ = fmt.Sscan(field(string(content), "MemTotal"), &kilobytes)
	return fmt.Sprintf("%d GB of memory", (kilobytes+1<<19)>>20)
}

// field is the value in the first line of that name.
func field(content, name string) string {
	_, rest, _ := strings.Cut(content, name)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimLeft(line, ": \t")
}

//go:embed benchmarks.md.tmpl
var page string

// write renders docs/benchmarks.md.
func (r *report) write(w io.Writer) error {
	parsed, err := template.New("benchmarks").Funcs(template.FuncMap{
		"brief": brief, "seconds": seconds, "megabytes": megabytes,
	}).Parse(page)
	if err != nil {
		return err
	}
	return parsed.Execute(w, r)
}
