// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures how fast the operator is and how little it needs, against a bare client
// that sends the same requests in the same run, on control planes of its own. It writes
// docs/benchmarks.md and docs/benchmarks.svg.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	binary := flag.String("manager", filepath.Join("bin", "manager"), "The manager's binary, as `make build` writes it.")
	out := flag.String("out", "docs", "The folder to write benchmarks.md and benchmarks.svg to.")
	small := flag.Bool("quick", false, "Measure a few objects only, to see that everything works.")
	only := flag.String("only", "", "Measure this part alone, print its figures and write no file: "+strings.Join(slices.Sorted(maps.Keys(parts)), ", ")+".")
	before := flag.String("before", "", "Binaries of the manager of before, with a comma between, which the part restarts has take turns.")
	objects := flag.Int("objects", 0, "The most objects that are applied at once, instead of what the plan says.")
	steady := flag.Duration("steady", whole.Steady, "How long the operator is watched at rest.")
	hold := flag.String("hold-watches", "", "A kubeconfig: only hold the watches of the projects that the input names, to be weighed.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	p := whole
	p.Steady = *steady
	if *small {
		p = quick
	}
	if *objects > 0 {
		p.Sizes = []int{p.Sizes[0], *objects}
	}
	p.Before = *before
	var err error
	switch {
	case *hold != "":
		err = holdWatches(ctx, *hold, os.Stdin, os.Stdout)
	case *only != "":
		err = runOnly(ctx, p, *binary, *only, os.Stdout)
	default:
		err = run(ctx, p, *binary, *out, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

// begin prepares a run.
func begin(p plan, binary string, progress io.Writer) (*bench, error) {
	ctrllog.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("the manager is missing: run `make build`: %w", err)
	}
	began := time.Now()
	return &bench{plan: p, binary: binary, say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(progress, "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}}, nil
}

// runOnly measures one part and prints its figures.
func runOnly(ctx context.Context, p plan, binary, name string, out io.Writer) error {
	part := parts[name]
	if part == nil {
		return fmt.Errorf("there is no part %q: see -help", name)
	}
	b, err := begin(p, binary, out)
	if err != nil {
		return err
	}
	if err := b.inWorld(ctx, name, func(ctx context.Context, w *world) error { return part(b, ctx, w) }); err != nil {
		return err
	}
	for _, row := range b.report.Rows {
		b.say("%-80s %10s %10s %7s %s", row.Measure, row.Operator, row.Bare, row.Ratio, row.Verdict)
	}
	return nil
}

// run measures what the plan says and writes the results to the folder out.
func run(ctx context.Context, p plan, binary, out string, progress io.Writer) error {
	b, err := begin(p, binary, progress)
	if err != nil {
		return err
	}
	if err := b.run(ctx); err != nil {
		return err
	}
	b.report.describe(b.binary)
	b.report.conclude()
	for name, write := range map[string]func(io.Writer) error{
		"benchmarks.md":  b.report.write,
		"benchmarks.svg": func(w io.Writer) error { return plot(w, b.report.Points) },
	} {
		var content strings.Builder
		if err := write(&content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(out, name), []byte(content.String()), 0o644); err != nil {
			return err
		}
	}
	b.say("wrote %s", filepath.Join(out, "benchmarks.md"))
	return nil
}
