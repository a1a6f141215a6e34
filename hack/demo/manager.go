// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	operatorNamespace = "edge-registry-system"
	stopTimeout       = 15 * time.Second
)

// manager is the operator's process.
type manager struct {
	log    string // path
	stop   func() // ends the process and waits for it
	exited chan struct{}
}

// startManager runs the manager's binary until ctx ends, and returns when it is
// ready. If it ends by itself, so does the demo.
func (d *demo) startManager(ctx context.Context, kubeconfig string) error {
	probes, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	log, err := os.Create(d.scratch("manager.log"))
	if err != nil {
		return fmt.Errorf("make the manager's log: %w", err)
	}
	running, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(running, d.binary,
		"--kubeconfig="+kubeconfig,
		"--namespace="+operatorNamespace,
		"--leader-elect=true",
		"--metrics-bind-address=127.0.0.1:0",
		"--health-probe-bind-address="+probes,
	)
	// Nothing of this terminal's environment.
	cmd.Env = append(d.provider.environment(), "HOME="+d.control.Dir, "TMPDIR="+d.control.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C reaches the demo, which stops the manager in its turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		_ = log.Close()
		return fmt.Errorf("start the manager: %w", err)
	}
	m := &manager{log: log.Name(), exited: make(chan struct{})}
	m.stop = func() { cancel(); <-m.exited }
	go func() {
		defer close(m.exited)
		_ = cmd.Wait()
		_ = log.Close()
		if running.Err() == nil {
			d.fail(fmt.Errorf("%w: %s", errManagerEnded, cmd.ProcessState))
		}
	}()
	d.manager = m
	return waitReady(ctx, "http://"+probes+"/readyz")
}

// freeAddress is a loopback address that nobody listens on at the moment.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func waitReady(ctx context.Context, url string) error {
	httpClient := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}, Timeout: time.Second}
	return poll(ctx, "the manager is not ready at "+url, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		response, err := httpClient.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // It does not listen yet.
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
}

// poll waits until done; the error says what is not so.
func poll(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	if err := wait.PollUntilContextTimeout(ctx, pollInterval, patience, true, done); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// lastLines are the last lines of a file that a failure is judged by.
func lastLines(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	last := &tail{}
	_, _ = last.Write(content)
	return strings.TrimRight(last.String(), "\n")
}
