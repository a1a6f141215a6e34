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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

// ofObject selects what the operator made for the sample in its project.
var ofObject = client.MatchingLabels{"edge.open-horizon.io/edgeregistry": objectName}

// eventsOfObject are in the default namespace, as those of all cluster-scoped objects.
var eventsOfObject = []string{
	"get", "events", "-n", metav1.NamespaceDefault, "--field-selector=involvedObject.kind=EdgeRegistry",
	"--sort-by=.metadata.creationTimestamp",
}

// event returns the message of an event of the EdgeRegistry that has a reason and names something.
func (d *demo) event(ctx context.Context, reason, named string) (message string, err error) {
	what := "no event " + reason + " tells of " + named
	return message, poll(ctx, what, func(ctx context.Context) (bool, error) {
		events := &corev1.EventList{}
		if err := d.api.List(ctx, events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return false, err
		}
		for _, event := range events.Items {
			if event.Reason == reason && strings.Contains(event.Message, named) {
				message = event.Message
				return true, nil
			}
		}
		return false, nil
	})
}

// stayUp says what to try and waits for Ctrl-C.
func (d *demo) stayUp(ctx context.Context) error {
	kubeconfig := d.scratch("admin.kubeconfig")
	if err := d.control.Kubeconfig(d.control.Admin, kubeconfig); err != nil {
		return err
	}
	nodes, err := d.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	secret, err := d.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	reach, err := d.reach(secret)
	if err != nil {
		return err
	}
	lines := []string{
		"In another terminal:",
		"",
		"export KUBECONFIG=" + kubeconfig + ` PATH="` + strings.Join(folders(), ":") + `:$PATH"`,
		"kubectl edgereg status " + objectName,
	}
	lines = append(lines, d.provider.ideas(secret)...)
	lines = append(lines, "kubectl edgereg why "+objectName, "tail -f "+d.manager.log, "", "Push as a pipeline and pull as a node, with Skopeo:", "", reach)
	lines = append(lines, pushAndPull(nodes.image())...)
	lines = append(lines, "", "Ctrl-C ends it all.")
	for _, line := range lines {
		d.term.print(line)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errManagerEnded) {
		return errKept
	}
	return context.Cause(ctx)
}

// folders are those of the plugin and of kubectl.
func folders() []string {
	found := []string{filepath.Join(env.RepoRoot(), "bin")}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		found = append(found, assets)
	}
	return found
}

// reach is the command after which the programs of a terminal find the registry and trust it. Their logins end with the demo.
func (d *demo) reach(secret *corev1.Secret) (string, error) {
	variables := append(d.provider.environment(), "REGISTRY_AUTH_FILE="+d.scratch("auth.json"))
	if ca := secret.Data[handoff.KeyCA]; len(ca) > 0 {
		if err := os.WriteFile(d.scratch("ca.crt"), ca, 0o644); err != nil {
			return "", fmt.Errorf("write ca.crt: %w", err)
		}
		variables = append(variables, "SSL_CERT_FILE="+d.scratch("ca.crt"))
	}
	return "export " + strings.Join(variables, " "), nil
}

// pushAndPull are commands that use the logins of both Secrets, on the image that the demo pushed.
func pushAndPull(image string) []string {
	login := "kubectl edgereg login " + objectName + " --engine skopeo --no-ca"
	return []string{
		"IMAGE=docker://" + image,
		login + " --role publish",
		"skopeo copy $IMAGE $IMAGE-pushed",
		login,
		"skopeo inspect $IMAGE-pushed",
		"skopeo copy $IMAGE $IMAGE-refused   # where a registry tells what each user may do",
	}
}

// deleteObject deletes the EdgeRegistry and waits until its Secrets are gone.
func (d *demo) deleteObject(ctx context.Context, namespace string) error {
	if err := d.kubectl(ctx, "delete", "edgereg", objectName); err != nil {
		return err
	}
	secrets := &corev1.SecretList{}
	err := poll(ctx, "the Secrets are still there", func(ctx context.Context) (bool, error) {
		err := d.api.List(ctx, secrets, client.InNamespace(namespace), ofObject)
		return err == nil && len(secrets.Items) == 0, err
	})
	if err == nil {
		d.term.good("both Secrets are gone")
	}
	return err
}
