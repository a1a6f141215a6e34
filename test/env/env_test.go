// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// eventually bounds what normally takes a second or two.
const eventually = 30 * time.Second

// orphanVariable makes the test binary play a program that dies without a word.
const orphanVariable = "ENV_TEST_ORPHAN_DIR"

// shared is the control plane of all tests that do not stop it.
var shared *Env

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanVariable); dir != "" {
		playOrphanMaker(dir)
	}
	log.SetLogger(logr.Discard()) // envtest's, which complains when it has none
	var err error
	if shared, err = Start(context.Background(), Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// playOrphanMaker starts a guarded child that outlives everything, and waits to be killed.
func playOrphanMaker(dir string) {
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	sleep, err := exec.LookPath("sleep")
	must(err)
	assets := filepath.Join(dir, "assets")
	must(os.MkdirAll(assets, 0o700))
	must(os.Symlink(sleep, filepath.Join(assets, "sleeper")))
	g, err := startGuard(filepath.Join(dir, "state"), assets, dir, []string{"sleeper"})
	must(err)
	sleeper := exec.CommandContext(context.Background(), g.launcher("sleeper"), "3600")
	sleeper.Stdout = os.Stdout
	must(sleeper.Start())
	must(poll(context.Background(), "no process id", func(context.Context) (bool, error) {
		noted, err := os.ReadFile(g.pidFile("sleeper"))
		return err == nil && strings.HasSuffix(string(noted), "\n"), nil
	}))
	fmt.Println("started")
	select {}
}

func TestAKilledParentLeavesNoChild(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "scratch")
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), orphanVariable+"="+dir)
	stdout, err := parent.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parent.Start()).To(Succeed())
	output := bufio.NewReader(stdout)
	g.Expect(output.ReadString('\n')).To(Equal("started\n"))
	pid := readPID(g, filepath.Join(dir, "state", "sleeper.pid"))

	g.Expect(parent.Process.Kill()).To(Succeed())

	// The child holds the parent's standard output, which ends when both are gone.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, output)
	}()
	defer func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	g.Eventually(ended).WithTimeout(eventually).Should(BeClosed())
	g.Eventually(dir).WithTimeout(eventually).ShouldNot(BeADirectory())
	_ = parent.Wait()
}

func TestStopLeavesNothing(t *testing.T) {
	tests := map[string]struct {
		dir      func(t *testing.T) string
		auditLog bool
	}{
		"of a folder of its own":                   {dir: func(*testing.T) string { return "" }},
		"but the audit log in the caller's folder": {dir: (*testing.T).TempDir, auditLog: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			e, err := Start(t.Context(), Options{Dir: test.dir(t)})
			g.Expect(err).NotTo(HaveOccurred())
			defer func() { _ = e.Stop() }()
			pids := map[string]int{"guard": e.guard.cmd.Process.Pid}
			for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
				pids[name] = readPID(g, e.guard.pidFile(name))
			}
			for name, pid := range pids {
				g.Expect(syscall.Kill(pid, 0)).To(Succeed(), "%s runs", name)
			}

			g.Expect(e.Stop()).To(Succeed())

			for name, pid := range pids {
				g.Expect(syscall.Kill(pid, 0)).To(MatchError(syscall.ESRCH), "%s runs still", name)
			}
			g.Expect(e.state).NotTo(BeADirectory())
			if test.auditLog {
				g.Expect(os.ReadDir(e.Dir)).To(HaveLen(1))
				g.Expect(e.AuditLog).To(BeARegularFile())
			} else {
				g.Expect(e.Dir).NotTo(BeADirectory())
			}
			g.Expect(e.Stop()).To(Succeed(), "a second time")
		})
	}
}

func TestStartNamesTheMissingProgram(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := Start(t.Context(), Options{})
	g.Expect(err).To(MatchError(And(
		HavePrefix("etcd is missing in "), ContainSubstring("make controlplane"), Not(ContainSubstring("\n")))))
}

func TestStartTellsOfAFlagThatIsWrong(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	_, err := Start(t.Context(), Options{Dir: dir, APIServerArgs: map[string][]string{"no-such-flag": {"1"}}})
	g.Expect(err).To(MatchError(ContainSubstring("Options.Output")))
	g.Expect(os.ReadDir(dir)).To(BeEmpty())
}

func TestTheAPIServerComesBackAsTheSame(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	cfg, err := shared.ServiceAccount(ctx, "outage", "witness")
	g.Expect(err).NotTo(HaveOccurred())
	witness := identityOf(g, cfg)

	g.Expect(shared.StopAPIServer(ctx)).To(Succeed())
	namespace := &corev1.Namespace{}
	key := client.ObjectKey{Name: "outage"}
	g.Expect(shared.Client().Get(ctx, key, namespace)).To(MatchError(syscall.ECONNREFUSED))
	g.Expect(shared.StartAPIServer(ctx)).To(Succeed())
	g.Expect(shared.Client().Get(ctx, key, namespace)).To(Succeed())
	g.Expect(identityOf(g, cfg)).To(Equal(witness), "an old token is still good")

	g.Expect(shared.RestartAPIServer(ctx)).To(Succeed())
	g.Expect(identityOf(g, cfg)).To(Equal(witness), "an old token is still good")
	fresh := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "after-outage-"}}
	g.Expect(shared.Client().Create(ctx, fresh)).To(Succeed())
	g.Eventually(func() error {
		return shared.Client().Get(ctx, client.ObjectKey{Namespace: fresh.Name, Name: "default"}, &corev1.ServiceAccount{})
	}).WithTimeout(eventually).Should(Succeed(), "the controllers work on")
}

func TestAPurgedSigningKeyRefusesEveryTokenUntilItIsBack(t *testing.T) {
	g := NewWithT(t)
	ctx := t.Context()
	cfg, err := shared.ServiceAccount(ctx, "purge", "witness")
	g.Expect(err).NotTo(HaveOccurred())
	old := credential.NewToken(cfg.BearerToken)
	g.Expect(accepted(ctx, g, old)).To(BeTrue())

	restore, err := shared.ReplaceSigningKey(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(accepted(ctx, g, old)).To(BeFalse())
	cfg, err = shared.ServiceAccount(ctx, "purge", "witness")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(accepted(ctx, g, credential.NewToken(cfg.BearerToken))).To(BeTrue())

	g.Expect(restore(ctx)).To(Succeed())
	g.Expect(accepted(ctx, g, old)).To(BeTrue())
	g.Expect(accepted(ctx, g, credential.NewToken(cfg.BearerToken))).To(BeFalse())
}

func TestKubeconfigsAreForTheirOwnerAlone(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(path, nil, 0o644)).To(Succeed())
	cfg, err := shared.ServiceAccount(t.Context(), "kubeconfigs", "reader")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shared.Kubeconfig(cfg, path)).To(Succeed())

	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	t.Setenv("KUBECONFIG", path)
	read, err := config.GetConfig()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(identityOf(g, read)).To(Equal("system:serviceaccount:kubeconfigs:reader"))
}

func TestKubectlRunsAsTheAdmin(t *testing.T) {
	g := NewWithT(t)
	out, err := shared.Kubectl(t.Context(), "auth", "can-i", "*", "*", "--all-namespaces")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal("yes\n"))
	_, err = shared.Kubectl(t.Context(), "get", "configmap", "no-such-thing")
	g.Expect(err).To(MatchError(ContainSubstring(`configmaps "no-such-thing" not found`)))
}

func readPID(g *WithT, path string) int {
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	g.Expect(err).NotTo(HaveOccurred())
	return pid
}
