// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	dockerLogin = "/.docker/config.json"
	podmanLogin = "/.config/containers/auth.json"
	// otherLogins is what an engine's file of logins may hold besides.
	otherLogins = `{"auths":{"other.example.test":{"auth":"b3RoZXI6b3RoZXI="}},"credsStore":"pass"}`
)

// pullLogin is the file for --login as the pull Secret has it.
func pullLogin() string {
	return string(must(handoff.PullData(validInput()))[handoff.KeyRegistryAuth])
}

func TestScriptHasTheEnginesOfTheMachineStoreTheLogin(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		const asDocker = "docker login --username edge-puller.factory --password-stdin " + host + " HOME=HOMEDIR <" + pullToken
		asKin := func(tool string) string {
			return tool + " login --authfile HOMEDIR" + podmanLogin + " --username edge-puller.factory --password-stdin " + host +
				" HOME=HOMEDIR <" + pullToken
		}
		for name, test := range map[string]struct {
			mac     bool
			engines []string
			calls   []string
		}{
			"all of them":               {true, []string{"docker", "podman", "skopeo"}, []string{asDocker, asKin("podman")}},
			"Docker alone":              {true, []string{"docker"}, []string{asDocker}},
			"Podman under two names":    {true, []string{"docker-by-podman", "podman"}, []string{asKin("podman")}},
			"a user's Podman":           {false, []string{"docker", "podman", "skopeo"}, []string{asKin("podman")}},
			"a user's Skopeo":           {false, []string{"docker", "skopeo"}, []string{asKin("skopeo")}},
			"what nobody can log in by": {true, nil, nil},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				m := m.another(t)
				options := []string{"--no-check", "--user"}
				m.user()
				if test.mac {
					m.mac()
					options = options[:1]
				}
				for _, engine := range test.engines {
					if engine == "docker-by-podman" {
						m.shim("docker", "echo podman version 4.3.1")
						continue
					}
					m.engine(engine, "")
				}
				g.Expect(m.run(options...).code).To(BeZero())
				g.Expect(m.calls()).To(BeEmpty(), "without --login no engine is asked")
				withLogin := append(options, "--login", m.loginFile(pullLogin()))
				g.Expect(m.run(append(withLogin, "--dry-run")...).code).To(BeZero())
				g.Expect(m.calls()).To(BeEmpty(), "nor by a dry run")

				result := m.run(withLogin...)
				g.Expect(result.code).To(BeZero(), result.stderr)
				var calls []string
				for _, call := range test.calls {
					calls = append(calls, strings.ReplaceAll(call, "HOMEDIR", m.home))
					tool, _, _ := strings.Cut(call, " ")
					g.Expect(result.stdout).To(ContainSubstring("stored the login of edge-puller.factory by " + tool + ": the registry accepts it\n"))
				}
				g.Expect(m.calls()).To(Equal(calls))
				if calls == nil {
					g.Expect(m.home + dockerLogin).To(BeAnExistingFile())
					g.Expect(result.stdout).To(HaveSuffix("not checked the login of edge-puller.factory: no engine tried it\n"))
				} else {
					g.Expect(m.home+dockerLogin).NotTo(BeAnExistingFile(), "the files of engines are theirs")
				}
			})
		}
	})
}

