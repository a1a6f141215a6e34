// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// engine simulates a container engine: it records how it is called, prints what it should not, and exits with a given status.
const engine = `#!/bin/sh
{ printf '%s\n' "${0##*/}"; printf '%s\n' "$@"; } >>"$RECORD/argv"
cat >>"$RECORD/stdin"
printf 'Login Succeeded \033[2J %s\n' "$(cat "$RECORD/stdin")"
env >"$RECORD/env"
exit "${ENGINE_ENDS:-0}"
`

// machine puts engines on PATH, and a user who is not root. It returns the home and the folder of what was written down.
func machine(t *testing.T, engines ...string) (home, record string) {
	t.Helper()
	g := NewWithT(t)
	bin := t.TempDir()
	home, record = t.TempDir(), t.TempDir()
	for _, name := range engines {
		g.Expect(os.WriteFile(filepath.Join(bin, name), []byte(engine), 0o700)).To(Succeed())
	}
	g.Expect(os.WriteFile(filepath.Join(bin, "id"), []byte("#!/bin/sh\necho 1000\n"), 0o700)).To(Succeed())
	for _, name := range []string{"sh", "cat", "uname", "sed", "dirname", "mkdir", "mktemp", "chmod", "mv", "rm", "ls", "env", "tr", "base64"} {
		path, err := exec.LookPath(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.Symlink(path, filepath.Join(bin, name))).To(Succeed())
	}
	t.Setenv("PATH", bin)
	t.Setenv("HOME", home)
	t.Setenv("RECORD", record)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	return home, record
}

func recorded(t *testing.T, record, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(record, file))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func TestLoginGivesTheTokenByStandardInputAlone(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		engines []string
		args    []string
		engine  string
		secret  string
		trusts  bool
	}{
		"docker first":            {[]string{"docker", "podman", "skopeo"}, nil, "docker", "factory-pull", false},
		"podman without docker":   {[]string{"podman", "skopeo"}, nil, "podman", "factory-pull", true},
		"skopeo alone":            {[]string{"skopeo"}, nil, "skopeo", "factory-pull", true},
		"the one that is named":   {[]string{"docker", "skopeo"}, []string{"--engine=skopeo"}, "skopeo", "factory-pull", true},
		"the login that pushes":   {[]string{"podman"}, []string{"--role", "publish"}, "podman", "factory-publish", true},
		"the CA is left alone":    {[]string{"podman"}, []string{"--no-ca"}, "podman", "factory-pull", false},
		"docker without the CA":   {[]string{"docker"}, []string{"--no-ca"}, "docker", "factory-pull", false},
		"podman beside a pulling": {[]string{"podman"}, []string{"--role=pull"}, "podman", "factory-pull", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			home, record := machine(t, c.engines...)
			secret := w.secret(t, c.secret)
			token, host := string(secret[handoff.KeyToken]), string(secret[handoff.KeyHost])
			got := runAs(t, projectAdmin, append([]string{"login", factory}, c.args...)...)
			g.Expect(strings.Contains(got.out+got.err, token)).To(BeFalse(), "a token is shown")
			g.Expect(got.status).To(Equal(ExitDone), got.err)
			g.Expect(recorded(t, record, "argv")).To(Equal(strings.Join([]string{
				c.engine, "login", "--username=" + string(secret[handoff.KeyUser]), "--password-stdin", host, "",
			}, "\n")))
			g.Expect(recorded(t, record, "stdin") == token).To(BeTrue(), "its standard input is the token alone")
			g.Expect(strings.Contains(recorded(t, record, "env"), token)).To(BeFalse(), "its environment has no token")
			g.Expect(got.err).To(And(ContainSubstring(`Login Succeeded \x1b[2J [redacted]`), ContainSubstring("logged in to "+host), Not(ContainSubstring("\x1b"))))
			installed := filepath.Join(home, ".config/containers/certs.d", host, "ca.crt")
			if c.trusts {
				g.Expect(recorded(t, filepath.Dir(installed), "ca.crt")).To(ContainSubstring(string(secret[handoff.KeyCA])))
			} else {
				g.Expect(installed).NotTo(BeAnExistingFile())
			}
		})
	}
}

func TestAFailedLoginSaysWhatTheEngineSaid(t *testing.T) {
	g := NewWithT(t)
	newWorld(t)
	machine(t, "docker")
	t.Setenv("ENGINE_ENDS", "3")
	got := runAs(t, projectAdmin, "login", factory)
	g.Expect(got.status).To(Equal(ExitNotReady))
	g.Expect(got.err).To(And(ContainSubstring("Login Succeeded"), ContainSubstring("exit status 3"), ContainSubstring("kubectl edgereg bootstrap factory | sudo sh")))
}

func TestWithoutAnEngineNothingIsDone(t *testing.T) {
	g := NewWithT(t)
	newWorld(t)
	home, _ := machine(t)
	got := runAs(t, projectAdmin, "login", factory)
	g.Expect(got.status).To(Equal(ExitNotReady))
	g.Expect(got.err).To(ContainSubstring("none of docker, podman, skopeo is installed here"))
	g.Expect(runAs(t, projectAdmin, "login", factory, "--engine=podman").err).To(ContainSubstring("podman is not installed here"))
	g.Expect(filepath.Join(home, ".config")).NotTo(BeADirectory())
}
