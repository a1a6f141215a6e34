// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"k8s.io/client-go/rest"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// Process is one incarnation of the real binary, by the black box driver: a process that is killed by SIGKILL, behind a
// proxy on loopback that decides on its requests as a Wire does. Like a Manager it sees the EdgeRegistry of its case alone.
type Process struct {
	*Wire
	c       *Case
	process *os.Process
	exited  chan struct{}
}

// NewProcess starts an incarnation, which ends with the test or by Kill. flags come after those that it needs.
func (c *Case) NewProcess(plan Plan, flags ...string) *Process {
	c.T.Helper()
	binary, err := c.World.manager()
	c.must(err, "build the manager")
	p := &Process{Wire: &Wire{Name: c.Edge.Name, Plan: plan}, c: c, exited: make(chan struct{})}
	kubeconfig := filepath.Join(c.T.TempDir(), "kubeconfig")
	c.must(c.World.Env.Kubeconfig(c.proxy(p.Wire), kubeconfig), "write the kubeconfig")
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	process := exec.CommandContext(ctx, binary, append([]string{
		"--kubeconfig=" + kubeconfig, "--namespace=" + operatorNamespace, "--leader-elect=false",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--zap-log-level=10",
	}, flags...)...)
	process.Env = append(os.Environ(), "HTTPS_PROXY="+c.World.OpenShift.ProxyURL().String(), "NO_PROXY=127.0.0.1,localhost")
	process.Stdout, process.Stderr = c.Told, c.Told
	c.must(process.Start(), "start the manager")
	p.process = process.Process
	p.OnDeath = cancel
	go func() {
		defer close(p.exited)
		_ = process.Wait()
	}()
	c.T.Cleanup(p.Stop)
	c.lives = append(c.lives, p.Wire)
	return p
}

// Stop kills the process and waits for its end.
func (p *Process) Stop() {
	p.Kill()
	<-p.exited
}

// End has the process end by SIGTERM.
func (p *Process) End() {
	_ = p.process.Signal(syscall.SIGTERM)
	<-p.exited
}

// Ended is closed when the process has ended, by itself or not.
func (p *Process) Ended() <-chan struct{} { return p.exited }

// Work waits until the incarnation has done each step and left what an undisturbed one leaves, or until it is dead.
func (p *Process) Work() {
	p.c.T.Helper()
	p.c.work(p.Wire)
}

// proxy serves the API server on loopback, through a wire, and returns how the operator reaches it there.
func (c *Case) proxy(wire *Wire) *rest.Config {
	c.T.Helper()
	upstream, err := url.Parse(c.World.Operator.Host)
	c.must(err, "read the address of the API server")
	config := wire.Wrap(rest.AnonymousClientConfig(c.World.Operator))
	config.Wrap(c.alone)
	transport, err := rest.TransportFor(config)
	c.must(err, "reach the API server")
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		// What went wrong on the wire is a connection that breaks, also to the process.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	c.T.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	proxied := &rest.Config{Host: server.URL, BearerToken: c.World.Operator.BearerToken}
	proxied.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return proxied
}

// binary is built once.
type binary struct {
	once sync.Once
	path string
	err  error
}

// manager is the path of the binary, built from this tree.
func (w *World) manager() (string, error) {
	w.binary.once.Do(func() {
		w.binary.path = filepath.Join(w.Env.Dir, "manager")
		build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", w.binary.path, ".")
		build.Dir = env.RepoRoot()
		if out, err := build.CombinedOutput(); err != nil {
			w.binary.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	return w.binary.path, w.binary.err
}
