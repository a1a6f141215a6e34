// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/shells"
)

const (
	dockerFile = "/etc/docker/certs.d/" + host + "/ca.crt"
	podmanFile = "/etc/containers/certs.d/" + host + "/ca.crt"
	userFile   = "/.config/containers/certs.d/" + host + "/ca.crt"
	macFile    = "/.docker/certs.d/" + host + "/ca.crt"
)

func TestScriptInstallsOnceForDockerAndPodman(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		first := m.run("--root", m.root)
		g.Expect(first).To(Equal(outcome{stdout: "installed " + m.root + dockerFile + "\ninstalled " + m.root + podmanFile + "\n"}))
		before := map[string]fs.FileInfo{}
		for _, file := range []string{dockerFile, podmanFile} {
			path := m.root + file
			g.Expect(os.ReadFile(path)).To(BeEquivalentTo(writtenCA(registryCA().pem)))
			before[path] = must(os.Stat(path))
			g.Expect(before[path].Mode().Perm()).To(Equal(fs.FileMode(0o644)))
			for dir := filepath.Dir(path); dir != m.root; dir = filepath.Dir(dir) {
				g.Expect(must(os.Stat(dir)).Mode().Perm()).To(Equal(fs.FileMode(0o755)), dir)
			}
		}

		second := m.run("--root=" + m.root)
		g.Expect(second).To(Equal(outcome{stdout: "unchanged " + m.root + dockerFile + "\nunchanged " + m.root + podmanFile + "\n"}))
		for path, info := range before {
			g.Expect(os.SameFile(info, must(os.Stat(path)))).To(BeTrue(), "%s was replaced", path)
		}
		g.Expect(m.files()).To(ConsistOf(dockerFile, podmanFile), "nothing is left beside the CA")
	})
}

func TestScriptReplacesOnlyWhatDiffers(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.write(dockerFile, "an older CA\n", 0o644)
		m.write(podmanFile, string(registryCA().pem), 0o600)
		other := filepath.Join(filepath.Dir(podmanFile), "other.crt")
		m.write(other, "another CA\n", 0o600)

		g.Expect(m.run("--root", m.root)).To(Equal(outcome{stdout: "installed " + m.root + dockerFile + "\ninstalled " + m.root + podmanFile + "\n"}))
		g.Expect(os.ReadFile(m.root + dockerFile)).To(BeEquivalentTo(writtenCA(registryCA().pem)))
		g.Expect(must(os.Stat(m.root + podmanFile)).Mode().Perm()).To(Equal(fs.FileMode(0o644)))
		g.Expect(os.ReadFile(m.root + other)).To(BeEquivalentTo("another CA\n"))
		g.Expect(must(os.Stat(m.root + other)).Mode().Perm()).To(Equal(fs.FileMode(0o600)))
	})
}

func TestScriptChangesNothingOnDryRun(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		want := outcome{stdout: "would install " + m.root + dockerFile + "\nwould install " + m.root + podmanFile + "\n"}
		g.Expect(m.run("--root", m.root, "--dry-run")).To(Equal(want))
		g.Expect(os.ReadDir(m.root)).To(BeEmpty())
	})
}

func TestScriptKeepsDockersFilesInSightOfPodman(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.write(filepath.Join(filepath.Dir(dockerFile), "client.cert"), "", 0o644)
		m.write(filepath.Join(filepath.Dir(dockerFile), "client.key"), "", 0o600)
		result := m.run("--root", m.root)
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stdout).To(ContainSubstring("left out " + m.root + filepath.Dir(podmanFile) + ": it would hide " + m.root + filepath.Dir(dockerFile) + "/client.cert"))
		g.Expect(m.root + filepath.Dir(podmanFile)).NotTo(BeAnExistingFile())

		g.Expect(os.MkdirAll(m.root+filepath.Dir(podmanFile), 0o755)).To(Succeed())
		g.Expect(m.run("--root", m.root).stdout).To(Equal("unchanged " + m.root + dockerFile + "\ninstalled " + m.root + podmanFile + "\n"))
	})
}

