// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// openShift is the registry of OpenShift itself.
type openShift struct {
	*demo
	platform *platform.Platform // nil until it has started
	delivery *delivery          // nil until it is shown
}

func (o *openShift) acts() []act {
	return []act{
		{"A Kubernetes control plane, with the parts of OpenShift around a registry", o.startCluster},
		{"The operator, with the rights of its own service account and no more", func(ctx context.Context) error {
			return o.startOperator(ctx, "config/default")
		}},
		{"One object", o.applySample},
		{"What pipelines and nodes get", o.showSecrets},
		{"Images: push, pull, and a push that must be refused", o.moveImages},
		{"A node that trusts the registry", o.bootstrapNode},
		{"The token is renewed, and a node in the field goes on", o.renewAtNode},
		{"Somebody deletes what the publisher's rights hang on", o.breakAndHeal},
	}
}

// startCluster starts the control plane and the stand-ins for OpenShift.
func (o *openShift) startCluster(ctx context.Context) error {
	o.sample = "config/samples/edge_v1alpha1_edgeregistry.yaml"
	if err := o.startControlPlane(ctx, env.Options{}); err != nil {
		return err
	}
	return o.term.task("stand-ins: image registry, router, projectrequest API", func() (err error) {
		o.platform, err = platform.Start(ctx, platform.Options{Env: o.control})
		return err
	})
}

func (o *openShift) stop() {
	if o.delivery != nil {
		o.delivery.exchange.Close()
	}
	if o.platform != nil {
		o.platform.Stop()
	}
}

// environment names the proxy by which alone the host of the registry is reached.
func (o *openShift) environment() []string {
	return []string{"HTTPS_PROXY=" + o.platform.ProxyURL().String(), "NO_PROXY=127.0.0.1,localhost"}
}

func (o *openShift) client(ca []byte, user string, token credential.Token) platform.ImageClient {
	return o.platform.ImageClient(ca, user, token)
}

func (o *openShift) refuses(ctx context.Context, publish, pull consumer) error {
	return o.refusedPush(ctx, pull.client, publish.image(), "those of Secret "+pull.secret)
}

func (o *openShift) ideas(pull *corev1.Secret) []string {
	return []string{
		"kubectl edgereg rotate " + objectName + " --wait   # new tokens",
		"kubectl delete secret " + pull.Name + " -n " + pull.Namespace + "   # it comes back",
	}
}

func (o *openShift) summary() []string {
	return []string{
		"real       etcd, kube-apiserver and kube-controller-manager with RBAC, kubectl, the operator's binary,",
		"           service accounts and tokens, TLS, images and the client that pushes and pulls them",
		"stand-ins  OpenShift's image registry and its operator, the router, the projectrequest API,",
		"           an Open Horizon Exchange and the node that reads it",
	}
}

// breakAndHeal deletes the publisher's RoleBinding and waits for the operator to notice.
func (o *openShift) breakAndHeal(ctx context.Context) error {
	bindings := &rbacv1.RoleBindingList{}
	publisher := client.MatchingLabels{"edge.open-horizon.io/role": "publisher"}
	if err := o.api.List(ctx, bindings, ofObject, publisher); err != nil {
		return fmt.Errorf("list the publisher's RoleBindings: %w", err)
	}
	if len(bindings.Items) != 1 {
		return fmt.Errorf("the publisher has %d RoleBindings, want 1", len(bindings.Items))
	}
	binding := &bindings.Items[0]
	broken := time.Now()
	if err := o.kubectl(ctx, "delete", "rolebinding", binding.Name, "-n", binding.Namespace); err != nil {
		return err
	}
	err := poll(ctx, "RoleBinding "+binding.Name+" did not come back", func(ctx context.Context) (bool, error) {
		live := &rbacv1.RoleBinding{}
		err := o.api.Get(ctx, client.ObjectKeyFromObject(binding), live)
		return err == nil && live.UID != binding.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	o.term.good(fmt.Sprintf("RoleBinding %s is back after %.2fs", binding.Name, time.Since(broken).Seconds()))
	message, err := o.event(ctx, edgev1.ReasonRepaired, binding.Name)
	if err != nil {
		return err
	}
	o.term.good("event " + edgev1.ReasonRepaired + ": " + message)
	return o.kubectl(ctx, eventsOfObject...)
}

// end deletes the EdgeRegistry and shows what goes with it and what stays.
func (o *openShift) end(ctx context.Context) error {
	pipeline, err := o.consumer(ctx, edgev1.SecretPublish)
	if err != nil {
		return err
	}
	if err := o.deleteObject(ctx, pipeline.namespace); err != nil {
		return err
	}
	if err := o.delivery.left(); err != nil {
		return err
	}
	err = o.term.task("the registry refuses the publisher's login", func() error {
		return poll(ctx, "the publisher's login still works", func(ctx context.Context) (bool, error) {
			_, err := pipeline.client.Pull(ctx, pipeline.image())
			_, refused := refusal(err)
			return refused, nil
		})
	})
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{}
	err = o.api.Get(ctx, client.ObjectKey{Name: pipeline.namespace}, namespace)
	if apierrors.IsNotFound(err) || (err == nil && !namespace.DeletionTimestamp.IsZero()) {
		return fmt.Errorf("project %q was deleted, although deleting an EdgeRegistry keeps it", pipeline.namespace)
	}
	if err != nil {
		return fmt.Errorf("read project %q: %w", pipeline.namespace, err)
	}
	o.term.good(fmt.Sprintf("project %s stays, with its images", pipeline.namespace))
	return nil
}
