// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	pusher, puller, nextPuller = "robot$plant+push", "robot$plant+edge", "robot$plant+edge-2"
	pushSecret, pullSecret     = "plant-push", "plant-pull"
	// suppliedTo is the namespace of the Secrets that people supply.
	suppliedTo = "edge-registry-credentials"
)

const externalSample = `apiVersion: edge.open-horizon.io/v1alpha1
kind: EdgeRegistry
metadata:
  name: ` + objectName + `
spec:
  external:
    host: %s
    repositoryPrefix: plant/edge
    publisher:
      credentialsSecretRef:
        name: ` + pushSecret + `
    puller:
      credentialsSecretRef:
        name: ` + pullSecret + `
  secrets:
    namespace: ` + objectName + `
`

// external is any private registry, here distribution, on a Kubernetes without anything of OpenShift.
type external struct {
	*demo
	binary   string                 // the registry's
	registry *distribution.Registry // nil until it has started
}

func (x *external) acts() []act {
	return []act{
		{"A Kubernetes control plane, and a registry that knows nothing of it", x.startCluster},
		{"The operator, with the rights of its own service account and no more", x.startPlainOperator},
		{"What people give: a namespace, an invitation to it, two logins", x.give},
		{"One object", x.applySample},
		{"What pipelines and nodes get", x.showSecrets},
		{"Images: push, pull, and a push that must be refused", x.moveImages},
		{"A node that trusts the registry", x.bootstrapNode},
		{"Another login is supplied for the nodes", x.rotate},
		{"Somebody deletes the Secret that nodes read", x.breakAndHeal},
	}
}

// startCluster starts a plain control plane and the registry.
func (x *external) startCluster(ctx context.Context) error {
	return x.startPlain(ctx, "external", x.binary, "distribution, with TLS of a private CA and htpasswd", func() (err error) {
		x.registry, err = distribution.Start(ctx, x.binary, x.scratch("registry"), distribution.Htpasswd)
		return err
	}, func() string { return fmt.Sprintf(externalSample, x.registry.Host) })
}

func (x *external) stop() {
	if x.registry != nil {
		x.registry.Stop()
	}
}

// give does what the owner of the namespace and those of the logins do.
func (x *external) give(ctx context.Context) error {
	if err := x.invite(ctx); err != nil {
		return err
	}
	for user, secret := range map[string]string{pusher: pushSecret, puller: pullSecret} {
		supplied := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: suppliedTo, Name: secret,
				Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
				Annotations: map[string]string{
					edgev1.ForAnnotation: objectName, "edge.open-horizon.io/publish-to": objectName,
				},
			},
			Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{handoff.KeyCA: x.registry.CA.PEM()},
		}
		if err := x.supply(supplied, user); err != nil {
			return err
		}
		if err := x.api.Create(ctx, supplied); err != nil {
			return fmt.Errorf("supply Secret %s: %w", secret, err)
		}
	}
	return x.kubectl(ctx, "get", "secrets", "-n", suppliedTo, "--show-labels")
}

// invite makes the namespace of the Secrets, whose owner invites the operator.
func (d *demo) invite(ctx context.Context) error {
	for _, arguments := range [][]string{
		{"create", "namespace", objectName},
		{"create", "rolebinding", "edge-registry-secrets", "-n", objectName, "--clusterrole=edge-registry-secrets",
			"--serviceaccount=" + operatorNamespace + ":edge-registry-controller-manager"},
		{"annotate", "rolebinding", "edge-registry-secrets", "-n", objectName, edgev1.ForAnnotation + "=" + objectName},
	} {
		if err := d.kubectl(ctx, arguments...); err != nil {
			return err
		}
	}
	return nil
}

// supply makes a login in the registry and puts it into a Secret.
func (x *external) supply(secret *corev1.Secret, user string) error {
	password := credential.NewToken(rand.Text())
	if err := x.registry.Login(user, password); err != nil {
		return err
	}
	content, err := json.Marshal(map[string]any{"auths": map[string]any{
		x.registry.Host: map[string]string{"username": user, "password": password.Reveal()},
	}})
	secret.Data[corev1.DockerConfigJsonKey] = content
	return err
}

