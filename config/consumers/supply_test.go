// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// archive is what is downloaded in the tests.
const archive = "an archive with hzn"

// installer is a script that installs hzn, with programs in the place of those that download, unpack and install. They write
// down that they were run.
type installer struct {
	t            *testing.T
	shell        []string
	script       string
	tools, files string
}

func newInstaller(t *testing.T, script string, shell ...string) *installer {
	i := &installer{t: t, shell: shell, script: script, tools: t.TempDir(), files: t.TempDir()}
	for _, program := range []string{"tar", "sudo", "rpm"} {
		i.program(program, "exit 0")
	}
	i.program("curl", `while [ "$1" != -o ]; do shift; done; printf '%s' '`+archive+`' >"$2"`)
	return i
}

func (i *installer) program(name, does string) {
	text := "#!/bin/sh\necho ran " + name + " \"$@\"\n" + does + "\n"
	NewWithT(i.t).Expect(os.WriteFile(filepath.Join(i.tools, name), []byte(text), 0o700)).To(Succeed())
}

// run returns what was run, and whether the script went through.
func (i *installer) run(env ...string) (string, bool) {
	command := exec.CommandContext(i.t.Context(), i.shell[0], append(i.shell[1:], i.script)...)
	command.Env = append([]string{"PATH=" + i.tools + ":/usr/bin:/bin", "RUNNER_TEMP=" + i.files}, env...)
	output, err := command.CombinedOutput()
	return string(output), err == nil
}

// expectChecked checks that what was downloaded is neither unpacked nor installed unless it has the sum that was named.
func (i *installer) expectChecked(missing string, env ...string) {
	g := NewWithT(i.t)
	sum := sha256.Sum256([]byte(archive))
	right := hex.EncodeToString(sum[:])
	output, ok := i.run(append(env, "HZN_SHA256="+right)...)
	g.Expect(ok).To(BeTrue(), output)
	g.Expect(output).To(ContainSubstring("ran tar -xzf"))
	g.Expect(output).To(MatchRegexp(`ran (sudo apt-get|rpm -i)`))
	for _, wrong := range [][]string{nil, {"HZN_SHA256="}, {"HZN_SHA256=" + strings.Repeat("0", 64)}, {"HZN_SHA256=" + right[1:]}, {"HZN_SHA256=x"}} {
		output, ok := i.run(append(env, wrong...)...)
		g.Expect(ok).To(BeFalse(), output)
		g.Expect(output).NotTo(MatchRegexp("ran (tar|sudo|rpm)"), "%v", wrong)
		if len(wrong) == 0 || strings.HasSuffix(wrong[0], "=") {
			g.Expect(output).To(ContainSubstring(missing))
			g.Expect(output).NotTo(ContainSubstring("ran curl"))
		}
	}
}

func TestTheWorkflowInstallsNoHznThatNobodyChecked(t *testing.T) {
	g := NewWithT(t)
	steps := at(t, documents(t, "github-actions.yaml")[0], "jobs", "publish", "steps").([]any)
	var script string
	for _, step := range steps {
		if step.(node)["name"] == "Install hzn" {
			script = step.(node)["run"].(string)
			for name, value := range step.(node)["env"].(node) {
				g.Expect(value).To(Equal("${{ vars." + name + " }}"))
			}
		}
	}
	// As GitHub runs it.
	i := newInstaller(t, script, "bash", "-e", "-c")
	i.expectChecked("HZN_SHA256: is not set: make a variable", "HZN_RELEASE=v1")
	output, ok := i.run("HZN_SHA256=x")
	g.Expect(ok).To(BeFalse())
	g.Expect(output).To(And(ContainSubstring("HZN_RELEASE: is not set: make a variable"), Not(ContainSubstring("ran "))))
	g.Expect(string(must(os.ReadFile("github-actions.yaml")))).NotTo(ContainSubstring("/latest/"), "what the sum is of")
}

func TestTheImageIsBuiltWithNoHznThatNobodyChecked(t *testing.T) {
	g := NewWithT(t)
	text := string(must(os.ReadFile("Containerfile")))
	found := regexp.MustCompile(`(?s)\nARG HZN_SHA256\nCOPY (\S+) (\S+)\nRUN (.*)$`).FindStringSubmatch(text)
	g.Expect(found).NotTo(BeNil(), "the build is told the sum")
	for _, shell := range []string{"bash", "dash"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		i := newInstaller(t, "", shell, "-c")
		g.Expect(found[2]).To(HavePrefix("/tmp/"))
		i.script = strings.ReplaceAll(found[3], "/tmp/", i.files+"/")
		copied := filepath.Join(i.files, strings.TrimPrefix(found[2], "/tmp/"))
		// A build that went through has taken the archive away.
		i.script = "printf '%s' '" + archive + "' >" + copied + "\n" + i.script
		i.expectChecked("is the SHA-256 that the release publishes")
	}
}
