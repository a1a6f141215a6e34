// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	operatorNamespace = "edge-registry-system"
	operatorAgent     = "edge-registry-operator"
	pollInterval      = 20 * time.Millisecond
	// patience bounds each wait for something that does come.
	patience = 15 * time.Minute
)

// manager is the operator's binary in a process of its own, run as its Deployment would.
type manager struct {
	pid  int
	page string // URL of its metrics
	stop func() // ends the process as Kubernetes does, and waits for it; a second call does nothing
}

// run starts the binary and returns when it is ready. It is the world's manager from then on.
func (w *world) run(ctx context.Context, binary string, flags ...string) error {
	probes, err := freeAddress()
	if err != nil {
		return err
	}
	metrics, err := freeAddress()
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(running, binary, append([]string{
		"--kubeconfig=" + w.kubeconfig,
		"--namespace=" + operatorNamespace,
		"--leader-elect=true",
		"--metrics-secure=false",
		"--metrics-bind-address=" + metrics,
		"--health-probe-bind-address=" + probes,
	}, flags...)...)
	cmd.Env = []string{
		"HTTPS_PROXY=" + w.platform.ProxyURL().String(), "NO_PROXY=127.0.0.1,localhost",
		"HOME=" + w.control.Dir, "TMPDIR=" + w.control.Dir,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("start the manager: %w", err)
	}
	w.manager = &manager{pid: cmd.Process.Pid, page: "http://" + metrics + "/metrics", stop: func() {
		cancel()
		_ = cmd.Wait()
	}}
	w.stops = append(w.stops, w.manager.stop)
	return poll(ctx, "the manager is not ready", func(ctx context.Context) (bool, error) {
		for _, page := range []string{"http://" + probes + "/readyz", w.manager.page} {
			answer, err := get(ctx, page)
			if err != nil {
				return false, nil //nolint:nilerr // It does not listen yet.
			}
			_ = answer.Body.Close()
		}
		return true, nil
	})
}

// restart ends the manager and starts another, which has looked at every EdgeRegistry when restart returns.
func (w *world) restart(ctx context.Context, binary string) error {
	w.manager.stop()
	if err := w.run(ctx, binary); err != nil {
		return err
	}
	return w.lookedAtAll(ctx)
}

// restarted weighs a manager that was started for it and only had to find everything as it should be, in kilobytes
// resident: what was made before leaves nothing behind in its memory.
func (w *world) restarted(ctx context.Context, binary string) (int, error) {
	if err := w.restart(ctx, binary); err != nil {
		return 0, err
	}
	if err := pause(ctx, settling); err != nil {
		return 0, err
	}
	return w.manager.kilobytes("VmRSS")
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// get reads a page of the manager's.
func get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("%s answers %s", url, response.Status), response.Body.Close())
	}
	return response, err
}

// metrics reads the manager's metrics.
func (m *manager) metrics(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	page, err := get(ctx, m.page)
	if err != nil {
		return nil, fmt.Errorf("read the manager's metrics: %w", err)
	}
	defer func() { _ = page.Body.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(page.Body)
	if err != nil {
		return nil, fmt.Errorf("read the manager's metrics: %w", err)
	}
	return families, nil
}

func (m *manager) kilobytes(name string) (int, error) { return kilobytesOf(m.pid, name) }

// kilobytesOf reads a line of /proc/PID/status, such as VmRSS or VmHWM.
func kilobytesOf(pid int, name string) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), name+":")
	var kilobytes int
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("read %s of a process: %w", name, err)
	}
	return kilobytes, nil
}

// ticksPerSecond is the kernel's USER_HZ, 100 on every architecture that Go runs Linux on.
const ticksPerSecond = 100

// cpu is the time that the manager has used so far.
func (m *manager) cpu() (time.Duration, error) { return cpuOf(m.pid) }

// cpuOf is the time that a process has used of all cores so far.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	// The second field, the name in parentheses, may hold spaces; user and system time are the 14th and 15th.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks [2]int64
	for i := range ticks {
		if _, err := fmt.Sscan(fields[11+i], &ticks[i]); err != nil {
			return 0, fmt.Errorf("read the CPU time of a process: %w", err)
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * time.Second / ticksPerSecond, nil
}

// poll waits until done; the error says what is not so.
func poll(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	return pollEvery(ctx, pollInterval, what, done)
}

func pollEvery(ctx context.Context, interval time.Duration, what string, done wait.ConditionWithContextFunc) error {
	if err := wait.PollUntilContextTimeout(ctx, interval, patience, true, done); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