// rotate supplies another login, as people do by hand: the previous one works until they end it.
func (x *external) rotate(ctx context.Context) error {
	before, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	supplied := &corev1.Secret{}
	if err := x.api.Get(ctx, client.ObjectKey{Namespace: suppliedTo, Name: pullSecret}, supplied); err != nil {
		return fmt.Errorf("read Secret %s: %w", pullSecret, err)
	}
	if err := x.supply(supplied, nextPuller); err != nil {
		return err
	}
	changed := time.Now()
	if err := x.api.Update(ctx, supplied); err != nil {
		return fmt.Errorf("supply another login: %w", err)
	}
	err = poll(ctx, "the login of "+nextPuller+" was not published", func(ctx context.Context) (bool, error) {
		secret, err := x.secret(ctx, edgev1.SecretPull)
		return err == nil && string(secret.Data[handoff.KeyUser]) == nextPuller, err
	})
	if err != nil {
		return err
	}
	x.term.good(fmt.Sprintf("the login of %s is published after %.2fs", nextPuller, time.Since(changed).Seconds()))
	after, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	for user, c := range map[string]consumer{puller: before, nextPuller: after} {
		if _, err := c.client.Pull(ctx, c.image()); err != nil {
			return fmt.Errorf("as %s: %w", user, err)
		}
	}
	x.term.good("nodes can pull by both, until people end the previous one")
	return x.kubectl(ctx, "get", "edgereg", objectName, "-o",
		`jsonpath={.status.conditions[?(@.type=="`+edgev1.CredentialsIssued+`")].message}`)
}

// breakAndHeal deletes the pull Secret and waits for the operator to notice.
func (x *external) breakAndHeal(ctx context.Context) error {
	lost, err := x.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	broken := time.Now()
	if err := x.kubectl(ctx, "delete", "secret", lost.Name, "-n", lost.Namespace); err != nil {
		return err
	}
	err = poll(ctx, "Secret "+lost.Name+" did not come back", func(ctx context.Context) (bool, error) {
		live := &corev1.Secret{}
		err := x.api.Get(ctx, client.ObjectKeyFromObject(lost), live)
		return err == nil && live.UID != lost.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	x.term.good(fmt.Sprintf("Secret %s is back after %.2fs", lost.Name, time.Since(broken).Seconds()))
	return x.kubectl(ctx, eventsOfObject...)
}

// end deletes the EdgeRegistry and shows what goes with it and what stays: the operator made no login, and ends none.
func (x *external) end(ctx context.Context) error {
	node, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	if err := x.deleteObject(ctx, node.namespace); err != nil {
		return err
	}
	if _, err := node.client.Pull(ctx, node.image()); err != nil {
		return fmt.Errorf("with the login that was published: %w", err)
	}
	x.term.good("the logins go on working until people end them in the registry")
	supplied := &corev1.SecretList{}
	if err := x.api.List(ctx, supplied, client.InNamespace(suppliedTo)); err != nil {
		return fmt.Errorf("list what was supplied: %w", err)
	}
	if len(supplied.Items) != 2 {
		return fmt.Errorf("of the Secrets that were supplied %d are there, want 2", len(supplied.Items))
	}
	x.term.good("the Secrets that were supplied stay, and so does namespace " + node.namespace)
	return nil
}

// environment is empty: the way to the registry needs no proxy.
func (x *external) environment() []string { return nil }

func (x *external) client(ca []byte, user string, token credential.Token) platform.ImageClient {
	return platform.ImageClient{Roots: ca, User: user, Token: token}
}

// refuses shows another password, since a registry with htpasswd lets all whom it knows do everything.
func (x *external) refuses(ctx context.Context, publish, _ consumer) error {
	wrong := publish.client
	wrong.Token = credential.NewToken(rand.Text())
	if err := x.refusedPush(ctx, wrong, publish.image(), "another password"); err != nil {
		return err
	}
	x.term.print("htpasswd cannot tell users apart: where a registry can, the pull Secret cannot push")
	return nil
}

func (x *external) ideas(pull *corev1.Secret) []string {
	return []string{
		"kubectl label secret " + pullSecret + " -n " + suppliedTo + " edge.open-horizon.io/credentials-   # it is used no more",
		"kubectl delete secret " + pull.Name + " -n " + pull.Namespace + "   # it comes back",
	}
}

func (x *external) summary() []string {
	return []string{
		"real       etcd, kube-apiserver and kube-controller-manager with RBAC, kubectl, the operator's binary,",
		"           the registry distribution, its logins, TLS, images and the client that pushes and pulls them",
		"stand-ins  none",
	}
}
