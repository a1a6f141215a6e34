// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// startPlane starts etcd and the API server by envtest, with their keys and data
// in the state folder, so that the API server can be started again as the same.
func (e *Env) startPlane(extra map[string][]string) error {
	certDir := filepath.Join(e.state, "apiserver")
	if err := e.writeServerFiles(certDir); err != nil {
		return err
	}
	server := &envtest.APIServer{
		Path: e.guard.launcher("kube-apiserver"), CertDir: certDir, Out: e.output, Err: e.output,
	}
	flags := server.Configure()
	for name, values := range e.serverFlags(certDir) {
		flags.Set(name, values...)
	}
	// envtest turns the ServiceAccount plugin off, for want of a controller manager.
	flags.Disable("disable-admission-plugins")
	// The authorizers are in a file.
	flags.Disable("authorization-mode")
	for name, values := range extra {
		flags.Set(name, values...)
	}

	existing := false // whatever USE_EXISTING_CLUSTER says
	e.plane = &envtest.Environment{
		UseExistingCluster:       &existing,
		Scheme:                   e.Scheme,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	e.plane.ControlPlane.APIServer = server
	e.plane.ControlPlane.KubectlPath = e.guard.launcher("kubectl")
	e.plane.ControlPlane.Etcd = &envtest.Etcd{
		Path: e.guard.launcher("etcd"), DataDir: filepath.Join(e.state, "etcd"), Out: e.output, Err: e.output,
	}
	cfg, err := e.plane.Start()
	if err != nil {
		return fmt.Errorf("start etcd and kube-apiserver (Options.Output shows what they print): %w", err)
	}
	cfg.QPS, cfg.Burst = -1, 0
	e.Admin = cfg
	return nil
}

// writeServerFiles writes what the flags of serverFlags name.
func (e *Env) writeServerFiles(certDir string) error {
	if err := os.MkdirAll(filepath.Join(e.state, "etcd"), 0o700); err != nil {
		return fmt.Errorf("make etcd's folder: %w", err)
	}
	if err := os.MkdirAll(certDir, 0o700); err != nil {
		return fmt.Errorf("make the API server's folder: %w", err)
	}
	ca, client, err := newFrontProxy()
	if err != nil {
		return err
	}
	if e.projects, err = newProjectScope(certDir); err != nil {
		return err
	}
	e.FrontProxyCA = ca
	for name, content := range map[string][]byte{
		"front-proxy-ca.crt":     ca,
		"front-proxy-client.crt": client.cert,
		"front-proxy-client.key": client.key,
		"audit-policy.yaml":      auditPolicy,
	} {
		if err := os.WriteFile(filepath.Join(certDir, name), content, 0o600); err != nil {
			return fmt.Errorf("write the API server's files: %w", err)
		}
	}
	return nil
}

// serverFlags are the flags in which the API server differs from envtest's.
func (e *Env) serverFlags(certDir string) map[string][]string {
	return map[string][]string{
		"authorization-config": {authorizationConfig(certDir)},
		// OpenShift enables this plugin besides the defaults (cluster-kube-apiserver-operator's defaultconfig).
		"enable-admission-plugins": {"OwnerReferencesPermissionEnforcement"},
		// The issuer of a standard OpenShift cluster.
		"service-account-issuer": {"https://kubernetes.default.svc"},

		// One user at a time asks for all that it can get: nothing has to be shared out.
		"enable-priority-and-fairness": {"false"},

		"requestheader-client-ca-file":       {filepath.Join(certDir, "front-proxy-ca.crt")},
		"requestheader-allowed-names":        {frontProxyName},
		"requestheader-username-headers":     {"X-Remote-User"},
		"requestheader-group-headers":        {"X-Remote-Group"},
		"requestheader-extra-headers-prefix": {"X-Remote-Extra-"},
		"proxy-client-cert-file":             {filepath.Join(certDir, "front-proxy-client.crt")},
		"proxy-client-key-file":              {filepath.Join(certDir, "front-proxy-client.key")},

		"audit-policy-file":   {filepath.Join(certDir, "audit-policy.yaml")},
		"audit-log-path":      {e.AuditLog},
		"audit-log-maxsize":   {"4096"}, // megabytes: never rotated, so that a test finds every event in one file
		"audit-log-maxbackup": {"0"},
	}
}

// StopAPIServer simulates an outage: the API server dies, etcd and the controllers stay.
func (e *Env) StopAPIServer(context.Context) error {
	return e.guard.kill("kube-apiserver", e.plane.ControlPlane.APIServer.Stop)
}

// StartAPIServer ends the outage: the API server comes back at the same address,
// with the same certificates, keys and data. The controllers are started again,
// since they would wait up to a minute before they look for it again. All work
// when this returns.
func (e *Env) StartAPIServer(ctx context.Context) error {
	if err := e.plane.ControlPlane.APIServer.Start(); err != nil {
		return fmt.Errorf("start kube-apiserver: %w", err)
	}
	if err := poll(ctx, "kube-apiserver is not ready", e.apiServerReady); err != nil {
		return err
	}
	return e.restartControllers(ctx)
}

// apiServerReady reports whether the API server says that it is.
func (e *Env) apiServerReady(ctx context.Context) (bool, error) {
	dc, err := discovery.NewDiscoveryClientForConfig(e.Admin)
	if err != nil {
		return false, fmt.Errorf("create a discovery client: %w", err)
	}
	return dc.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
}

// RestartAPIServer stops the API server and starts it again.
func (e *Env) RestartAPIServer(ctx context.Context) error {
	if err := e.StopAPIServer(ctx); err != nil {
		return err
	}
	return e.StartAPIServer(ctx)
}

// poll waits for done, which ends it early with an error; what says in the error
// what is not so.
func poll(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	started := time.Now()
	if err := wait.PollUntilContextTimeout(ctx, pollInterval, startTimeout, true, done); err != nil {
		return fmt.Errorf("%s after %s: %w", what, time.Since(started).Round(time.Second), err)
	}
	return nil
}
