// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package consumers_test gives both Secrets of a real EdgeRegistry, unmodified, to
// the real programs that read them, against the registry stand-in over real TLS.
package consumers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/operator"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	edgeName = "factory"
	patience = 2 * time.Minute
	often    = 100 * time.Millisecond
)

var (
	openShift *platform.Platform
	// publish and pull are the Secrets of one EdgeRegistry that is Ready.
	publish, pull *corev1.Secret
)

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	control, err := env.Start(ctx, env.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = control.Stop() }()
	if openShift, err = platform.Start(ctx, platform.Options{Env: control}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer openShift.Stop()
	stop, err := operator.Start(ctx, control, openShift)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	if err := makeSecrets(ctx, control.Client()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// makeSecrets applies an EdgeRegistry, waits until it is Ready, and reads its Secrets.
func makeSecrets(ctx context.Context, api client.Client) error {
	edge := &edgev1.EdgeRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: edgeName},
		Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
	}
	if err := api.Create(ctx, edge); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.Ready) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the EdgeRegistry is not Ready: %v", edge.Status.Conditions)
		case <-time.After(often):
		}
		if err := api.Get(ctx, client.ObjectKeyFromObject(edge), edge); err != nil {
			return err
		}
	}
	publish, pull = &corev1.Secret{}, &corev1.Secret{}
	return errors.Join(
		api.Get(ctx, client.ObjectKey{Namespace: edgeName, Name: edgeName + "-publish"}, publish),
		api.Get(ctx, client.ObjectKey{Namespace: edgeName, Name: edgeName + "-pull"}, pull))
}

// machine is where a program runs: a home, storage for images, and the keys of one
// Secret as files, as a volume or `oc extract` makes them.
type machine struct {
	t    *testing.T
	home string
	keys string
	env  []string
}

func newMachine(t *testing.T, secret *corev1.Secret) *machine {
	t.Helper()
	m := &machine{t: t, home: t.TempDir(), keys: t.TempDir()}
	for key, value := range secret.Data {
		m.write(filepath.Join(m.keys, key), string(value))
	}
	storage := filepath.Join(m.home, "storage.conf")
	m.write(storage, fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", m.home+"/images", m.home+"/run"))
	m.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.home, "TMPDIR=" + m.home, "XDG_RUNTIME_DIR=" + m.home,
		"HTTPS_PROXY=" + openShift.ProxyURL().String(), "NO_PROXY=",
		"CONTAINERS_STORAGE_CONF=" + storage, "BUILDAH_ISOLATION=chroot",
	}
	return m
}

func (m *machine) write(path, content string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// key is the path of a key of the Secret.
func (m *machine) key(name string) string { return filepath.Join(m.keys, name) }

// certs is a folder as Podman's --cert-dir wants it: with ca.crt and nothing else.
func (m *machine) certs() string {
	dir := filepath.Join(m.home, "certs")
	m.write(filepath.Join(dir, "ca.crt"), string(must(os.ReadFile(m.key("ca.crt")))))
	return dir
}

// service makes a folder with a service to build.
func (m *machine) service() string {
	dir := filepath.Join(m.home, "service")
	m.write(filepath.Join(dir, "hello"), "hello")
	m.write(filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY hello /hello\n")
	m.write(filepath.Join(dir, "horizon/service.definition.json"), `{"image": "$SERVICE_IMAGE"}`)
	return dir
}

// scripted gives publish.sh all that it needs. It returns a folder of PATH, in which hzn only writes down what it is
// to publish.
func (m *machine) scripted(engine string) (tools string) {
	m.t.Helper()
	service, tools := m.service(), m.t.TempDir()
	m.tool(tools, "hzn", `echo "hzn $*"; printf '%s' "$SERVICE_IMAGE" >"$HOME/published"`)
	m.env = append(m.env,
		"PATH="+tools+":"+os.Getenv("PATH"), "ENGINE="+engine, "CA_FILE="+m.key("ca.crt"),
		"BASE=sensor-"+engine, "VERSION=1.0.0", "ARCH=amd64 arm64", "CONTEXT="+service,
		"DEFINITION="+service+"/horizon/service.definition.json",
		"HZN_ORG_ID=myorg", "HZN_EXCHANGE_URL=https://hub.example.test/v1", "HZN_EXCHANGE_USER_AUTH=me:password")
	for key, value := range publish.Data { // As envFrom does.
		m.env = append(m.env, fmt.Sprintf("%s=%s", key, value))
	}
	return tools
}

// tool makes a program of one line.
func (m *machine) tool(folder, name, line string) {
	m.t.Helper()
	path := filepath.Join(folder, name)
	m.write(path, "#!/bin/sh\n"+line+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// run returns what the program printed on both outputs. A token in it fails the test.
func (m *machine) run(name string, args ...string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env, command.Dir = m.env, m.home
	output, err := command.CombinedOutput()
	for _, secret := range []*corev1.Secret{publish, pull} {
		if bytes.Contains(output, secret.Data["OCP_TOKEN"]) {
			m.t.Fatalf("%s prints a token", name)
		}
	}
	return string(output), err
}

// do is a run that must succeed.
func (m *machine) do(name string, args ...string) string {
	m.t.Helper()
	output, err := m.run(name, args...)
	NewWithT(m.t).Expect(err).NotTo(HaveOccurred(), "%s %s: %s", name, args[0], output)
	return output
}

// refused is a run that the registry must refuse, for want of rights or of trust.
func (m *machine) refused(because string, name string, args ...string) {
	m.t.Helper()
	output, err := m.run(name, args...)
	NewWithT(m.t).Expect(err).To(HaveOccurred(), "%s %s", name, args[0])
	NewWithT(m.t).Expect(strings.ToLower(output)).To(MatchRegexp(because))
}

// program skips the test where a program is missing.
func program(t *testing.T, name, install string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: %s", name, install)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
