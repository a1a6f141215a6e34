// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/distribution"
)

// soon bounds what takes seconds on an idle machine.
const soon = 3 * time.Minute

// programs are those that run beside the demo.
var programs = []string{"etcd", "kube-apiserver", "kube-controller-manager", "manager", "guard.sh"}

// play is a demo that runs as a process, with a folder of its own for temporary files.
type play struct {
	t         *testing.T
	cmd       *exec.Cmd
	output    lockedBuffer
	temporary string
	exited    chan struct{}
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

// build compiles the main package in a folder and returns the path of its binary.
func build(t *testing.T, dir, name, folder string) string {
	t.Helper()
	binary := filepath.Join(dir, name)
	output, err := exec.CommandContext(t.Context(), "go", "build", "-C", folder, "-buildvcs=false", "-o", binary, ".").CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(output))
	return binary
}

func start(t *testing.T, demo, manager string, environment ...string) *play {
	t.Helper()
	return startWith(t, []string{demo, "-manager", manager}, environment...)
}

func startWith(t *testing.T, command []string, environment ...string) *play {
	t.Helper()
	p := &play{t: t, temporary: t.TempDir(), exited: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), command[0], command[1:]...)
	p.cmd.Env = append(append(os.Environ(), "KEEP=", "TMPDIR="+p.temporary), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// The end of the test is a signal that the demo can clean up after.
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = soon
	NewWithT(t).Expect(p.cmd.Start()).To(Succeed())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() { <-p.exited })
	return p
}

// reaches waits until the demo has printed a text.
func (p *play) reaches(text string) {
	p.t.Helper()
	NewWithT(p.t).Eventually(func() (string, error) {
		select {
		case <-p.exited:
			return p.output.String(), StopTrying("the demo ended before")
		default:
			return p.output.String(), nil
		}
	}).WithTimeout(soon).Should(ContainSubstring(text))
}

// shows checks that texts were printed, in their order.
func (p *play) shows(texts ...string) {
	p.t.Helper()
	rest := p.output.String()
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		NewWithT(p.t).Expect(found).To(BeTrue(), "%q is missing after what came before it in:\n%s", text, &p.output)
		rest = after
	}
}

// ends waits until the demo has ended, and checks that nothing of it is left.
func (p *play) ends(code int) {
	p.t.Helper()
	g := NewWithT(p.t)
	g.Eventually(p.exited).WithTimeout(soon).Should(BeClosed(), "%s", &p.output)
	g.Expect(p.cmd.ProcessState.ExitCode()).To(Equal(code), "%s", &p.output)
	g.Expect(p.processes()).To(BeEmpty())
	g.Expect(os.ReadDir(p.temporary)).To(BeEmpty())
	// Every token of a service account begins so: {"alg": in base64.
	g.Expect(p.output.String()).NotTo(ContainSubstring("eyJ"))
}

// processes lists the command lines of processes that work in the temporary folder.
func (p *play) processes() []string {
	p.t.Helper()
	all, err := exec.CommandContext(p.t.Context(), "ps", "-A", "-ww", "-o", "args=").Output()
	NewWithT(p.t).Expect(err).NotTo(HaveOccurred(), "this test needs the command ps")
	var mine []string
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, p.temporary) {
			mine = append(mine, line)
		}
	}
	return mine
}

