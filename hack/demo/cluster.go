// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

// startControlPlane starts the control plane that everything happens on.
func (d *demo) startControlPlane(ctx context.Context, o env.Options) error {
	o.Output = d.output
	err := d.term.task("etcd, kube-apiserver, kube-controller-manager", func() (err error) {
		d.control, err = env.Start(ctx, o)
		return err
	})
	if err != nil {
		return err
	}
	if d.api, err = client.NewWithWatch(d.control.Admin, client.Options{Scheme: d.control.Scheme}); err != nil {
		return fmt.Errorf("make the admin's client: %w", err)
	}
	return nil
}

// startOperator installs a folder of config/ and runs the manager as its Deployment would.
func (d *demo) startOperator(ctx context.Context, folder string) error {
	var account *rest.Config
	err := d.term.task("apply "+folder+", all but the Deployment", func() (err error) {
		account, err = d.control.InstallOperator(ctx)
		return err
	})
	if err != nil {
		return err
	}
	kubeconfig := d.scratch("operator.kubeconfig")
	if err := d.control.Kubeconfig(account, kubeconfig); err != nil {
		return err
	}
	err = d.term.task("start the manager as a process of its own", func() error {
		return d.startManager(ctx, kubeconfig)
	})
	if err == nil {
		d.term.print("its log, until the demo ends: " + d.manager.log)
	}
	return err
}

// scratch is a path in the control plane's folder, which goes even if this process is killed.
func (d *demo) scratch(name string) string { return filepath.Join(d.control.Dir, name) }
