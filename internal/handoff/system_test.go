// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// forEachSystem runs a test in every shell, where the machine's root takes the
// place of the system's own /etc and of root's home, in a mount namespace.
func forEachSystem(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = exec.Command(unshare, "--mount", "true").Run()
	}
	if err != nil {
		t.Skipf("cannot make a mount namespace: %v", err)
	}
	mount := must(exec.LookPath("mount"))
	forEachShell(t, func(t *testing.T, m *machine) {
		m.write("/etc/passwd", string(must(os.ReadFile("/etc/passwd"))), 0o644)
		if err := os.Mkdir(m.root+"/root", 0o700); err != nil {
			t.Fatal(err)
		}
		const enter = `"$0" --bind "$1" /etc && "$0" --bind "$2" ~root && shift 2 && exec "$@"`
		m.shell = append([]string{unshare, "--mount", "/bin/sh", "-c", enter, mount, m.root + "/etc", m.root + "/root"}, m.shell...)
		test(t, m)
	})
}

func TestScriptServesTheMachineItself(t *testing.T) {
	forEachSystem(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.engine("docker", "")
		m.engine("skopeo", "")
		m.env = []string{"SUDO_USER=someone"}
		result := m.run("--no-check", "--login", m.loginFile(pullLogin()))
		g.Expect(result).To(Equal(outcome{stdout: "installed " + dockerFile + "\ninstalled " + podmanFile +
			"\nstored the login of edge-puller.factory by docker: the registry accepts it\nstored the login of edge-puller.factory by skopeo: the registry accepts it\n"}))
		g.Expect(m.files()).To(ConsistOf(dockerFile, podmanFile, "/etc/passwd"))
		g.Expect(m.calls()).To(Equal([]string{
			"docker login --username edge-puller.factory --password-stdin " + host + " HOME=/root <" + pullToken,
			"skopeo login --authfile /root" + podmanLogin + " --username edge-puller.factory --password-stdin " + host + " HOME=/root <" + pullToken,
		}), "sudo may leave the caller's HOME")
		g.Expect(m.run("--remove", "--login").stdout).To(Equal("removed " + dockerFile + "\nremoved " + podmanFile + "\n"))
		g.Expect(m.files()).To(ConsistOf("/etc/passwd"))
	})
}

func TestScriptHidesNothingOfTheMachinesFromAUsersPodman(t *testing.T) {
	forEachSystem(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.user()
		m.write(dockerFile, "an older CA\n", 0o644)
		client := filepath.Join(filepath.Dir(dockerFile), "client.cert")
		m.write(client, "", 0o644)
		m.write(filepath.Join(filepath.Dir(dockerFile), "client.key"), "", 0o600)
		result := m.run("--user", "--no-check")
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stderr).To(ContainSubstring("would hide " + client + " from Podman"))
		g.Expect(m.home + userFile).NotTo(BeAnExistingFile())

		m.write(podmanFile, "an older CA\n", 0o644)
		g.Expect(m.run("--user", "--no-check").code).To(BeZero(), "Podman does not read Docker's directory then")
		g.Expect(m.home + userFile).To(BeAnExistingFile())
	})
}
