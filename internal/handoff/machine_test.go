// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/shells"
)

// scriptTools are all commands that node-bootstrap.sh needs: the tests give it no
// others, unless they say so.
var scriptTools = []string{
	"base64", "cat", "chmod", "chown", "dirname", "id", "ls", "mkdir", "mktemp", "mv", "rm", "rmdir", "sed", "tr", "uname",
}

// machine is a place to run the script in: an empty root, a home, and a PATH
// with scriptTools, each of which a test can replace.
type machine struct {
	t                 *testing.T
	shell             []string
	script            []byte
	root, home, tools string
	log               string // what its engines were asked, see calls
	env               []string
}

// outcome is what a run of the script leaves behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// writtenCA is what the script makes of a CA: a comment, then the certificates.
func writtenCA(certificates []byte) string {
	return "# Written by node-bootstrap.sh for " + host + "\n" + string(certificates)
}

func bootstrapScript() []byte {
	return must(handoff.PullData(validInput()))[handoff.KeyNodeBootstrap]
}

// forEachShell runs a test in every shell that this machine has.
func forEachShell(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()
	shells.Each(t, func(t *testing.T, shell []string) { test(t, newMachine(t, shell)) })
}

func newMachine(t *testing.T, shell []string) *machine {
	t.Helper()
	m := &machine{t: t, shell: shell, script: bootstrapScript(), root: t.TempDir(), home: t.TempDir(), tools: t.TempDir(), log: t.TempDir()}
	for _, tool := range scriptTools {
		m.link(tool)
	}
	return m
}

// another is a fresh machine with the same shell.
func (m *machine) another(t *testing.T) *machine {
	return newMachine(t, m.shell)
}

// link puts a command of this machine on the PATH of the script.
func (m *machine) link(tool string) {
	m.t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(m.tools, tool)); err != nil {
		m.t.Fatal(err)
	}
}

// shim replaces a command on the PATH of the script.
func (m *machine) shim(tool, body string) {
	m.t.Helper()
	path := filepath.Join(m.tools, tool)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// engine puts a docker, podman or skopeo on the PATH that records how it is
// called, then does what body says.
func (m *machine) engine(tool, body string) {
	m.shim(tool, `if [ "$1" = --version ]; then echo 'Docker version 28.2.2'; exit; fi
input=; if [ "$1" = login ]; then input=" <$(cat)"; fi
echo "`+tool+` $* HOME=$HOME$input" >>"`+m.log+`/calls"
`+body)
}

// calls returns what the engines were asked since it was called last, one call a line.
func (m *machine) calls() []string {
	m.t.Helper()
	recorded, err := os.ReadFile(m.log + "/calls")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, os.Remove(m.log+"/calls")); err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(recorded), "\n"), "\n")
}

// user makes the script run for someone who is not root.
func (m *machine) user() {
	m.shim("id", "echo 1000")
}

// mac makes the script run for a user of macOS, where Docker belongs to the user.
func (m *machine) mac() {
	m.user()
	m.shim("uname", "echo Darwin")
}

// loginFile writes what --login reads, and returns its path.
func (m *machine) loginFile(content string) string {
	m.t.Helper()
	path := filepath.Join(m.log, "login")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// write makes a file below the root, and the directories above it.
func (m *machine) write(file, content string, mode fs.FileMode) {
	m.t.Helper()
	path := m.root + file
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		m.t.Fatal(err)
	}
}

// files lists the files below the root.
func (m *machine) files() []string {
	m.t.Helper()
	var files []string
	err := filepath.WalkDir(m.root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, m.root))
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return files
}

// run pipes the script into the shell, as people do with sudo sh.
func (m *machine) run(args ...string) outcome {
	m.t.Helper()
	arguments := append(append(m.shell[1:len(m.shell):len(m.shell)], "-s", "--"), args...)
	command := exec.CommandContext(m.t.Context(), m.shell[0], arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(m.script), &stdout, &stderr
	command.Dir = m.tools
	command.Env = append([]string{"PATH=" + m.tools, "HOME=" + m.home, "TMPDIR=" + m.home, "LC_ALL=C"}, m.env...)
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return outcome{stdout: stdout.String(), stderr: stderr.String(), code: command.ProcessState.ExitCode()}
}
