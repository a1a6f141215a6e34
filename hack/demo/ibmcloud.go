// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	cloudAccount, cloudRegion = "plantaccount", "us-south"
	ourImages, othersImages   = "plant-images", "office-images"
	cloudSecret               = "ibm-cloud"
	rotation                  = "demo"
)

const cloudSample = `apiVersion: edge.open-horizon.io/v1alpha1
kind: EdgeRegistry
metadata:
  name: ` + objectName + `
spec:
  ibmCloud:
    region: ` + cloudRegion + `
    credentialsSecretRef:
      name: ` + cloudSecret + `
    registryNamespace:
      name: ` + ourImages + `
      policy: CreateOrAdopt
  secrets:
    namespace: ` + objectName + `
  verification:
    repository: hello
  deletionPolicy: Delete
`

// cloudDelays are those of a day on which IBM Cloud is fast: a minute is long for who watches.
var cloudDelays = ibmcloud.Delays{
	Reads: 200 * time.Millisecond, Keys: time.Second, Grants: 2 * time.Second, RetiredKeys: time.Second, Revocations: 2 * time.Second,
}

// cloud is IBM Cloud, simulated by a stand-in, before a real registry, and a Kubernetes without anything of OpenShift.
type cloud struct {
	*demo
	binary string          // the registry's
	ibm    *ibmcloud.Cloud // nil until it has started
	key    ibmcloud.Key    // what the operator is given
	// before is what is in the account before the EdgeRegistry is.
	before []string
}

func (c *cloud) acts() []act {
	return []act{
		{"A Kubernetes control plane, and IBM Cloud with a registry", c.startCluster},
		{"The operator, with the rights of its own service account and no more", c.startPlainOperator},
		{"What people give: a namespace, an invitation to it, an API key that no node will ever hold", c.give},
		{"One object", c.applySample},
		{"What there is at IBM Cloud now", c.showAccount},
		{"What pipelines and nodes get", c.showSecrets},
		{"Images: push, pull, and a push that must be refused", c.moveImages},
		{"New keys, and the old ones go on working", c.rotate},
	}
}

// startCluster starts a plain control plane and the cloud, in whose account is what is others'.
func (c *cloud) startCluster(ctx context.Context) error {
	const what = "a stand-in for IBM Cloud: IAM and the registry's API, before the registry distribution"
	return c.startPlain(ctx, "ibmcloud", c.binary, what, func() error {
		c.ibm = ibmcloud.New(ibmcloud.Options{Delays: &cloudDelays, Registry: c.binary, Images: c.scratch("images")})
		c.ibm.AddAccount(cloudAccount, ibmcloud.AccountOptions{})
		c.ibm.AddNamespace(cloudAccount, cloudRegion, othersImages)
		c.ibm.AddServiceID(cloudAccount, "nightly-build", ibmcloud.Grant{
			Roles: []string{"Writer"}, On: ibmcloud.OnNamespace(cloudAccount, cloudRegion, othersImages),
		})
		c.key = c.ibm.AddServiceID(cloudAccount, "edge-registry-operator", c.ibm.MayCreateNamespaces(cloudAccount, cloudRegion)...)
		c.before = c.account()
		return os.WriteFile(c.scratch("public-cas.pem"), c.ibm.CA.PEM(), 0o644)
	}, func() string { return cloudSample })
}

func (c *cloud) stop() {
	if c.ibm != nil {
		c.ibm.Close()
	}
}

// account is what is in the account, each thing a line.
func (c *cloud) account() []string {
	var all []string
	for _, name := range c.ibm.Namespaces(cloudAccount, cloudRegion) {
		all = append(all, "registry namespace  "+name)
	}
	named := map[string]string{}
	for _, one := range c.ibm.ServiceIDs(cloudAccount) {
		named[one.IAMID] = one.Name
		all = append(all, "service ID          "+one.Name)
	}
	for _, policy := range c.ibm.Policies(cloudAccount) {
		if name, of := named[policy.IAMID]; of {
			var on []string
			for _, of := range []string{"serviceName", "region", "resourceType", "resource"} {
				if policy.On[of] != "" {
					on = append(on, policy.On[of])
				}
			}
			all = append(all, fmt.Sprintf("policy              %s: %s on %s", name, strings.Join(policy.Roles, " and "), strings.Join(on, " ")))
		}
	}
	for identity, keys := range c.ibm.Keys() {
		for _, key := range keys {
			if name, of := named[identity]; of {
				all = append(all, fmt.Sprintf("API key             %s: %s", name, key.Name))
			}
		}
	}
	slices.Sort(all)
	return all
}

// give does what the owner of the namespace and the admin of the account do.
func (c *cloud) give(ctx context.Context) error {
	if err := c.invite(ctx); err != nil {
		return err
	}
	supplied := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: suppliedTo, Name: cloudSecret,
			Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{
				edgev1.ForAnnotation: objectName, "edge.open-horizon.io/publish-to": objectName,
				"edge.open-horizon.io/registry-namespaces": ourImages,
			},
		},
		Data: map[string][]byte{"apikey": []byte(c.key.Value())},
	}
	if err := c.api.Create(ctx, supplied); err != nil {
		return fmt.Errorf("supply Secret %s: %w", cloudSecret, err)
	}
	err := c.kubectl(ctx, "get", "secret", cloudSecret, "-n", suppliedTo, "-o", "jsonpath={.metadata.labels}{\"\\n\"}{.metadata.annotations}")
	if err != nil {
		return err
	}
	c.term.block("Account "+cloudAccount+", before anything is done there", strings.Join(c.before, "\n"))
	return nil
}

