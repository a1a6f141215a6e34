// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"bytes"
	_ "embed"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edge-registry/edge-registry-operator/test/shells"
)

const (
	host      = "registry.apps.example.test"
	prefix    = host + "/factory"
	pushToken = "push-token-text"
	pullToken = "pull:token-text" // A token may have a colon.
	digest    = "sha256:0123456789abcdef"
)

// publishScript is embedded so that an overlay of the go command can put a mutant in its place.
//
//go:embed publish.sh
var publishScript []byte

// scriptTools are all commands that publish.sh may use besides an engine and hzn.
var scriptTools = []string{"base64", "cat", "cp", "grep", "mkdir", "mktemp", "rm"}

// recordEnvironment is how a program writes down its environment, where a test asks for it: it costs a process each time.
const recordEnvironment = "[ ! -e \"$RECORD/environments\" ] || /usr/bin/env >>\"$RECORD/environment-of-${0##*/}\"\n"

// recorder is a program that writes down how it was called, and says more than it should: it prints both tokens, to both outputs, and ends
// without a line break. It knows them by itself, for its environment has none. It
// fails where the file "fail" says so. The file "logins" is what the Exchange has.
const recorder = "#!/bin/sh\n" + recordEnvironment + `
PATH=/usr/bin:/bin # What it runs itself is not recorded.
push='` + pushToken + `' pull='` + pullToken + `'
program=${0##*/}
{ printf '%s' "$program"; for word; do printf '\037%s' "$word"; done; echo; } >>"$RECORD/calls"
read -r fail <"$RECORD/fail"
case "$program $*" in "$fail"*) code=17 ;; esac
case "$program $*" in
*' --get-login '*) printf '%s\n' "${LOGGED_IN-$OCP_USER}"; exit ;;
*' login '*) cat >"$RECORD/stdin" ;;
'hzn architecture') echo amd64; exit ;;
'hzn exchange service publish'*)
	cat >>"$RECORD/hzn-stdin"
	echo "$ARCH $SERVICE_VERSION $DOCKER_IMAGE_BASE $SERVICE_IMAGE" >>"$RECORD/hzn-environment"
	echo "Storing $6 with the service in the exchange..."
	if [ -p "$RECORD/gate" ]; then read -r line <"$RECORD/gate"; fi ;;
'hzn exchange service listauth'*)
	if [ -r "$RECORD/logins" ]; then cat "$RECORD/logins"; [ "${code-}" ] || exit 0; fi
	if [ -z "${code-}" ]; then echo "docker auths not found" >&2; exit 8; fi ;;
'hzn exchange '*) echo "$ARCH" >>"$RECORD/deployed-as" ;;
'docker pull '*) cat "$DOCKER_CONFIG/config.json" >"$RECORD/pulled-with" ;;
*' pull '*) cat "$REGISTRY_AUTH_FILE" >"$RECORD/pulled-with" ;;
'docker image inspect'*) echo "elsewhere.test/x@sha256:bad $INSPECTED"; exit ;;
esac
previous=
for word; do
	if [ "$previous" = --digestfile ]; then printf '%s' "$DIGEST" >"$word"; fi
	if [ "${word#--cert-dir=}" != "$word" ]; then cat "${word#--cert-dir=}/ca.crt" >>"$RECORD/ca.crt"; fi
	previous=$word
done
if [ -r "$RECORD/says" ]; then cat "$RECORD/says"; fi
echo "$program says <$push$push>" >&2
if [ "${code-}" ]; then echo 'no space left' >&2; fi
printf '%s' "$push and $pull"
exit "${code-0}"
`

// sleeper passes no time. After as many sleeps as the file "comes-after" has letters, the Exchange has the file "coming".
const sleeper = "#!/bin/sh\n" + recordEnvironment + `
PATH=/usr/bin:/bin
echo "sleep $*" >>"$RECORD/calls"
printf s >>"$RECORD/slept"
if [ -r "$RECORD/coming" ] && [ "$(cat "$RECORD/slept")" = "$(cat "$RECORD/comes-after")" ]; then mv "$RECORD/coming" "$RECORD/logins"; fi
`

// pipeline is a place where publish.sh runs: a service to build, a PATH with
// scriptTools and the recorders, and the environment of the publish Secret.
type pipeline struct {
	t                            *testing.T
	shell                        []string
	script                       []byte
	service, tools, record, temp string
	env                          map[string]string
}

