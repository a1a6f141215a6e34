// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// StopEtcd simulates the loss of etcd alone: the API server stays, and can serve nothing.
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

// SaveEtcd keeps a copy of what etcd holds, the only one. etcd is away meanwhile.
func (e *Env) SaveEtcd(ctx context.Context) error {
	if err := e.StopEtcd(ctx); err != nil {
		return err
	}
	if err := copyFolder(e.savedEtcd(), e.plane.ControlPlane.Etcd.DataDir); err != nil {
		return err
	}
	return e.StartEtcd(ctx)
}

// RestoreEtcd puts the copy in the place of what etcd holds, with the resource versions of then. The API server and the
// controllers are started again, as they have to be when that is done in earnest.
func (e *Env) RestoreEtcd(ctx context.Context) error {
	if err := e.StopAPIServer(ctx); err != nil {
		return err
	}
	if err := e.StopEtcd(ctx); err != nil {
		return err
	}
	if err := copyFolder(e.plane.ControlPlane.Etcd.DataDir, e.savedEtcd()); err != nil {
		return err
	}
	if err := e.plane.ControlPlane.Etcd.Start(); err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	return e.StartAPIServer(ctx)
}

func (e *Env) savedEtcd() string { return filepath.Join(e.state, "etcd-saved") }

// copyFolder makes one folder the same as another.
func copyFolder(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("copy the data of etcd: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy the data of etcd: %w", err)
	}
	return nil
}
