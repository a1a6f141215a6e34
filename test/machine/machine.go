// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine is where the real programs of consumers run in tests: with a home and a storage for images of its own, and
// the keys of one published Secret as files, as a volume or `oc extract` makes them.
package machine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// patience bounds each program.
const patience = 2 * time.Minute

// Machine runs programs. Its methods end the test that it was made for when something fails.
type Machine struct {
	// Home is a folder that ends with the test.
	Home string
	// Env is the environment of programs; what is appended counts more.
	Env []string

	t       *testing.T
	keys    string
	secret  *corev1.Secret
	secrets []*corev1.Secret
}

// New is a machine with a Secret. A program that prints the token of this or of one of the others fails the test.
func New(t *testing.T, secret *corev1.Secret, others ...*corev1.Secret) *Machine {
	t.Helper()
	m := &Machine{t: t, Home: t.TempDir(), keys: t.TempDir(), secret: secret, secrets: append(others, secret)}
	for key, value := range secret.Data {
		m.Write(filepath.Join(m.keys, key), string(value))
	}
	storage := filepath.Join(m.Home, "storage.conf")
	m.Write(storage, fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", m.Home+"/images", m.Home+"/run"))
	m.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.Home, "TMPDIR=" + m.Home, "XDG_RUNTIME_DIR=" + m.Home,
		"CONTAINERS_STORAGE_CONF=" + storage, "BUILDAH_ISOLATION=chroot",
	}
	return m
}

// Write makes a file and the folders on the way to it.
func (m *Machine) Write(path, content string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Read returns a file.
func (m *Machine) Read(path string) string {
	m.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(content)
}

// Key is the path of a key of the Secret.
func (m *Machine) Key(name string) string { return filepath.Join(m.keys, name) }

// Certs is a folder as Podman's --cert-dir wants it: with ca.crt and nothing else.
func (m *Machine) Certs() string {
	m.t.Helper()
	folder := filepath.Join(m.Home, "certs")
	m.Write(filepath.Join(folder, "ca.crt"), m.Read(m.Key("ca.crt")))
	return folder
}

// Docker has the programs that read Docker's configuration find the login.
func (m *Machine) Docker() {
	m.t.Helper()
	m.Write(filepath.Join(m.Home, "docker/config.json"), m.Read(m.Key(corev1.DockerConfigJsonKey)))
	m.Env = append(m.Env, "DOCKER_CONFIG="+m.Home+"/docker")
}

// Service makes a folder with a service to build.
func (m *Machine) Service() string {
	m.t.Helper()
	folder := filepath.Join(m.Home, "service")
	m.Write(filepath.Join(folder, "hello"), "hello")
	m.Write(filepath.Join(folder, "Dockerfile"), "FROM scratch\nCOPY hello /hello\n")
	m.Write(filepath.Join(folder, "horizon/service.definition.json"), `{"image": "$SERVICE_IMAGE"}`)
	return folder
}

// Scripted gives publish.sh all that it needs. It returns a folder of PATH, in which hzn only writes down what it is to
// publish, into the file published of the home.
func (m *Machine) Scripted(engine string) (tools string) {
	m.t.Helper()
	service, tools := m.Service(), m.t.TempDir()
	m.Tool(tools, "hzn", `echo "hzn $*"; printf '%s' "$SERVICE_IMAGE" >"$HOME/published"`)
	m.Env = append(m.Env,
		"PATH="+tools+":"+os.Getenv("PATH"), "ENGINE="+engine, "CA_FILE="+m.Key("ca.crt"),
		"BASE=sensor-"+engine, "VERSION=1.0.0", "ARCH=amd64 arm64", "CONTEXT="+service,
		"DEFINITION="+service+"/horizon/service.definition.json",
		"HZN_ORG_ID=myorg", "HZN_EXCHANGE_URL=https://hub.example.test/v1", "HZN_EXCHANGE_USER_AUTH=me:password")
	for key, value := range m.secret.Data { // As envFrom does.
		m.Env = append(m.Env, fmt.Sprintf("%s=%s", key, value))
	}
	return tools
}

// PublishScript is the path of publish.sh.
func PublishScript() string { return filepath.Join(env.RepoRoot(), "config/consumers/publish.sh") }

// Archive makes an OCI layout with a small image in it, and returns its digest.
func Archive(t *testing.T) (path, digest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "image")
	g := NewWithT(t)
	image, err := random.Image(256, 2)
	g.Expect(err).NotTo(HaveOccurred())
	empty, err := random.Index(256, 1, 0)
	g.Expect(err).NotTo(HaveOccurred())
	index, err := layout.Write(path, empty)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(index.AppendImage(image)).To(Succeed())
	hash, err := image.Digest()
	g.Expect(err).NotTo(HaveOccurred())
	return path, hash.String()
}

// Tool makes a program of one line.
func (m *Machine) Tool(folder, name, line string) {
	m.t.Helper()
	path := filepath.Join(folder, name)
	m.Write(path, "#!/bin/sh\n"+line+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// Run returns what the program printed on both outputs.
func (m *Machine) Run(name string, args ...string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env, command.Dir = m.Env, m.Home
	output, err := command.CombinedOutput()
	for _, secret := range m.secrets {
		if bytes.Contains(output, secret.Data["OCP_TOKEN"]) {
			m.t.Fatalf("%s prints a token", name)
		}
	}
	return string(output), err
}

// Do is a run that must succeed.
func (m *Machine) Do(name string, args ...string) string {
	m.t.Helper()
	output, err := m.Run(name, args...)
	NewWithT(m.t).Expect(err).NotTo(HaveOccurred(), "%s %s: %s", name, args, output)
	return output
}

// Refused is a run that the registry must refuse, for want of rights or of trust: a pattern of what is said of it then.
func (m *Machine) Refused(because, name string, args ...string) {
	m.t.Helper()
	output, err := m.Run(name, args...)
	NewWithT(m.t).Expect(err).To(HaveOccurred(), "%s %s", name, args)
	NewWithT(m.t).Expect(strings.ToLower(output)).To(MatchRegexp(because))
}

// Program skips the test where a program is missing.
func Program(t *testing.T, name, install string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: %s", name, install)
	}
}

// Engine skips the test where a program that builds images is missing, or cannot.
func Engine(t *testing.T, name string) {
	t.Helper()
	Program(t, name, "Debian's package "+name)
	if os.Getuid() != 0 {
		t.Skip("without root it needs subordinate user ids")
	}
}