func TestScriptRefusesWrongUsage(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, args := range map[string][]string{
			"an unknown option":       {"--uninstall"},
			"--user for an image":     {"--root", m.root, "--user"},
			"--login without value":   {"--root", m.root, "--login"},
			"--login with an option":  {"--login", "--root", m.root},
			"--login with none in ''": {"--root", m.root, "--login", ""},
			"--login= with none":      {"--root", m.root, "--login="},
			"--login of the input":    {"--root", m.root, "--login", "-"},
			"an argument":             {"--root", m.root, "install"},
			"an empty argument":       {"--root", m.root, ""},
			"--root without value":    {"--root"},
			"--root with none in ''":  {"--root", ""},
			"--root= with none":       {"--root="},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				result := m.run(args...)
				g.Expect(result.code).To(Equal(2))
				g.Expect(result.stdout).To(BeEmpty())
				g.Expect(result.stderr).To(And(HavePrefix("node-bootstrap.sh: "), HaveSuffix(": see --help\n")))
				g.Expect(os.ReadDir(m.root)).To(BeEmpty())
			})
		}
	})
}

func TestScriptMakesNoRootOfItsOwn(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		absent := m.root + "/absent"
		g.Expect(m.run("--root", absent)).To(Equal(outcome{stderr: "node-bootstrap.sh: --root " + absent + ": no such directory\n", code: 1}))
		g.Expect(absent).NotTo(BeAnExistingFile())
	})
}

func TestScriptSaysWhatIsInTheWay(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, test := range map[string]struct {
			block func(t *testing.T, m *machine)
			says  string
		}{
			"a directory for the file": {func(t *testing.T, m *machine) {
				if err := os.MkdirAll(m.root+dockerFile, 0o755); err != nil {
					t.Fatal(err)
				}
			}, dockerFile + " is a directory: "},
			"a file for a directory": {func(_ *testing.T, m *machine) { m.write("/etc/docker", "", 0o644) }, "/etc/docker is not a directory: "},
			"a link to nowhere": {func(t *testing.T, m *machine) {
				if err := os.Symlink("nowhere", m.root+"/etc"); err != nil {
					t.Fatal(err)
				}
			}, "/etc is not a directory: "},
		} {
			for _, option := range []string{"--no-check", "--dry-run"} {
				t.Run(name+" with "+option, func(t *testing.T) {
					g := NewWithT(t)
					blocked := m.another(t)
					test.block(t, blocked)
					result := blocked.run("--root", blocked.root, option)
					g.Expect(result.code).To(Equal(1))
					g.Expect(result.stdout).To(BeEmpty())
					g.Expect(result.stderr).To(Equal("node-bootstrap.sh: " + blocked.root + test.says + "move it away and run this again\n"))
				})
			}
		}
	})
}

func TestScriptEndsWhereItCannotWrite(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for tool, says := range map[string]string{
			"mkdir":  "cannot make the directory ",
			"mktemp": "cannot write into ",
			"chmod":  "cannot set the mode of ",
			"mv":     "cannot replace ",
		} {
			t.Run(tool, func(t *testing.T) {
				g := NewWithT(t)
				full := m.another(t)
				full.write(dockerFile, "an older CA\n", 0o644)
				full.write("/etc/containers/keep", "", 0o644)
				if tool == "mkdir" {
					full.write(dockerFile, string(registryCA().pem), 0o644)
				}
				full.shim(tool, "echo 'no space left' >&2; exit 1")
				result := full.run("--root", full.root)
				g.Expect(result.code).To(Equal(1))
				g.Expect(result.stdout).NotTo(ContainSubstring("installed"))
				g.Expect(result.stderr).To(And(HavePrefix("no space left\n"), ContainSubstring("node-bootstrap.sh: "+says+full.root)))
				g.Expect(full.files()).To(ConsistOf(dockerFile, "/etc/containers/keep"), "what was staged is removed")
			})
		}
	})
}

func TestScriptNeedsRootForTheSystemItself(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("id", "echo 1000")
		result := m.run()
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stdout).To(BeEmpty())
		g.Expect(result.stderr).To(And(ContainSubstring("sudo"), HaveSuffix("\n")))
		g.Expect(strings.Count(result.stderr, "\n")).To(Equal(1))
		g.Expect(m.run("--dry-run").code).To(BeZero(), "looking needs no rights")
	})
}

func TestScriptRefusesASystemItDoesNotKnow(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("uname", "echo Plan9")
		result := m.run()
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(ContainSubstring("Plan9"))
		g.Expect(m.run("--root", m.root).code).To(BeZero(), "an image for Linux can be made anywhere")
	})
}

