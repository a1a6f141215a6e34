// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// programs are those of make controlplane.
var programs = [...]string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}

// findAssets returns the folder of the built programs, an error when one is missing.
func findAssets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		dir = filepath.Join(RepoRoot(), "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the control plane's programs: %w", err)
	}
	for _, name := range programs {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return "", fmt.Errorf("%s is missing in %s: run `make controlplane`, or set KUBEBUILDER_ASSETS", name, dir)
		}
	}
	return dir, nil
}

// guard is a shell that outlives this process by a moment: when its standard
// input ends, for whatever reason, it kills the processes whose ids stand in the
// state folder and removes the folders. envtest starts its children itself, so
// no parent-death signal can be asked for them; a pipe also works on every Unix.
type guard struct {
	cmd   *exec.Cmd
	input io.Closer
	state string
}

// startGuard makes the state folder, with launchers of the programs in it (see
// launch.sh), and the guard that removes the folder named by remove.
func startGuard(state, assets, remove string, programs []string) (*guard, error) {
	scripts := filepath.Join(RepoRoot(), "test", "env")
	if err := os.MkdirAll(filepath.Join(state, "bin"), 0o750); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	links := map[string]string{filepath.Join(state, "assets"): assets}
	for _, name := range programs {
		links[filepath.Join(state, "bin", name)] = filepath.Join(scripts, "launch.sh")
	}
	for link, target := range links {
		if err := os.Symlink(target, link); err != nil {
			return nil, fmt.Errorf("make the launchers: %w", err)
		}
	}
	g := &guard{state: state}
	g.cmd = exec.CommandContext(context.Background(), "sh", filepath.Join(scripts, "guard.sh"), state, remove)
	// A group of its own: an interrupt from the terminal must not reach it.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if g.input, err = g.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	return g, nil
}

// launcher returns the path by which to start a program under the guard.
func (g *guard) launcher(name string) string { return filepath.Join(g.state, "bin", name) }

// forget tells the guard that a program has ended, so that its process id, which
// may be another's by then, is left alone.
func (g *guard) forget(name string) { _ = os.Remove(g.pidFile(name)) }

// kill ends a program of envtest's at once; wait is envtest's way to stop it,
// which finds it dying or gone. Asked to stop, kube-apiserver would first wait
// up to a minute for its watchers to leave.
func (g *guard) kill(name string, wait func() error) error {
	pid, err := g.pid(name)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	// ESRCH: it went after envtest looked and before envtest asked it to stop.
	if err := wait(); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	g.forget(name)
	return nil
}

// ProcessID is that of a program of the control plane, such as kube-apiserver.
func (e *Env) ProcessID(program string) (int, error) { return e.guard.pid(program) }

func (g *guard) pid(name string) (int, error) {
	content, err := os.ReadFile(g.pidFile(name))
	if err != nil {
		return 0, fmt.Errorf("read the process id of %s: %w", name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read the process id of %s: %w", name, err)
	}
	return pid, nil
}

func (g *guard) pidFile(name string) string { return filepath.Join(g.state, name+".pid") }

// release lets the guard do its work and waits for it.
func (g *guard) release() error {
	if g == nil {
		return nil
	}
	_ = g.input.Close()
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("remove the scratch folder: %w", err)
	}
	return nil
}
