// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// The tests run the manager as a process: the binary, its flags, its kubeconfig, its signals.
var (
	control    *env.Env
	openShift  *platform.Platform
	binary     string
	kubeconfig string
)

const (
	operatorNamespace = "edge-registry-system"
	soon              = 90 * time.Second
)

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "edge-registry-manager-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		err = startSuite(ctx, dir)
	}
	defer stopSuite()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func startSuite(ctx context.Context, dir string) error {
	binary, kubeconfig = filepath.Join(dir, "manager"), filepath.Join(dir, "kubeconfig")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the manager: %w: %s", err, out)
	}
	var err error
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		return err
	}
	if openShift, err = platform.Start(ctx, platform.Options{Env: control}); err != nil {
		return err
	}
	operator, err := control.InstallOperator(ctx)
	if err != nil {
		return err
	}
	return control.Kubeconfig(operator, kubeconfig)
}

func stopSuite() {
	if openShift != nil {
		openShift.Stop()
	}
	if control != nil {
		_ = control.Stop()
	}
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// manager is one process of the operator.
type manager struct {
	*exec.Cmd
	output          *output
	metrics, health string
	exited          chan struct{}
}

// launch starts a manager that ends with the test. Its lease is short, for a test's patience.
func launch(t *testing.T, flags ...string) *manager {
	t.Helper()
	m := &manager{output: &output{}, metrics: freeAddress(t), health: freeAddress(t), exited: make(chan struct{})}
	flags = append([]string{
		"--kubeconfig=" + kubeconfig, "--namespace=" + operatorNamespace,
		"--metrics-bind-address=" + m.metrics, "--health-probe-bind-address=" + m.health,
	}, flags...)
	m.Cmd = exec.CommandContext(t.Context(), binary, flags...)
	// How the tests collect garbage is nothing that a cluster would set.
	inherited := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "GOGC=") || strings.HasPrefix(variable, "GOMEMLIMIT=")
	})
	m.Env = append(inherited, "HTTPS_PROXY="+openShift.ProxyURL().String(), "NO_PROXY=127.0.0.1,localhost")
	m.Stdout, m.Stderr = m.output, m.output
	NewWithT(t).Expect(m.Start()).To(Succeed())
	go func() {
		_ = m.Wait()
		close(m.exited)
	}()
	t.Cleanup(func() {
		_ = m.Process.Kill()
		<-m.exited
		if t.Failed() {
			t.Log(tail(m.output.String()))
		}
	})
	return m
}

// stop asks a manager to end, and returns its exit code.
func (m *manager) stop(t *testing.T) int {
	t.Helper()
	NewWithT(t).Expect(m.Process.Signal(syscall.SIGTERM)).To(Succeed())
	NewWithT(t).Eventually(m.exited).WithTimeout(30 * time.Second).Should(BeClosed())
	return m.ProcessState.ExitCode()
}

func tail(text string) string { return text[max(0, len(text)-4000):] }

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// fetch returns the status and body of an answer; zero when there is none.
func fetch(t *testing.T, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	direct := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	answer, err := direct.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	// What comes before a connection breaks is worth having too.
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// status polls an address.
func status(t *testing.T, url, token string) func() int {
	return func() int { code, _ := fetch(t, url, token); return code }
}

func newEdge(t *testing.T) *edgev1.EdgeRegistry {
	t.Helper()
	edge := &edgev1.EdgeRegistry{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "process-"},
		Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
	}
	NewWithT(t).Expect(control.Client().Create(t.Context(), edge)).To(Succeed())
	t.Cleanup(func() { _ = control.Client().Delete(context.Background(), edge) })
	return edge
}

func awaitReady(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(control.Client().Get(t.Context(), client.ObjectKeyFromObject(edge), edge)).To(Succeed())
		ready := meta.FindStatusCondition(edge.Status.Conditions, edgev1.Ready)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%s: %s", ready.Reason, ready.Message)
		g.Expect(edge.Status.ObservedGeneration).To(Equal(edge.Generation))
	}).WithTimeout(soon).Should(Succeed())
}

func holder(t *testing.T) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: operatorNamespace, Name: "edge-registry-operator"}
	if err := control.Client().Get(t.Context(), key, lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// account makes a service account, with a ClusterRole when it is named, and returns its credentials.
func account(t *testing.T, name, role string) *rest.Config {
	t.Helper()
	g := NewWithT(t)
	cfg, err := control.ServiceAccount(t.Context(), "scrapers", name)
	g.Expect(err).NotTo(HaveOccurred())
	if role == "" {
		return cfg
	}
	g.Expect(control.Client().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "scrapers", Name: name}},
	})).To(Succeed())
	return cfg
}

// tokens are those that the Secrets of an EdgeRegistry hold.
func tokens(t *testing.T, edge *edgev1.EdgeRegistry) []string {
	t.Helper()
	g := NewWithT(t)
	var found []string
	for _, name := range []string{edge.Name + "-publish", edge.Name + "-pull"} {
		secret := &corev1.Secret{}
		g.Expect(control.Client().Get(t.Context(), client.ObjectKey{Namespace: edge.Name, Name: name}, secret)).To(Succeed())
		found = append(found, string(secret.Data[handoff.KeyToken]))
	}
	g.Expect(found).To(HaveEach(HavePrefix("eyJ")))
	return found
}

// writesSince returns what the operator changed, by the API server's audit log, but for leases and events.
func writesSince(t *testing.T, offset int) []string {
	t.Helper()
	content, err := os.ReadFile(control.AuditLog)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var writes []string
	for line := range strings.Lines(string(content[offset:])) {
		if !strings.Contains(line, `"username":"system:serviceaccount:edge-registry-system:edge-registry-controller-manager"`) {
			continue
		}
		for _, verb := range []string{"create", "update", "patch", "delete"} {
			if strings.Contains(line, `"verb":"`+verb+`"`) && !strings.Contains(line, `"resource":"leases"`) &&
				!strings.Contains(line, `"resource":"events"`) && !strings.Contains(line, `reviews"`) {
				writes = append(writes, line)
			}
		}
	}
	return writes
}

func auditEnd(t *testing.T) int {
	t.Helper()
	info, err := os.Stat(control.AuditLog)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return int(info.Size())
}
