// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"fmt"
)

// StopEtcd plays the loss of etcd alone: the API server stays, and can serve nothing.
func (e *Env) StopEtcd(context.Context) error {
	return e.guard.kill("etcd", e.plane.ControlPlane.Etcd.Stop)
}

// StartEtcd brings etcd back with what it held. The API server works with it when this returns.
func (e *Env) StartEtcd(ctx context.Context) error {
	if err := e.plane.ControlPlane.Etcd.Start(); err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	return poll(ctx, "kube-apiserver does not work with etcd again", e.apiServerReady)
}