func TestDemo(t *testing.T) {
	binaries := t.TempDir()
	demo, manager := build(t, binaries, "demo", "."), build(t, binaries, "manager", "../..")

	t.Run("shows the whole life of an object", func(t *testing.T) {
		g := NewWithT(t)
		p := start(t, demo, manager)
		p.ends(0)
		p.shows(
			"✓ RegistryExposed ", "✓ ProjectReady ", "✓ AccessGranted ", "✓ RegistryTrusted ",
			"✓ CredentialsIssued ", "✓ SecretsPublished ", "✓ RegistryVerified ", "✓ Ready ",
			"$ kubectl get edgereg\n", "$ kubectl get edgereg -o wide\n", "$ kubectl describe edgereg factory\n",
			"Secret factory/factory-publish, ", "Secret factory/factory-pull, ", "node-bootstrap.sh ",
			"✓ pushed as sha256:", "✓ pulled as the same digest", "the registry answers 401 UNAUTHORIZED",
			"unchanged NODE/etc/docker/certs.d/", "✓ the second run changed nothing",
			"✓ published, as by hzn exchange service publish -r", "✓ the node pulls by the login of the service: ", "$ kubectl patch edgereg factory ",
			"login 1 of edge-puller is in every service ", "$ kubectl annotate edgereg factory ", "✓ the Exchange holds the renewed token",
			"✓ event LoginDelivered: brought login 2 of edge-puller ", "✓ the node pulls by the login of the service: the renewed one",
			"✓ RoleBinding factory-publisher is back", "✓ event Repaired: ", "$ kubectl get events ",
			"✓ both Secrets are gone", "✓ the Exchange holds the login no more", "✓ project factory stays", "stop everything", "real  ", "stand-ins  ")
		g.Expect(p.output.String()).NotTo(ContainSubstring("\x1b"), "the output is no terminal")
	})

	t.Run("shows another registry", func(t *testing.T) {
		registry := filepath.Join(binaries, "registry")
		NewWithT(t).Expect(distribution.Build(t.Context(), registry)).To(Succeed())
		p := startWith(t, []string{demo, "-manager", manager, "-provider", "external", "-registry", registry})
		p.ends(0)
		p.shows("distribution, with TLS of a private CA", "apply config/overlays/kubernetes", "$ kubectl create rolebinding ",
			"✓ NamespaceReady ", "✓ RegistryTrusted ", "✓ CredentialsIssued ", "✓ SecretsPublished ", "✓ RegistryVerified ", "✓ Ready ",
			"$ kubectl describe edgereg factory\n", "NotProven", "Secret factory/factory-publish, ", "Secret factory/factory-pull, ",
			"✓ pushed as sha256:", "✓ pulled as the same digest", "✓ refused to push by another password: the registry answers 401",
			"✓ the second run changed nothing", "✓ the login of robot$plant+edge-2 is published", "✓ nodes can pull by both",
			"leave the login before it working until ", "✓ Secret factory-pull is back", "✓ both Secrets are gone",
			"✓ the logins go on working", "✓ the Secrets that were supplied stay", "stop everything", "stand-ins  none")
	})

	t.Run("shows robots of Harbor", func(t *testing.T) {
		registry := filepath.Join(binaries, "registry")
		NewWithT(t).Expect(distribution.Build(t.Context(), registry)).To(Succeed())
		p := startWith(t, []string{demo, "-manager", manager, "-provider", "harbor", "-registry", registry})
		p.ends(0)
		p.shows("Harbor's robots and tokens", "apply config/overlays/kubernetes", "$ kubectl create rolebinding ",
			"✓ CredentialsIssued ", "✓ SecretsPublished ", "✓ RegistryVerified ", "✓ Ready ", "-publisher-1 ", "for 120 days", "-puller-1 ",
			"✓ pushed as sha256:", "✓ pulled as the same digest", "the registry answers 401", "✓ the second run changed nothing",
			"✓ the next robots are published", "✓ nodes can pull by both", "-puller-2 ", "✓ Secret factory-pull is back", "✓ both Secrets are gone",
			"✓ its robots are deleted in Harbor", "for ever", "stop everything", "stand-ins  Harbor's API")
	})

	t.Run("shows IBM Cloud", func(t *testing.T) {
		registry := filepath.Join(binaries, "registry")
		NewWithT(t).Expect(distribution.Build(t.Context(), registry)).To(Succeed())
		p := startWith(t, []string{demo, "-manager", manager, "-provider", "ibmcloud", "-registry", registry})
		p.ends(0)
		p.shows("a stand-in for IBM Cloud", "apply config/overlays/kubernetes", "$ kubectl create rolebinding ",
			"before anything is done there", "registry namespace  office-images", "✓ NamespaceReady ", "✓ AccountReady ",
			"✓ RegistryNamespaceReady ", "✓ AccessGranted ", "✓ RegistryTrusted ", "✓ CredentialsIssued ", "✓ SecretsPublished ",
			"✓ RegistryVerified ", "✓ Ready ", "$ kubectl describe edgereg factory\n", "what is new", "Reader and Writer on container-registry",
			"registry namespace  plant-images", "none holds the supplied key but its own", "Secret factory/factory-publish, ",
			"Secret factory/factory-pull, ", "✓ pushed as sha256:", "✓ pulled as the same digest", "✓ refused to push by that of Secret factory-pull",
			"in another registry namespace: the registry answers 403", "✓ new keys are published", "✓ nodes can pull with the previous key",
			"✓ both Secrets are gone", "IBM Cloud refuses the puller's key", "✓ nothing of the operator's is left there",
			"stop everything", "stand-ins  IBM Cloud's IAM")
	})

	for name, at := range map[string]string{
		"leaves nothing when interrupted while the control plane starts": "1. A Kubernetes control plane",
		"leaves nothing when interrupted once the control plane is up":   "2. The operator",
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, demo, manager)
			p.reaches(at)
			NewWithT(t).Expect(p.cmd.Process.Signal(syscall.SIGINT)).To(Succeed())
			p.ends(interruptedCode)
		})
	}

	t.Run("stays up with KEEP=1 until it is interrupted", func(t *testing.T) {
		g := NewWithT(t)
		p := start(t, demo, manager, "KEEP=1")
		p.reaches("Ctrl-C ends it all.")
		for _, program := range programs {
			g.Expect(p.processes()).To(ContainElement(ContainSubstring(program)))
		}
		_, after, _ := strings.Cut(p.output.String(), "export KUBECONFIG=")
		kubeconfig, _, _ := strings.Cut(after, " ")
		g.Expect(kubeconfig).To(BeARegularFile())
		p.shows("kubectl edgereg status factory", "export HTTPS_PROXY=", "skopeo copy $IMAGE ")
		g.Expect(p.output.String()).NotTo(MatchRegexp(`(?m) $`), "a line ends with its text")
		g.Expect(p.cmd.Process.Signal(syscall.SIGINT)).To(Succeed())
		p.ends(0)
	})

	t.Run("fails with the manager's last words when it ends", func(t *testing.T) {
		broken := filepath.Join(t.TempDir(), "manager")
		script := "#!/bin/sh\necho 'no lease for me'\nexit 3\n"
		g := NewWithT(t)
		g.Expect(os.WriteFile(broken, []byte(script), 0o755)).To(Succeed())
		p := start(t, demo, broken)
		p.ends(1)
		g.Expect(p.output.String()).To(ContainSubstring("no lease for me\n"))
		g.Expect(p.output.String()).To(HaveSuffix("\ndemo: the manager ended by itself: exit status 3\n"))
	})

	t.Run("says what to run when the manager was not built", func(t *testing.T) {
		p := start(t, demo, filepath.Join(t.TempDir(), "manager"))
		p.ends(1)
		NewWithT(t).Expect(p.output.String()).To(HaveSuffix("run `make build`\n"))
	})

	t.Run("says which providers there are", func(t *testing.T) {
		p := startWith(t, []string{demo, "-manager", manager, "-provider", "kaniko"})
		p.ends(1)
		NewWithT(t).Expect(p.output.String()).To(Equal("\ndemo: there is no provider \"kaniko\" to show: take openshift, ibmcloud, external or harbor\n"))
	})

	t.Run("says what to run when the registry was not built", func(t *testing.T) {
		p := startWith(t, []string{demo, "-manager", manager, "-provider", "external", "-registry", filepath.Join(t.TempDir(), "registry")})
		p.ends(1)
		NewWithT(t).Expect(p.output.String()).To(HaveSuffix("run `make demo PROVIDER=external`\n"))
	})
}

