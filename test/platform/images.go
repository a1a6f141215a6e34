// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const (
	layerSize  = 256 // bytes
	layerCount = 2
)

// ImageClient pushes and pulls as docker or podman do: it trusts Roots alone,
// logs in with user and token, and follows the registry's token flow.
type ImageClient struct {
	Roots []byte // PEM
	User  string
	Token credential.Token
	// Dial connects; nil is the network.
	Dial dialFunc
}

// ImageClient returns a client that reaches the platform's router.
func (p *Platform) ImageClient(roots []byte, user string, token credential.Token) ImageClient {
	return ImageClient{Roots: roots, User: user, Token: token, Dial: p.DialContext}
}

// Push makes a small random image, pushes it to ref (host/project/name:tag) and
// returns its digest.
func (c ImageClient) Push(ctx context.Context, ref string) (string, error) {
	reference, options, done, err := c.prepare(ctx, ref)
	if err != nil {
		return "", err
	}
	defer done()
	image, err := random.Image(layerSize, layerCount)
	if err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	if err := remote.Write(reference, image, options...); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	return digest(image, ref)
}

// Pull reads the image at ref with all its layers and returns its digest.
func (c ImageClient) Pull(ctx context.Context, ref string) (string, error) {
	reference, options, done, err := c.prepare(ctx, ref)
	if err != nil {
		return "", err
	}
	defer done()
	image, err := remote.Image(reference, options...)
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", ref, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", ref, err)
	}
	for _, layer := range layers {
		if err := drain(layer); err != nil {
			return "", fmt.Errorf("pull a layer of %s: %w", ref, err)
		}
	}
	return digest(image, ref)
}

func (c ImageClient) prepare(ctx context.Context, ref string) (name.Reference, []remote.Option, func(), error) {
	reference, err := name.ParseReference(ref, name.StrictValidation)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the image reference: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.Roots) {
		return nil, nil, nil, fmt.Errorf("reach %s: the roots hold no certificate", ref)
	}
	transport := &http.Transport{
		DialContext:     c.Dial,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}
	return reference, []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(transport),
		remote.WithAuth(&authn.Basic{Username: c.User, Password: c.Token.Reveal()}),
		// A refused request is an answer here, so none is tried again.
		remote.WithRetryStatusCodes(),
	}, transport.CloseIdleConnections, nil
}

func drain(layer v1.Layer) error {
	content, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(io.Discard, content)
	return err
}

func digest(image v1.Image, ref string) (string, error) {
	hash, err := image.Digest()
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", ref, err)
	}
	return hash.String(), nil
}
