// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// provider is the part of the demo that is about one provider of registries.
type provider interface {
	// acts are all but the last.
	acts() []act
	// end is the last: the end of the object.
	end(ctx context.Context) error
	// stop ends what the acts started, but for the control plane and the manager.
	stop()
	// environment is that of the manager and of its users, as far as it is about the way to the registry.
	environment() []string
	// client logs in to the registry and trusts ca alone.
	client(ca []byte, user string, token credential.Token) platform.ImageClient
	// refuses shows a push that is refused.
	refuses(ctx context.Context, publish, pull consumer) error
	// ideas are commands to try while the demo is kept running.
	ideas(pull *corev1.Secret) []string
	summary() []string
}

// choose sets the provider that is shown.
func (d *demo) choose(name, registry string) error {
	path, err := filepath.Abs(registry)
	if err != nil {
		return fmt.Errorf("find the registry: %w", err)
	}
	switch name {
	case "openshift":
		d.provider = &openShift{demo: d}
	case "ibmcloud":
		d.provider = &cloud{demo: d, binary: path}
	case "external":
		d.provider = &external{demo: d, binary: path}
	case "harbor":
		d.provider = &robots{external: &external{demo: d, binary: path}}
	default:
		return fmt.Errorf("there is no provider %q to show: take openshift, ibmcloud, external or harbor", name)
	}
	return nil
}
