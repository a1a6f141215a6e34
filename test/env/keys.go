// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/util/keyutil"
)

// signingKeys are the files with which service account tokens are signed and checked, by the names that envtest gives them.
var signingKeys = []string{"sa-signer.key", "sa-signer.crt"}

// ReplaceSigningKey gives the cluster another key for service account tokens, under the same issuer,
// and purges the previous one: every token that was issued is refused from then on, those of the
// callers of ServiceAccount among them. The API server and the controllers are started again. What it
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

// Reissue returns a service account token with other claims, signed as the API server signs: one of another age, say,
// than a test has time for.
func (e *Env) Reissue(token string, change func(claims map[string]any)) (string, error) {
	key, err := keyutil.PrivateKeyFromFile(e.signingKey("sa-signer.key"))
	if err != nil {
		return "", fmt.Errorf("read the signing key: %w", err)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	content, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", errors.New("the payload of the token is not base64")
	}
	claims := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return "", errors.New("the payload of the token is not JSON")
	}
	change(claims)
	if content, err = json.Marshal(claims); err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed := header + "." + base64.RawURLEncoding.EncodeToString(content)
	digest := sha256.Sum256([]byte(signed))
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return "", fmt.Errorf("the signing key is a %T, where envtest makes one for ES256", key)
	}
	x, y, err := ecdsa.Sign(rand.Reader, signer, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	signature := append(x.FillBytes(make([]byte, sha256.Size)), y.FillBytes(make([]byte, sha256.Size))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
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

// StopControllers simulates an outage of kube-controller-manager: nothing collects garbage or fills token Secrets.
func (e *Env) StopControllers() { e.stopControllers() }

// StartControllers ends the outage. The controllers work when it returns.
func (e *Env) StartControllers(ctx context.Context) error { return e.restartControllers(ctx) }
