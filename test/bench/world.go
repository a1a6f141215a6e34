// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// world is a control plane with the platform and the operator's rights in it. Each part of the
// benchmark has one of its own, so that none meets what another left behind.
type world struct {
	control  *env.Env
	platform *platform.Platform
	// api is the admin's client, live.
	api client.WithWatch
	// account is the operator's own, kubeconfig a file that says the same.
	account    *rest.Config
	kubeconfig string
	audit      auditLog
	// manager is the operator that was started last, and stops end all of them.
	manager *manager
	stops   []func()
	// applied are the names of all EdgeRegistries, and named is how many names were given out.
	applied []string
	named   int
	// events is how many the operator sends about one object, and so the bare client.
	events int
}

func newWorld(ctx context.Context) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.end())
		}
	}()
	if w.control, err = env.Start(ctx, env.Options{}); err != nil {
		return w, err
	}
	w.audit = auditLog(w.control.AuditLog)
	if w.api, err = client.NewWithWatch(w.control.Admin, client.Options{Scheme: w.control.Scheme}); err != nil {
		return w, fmt.Errorf("make the admin's client: %w", err)
	}
	if w.platform, err = platform.Start(ctx, platform.Options{Env: w.control}); err != nil {
		return w, err
	}
	if w.account, err = w.control.InstallOperator(ctx); err != nil {
		return w, err
	}
	if err := w.installTwin(ctx); err != nil {
		return w, err
	}
	w.kubeconfig = filepath.Join(w.control.Dir, "operator.kubeconfig")
	return w, w.control.Kubeconfig(w.account, w.kubeconfig)
}

func (w *world) end() error {
	for _, stop := range w.stops {
		stop()
	}
	if w.platform != nil {
		w.platform.Stop()
	}
	if w.control != nil {
		return w.control.Stop()
	}
	return nil
}

// twinGroup has a kind with the schema of EdgeRegistry, for the bare client to write the same objects
// while the operator runs and sees none of them.
const twinGroup = "twin.edge.open-horizon.io"

// installTwin installs that kind and lets the operator's account write it.
func (w *world) installTwin(ctx context.Context) error {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := w.api.Get(ctx, client.ObjectKey{Name: "edgeregistries." + edgev1.GroupVersion.Group}, crd); err != nil {
		return fmt.Errorf("read the CRD of EdgeRegistry: %w", err)
	}
	twin := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "edgeregistries." + twinGroup},
		Spec:       *crd.Spec.DeepCopy(),
	}
	twin.Spec.Group = twinGroup
	twin.Spec.Names.ShortNames = nil
	rights := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-twin"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{twinGroup}, Resources: []string{"*"}, Verbs: []string{"*"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-twin"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: rights.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:serviceaccounts:" + operatorNamespace}},
	}
	for _, object := range []client.Object{twin, rights, binding} {
		if err := w.api.Create(ctx, object); err != nil {
			return fmt.Errorf("install the twin of EdgeRegistry: %w", err)
		}
	}
	return poll(ctx, "the twin of EdgeRegistry is not served", func(ctx context.Context) (bool, error) {
		list := newTwinList()
		return w.api.List(ctx, list) == nil, nil
	})
}