// Other users of a machine see the arguments of every process, and root its environment.
func TestScriptShowsTheTokenToNobody(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, test := range map[string]struct {
			engine string
			traced bool
			args   []string
		}{
			"an engine that stores it":    {engine: ":"},
			"an engine that fails":        {engine: "echo refused >&2; exit 1"},
			"an engine that tells it":     {engine: `echo "bad password $input" >&2; exit 1`},
			"an engine that prints it":    {engine: `echo "welcome $input"`},
			"a file in the root of image": {args: []string{"--root"}},
			"a traced shell":              {engine: ":", traced: true},
			"a traced shell and a file":   {args: []string{"--root"}, traced: true},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				m := m.another(t)
				for _, tool := range scriptTools {
					path := must(os.Readlink(filepath.Join(m.tools, tool)))
					m.shim(tool, `{ echo "`+tool+` $*"; export -p; } >>"`+m.log+`/seen"; exec "`+path+`" "$@"`)
				}
				m.shim("id", `{ echo "id $*"; export -p; } >>"`+m.log+`/seen"; echo 1000`)
				args := []string{"--user"}
				if test.args != nil {
					args = append(test.args, m.root)
				} else {
					m.engine("podman", `{ echo "podman $*"; export -p | sed '/ input=/d'; } >>"`+m.log+`/seen"; `+test.engine)
				}
				if test.traced {
					m.shell = append(m.shell[:len(m.shell):len(m.shell)], "-x")
				}
				m.env = []string{"login_token=before", "login_user=before", "login_auth=before", "answer=before"}
				result := m.run(append(args, "--login", m.loginFile(pullLogin()))...)
				g.Expect(result.stdout + result.stderr).To(ContainSubstring("edge-puller.factory"))
				seen := string(must(os.ReadFile(m.log + "/seen")))
				g.Expect(seen).To(ContainSubstring("mktemp "))
				encoded := base64.StdEncoding.EncodeToString([]byte("edge-puller.factory:" + pullToken))
				for _, secret := range []string{pullToken, encoded} {
					g.Expect(result.stdout+result.stderr).NotTo(ContainSubstring(secret), "printed")
					g.Expect(seen).NotTo(ContainSubstring(secret), "an argument or a variable of a child")
				}
			})
		}
	})
}

func TestScriptStoresTheLoginItselfWhereNoEngineRuns(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.engine("docker", "")
		m.engine("podman", "")
		file := "/root" + dockerLogin
		args := []string{"--root", m.root, "--login", m.loginFile(pullLogin())}
		g.Expect(m.run(args...)).To(Equal(outcome{stdout: "installed " + m.root + dockerFile + "\ninstalled " + m.root + podmanFile +
			"\ninstalled " + m.root + file + "\nnot checked the login of edge-puller.factory: no engine tried it\n"}))
		g.Expect(m.calls()).To(BeEmpty(), "those of this machine are not the image's")
		info := must(os.Stat(m.root + file))
		g.Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o600)))
		g.Expect(must(os.Stat(filepath.Dir(m.root + file))).Mode().Perm()).To(Equal(fs.FileMode(0o700)))
		g.Expect(storedLogin(t, m.root+file)).To(Equal("edge-puller.factory:" + pullToken))

		g.Expect(m.run(args...).stdout).To(ContainSubstring("unchanged " + m.root + file + "\n"))
		g.Expect(os.SameFile(info, must(os.Stat(m.root+file)))).To(BeTrue())
		// The token of a bound service account is this long.
		renewed := "edge-puller.factory:" + strings.Repeat("Renewed-token_1.", 90)
		args[3] = m.loginFile(host + ":" + renewed + "\n")
		g.Expect(m.run(args...).stdout).To(ContainSubstring("installed " + m.root + file + "\n"))
		g.Expect(storedLogin(t, m.root+file)).To(Equal(renewed))
		g.Expect(m.files()).To(ConsistOf(dockerFile, podmanFile, file))
	})
}

// storedLogin returns user:password as Docker and its kin read it.
func storedLogin(t *testing.T, path string) string {
	t.Helper()
	var config struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal(must(os.ReadFile(path)), &config); err != nil {
		t.Fatal(err)
	}
	return string(must(base64.StdEncoding.DecodeString(config.Auths[host].Auth)))
}

