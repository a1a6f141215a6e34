// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// compile builds programs from the modules that are pinned. All are built by one go command: they share most of their
// packages, so it knows the whole of the work and keeps every core busy to the end.
func (p *plane) compile(ctx context.Context, missing []program) error {
	began := time.Now()
	packages := make([]string, len(missing))
	for i, program := range missing {
		packages[i] = program.pkg
	}
	total, err := p.stale(ctx, packages)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(p.folder, ".build.*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	defer p.progress.end()
	build := append([]string{"build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", p.linkerFlags(), "-o", scratch + string(filepath.Separator)}, packages...)
	if err := p.goCommand(ctx, io.Discard, p.built(total), build...); err != nil {
		return fmt.Errorf("build the control plane: %w", err)
	}
	for _, program := range missing {
		if err := os.Rename(filepath.Join(scratch, executable(program.pkg)), filepath.Join(p.folder, program.name)); err != nil {
			return err
		}
	}
	p.progress.end()
	p.progress.say("built %d programs in %s", len(missing), time.Since(began).Round(time.Second))
	return nil
}

// stale is how many packages have to be compiled.
func (p *plane) stale(ctx context.Context, packages []string) (int, error) {
	defer p.progress.end()
	var out bytes.Buffer
	list := append([]string{"list", "-deps", "-trimpath", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, packages...)
	p.progress.note("looking for what has to be compiled")
	if err := p.goCommand(ctx, &out, p.progress.note, list...); err != nil {
		return 0, fmt.Errorf("list the packages of the control plane: %w", err)
	}
	return len(strings.Fields(out.String())), nil
}

// built counts the packages that the go command says it compiles, and passes on what else it says.
func (p *plane) built(total int) func(line string) {
	done := 0
	return func(line string) {
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			p.progress.note(line)
		case strings.ContainsAny(line, " \t"):
			p.progress.end()
			p.progress.say("%s", line)
		default:
			done++
			p.progress.packages(done, max(done, total), line)
		}
	}
}

// linkerFlags give Kubernetes its version, which clients and API discovery show.
func (p *plane) linkerFlags() string {
	version := p.versions[kubernetesModule]
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const stamp = "k8s.io/component-base/version"
	return fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", stamp, version, major, minor)
}

// executable is how the go command calls the program of a package: by the last part of its path that is no version.
func executable(pkg string) string {
	if pkg == etcdModule {
		return "server"
	}
	return filepath.Base(pkg)
}

// goCommand runs the go command in the folder of the modules, and reports each line of its standard error.
func (p *plane) goCommand(ctx context.Context, out io.Writer, line func(string), args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout = p.modules, out
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	output, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line(lines.Text())
	}
	return cmd.Wait()
}
