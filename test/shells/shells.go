// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shells runs the project's scripts in the shells that they are written for.
package shells

import (
	"bytes"
	"os/exec"
	"testing"
)

// Each runs a test in every POSIX shell that this machine has, by the command that starts it, and
// says which it lacks.
func Each(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Helper()
	for name, shell := range map[string][]string{
		"dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(shell[0])
			if err != nil {
				t.Skipf("%s is not installed", shell[0])
			}
			t.Parallel()
			test(t, append([]string{path}, shell[1:]...))
		})
	}
}

// Cuts are the beginnings of a script that a broken download may leave: some, and all that lack only
// a few of the last bytes.
func Cuts(script []byte) [][]byte {
	var cuts [][]byte
	for _, at := range []int{len(script) / 4, len(script) / 2, len(script) * 3 / 4} {
		cuts = append(cuts, script[:at])
	}
	for at := len(script) - 16; at < len(script)-1; at++ {
		cuts = append(cuts, script[:at])
	}
	return cuts
}

// Check fails the test for whatever shellcheck finds in a script, its advice on style included.
func Check(t *testing.T, script []byte) {
	t.Helper()
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	command := exec.CommandContext(t.Context(), shellcheck, "--shell=sh", "--severity=style", "-")
	command.Stdin = bytes.NewReader(script)
	if findings, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, findings)
	}
}