func TestScriptLeavesAFileOfOtherLoginsToTheEngines(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		file := "/root" + dockerLogin
		for name, content := range map[string]string{
			"of another registry":     otherLogins,
			"of both":                 `{"auths":{"` + host + `":{"auth":"eDp5"},"other.example.test":{"auth":"eDp5"}}}`,
			"with another setting":    `{"auths":{"` + host + `":{"auth":"eDp5"}},"credsStore":"pass"}`,
			"that is empty":           "",
			"over more than a line":   "{\"auths\":{\"" + host + "\":{\"auth\":\"eDp5\"}}}\n{}\n",
			"of a host like this one": `{"auths":{"x` + host + `":{"auth":"eDp5"}}}`,
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				m := m.another(t)
				m.write(file, content, 0o600)
				result := m.run("--root", m.root, "--login", m.loginFile(pullLogin()))
				g.Expect(result.code).To(Equal(1))
				g.Expect(result.stderr).To(And(HavePrefix("node-bootstrap.sh: "+m.root+file+" holds other settings"), HaveSuffix("move the file away\n")))
				g.Expect(os.ReadFile(m.root + file)).To(BeEquivalentTo(content))
			})
		}
	})
}

func TestScriptRefusesALoginThatIsNotThisRegistrys(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, content := range map[string]string{
			"of another registry":    "other.example.test:edge-puller.factory:" + pullToken,
			"without a user":         host + "::" + pullToken,
			"with an option inside":  host + ":--help:" + pullToken,
			"without a token":        host + ":edge-puller.factory:",
			"of the token alone":     pullToken,
			"with two lines":         host + ":edge-puller.factory\n" + pullToken,
			"with a carriage return": host + ":edge-puller.factory:" + pullToken + "\r\n",
			"that is empty":          "",
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				file := m.another(t).loginFile(content)
				want := outcome{code: 1, stderr: "node-bootstrap.sh: " + file + " is not a login for " + host +
					": give the file of the key HZN_REGISTRY_AUTH or .dockerconfigjson of the pull Secret\n"}
				g.Expect(m.run("--root", m.root, "--login", file)).To(Equal(want))
				g.Expect(os.ReadDir(m.root)).To(BeEmpty(), "nothing is done by halves")
			})
		}
		g := NewWithT(t)
		for _, file := range []string{m.root, m.root + "/absent"} {
			g.Expect(m.run("--root", m.root, "--login", file)).To(Equal(
				outcome{code: 1, stderr: "node-bootstrap.sh: cannot read the login in " + file + "\n"}))
		}
	})
}

func TestScriptSaysWhyTheLoginWasNotStored(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		m.engine("podman", "echo 'level=warning a warning'; echo 'Error: invalid username/password' >&2; exit 125")
		result := m.run("--user", "--no-check", "--login", m.loginFile(pullLogin()))
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stdout).NotTo(ContainSubstring("stored"))
		g.Expect(result.stderr).To(Equal("node-bootstrap.sh: podman cannot log in to " + host +
			" as edge-puller.factory: fetch the login again if it has expired (podman: Error: invalid username/password)\n"))
		g.Expect(m.home+userFile).To(BeAnExistingFile(), "the CA is of use without a login")
	})
}

func TestScriptWarnsOfALoginThatPodmanPrefers(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		m.engine("podman", "")
		m.env = []string{"XDG_RUNTIME_DIR=" + m.root + "/run"}
		args := []string{"--user", "--no-check", "--login", m.loginFile(pullLogin())}
		m.write("/run/containers/auth.json", otherLogins, 0o600)
		g.Expect(m.run(args...).stderr).To(BeEmpty())
		m.write("/run/containers/auth.json", `{"auths":{"`+host+`":{"auth":"eDp5"}}}`, 0o600)
		result := m.run(args...)
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stderr).To(ContainSubstring("podman logout --authfile " + m.root + "/run/containers/auth.json " + host))
	})
}

