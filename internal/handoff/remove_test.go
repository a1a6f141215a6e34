// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestScriptRemovesWhatItInstalled(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, content := range map[string]string{
			"as it is":               writtenCA(registryCA().pem),
			"of an older CA":         writtenCA(foreignCA().pem),
			"of two CAs":             writtenCA(append(foreignCA().pem, registryCA().pem...)),
			"put there by hand":      string(registryCA().pem),
			"with a comment of both": writtenCA([]byte("# more\n" + string(registryCA().pem))),
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				m := m.another(t)
				m.write(dockerFile, content, 0o644)
				m.write(podmanFile, content, 0o644)
				g.Expect(m.run("--root", m.root, "--remove", "--dry-run").stdout).To(Equal(
					"would remove " + m.root + dockerFile + "\nwould remove " + m.root + podmanFile + "\n"))
				g.Expect(m.files()).To(ConsistOf(dockerFile, podmanFile))
				g.Expect(m.run("--root", m.root, "--remove")).To(Equal(
					outcome{stdout: "removed " + m.root + dockerFile + "\nremoved " + m.root + podmanFile + "\n"}))
				for range 2 {
					g.Expect(m.files()).To(BeEmpty())
					g.Expect(m.root + filepath.Dir(dockerFile)).NotTo(BeAnExistingFile())
					g.Expect(m.root+filepath.Dir(podmanFile)).NotTo(BeAnExistingFile(), "empty, it would hide Docker's from Podman")
					g.Expect(m.root+filepath.Dir(filepath.Dir(dockerFile))).To(BeADirectory(), "this is of all registries")
					g.Expect(m.run("--root", m.root, "--remove")).To(Equal(
						outcome{stdout: "absent " + m.root + dockerFile + "\nabsent " + m.root + podmanFile + "\n"}))
				}
			})
		}
	})
}

func TestScriptRemovesNothingOfOthers(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		marked := "# Written by node-bootstrap.sh for another.example.test\n" + string(foreignCA().pem)
		m.write(dockerFile, string(foreignCA().pem), 0o644)
		m.write(podmanFile, marked, 0o644)
		client := filepath.Join(filepath.Dir(dockerFile), "client.cert")
		m.write(client, "a certificate\n", 0o600)
		for range 2 {
			result := m.run("--root", m.root, "--remove")
			g.Expect(result.code).To(BeZero())
			g.Expect(result.stdout).To(BeEmpty())
			for _, file := range []string{dockerFile, podmanFile} {
				g.Expect(result.stderr).To(ContainSubstring("left " + m.root + file + ": it is not from this script"))
			}
		}
		g.Expect(os.ReadFile(m.root + dockerFile)).To(Equal(foreignCA().pem))
		g.Expect(os.ReadFile(m.root + podmanFile)).To(BeEquivalentTo(marked))

		m.write(dockerFile, string(registryCA().pem), 0o644)
		g.Expect(m.run("--root", m.root, "--remove").stdout).To(Equal("removed " + m.root + dockerFile + "\n"))
		g.Expect(m.files()).To(ConsistOf(podmanFile, client))
	})
}

func TestScriptRemovesTheLoginOnlyWhenAsked(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		file := "/root" + dockerLogin
		login := m.loginFile(pullLogin())
		g.Expect(m.run("--root", m.root, "--login", login).code).To(BeZero())
		g.Expect(m.run("--root", m.root, "--remove").code).To(BeZero())
		g.Expect(m.files()).To(ConsistOf(file))
		g.Expect(m.run("--root", m.root, "--remove", "--login", "--dry-run").stdout).To(HaveSuffix("would remove " + m.root + file + "\n"))
		g.Expect(m.files()).To(ConsistOf(file))
		g.Expect(m.run("--root", m.root, "--remove", "--login").stdout).To(HaveSuffix("removed " + m.root + file + "\n"))
		g.Expect(m.files()).To(BeEmpty())
		again := m.run("--root", m.root, "--login", login+"-is-gone", "--remove")
		g.Expect(again.code).To(BeZero(), "what made it undoes it, and reads no login")
		g.Expect(again.stderr).To(BeEmpty())

		others := strings.Replace(otherLogins, "other.", host+`":{"auth":"eDp5"},"other.`, 1)
		m.write(file, others, 0o600)
		result := m.run("--root", m.root, "--remove", "--login")
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stderr).To(Equal("node-bootstrap.sh: left a login for " + host + " in " + m.root + file + ": remove it by hand\n"))
		g.Expect(os.ReadFile(m.root + file)).To(BeEquivalentTo(others))
	})
}

func TestScriptHasTheEnginesRemoveTheLogin(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.mac()
		// They empty their file, as an engine does that knows no other login.
		m.engine("docker", `echo '{"auths":{}}' >"`+m.home+dockerLogin+`"`)
		m.engine("podman", `echo '{"auths":{}}' >"`+m.home+podmanLogin+`"`)
		for _, file := range []string{dockerLogin, podmanLogin} {
			g.Expect(os.MkdirAll(filepath.Dir(m.home+file), 0o700)).To(Succeed())
			g.Expect(os.WriteFile(m.home+file, []byte(otherLogins), 0o600)).To(Succeed())
		}
		g.Expect(m.run("--remove", "--login").code).To(BeZero())
		g.Expect(m.calls()).To(BeEmpty(), "there is no login to remove")

		for _, file := range []string{dockerLogin, podmanLogin} {
			g.Expect(os.WriteFile(m.home+file, []byte(`{"auths":{"`+host+`":{}},"credsStore":"pass"}`), 0o600)).To(Succeed())
		}
		g.Expect(m.run("--remove", "--login", "--dry-run").stdout).To(HaveSuffix("would remove the login by docker\nwould remove the login by podman\n"))
		g.Expect(m.run("--remove").code).To(BeZero())
		g.Expect(m.calls()).To(BeEmpty())
		result := m.run("--remove", "--login")
		g.Expect(result.code).To(BeZero())
		g.Expect(result.stderr).To(BeEmpty())
		g.Expect(result.stdout).To(HaveSuffix("removed the login by docker\nremoved the login by podman\n"))
		g.Expect(m.calls()).To(Equal([]string{
			"docker logout " + host + " HOME=" + m.home,
			"podman logout --authfile " + m.home + podmanLogin + " " + host + " HOME=" + m.home,
		}))
		g.Expect(m.run("--remove", "--login").code).To(BeZero())
		g.Expect(m.calls()).To(BeEmpty())
	})
}

func TestScriptSaysWhatItCouldNotRemove(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.write(dockerFile, string(registryCA().pem), 0o644)
		m.shim("rm", "echo 'read-only file system' >&2; exit 1")
		result := m.run("--root", m.root, "--remove")
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(HaveSuffix("node-bootstrap.sh: cannot remove " + m.root + dockerFile + "\n"))
		m.user()
		g.Expect(m.run("--remove").stderr).To(ContainSubstring("needs root"))
	})
}

func TestScriptSaysThatDockerDesktopForgetsOnlyWhenItRestarts(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.mac()
		g.Expect(m.run("--no-check").code).To(BeZero())
		g.Expect(m.run("--remove").stdout).To(Equal("removed " + m.home + macFile + "\nrestart Docker Desktop: it reads certificates only when it starts\n"))
		g.Expect(m.run("--remove").stdout).To(Equal("absent " + m.home + macFile + "\n"))
	})
}
