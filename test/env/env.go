// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package env runs a real Kubernetes control plane for tests and the demo:
// etcd, kube-apiserver and kube-controller-manager, with the parts of OpenShift
// that are plain API objects (CRDs, bootstrap roles, namespaces) installed in it.
// It runs on Unix, from a checkout of this repository.
package env

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	modulePath = "github.com/edge-registry/edge-registry-operator"
	// startTimeout bounds each wait of Start; a loaded machine of two cores needs a fraction of it.
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
	pollInterval = 100 * time.Millisecond
)

// Options of Start. The zero value is complete.
type Options struct {
	// Dir is the scratch folder for data, kubeconfigs and the audit log. Empty means
	// a new temporary folder, which Stop removes. Of a folder that the caller names,
	// Stop removes the data and the keys and leaves the audit log.
	Dir string
	// APIServerArgs are further flags of kube-apiserver, by name without dashes. A
	// flag named here replaces what Start would set.
	APIServerArgs map[string][]string
	// Output receives what the programs print; nil discards it.
	Output io.Writer
	// PlainKubernetes leaves out all that is OpenShift's: its APIs, namespaces and roles.
	PlainKubernetes bool
}

// Env is a running control plane. Its methods may be called from several
// goroutines, except those that stop or start a part of it.
type Env struct {
	// Admin authenticates as a member of system:masters, without a client-side rate limit.
	Admin *rest.Config
	// Scheme knows Kubernetes, the aggregation and extension APIs, OpenShift's route,
	// project, config and image registry types, and EdgeRegistry.
	Scheme *runtime.Scheme
	// Dir is the scratch folder, absolute.
	Dir string
	// AuditLog is the path of the API server's audit log: one JSON event a line, at
	// level Metadata, without the reads and leases of the control plane itself.
	AuditLog string
	// FrontProxyCA is the PEM of the CA that signed the client certificate with which
	// the API server's aggregator presents itself to extension API servers.
	FrontProxyCA []byte

	plain       bool
	ownsDir     bool
	state       string // what must not outlive the control plane: data, keys, process ids
	assets      string
	output      io.Writer
	client      client.Client
	guard       *guard
	plane       *envtest.Environment
	projects    *projectScope
	controllers *controllers
	stopOnce    sync.Once
	stopErr     error
}

// Start starts the control plane and returns when its controllers work. The
// error names what to run when a program was not built yet. Whether it returns
// an error or the calling process dies, nothing that it started stays behind.
func Start(ctx context.Context, o Options) (*Env, error) {
	e := &Env{output: newSharedWriter(o.Output), plain: o.PlainKubernetes}
	if err := e.start(ctx, o); err != nil {
		_ = e.Stop()
		return nil, err
	}
	return e, nil
}

func (e *Env) start(ctx context.Context, o Options) error {
	var err error
	if e.assets, err = findAssets(); err != nil {
		return err
	}
	if e.Scheme, err = newScheme(); err != nil {
		return fmt.Errorf("build the scheme: %w", err)
	}
	if err := e.prepareDir(o.Dir); err != nil {
		return err
	}
	if err := e.startPlane(o.APIServerArgs); err != nil {
		return err
	}
	if e.client, err = client.New(e.Admin, client.Options{Scheme: e.Scheme}); err != nil {
		return fmt.Errorf("create the admin client: %w", err)
	}
	e.projects.serve(e.client)
	if err := e.Kubeconfig(e.Admin, e.adminKubeconfig()); err != nil {
		return err
	}
	if !e.plain {
		if err := e.installOpenShift(ctx); err != nil {
			return err
		}
	}
	return e.startControllers(ctx)
}

// Stop ends every process and removes the data; calling it again does nothing.
func (e *Env) Stop() error {
	e.stopOnce.Do(func() { e.stopErr = e.stop() })
	return e.stopErr
}

func (e *Env) stop() error {
	e.stopControllers()
	var errs []error
	if e.plane != nil {
		plane := &e.plane.ControlPlane
		errs = append(errs,
			e.guard.kill("kube-apiserver", plane.APIServer.Stop), e.guard.kill("etcd", plane.Etcd.Stop),
			// envtest makes a folder for webhooks, though there are none.
			e.plane.WebhookInstallOptions.Cleanup())
	}
	if e.projects != nil {
		e.projects.close()
	}
	// The guard removes the folders.
	return errors.Join(append(errs, e.guard.release())...)
}

// Client returns the admin's client. It reads live, from no cache.
func (e *Env) Client() client.Client { return e.client }

// RepoRoot returns the folder of this module's go.mod, at or above the working
// directory, or the working directory itself when there is none.
func RepoRoot() string {
	wd, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return wd
		}
	}
}

// prepareDir makes the scratch folder and puts a guard over it.
func (e *Env) prepareDir(dir string) error {
	var err error
	if dir == "" {
		e.ownsDir = true
		dir, err = os.MkdirTemp("", "edge-registry-env-")
	} else if dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	e.Dir, e.AuditLog, e.state = dir, filepath.Join(dir, "audit.log"), filepath.Join(dir, "control-plane")
	for _, leftover := range []string{e.state, e.AuditLog} {
		if err := os.RemoveAll(leftover); err != nil {
			return fmt.Errorf("empty the scratch folder: %w", err)
		}
	}
	remove := e.state
	if e.ownsDir {
		remove = e.Dir
	}
	if e.guard, err = startGuard(e.state, e.assets, remove, programs[:]); err != nil {
		_ = os.RemoveAll(remove)
	}
	return err
}

// sharedWriter lets the output of several processes go to one writer.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// newSharedWriter keeps nil as it is: exec.Cmd discards to it without a copying goroutine.
func newSharedWriter(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return &sharedWriter{w: w}
}

// Write implements io.Writer.
func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
