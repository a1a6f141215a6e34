// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
)

const (
	harborProject = "plant"
	makerSecret   = "plant-harbor"
)

const harborSample = `apiVersion: edge.open-horizon.io/v1alpha1
kind: EdgeRegistry
metadata:
  name: ` + objectName + `
spec:
  external:
    host: %s
    repositoryPrefix: ` + harborProject + `/edge
    harbor:
      project: ` + harborProject + `
      credentialsSecretRef:
        name: ` + makerSecret + `
  secrets:
    namespace: ` + objectName + `
`

// robots is Harbor, whose robots the operator makes: the stand-in, with distribution behind it.
type robots struct {
	*external
	harbor         *harbor.Harbor // nil until it has started
	user, password string         // the account that makes robots
}

func (x *robots) acts() []act {
	return []act{
		{"A Kubernetes control plane, and a Harbor that knows nothing of it", x.startCluster},
		{"The operator, with the rights of its own service account and no more", x.startPlainOperator},
		{"What people give: a namespace, an invitation to it, an account that makes robots", x.give},
		{"One object", x.applySample},
		{"What pipelines and nodes get", x.showSecrets},
		{"The robots in Harbor", x.showRobots},
		{"Images: push, pull, and a push that must be refused", x.moveImages},
		{"A node that trusts the registry", x.bootstrapNode},
		{"The robots are renewed, and the earlier ones work on", x.renew},
		{"Somebody deletes the Secret that nodes read", x.breakAndHeal},
	}
}

func (x *robots) startCluster(ctx context.Context) error {
	const what = "Harbor's robots and tokens, with distribution behind them and TLS of a private CA"
	return x.startPlain(ctx, "harbor", x.binary, what, func() (err error) {
		x.harbor, err = harbor.New(ctx, harbor.Options{Registry: x.binary, Images: x.scratch("registry")})
		if err != nil {
			return err
		}
		x.harbor.AddProject(harborProject)
		x.user, x.password = x.harbor.AddRobot(harborProject, "maker", "makes robots",
			"project:read", "robot:create", "robot:read", "robot:update", "robot:list", "robot:delete", "repository:pull", "repository:push")
		return nil
	}, func() string { return fmt.Sprintf(harborSample, x.harbor.Host) })
}

func (x *robots) stop() {
	if x.harbor != nil {
		x.harbor.Close()
	}
}

// give does what the owners of the namespace and of the account do.
func (x *robots) give(ctx context.Context) error {
	if err := x.invite(ctx); err != nil {
		return err
	}
	account := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: suppliedTo, Name: makerSecret,
			Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{
				edgev1.ForAnnotation: objectName, "edge.open-horizon.io/publish-to": objectName,
				"edge.open-horizon.io/hosts": x.harbor.Host, "edge.open-horizon.io/harbor-projects": harborProject,
			},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte(x.user), "password": []byte(x.password), handoff.KeyCA: x.harbor.CA.PEM()},
	}
	if err := x.api.Create(ctx, account); err != nil {
		return fmt.Errorf("supply Secret %s: %w", makerSecret, err)
	}
	return x.kubectl(ctx, "get", "secrets", "-n", suppliedTo, "--show-labels")
}

// showRobots lists what there is in Harbor.
func (x *robots) showRobots(context.Context) error {
	for _, r := range x.harbor.Robots() {
		until := "for ever"
		if life := r.Expires.Sub(r.Created); life < 100*365*24*time.Hour {
			until = fmt.Sprintf("for %d days", int(life.Hours()/24))
		}
		x.term.print(fmt.Sprintf("%3d  %-32s %s", r.ID, r.Name, until))
	}
	return nil
}

// renew asks for other robots, as their end does.
func (x *robots) renew(ctx context.Context) error {
	before, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	asked := time.Now()
	if err := x.kubectl(ctx, "annotate", "edgereg", objectName, edgev1.RotateAnnotation+"=now"); err != nil {
		return err
	}
	err = poll(ctx, "no other robot was published", func(ctx context.Context) (bool, error) {
		secret, err := x.secret(ctx, edgev1.SecretPull)
		return err == nil && strings.HasSuffix(string(secret.Data[handoff.KeyUser]), "-puller-2"), err
	})
	if err != nil {
		return err
	}
	x.term.good(fmt.Sprintf("the next robots are published after %.2fs", time.Since(asked).Seconds()))
	after, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	for _, c := range []consumer{before, after} {
		if _, err := c.client.Pull(ctx, c.image()); err != nil {
			return fmt.Errorf("as %s: %w", c.client.User, err)
		}
	}
	x.term.good("nodes can pull by both: each robot works for the whole of its lifetime")
	return x.showRobots(ctx)
}

// end deletes the EdgeRegistry, and with it its robots.
func (x *robots) end(ctx context.Context) error {
	node, err := x.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	if err := x.deleteObject(ctx, node.namespace); err != nil {
		return err
	}
	if _, err := node.client.Pull(ctx, node.image()); err == nil {
		return fmt.Errorf("the login that was published still works")
	}
	if left := len(x.harbor.Robots()); left != 1 {
		return fmt.Errorf("of the robots %d are left, want that of the account alone", left)
	}
	x.term.good("its robots are deleted in Harbor, and what was published no longer works")
	return x.showRobots(ctx)
}

// refuses shows a push with the login of nodes.
func (x *robots) refuses(ctx context.Context, publish, pull consumer) error {
	return x.refusedPush(ctx, pull.client, publish.image(), "those of Secret "+pull.secret)
}

func (x *robots) ideas(pull *corev1.Secret) []string {
	return []string{
		"kubectl edgereg rotate " + objectName + " --wait   # other robots",
		"kubectl delete secret " + pull.Name + " -n " + pull.Namespace + "   # it comes back",
	}
}

func (x *robots) summary() []string {
	return []string{
		"real       etcd, kube-apiserver and kube-controller-manager with RBAC, kubectl, the operator's binary,",
		"           the registry distribution, TLS, images and the client that pushes and pulls them",
		"stand-ins  Harbor's API of robots and its token endpoint",
	}
}