func TestScriptInstallsForDockerDesktopOnMacOS(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("uname", "echo Darwin")
		m.shim("id", "echo 501")
		const restart = "restart Docker Desktop: it reads certificates only when it starts\n"
		g.Expect(m.run("--dry-run")).To(Equal(outcome{stdout: "would install " + m.home + macFile + "\n" + restart}))
		g.Expect(m.run("--no-check")).To(Equal(outcome{stdout: "installed " + m.home + macFile + "\n" + restart}))
		g.Expect(os.ReadFile(m.home + macFile)).To(BeEquivalentTo(writtenCA(registryCA().pem)))
		g.Expect(m.run("--no-check")).To(Equal(outcome{stdout: "unchanged " + m.home + macFile + "\n"}))

		m.home += "/absent"
		result := m.run("--no-check")
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(ContainSubstring(m.home))
	})
}

func TestScriptUsesTheHomeOfWhoCalledSudo(t *testing.T) {
	caller := must(user.Current())
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("uname", "echo Darwin")
		m.shim("id", "echo 0")
		m.env = []string{"SUDO_USER=" + caller.Username}
		g.Expect(m.run("--dry-run").stdout).To(MatchRegexp("(would install|unchanged) " + caller.HomeDir + macFile))
		for _, hostile := range []string{"x;echo>" + m.root + "/pwned", "-x", "$(id)", "a b"} {
			m.env = []string{"SUDO_USER=" + hostile}
			g.Expect(m.run("--dry-run").stdout).To(ContainSubstring("would install " + m.home + macFile))
		}
		g.Expect(os.ReadDir(m.root)).To(BeEmpty())
	})
}

func TestScriptGivesWhatItMakesInAHomeToItsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("uname", "echo Darwin")
		g.Expect(os.Chown(m.home, 12345, 12346)).To(Succeed())
		g.Expect(m.run("--no-check").code).To(BeZero())
		for path := m.home + macFile; path != m.home; path = filepath.Dir(path) {
			owner := must(os.Stat(path)).Sys().(*syscall.Stat_t)
			g.Expect([]uint32{owner.Uid, owner.Gid}).To(Equal([]uint32{12345, 12346}), path)
		}
	})
}

func TestScriptWarnsOfADirectoryThatHidesTheCA(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("id", "echo 1000")
		g.Expect(m.run("--dry-run").stderr).To(BeEmpty())
		own := m.home + "/.config/containers/certs.d/" + host
		g.Expect(os.MkdirAll(own, 0o755)).To(Succeed())
		g.Expect(strings.Count(m.run("--dry-run").stderr, "warning: ")).To(Equal(1))
		g.Expect(m.run("--dry-run").stderr).To(ContainSubstring(own))
		g.Expect(m.run("--root", m.root, "--dry-run").stderr).To(BeEmpty(), "an image has no user yet")
		m.shim("id", "echo 0")
		m.env = []string{"SUDO_USER=" + must(user.Current()).Username}
		g.Expect(m.run("--dry-run").stderr).To(ContainSubstring(own), "root pulls too, whoever called sudo")
		g.Expect(os.WriteFile(own+"/ca.crt", registryCA().pem, 0o600)).To(Succeed())
		g.Expect(os.Chmod(own+"/ca.crt", 0o644)).To(Succeed())
		g.Expect(m.run("--dry-run").stderr).To(BeEmpty())
	})
}

func TestScriptExplainsItself(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		result := m.run("--help")
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stderr).To(BeEmpty())
		for _, word := range []string{
			host + "/" + project + "/NAME:TAG", dockerFile, podmanFile, userFile, macFile, handoff.KeyRegistryAuth,
			"--user", "--root", "--login", "--remove", "--dry-run", "--check", "--no-check",
		} {
			g.Expect(result.stdout).To(ContainSubstring(word))
		}
		g.Expect(result.stdout).NotTo(ContainSubstring("@"))
	})
}

func TestScriptCutShortDoesNothing(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		// Every run ends at the name of the system, so that a cut that does run shows there.
		m.shim("uname", "echo Plan9")
		whole := m.script
		for _, cut := range shells.Cuts(whole) {
			m.script = cut
			g.Expect(m.run("--root", m.root).stdout).To(BeEmpty())
			g.Expect(m.run().stderr).NotTo(ContainSubstring("Plan9"), "cut at %d of %d", len(cut), len(whole))
		}
		g.Expect(os.ReadDir(m.root)).To(BeEmpty())
	})
}

func TestScriptIsFreeOfShellcheckFindings(t *testing.T) {
	shells.Check(t, bootstrapScript())
}