// TestAShownCommandCanBePasted has a shell read what the demo shows of each argument.
func TestAShownCommandCanBePasted(t *testing.T) {
	g := NewWithT(t)
	arguments := []string{"get", "-n", "default", "--type=merge", `{"spec":{"a":[{"b":"it's"}]}}`, `jsonpath={.c[?(@.type=="X")].m}`, `{{"\n"}}`, ""}
	output, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '<%s>' "+pasted(arguments)).Output()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(output)).To(Equal("<" + strings.Join(arguments, "><") + ">"))
	g.Expect(pasted(arguments)).To(HavePrefix("get -n default --type=merge '"), "what needs no quotes has none")
}

func TestATailKeepsTheLastLines(t *testing.T) {
	var all []string
	for i := range 3 * tailLength {
		all = append(all, fmt.Sprintf("line %d\n", i))
	}
	last := strings.Join(all[len(all)-tailLength:], "")
	for name, writes := range map[string][]string{
		"of one write":                   {strings.Join(all, "")},
		"of a write for each line":       all,
		"of writes that end within them": strings.SplitAfter(strings.Join(all, ""), "e"),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			kept := &tail{}
			for _, text := range writes {
				g.Expect(kept.Write([]byte(text))).To(Equal(len(text)))
			}
			g.Expect(kept.String()).To(Equal(last))
		})
	}
}

func TestOnlyTheRegistryRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		refused bool
	}{
		"a push that was accepted is not refused": {nil, false},
		"an unreachable registry did not refuse":  {errors.New("connection refused"), false},
		"a broken registry did not refuse":        {&transport.Error{StatusCode: http.StatusServiceUnavailable}, false},
		"401 is a refusal":                        {&transport.Error{StatusCode: http.StatusUnauthorized}, true},
		"403 is a refusal, wrapped too":           {fmt.Errorf("push: %w", &transport.Error{StatusCode: http.StatusForbidden}), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := refusal(test.err)
			NewWithT(t).Expect(refused).To(Equal(test.refused))
		})
	}
}

func TestALineIsCutToTheTerminal(t *testing.T) {
	g := NewWithT(t)
	narrow := &terminal{width: 10}
	g.Expect(narrow.fit("ἀλφάβητον", 4)).To(Equal("ἀλφάβ…"))
	g.Expect(narrow.fit("short", 4)).To(Equal("short"))
	g.Expect((&terminal{}).fit("no terminal has no width", 4)).To(Equal("no terminal has no width"))
}

func TestAnOutputThatNobodyReadsIsTold(t *testing.T) {
	g := NewWithT(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	g.Expect(err).NotTo(HaveOccurred())
	var failure error
	term := newTerminal(file, func(err error) { failure = err })
	term.print("read")
	g.Expect(failure).NotTo(HaveOccurred())
	g.Expect(file.Close()).To(Succeed())
	term.print("not read")
	g.Expect(failure).To(MatchError(os.ErrClosed))
}
