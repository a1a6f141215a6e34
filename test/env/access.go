// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const accountTokenLifetime = 24 * time.Hour

// ServiceAccount returns a config that authenticates as the ServiceAccount, with
// a token of the TokenRequest API that lives 24 hours and without a client-side
// rate limit. It creates the namespace and the account when they are absent.
func (e *Env) ServiceAccount(ctx context.Context, namespace, name string) (*rest.Config, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, account,
	} {
		if err := client.IgnoreAlreadyExists(e.client.Create(ctx, object)); err != nil {
			return nil, fmt.Errorf("create service account %s/%s: %w", namespace, name, err)
		}
	}
	seconds := int64(accountTokenLifetime.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if err := e.client.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("request a token for service account %s/%s: %w", namespace, name, err)
	}
	cfg := rest.AnonymousClientConfig(e.Admin)
	cfg.BearerToken = request.Status.Token
	return cfg, nil
}

// Kubeconfig writes a kubeconfig with the address and the credentials of cfg to
// path, readable by the owner alone.
func (e *Env) Kubeconfig(cfg *rest.Config, path string) error {
	const name = "edge-registry-env"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, Token: cfg.BearerToken,
	}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	content, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return fmt.Errorf("encode kubeconfig %s: %w", path, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	// A file that was there before keeps its mode otherwise.
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// Kubectl runs the built kubectl as the admin and returns its standard output.
// The error carries what it printed to standard error.
func (e *Env) Kubectl(ctx context.Context, args ...string) (string, error) {
	fixed := []string{
		"--kubeconfig=" + e.adminKubeconfig(),
		"--cache-dir=" + filepath.Join(e.state, "kubectl-cache"),
	}
	cmd := exec.CommandContext(ctx, filepath.Join(e.assets, "kubectl"), append(fixed, args...)...)
	cmd.Env = append(os.Environ(), "KUBERC=off") // no preferences of whoever runs this
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Assets is the folder of the control plane's programs, kubectl among them.
func (e *Env) Assets() string { return e.assets }

func (e *Env) adminKubeconfig() string { return filepath.Join(e.state, "admin.kubeconfig") }