func TestScriptLogsInOnMacOSAsTheUserOnceDockerKnowsTheCA(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.mac()
		m.engine("docker", "")
		args := []string{"--no-check", "--login", m.loginFile(pullLogin())}
		first := m.run(args...)
		g.Expect(first.code).To(Equal(1))
		g.Expect(first.stdout).To(HaveSuffix("\nrestart Docker Desktop: it reads certificates only when it starts\n"))
		g.Expect(first.stderr).To(ContainSubstring("run this again"))
		g.Expect(m.calls()).To(BeEmpty())
		g.Expect(m.run(args...).code).To(BeZero())
		g.Expect(m.calls()).To(HaveLen(1))

		m.shim("id", "echo 0")
		g.Expect(m.run(args...).stderr).To(ContainSubstring("without sudo"))
		g.Expect(m.calls()).To(BeEmpty())
	})
}

func TestScriptStoresRootsLoginWhereverSudoPointsHome(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("id", "echo 0")
		args := []string{"--dry-run", "--login", m.loginFile(pullLogin())}
		g.Expect(m.run(args...).stdout).To(ContainSubstring("would install " + m.home + dockerLogin + "\n"))
		m.env = []string{"SUDO_USER=someone"}
		result := m.run(args...)
		g.Expect(result.stdout + result.stderr).To(ContainSubstring(must(user.LookupId("0")).HomeDir + dockerLogin))
		g.Expect(result.stdout + result.stderr).NotTo(ContainSubstring(m.home + dockerLogin))
	})
}

// The real programs log in to a real server, as far as this machine has them.
func TestScriptStoresTheLoginByRealEngines(t *testing.T) {
	for _, engine := range []string{"docker", "podman", "skopeo"} {
		t.Run(engine, func(t *testing.T) {
			path, err := exec.LookPath(engine)
			if err != nil {
				t.Skipf("%s is not installed", engine)
			}
			proxy := proxyTo(t, serveLogin(t, "edge-puller.factory", pullToken))
			forEachShell(t, func(t *testing.T, m *machine) {
				g := NewWithT(t)
				g.Expect(os.Symlink(path, filepath.Join(m.tools, engine))).To(Succeed())
				m.env = []string{"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "NO_PROXY=", "no_proxy="}
				if engine != "docker" {
					m.user()
					logInAndOut(t, m, podmanLogin, "--no-check", "--user")
					return
				}
				// Docker's client logs in itself when no daemon answers, and
				// takes the CA from the system.
				m.mac()
				m.env = append(m.env, "DOCKER_HOST=unix:///nonexistent", "SSL_CERT_FILE="+m.home+macFile)
				logInAndOut(t, m, dockerLogin, "--no-check")
			})
		})
	}
}

func logInAndOut(t *testing.T, m *machine, file string, options ...string) {
	t.Helper()
	g := NewWithT(t)
	const others = `{"auths":{"other.example.test":{"auth":"b3RoZXI6b3RoZXI="}}}`
	g.Expect(os.MkdirAll(filepath.Dir(m.home+file), 0o700)).To(Succeed())
	g.Expect(os.WriteFile(m.home+file, []byte(others), 0o600)).To(Succeed())
	g.Expect(m.run(options...).code).To(BeZero())

	result := m.run(append(options, "--login", m.loginFile(host+":edge-puller.factory:expired"))...)
	g.Expect(result.code).To(Equal(1), result.stdout)
	g.Expect(os.ReadFile(m.home + file)).To(MatchJSON(others))

	options = append(options, "--login", m.loginFile(pullLogin()))
	for range 2 {
		result = m.run(options...)
		g.Expect(result.code).To(BeZero(), result.stderr)
		g.Expect(storedLogin(t, m.home+file)).To(Equal("edge-puller.factory:" + pullToken))
		g.Expect(must(os.Stat(m.home + file)).Mode().Perm()).To(Equal(fs.FileMode(0o600)))
		g.Expect(os.ReadFile(m.home + file)).To(ContainSubstring("b3RoZXI6b3RoZXI="))
	}
	for range 2 {
		g.Expect(m.run(append(options, "--remove")...).code).To(BeZero())
		g.Expect(os.ReadFile(m.home + file)).To(MatchJSON(others))
	}
}
