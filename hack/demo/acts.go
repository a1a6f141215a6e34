// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// ofObject selects what the operator made for the sample in its project.
var ofObject = client.MatchingLabels{"edge.open-horizon.io/edgeregistry": objectName}

// eventsOfObject are in the default namespace, as those of all cluster-scoped objects.
var eventsOfObject = []string{
	"get", "events", "-n", metav1.NamespaceDefault, "--field-selector=involvedObject.kind=EdgeRegistry",
	"--sort-by=.metadata.creationTimestamp",
}

// breakAndHeal deletes the publisher's RoleBinding and waits for the operator to notice.
func (d *demo) breakAndHeal(ctx context.Context) error {
	bindings := &rbacv1.RoleBindingList{}
	publisher := client.MatchingLabels{"edge.open-horizon.io/role": "publisher"}
	if err := d.api.List(ctx, bindings, ofObject, publisher); err != nil {
		return fmt.Errorf("list the publisher's RoleBindings: %w", err)
	}
	if len(bindings.Items) != 1 {
		return fmt.Errorf("the publisher has %d RoleBindings, want 1", len(bindings.Items))
	}
	binding := &bindings.Items[0]
	broken := time.Now()
	if err := d.kubectl(ctx, "delete", "rolebinding", binding.Name, "-n", binding.Namespace); err != nil {
		return err
	}
	err := poll(ctx, "RoleBinding "+binding.Name+" did not come back", func(ctx context.Context) (bool, error) {
		live := &rbacv1.RoleBinding{}
		err := d.api.Get(ctx, client.ObjectKeyFromObject(binding), live)
		return err == nil && live.UID != binding.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	d.term.good(fmt.Sprintf("RoleBinding %s is back after %.2fs", binding.Name, time.Since(broken).Seconds()))
	message, err := d.repairEvent(ctx, binding.Name)
	if err != nil {
		return err
	}
	d.term.good("event " + edgev1.ReasonRepaired + ": " + message)
	return d.kubectl(ctx, eventsOfObject...)
}

// repairEvent returns the message of the event that tells of the repair of a binding.
func (d *demo) repairEvent(ctx context.Context, binding string) (message string, err error) {
	what := "no event tells of the repair of RoleBinding " + binding
	return message, poll(ctx, what, func(ctx context.Context) (bool, error) {
		events := &corev1.EventList{}
		if err := d.api.List(ctx, events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return false, err
		}
		for _, event := range events.Items {
			if event.Reason == edgev1.ReasonRepaired && strings.Contains(event.Message, binding) {
				message = event.Message
				return true, nil
			}
		}
		return false, nil
	})
}

// stayUp says what to try and waits for Ctrl-C.
func (d *demo) stayUp(ctx context.Context) error {
	kubeconfig, ca := d.scratch("admin.kubeconfig"), d.scratch("ca.crt")
	if err := d.control.Kubeconfig(d.control.Admin, kubeconfig); err != nil {
		return err
	}
	secret, err := d.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	if err := os.WriteFile(ca, secret.Data[handoff.KeyCA], 0o644); err != nil {
		return fmt.Errorf("write ca.crt: %w", err)
	}
	path := os.Getenv("KUBEBUILDER_ASSETS")
	if path == "" {
		path = "bin"
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("find kubectl: %w", err)
	}
	for _, line := range []string{
		"In another terminal:",
		"",
		"export KUBECONFIG=" + kubeconfig + ` PATH="` + path + `:$PATH"`,
		"kubectl get edgereg -w",
		"kubectl annotate edgereg " + objectName + " " + edgev1.RotateAnnotation + "=1   # new tokens",
		"kubectl delete secret " + secret.Name + " -n " + secret.Namespace + "   # it comes back",
		"curl -i --proxy " + d.platform.ProxyURL().String() + " --cacert " + ca + " https://" + d.platform.Host() + "/v2/",
		"tail -f " + d.manager.log,
		"",
		"Ctrl-C ends it all.",
	} {
		d.term.print(line)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errManagerEnded) {
		return errKept
	}
	return context.Cause(ctx)
}

// deleteObject deletes the EdgeRegistry and shows what goes with it and what stays.
func (d *demo) deleteObject(ctx context.Context) error {
	pipeline, err := d.consumer(ctx, edgev1.SecretPublish)
	if err != nil {
		return err
	}
	if err := d.kubectl(ctx, "delete", "edgereg", objectName); err != nil {
		return err
	}
	secrets := &corev1.SecretList{}
	err = poll(ctx, "the Secrets are still there", func(ctx context.Context) (bool, error) {
		err := d.api.List(ctx, secrets, client.InNamespace(pipeline.project), ofObject)
		return err == nil && len(secrets.Items) == 0, err
	})
	if err != nil {
		return err
	}
	d.term.good("both Secrets are gone")
	err = d.term.task("the registry refuses the publisher's login", func() error {
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
	err = d.api.Get(ctx, client.ObjectKey{Name: pipeline.project}, namespace)
	if apierrors.IsNotFound(err) || (err == nil && !namespace.DeletionTimestamp.IsZero()) {
		return fmt.Errorf("project %q was deleted, although deleting an EdgeRegistry keeps it", pipeline.project)
	}
	if err != nil {
		return fmt.Errorf("read project %q: %w", pipeline.project, err)
	}
	d.term.good(fmt.Sprintf("project %s stays, with its images", pipeline.project))
	return nil
}