// showAccount lists what was made at IBM Cloud, and looks for the supplied key where it may not be.
func (c *cloud) showAccount(ctx context.Context) error {
	var made []string
	for _, line := range c.account() {
		if !slices.Contains(c.before, line) {
			made = append(made, line)
		}
	}
	c.term.block("Account "+cloudAccount+", what is new", strings.Join(made, "\n"))
	secrets := &corev1.SecretList{}
	if err := c.api.List(ctx, secrets); err != nil {
		return fmt.Errorf("list all Secrets: %w", err)
	}
	for _, secret := range secrets.Items {
		for key, value := range secret.Data {
			own := secret.Namespace == suppliedTo && secret.Name == cloudSecret
			if !own && bytes.Contains(value, []byte(c.key.Value())) {
				return fmt.Errorf("the Secret %s/%s holds the supplied API key in %s", secret.Namespace, secret.Name, key)
			}
		}
	}
	c.term.gap()
	c.term.good(fmt.Sprintf("of the %d Secrets of the cluster none holds the supplied key but its own", len(secrets.Items)))
	return nil
}

// rotate asks for new keys. Those before them work until their lifetime is over.
func (c *cloud) rotate(ctx context.Context) error {
	before, err := c.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	asked := time.Now()
	if err := c.kubectl(ctx, "annotate", "edgereg", objectName, edgev1.RotateAnnotation+"="+rotation); err != nil {
		return err
	}
	err = poll(ctx, "new keys were not published", func(ctx context.Context) (bool, error) {
		edge := &edgev1.EdgeRegistry{}
		err := c.api.Get(ctx, client.ObjectKey{Name: objectName}, edge)
		return err == nil && edge.Status.LastHandledRotation == rotation, err
	})
	if err != nil {
		return err
	}
	c.term.good(fmt.Sprintf("new keys are published after %.2fs, once IBM Cloud took them everywhere", time.Since(asked).Seconds()))
	after, err := c.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	if after.client.Token.Reveal() == before.client.Token.Reveal() {
		return errors.New("the pull Secret has the previous key")
	}
	for which, one := range map[string]consumer{"previous": before, "new": after} {
		if _, err := one.client.Pull(ctx, one.image()); err != nil {
			return fmt.Errorf("with the %s key: %w", which, err)
		}
	}
	c.term.good("nodes can pull with the previous key and with the new one")
	return c.kubectl(ctx, "get", "edgereg", objectName, "-o",
		`go-template={{range .status.credentials}}{{.role}} generation {{.generation}}, until {{.expiresAt}}{{if .current}}, current{{end}}{{"\n"}}{{end}}`)
}

// end deletes the EdgeRegistry, and compares what is in the account with what was there before.
func (c *cloud) end(ctx context.Context) error {
	node, err := c.consumer(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	if err := c.deleteObject(ctx, node.namespace); err != nil {
		return err
	}
	err = c.term.task("IBM Cloud refuses the puller's key", func() error {
		return poll(ctx, "the puller's key still works", func(ctx context.Context) (bool, error) {
			_, err := node.client.Pull(ctx, node.image())
			var answer *transport.Error
			return errors.As(err, &answer) && answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError, nil
		})
	})
	if err != nil {
		return err
	}
	after := c.account()
	c.term.block("Account "+cloudAccount, strings.Join(after, "\n"))
	if !slices.Equal(after, c.before) {
		return errors.New("the account is not as it was before the EdgeRegistry")
	}
	c.term.gap()
	c.term.good("nothing of the operator's is left there, and all that is others'")
	return c.kubectl(ctx, eventsOfObject...)
}

// environment names the proxy by which the hosts of IBM Cloud are reached, and the CAs that are public here.
func (c *cloud) environment() []string {
	return []string{
		"HTTPS_PROXY=" + c.ibm.ProxyURL.String(), "NO_PROXY=127.0.0.1,localhost",
		"SSL_CERT_FILE=" + c.scratch("public-cas.pem"), "SSL_CERT_DIR=" + c.scratch("none"),
	}
}

// client trusts public CAs where no other is given.
func (c *cloud) client(ca []byte, user string, token credential.Token) platform.ImageClient {
	if len(ca) == 0 {
		ca = c.ibm.CA.PEM()
	}
	return platform.ImageClient{Roots: ca, User: user, Token: token, Dial: c.ibm.DialContext}
}

func (c *cloud) refuses(ctx context.Context, publish, pull consumer) error {
	if err := c.refusedPush(ctx, pull.client, publish.image(), "that of Secret "+pull.secret); err != nil {
		return err
	}
	elsewhere := strings.Replace(publish.image(), ourImages, othersImages, 1)
	return c.refusedPush(ctx, publish.client, elsewhere, "that of Secret "+publish.secret+" in another registry namespace")
}

func (c *cloud) ideas(pull *corev1.Secret) []string {
	return []string{
		"kubectl edgereg rotate " + objectName + " --wait   # new keys",
		"kubectl delete secret " + pull.Name + " -n " + pull.Namespace + "   # it comes back, with a new key",
	}
}

func (c *cloud) summary() []string {
	return []string{
		"real       etcd, kube-apiserver and kube-controller-manager with RBAC, kubectl, the operator's binary,",
		"           the registry distribution, TLS, images and the client that pushes and pulls them",
		"stand-ins  IBM Cloud's IAM, the API of its registry and the logins before it, decided from stored policies",
	}
}
