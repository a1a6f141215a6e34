// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
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

// startPlain starts a control plane without anything of OpenShift, then by start the stand-in for the registry, whose binary has to be
// there, and writes down the EdgeRegistry that sample makes of that.
func (d *demo) startPlain(ctx context.Context, provider, registry, what string, start func() error, sample func() string) error {
	if info, err := os.Stat(registry); err != nil || info.IsDir() {
		return fmt.Errorf("the registry is missing at %s: run `make demo PROVIDER=%s`", registry, provider)
	}
	if err := d.startControlPlane(ctx, env.Options{PlainKubernetes: true}); err != nil {
		return err
	}
	if err := d.term.task(what, start); err != nil {
		return err
	}
	d.sample = d.scratch(objectName + ".yaml")
	if err := os.WriteFile(d.sample, []byte(sample()), 0o644); err != nil {
		return fmt.Errorf("write the EdgeRegistry: %w", err)
	}
	return nil
}

// startPlainOperator runs the operator as on a cluster that is not OpenShift.
func (d *demo) startPlainOperator(ctx context.Context) error {
	return d.startOperator(ctx, "config/overlays/kubernetes")
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
