// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// signingKeys are the files with which service account tokens are signed and checked, by the names that envtest gives them.
var signingKeys = []string{"sa-signer.key", "sa-signer.crt"}

// ReplaceSigningKey gives the cluster another key for service account tokens, under the same issuer,
// and purges the one before: every token that was issued is refused from then on, those of the
// callers of ServiceAccount among them. The API server and the controllers are started anew. What it
// returns brings the first key back, and with it the first tokens.
func (e *Env) ReplaceSigningKey(ctx context.Context) (restore func(context.Context) error, err error) {
	before := map[string][]byte{}
	for _, name := range signingKeys {
		if before[name], err = os.ReadFile(e.signingKey(name)); err != nil {
			return nil, fmt.Errorf("read the signing key: %w", err)
		}
	}
	after, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	restore = func(ctx context.Context) error { return e.signWith(ctx, before) }
	return restore, e.signWith(ctx, after)
}

func (e *Env) signingKey(name string) string {
	return filepath.Join(e.plane.ControlPlane.APIServer.CertDir, name)
}

// signWith starts the API server and the controllers with other keys.
func (e *Env) signWith(ctx context.Context, files map[string][]byte) error {
	if err := e.StopAPIServer(ctx); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(e.signingKey(name), content, 0o600); err != nil {
			return fmt.Errorf("write the signing key: %w", err)
		}
	}
	return e.StartAPIServer(ctx)
}

// newSigningKey makes a key of the kind that OpenShift uses.
func newSigningKey() (map[string][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode the signing key: %w", err)
	}
	return map[string][]byte{
		"sa-signer.key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"sa-signer.crt": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, nil
}

// StopControllers plays an outage of kube-controller-manager: nothing collects garbage or fills token Secrets.
func (e *Env) StopControllers() { e.stopControllers() }

// StartControllers ends the outage. The controllers work when it returns.
func (e *Env) StartControllers(ctx context.Context) error { return e.restartControllers(ctx) }
