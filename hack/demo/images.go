// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// secret reads the Secret of a role where the status says that it is.
func (d *demo) secret(ctx context.Context, role edgev1.SecretRole) (*corev1.Secret, error) {
	edge := &edgev1.EdgeRegistry{}
	if err := d.api.Get(ctx, client.ObjectKey{Name: objectName}, edge); err != nil {
		return nil, fmt.Errorf("read the EdgeRegistry: %w", err)
	}
	for _, published := range edge.Status.Secrets {
		if published.Role != role {
			continue
		}
		secret := &corev1.Secret{}
		if err := d.api.Get(ctx, client.ObjectKey{Namespace: published.Namespace, Name: published.Name}, secret); err != nil {
			return nil, fmt.Errorf("read the %s Secret: %w", role, err)
		}
		return secret, nil
	}
	return nil, fmt.Errorf("the status of EdgeRegistry %q names no %s Secret", objectName, role)
}

// showSecrets lists the keys of both Secrets, never a value.
func (d *demo) showSecrets(ctx context.Context) error {
	for _, role := range []edgev1.SecretRole{edgev1.SecretPublish, edgev1.SecretPull} {
		secret, err := d.secret(ctx, role)
		if err != nil {
			return err
		}
		d.term.block(fmt.Sprintf("Secret %s/%s, %s", secret.Namespace, secret.Name, secret.Type), "")
		for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
			d.term.print(fmt.Sprintf("%-32s %6d bytes", key, len(secret.Data[key])))
		}
	}
	return nil
}

// moveImages uses both Secrets as pipelines and nodes do.
func (d *demo) moveImages(ctx context.Context) error {
	publish, err := d.consumer(ctx, edgev1.SecretPublish)
	if err != nil {
		return err
	}
	pull, err := d.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	ref := publish.image()
	d.term.print(ref)

	pushed, err := publish.client.Push(ctx, ref)
	if err != nil {
		return fmt.Errorf("with the login of Secret %s: %w", publish.secret, err)
	}
	d.term.good(fmt.Sprintf("pushed as %s by the %s of Secret %s", pushed, publish.with, publish.secret))

	pulled, err := pull.client.Pull(ctx, ref)
	if err != nil {
		return fmt.Errorf("with the login of Secret %s: %w", pull.secret, err)
	}
	if pulled != pushed {
		return fmt.Errorf("pulled %s as %s, which is not what was pushed: %s", ref, pulled, pushed)
	}
	d.term.good(fmt.Sprintf("pulled as the same digest by those of Secret %s", pull.secret))

	return d.provider.refuses(ctx, publish, pull)
}

// refusedPush pushes with a login that must be refused, and says whose it is.
func (d *demo) refusedPush(ctx context.Context, client platform.ImageClient, ref, whose string) error {
	_, err := client.Push(ctx, ref)
	words, refused := refusal(err)
	if !refused {
		return fmt.Errorf("a push with %s must be refused by the registry, which said: %w", whose, orAccepted(err))
	}
	d.term.good(fmt.Sprintf("refused to push by %s: the registry answers %s", whose, words))
	return nil
}

// consumer is what somebody who reads one of the Secrets can do with it.
type consumer struct {
	secret, namespace, prefix string
	// with is what of the Secret is used.
	with   string
	client platform.ImageClient
}

// image is the one that the demo pushes.
func (c consumer) image() string { return c.prefix + "/hello:1.0.0" }

// consumer takes the login as docker does, and trusts nothing but ca.crt.
func (d *demo) consumer(ctx context.Context, role edgev1.SecretRole) (consumer, error) {
	secret, err := d.secret(ctx, role)
	if err != nil {
		return consumer{}, err
	}
	logins, err := config.LoadFromReader(bytes.NewReader(secret.Data[handoff.KeyDockerConfigJSON]))
	if err != nil {
		// The cause may quote what it could not read.
		return consumer{}, fmt.Errorf("docker cannot read %s of Secret %s", handoff.KeyDockerConfigJSON, secret.Name)
	}
	host := string(secret.Data[handoff.KeyHost])
	login, found := logins.AuthConfigs[host]
	if !found {
		return consumer{}, fmt.Errorf("%s of Secret %s has no login for %s", handoff.KeyDockerConfigJSON, secret.Name, host)
	}
	with := "login and the ca.crt"
	if len(secret.Data[handoff.KeyCA]) == 0 {
		with = "login"
	}
	return consumer{
		with: with, secret: secret.Name, namespace: secret.Namespace, prefix: string(secret.Data[handoff.KeyImagePrefix]),
		client: d.provider.client(secret.Data[handoff.KeyCA], login.Username, credential.NewToken(login.Password)),
	}, nil
}

// refusal reports whether a registry refused a request for want of rights, and in which words.
func refusal(err error) (string, bool) {
	var answer *transport.Error
	if !errors.As(err, &answer) || (answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden) {
		return "", false
	}
	words := fmt.Sprintf("%d", answer.StatusCode)
	for _, diagnostic := range answer.Errors {
		words += fmt.Sprintf(" %s: %s", diagnostic.Code, diagnostic.Message)
	}
	return words, true
}

func orAccepted(err error) error {
	if err == nil {
		return errors.New("accepted")
	}
	return err
}
