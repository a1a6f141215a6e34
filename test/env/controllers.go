// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// enabledControllers are those of kube-controller-manager on which the operator relies.
var enabledControllers = []string{
	"namespace-controller",
	"garbage-collector-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"clusterrole-aggregation-controller",
	"root-ca-certificate-publisher-controller",
}

// controllers is a running kube-controller-manager.
type controllers struct {
	stop   context.CancelFunc
	exited chan struct{} // closed when the process is gone; err is set then
	err    error
	// canarySent is whether this process was given its canary; see canaryCollected.
	canarySent bool
}

// startControllers starts kube-controller-manager and waits until it works.
func (e *Env) startControllers(ctx context.Context) error {
	args, err := e.controllerArgs()
	if err != nil {
		return err
	}
	// The process lives until stopControllers, not only as long as the call that started it.
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(runCtx, e.guard.launcher("kube-controller-manager"), args...)
	cmd.Stdout, cmd.Stderr = e.output, e.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("start kube-controller-manager: %w", err)
	}
	c := &controllers{stop: cancel, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		c.err = fmt.Errorf("it ended with %s: Options.Output shows what it printed", cmd.ProcessState)
		close(c.exited)
	}()
	e.controllers = c
	return poll(ctx, "kube-controller-manager does not work", e.controllersWork)
}

func (e *Env) stopControllers() {
	if e.controllers == nil {
		return
	}
	e.controllers.stop()
	<-e.controllers.exited
	e.controllers = nil
	e.guard.forget("kube-controller-manager")
}

// restartControllers makes the garbage collector know a new kind of object at
// once. By itself it looks for new kinds every 30 seconds.
func (e *Env) restartControllers(ctx context.Context) error {
	e.stopControllers()
	return e.startControllers(ctx)
}

func (e *Env) controllerArgs() ([]string, error) {
	user, err := e.plane.AddUser(
		envtest.User{Name: "system:kube-controller-manager", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, fmt.Errorf("make the controllers' user: %w", err)
	}
	kubeconfig := filepath.Join(e.state, "controllers.kubeconfig")
	if err := e.Kubeconfig(user.Config(), kubeconfig); err != nil {
		return nil, err
	}
	rootCA := filepath.Join(e.state, "root-ca.crt")
	if err := os.WriteFile(rootCA, e.Admin.CAData, 0o600); err != nil {
		return nil, fmt.Errorf("write the root CA: %w", err)
	}
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--controllers=" + strings.Join(enabledControllers, ","),
		"--root-ca-file=" + rootCA,
		// The name that envtest gives the key with which the API server signs tokens.
		"--service-account-private-key-file=" + filepath.Join(e.plane.ControlPlane.APIServer.CertDir, "sa-signer.key"),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-gc-syncs=20",
		"--concurrent-namespace-syncs=20",
		"--concurrent-serviceaccount-token-syncs=20",
	}, nil
}

// controllersWork looks at one fruit of each controller that others wait for,
// and gives the garbage collector a canary: the slowest to start.
func (e *Env) controllersWork(ctx context.Context) (bool, error) {
	select {
	case <-e.controllers.exited:
		return false, e.controllers.err
	default:
	}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: metav1.NamespaceDefault}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt", Namespace: metav1.NamespaceDefault}},
	} {
		if !e.exists(ctx, object) {
			return false, nil
		}
	}
	edit := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "edit"}}
	if !e.exists(ctx, edit) || len(edit.Rules) == 0 || (!e.plain && !allowsPush(edit)) {
		return false, nil
	}
	return e.canaryCollected(ctx), nil
}

// exists reads the object. What cannot be read yet counts as missing: who asks
// will ask again.
func (e *Env) exists(ctx context.Context, object client.Object) bool {
	return e.client.Get(ctx, client.ObjectKeyFromObject(object), object) == nil
}

// canaryCollected creates, once for each start, an object whose owner does not
// exist, and reports whether the garbage collector has taken it.
func (e *Env) canaryCollected(ctx context.Context) bool {
	canary := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "garbage-collector-canary", Namespace: metav1.NamespaceDefault,
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "v1", Kind: "ConfigMap", Name: "never-was", UID: "00000000-0000-0000-0000-000000000000",
		}},
	}}
	if !e.controllers.canarySent {
		e.controllers.canarySent = e.client.Create(ctx, canary) == nil
		return false
	}
	return apierrors.IsNotFound(e.client.Get(ctx, client.ObjectKeyFromObject(canary), canary))
}

// allowsPush reports whether the role may write image layers, a rule that only
// aggregation of OpenShift's roles can have added.
func allowsPush(role *rbacv1.ClusterRole) bool {
	return slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, "image.openshift.io") &&
			slices.Contains(rule.Resources, "imagestreams/layers") && slices.Contains(rule.Verbs, "update")
	})
}