// outcome is what a run leaves behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// forEachShell runs a test in every shell that this machine has.
func forEachShell(t *testing.T, test func(t *testing.T, p *pipeline)) {
	t.Helper()
	shells.Each(t, func(t *testing.T, shell []string) { test(t, newPipeline(t, shell)) })
}

func newPipeline(t *testing.T, shell []string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, shell: shell, script: publishScript,
		service: t.TempDir(), tools: t.TempDir(), record: t.TempDir(), temp: t.TempDir()}
	p.env = map[string]string{
		"PATH": p.tools, "HOME": p.temp, "TMPDIR": p.temp, "LC_ALL": "C", "RECORD": p.record, "DIGEST": digest,
		"INSPECTED":       prefix + "/sensor_amd64@" + digest,
		"OCP_DOCKER_HOST": host, "OCP_USER": "edge-publisher.factory", "OCP_TOKEN": pushToken,
		"IMAGE_PREFIX": prefix, "HZN_REGISTRY_AUTH": host + ":edge-puller.factory:" + pullToken,
		"BASE": "sensor", "VERSION": "1.2.3", "ARCH": "amd64",
		"HZN_ORG_ID": "myorg", "HZN_EXCHANGE_URL": "https://hub.example.test/v1", "HZN_EXCHANGE_USER_AUTH": "me:password",
	}
	for _, tool := range scriptTools {
		p.program(tool, recordingLink(t, tool))
	}
	for _, program := range []string{"docker", "podman", "buildah", "hzn"} {
		p.program(program, recorder)
	}
	p.program("sleep", sleeper)
	p.write("Dockerfile", "FROM scratch\n")
	p.write("horizon/service.definition.json", `{"image": "$SERVICE_IMAGE"}`)
	p.write("ca.crt", "the CA\n")
	p.failAt("nothing")
	return p
}

// recordEnvironments has every program write down its environment, for environmentOf.
func (p *pipeline) recordEnvironments() {
	p.t.Helper()
	p.note("environments", "")
}

// environmentOf is what the runs of a program had for an environment, empty when there was none.
func (p *pipeline) environmentOf(program string) string {
	p.t.Helper()
	if _, err := os.Stat(filepath.Join(p.record, "environments")); err != nil {
		p.t.Fatalf("nobody asked for environments: %v", err)
	}
	return p.recorded("environment-of-" + program)
}

// recordingLink is a program that runs the one of this machine and writes down how.
func recordingLink(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	return "#!/bin/sh\necho \"$0 $*\" >>\"$RECORD/tools\"\n" + recordEnvironment + "exec " + path + " \"$@\"\n"
}

// another is a fresh pipeline with the same shell.
func (p *pipeline) another(t *testing.T) *pipeline {
	return newPipeline(t, p.shell)
}

func (p *pipeline) program(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.tools, name), []byte(content), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipeline) remove(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(p.tools, name)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// write makes a file of the service.
func (p *pipeline) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.service, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// note makes a file that the recorders read.
func (p *pipeline) note(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.record, name), []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// failAt has the first call that begins with the words exit with 17.
func (p *pipeline) failAt(words string) {
	p.t.Helper()
	p.note("fail", words+"\n")
}

// command pipes the script into the shell.
func (p *pipeline) command(args ...string) *exec.Cmd {
	command := exec.CommandContext(p.t.Context(), p.shell[0], append(append(slices.Clone(p.shell[1:]), "-s", "--"), args...)...)
	command.Stdin, command.Dir = bytes.NewReader(p.script), p.service
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		command.Env = append(command.Env, name+"="+p.env[name])
	}
	return command
}

func (p *pipeline) run(args ...string) outcome {
	p.t.Helper()
	command := p.command(args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return outcome{stdout: stdout.String(), stderr: stderr.String(), code: command.ProcessState.ExitCode()}
}

// calls are those of the engines and of hzn, with a space between the words.
func (p *pipeline) calls() []string {
	text := strings.ReplaceAll(p.recorded("calls"), "\x1f", " ")
	text = strings.ReplaceAll(text, p.scratchOf(text), "SCRATCH")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// scratchOf finds the scratch directory of the script, whose name is random.
func (p *pipeline) scratchOf(text string) string {
	_, after, found := strings.Cut(text, p.temp+"/")
	if !found {
		return "\x00"
	}
	name, _, _ := strings.Cut(after, "/")
	return p.temp + "/" + name
}

// recorded is the text of a file of the recorders, empty when there is none.
func (p *pipeline) recorded(name string) string {
	content, err := os.ReadFile(filepath.Join(p.record, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	return string(content)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
