// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mutants puts bugs into the operator, one at a time, and runs the tests that have to notice. It prints which
// did, and fails if one bug escapes. `make mutants` runs it; with names it tries those mutants alone. The sources stay as
// they are: the go command is shown other ones by an overlay.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

func main() {
	logs := flag.String("logs", "", "folder for what the tests print")
	flag.Parse()
	if err := run(os.Stdout, *logs, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1) //nolint:forbidigo // Only main ends the process.
	}
}

func run(out io.Writer, logs string, names []string) error {
	root, err := manifests.Root()
	if err != nil {
		return err
	}
	tried, caught := 0, 0
	_, _ = fmt.Fprintln(out, "| mutant | pattern | caught by | time |\n|---|---|---|---|")
	for _, m := range catalog() {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		tried++
		began := time.Now()
		by, err := m.try(root, logs)
		if err != nil {
			return err
		}
		if by == "" {
			by = "**escaped**"
		} else {
			caught++
		}
		_, _ = fmt.Fprintf(out, "| %s | %s | %s | %s |\n", m.name, m.pattern, by, time.Since(began).Round(time.Second))
	}
	_, _ = fmt.Fprintf(out, "\ncaught %d/%d\n", caught, tried)
	if tried == 0 || caught < tried {
		return fmt.Errorf("%d of %d mutants were noticed", caught, tried)
	}
	return nil
}

// try returns which test noticed the mutant first, or nothing.
func (m mutant) try(root, logs string) (string, error) {
	folder, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	overlay, err := m.overlay(root, folder)
	if err != nil {
		return "", err
	}
	for _, g := range m.guards {
		output, failed := g.ask(root, overlay)
		if logs != "" {
			if err := os.WriteFile(filepath.Join(logs, m.name+".log"), output, 0o600); err != nil {
				return "", err
			}
		}
		if !failed {
			continue
		}
		by := noticed(output)
		if by == "" {
			return "", fmt.Errorf("mutant %s: the tests did not run:\n%s", m.name, output)
		}
		return by, nil
	}
	return "", nil
}

// ask runs the tests on the mutated sources, and reports whether they failed.
func (g guard) ask(root, overlay string) (output []byte, failed bool) {
	command := exec.Command("go", "test", "-count=1", "-vet=off", "-failfast", "-timeout=30m", "-run="+g.run, ".")
	command.Dir = filepath.Join(root, g.folder)
	// By the environment, so that a test that builds the manager builds the mutated one.
	command.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	if g.whole {
		command.Env = append(command.Env, "FAULTS=all")
	}
	output, err := command.CombinedOutput()
	return output, err != nil
}

// failures show what failed: a case, else a test, else what ends the program.
var failures = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^ +--- FAIL: (\S+)`),
	regexp.MustCompile(`(?m)^--- FAIL: (\S+)`),
	regexp.MustCompile(`(?m)^(panic: .*|a token shows in: )`),
}

// noticed returns what failed first, by what the tests print; nothing when no test failed.
func noticed(output []byte) string {
	for _, failure := range failures {
		if found := failure.FindSubmatch(output); found != nil {
			return string(found[1])
		}
	}
	return ""
}
