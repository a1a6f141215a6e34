// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what the keys of IBM Cloud do at a real registry, and where the supplied key goes.

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// with pushes and pulls with a login.
func (w *cloudWorld) with(user string, key credential.Token) platform.ImageClient {
	return platform.ImageClient{Roots: w.CA.PEM(), User: user, Token: key, Dial: w.Cloud.DialContext}
}

// by pushes and pulls with what a Secret says.
func (w *cloudWorld) by(published *corev1.Secret) platform.ImageClient {
	return w.with(string(published.Data[handoff.KeyUser]), tokenOf(published))
}

// refusedWith is the status with which a registry refuses something; 0 where it did not.
func refusedWith(_ string, err error) int {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// inspect expects the supplied key in its own Secret, and nowhere else.
func (w *cloudWorld) inspect(t *testing.T, edge *edgev1.EdgeRegistry, key ibmcloud.Key) {
	t.Helper()
	g := NewWithT(t)
	supplied := leaks.Of(key.Value())
	secrets, maps := &corev1.SecretList{}, &corev1.ConfigMapList{}
	g.Expect(admin.List(t.Context(), secrets)).To(Succeed())
	g.Expect(admin.List(t.Context(), maps)).To(Succeed())
	found := 0
	for _, secret := range secrets.Items {
		shown := false
		for _, value := range secret.Data {
			shown = shown || supplied.In(string(value))
		}
		secret.Data = nil
		about, err := json.Marshal(secret)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(supplied.In(string(about))).To(BeFalse(), "the metadata of Secret %s/%s", secret.Namespace, secret.Name)
		if shown {
			found++
			g.Expect(client.ObjectKeyFromObject(&secret)).To(Equal(client.ObjectKey{Namespace: objects.CredentialsNamespace, Name: edge.Name}))
		}
	}
	g.Expect(found).To(Equal(1), "the test finds it where it is")
	families, err := crmetrics.Registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	for what, of := range map[string]any{"ConfigMaps": maps, "metrics": families, "the status": reload(t, edge), "events": eventsOf(t, edge)} {
		g.Expect(supplied.In(written(t, of))).To(BeFalse(), what)
	}
	g.Expect(canary.search(t.Context())).To(BeEmpty(), "logs, statuses and events")
	g.Expect(w.Exposed()).To(BeEmpty())
	g.Expect(w.Shown(key.ID)).To(Equal([]string{ibmcloud.IAMHost + " GET /v1/apikeys/details", ibmcloud.IAMHost + " POST /identity/token"}))
}

func TestTheKeysOfIBMCloudMoveImagesInOneNamespaceAlone(t *testing.T) {
	g := NewWithT(t)
	program := filepath.Join(t.TempDir(), "registry")
	g.Expect(distribution.Build(t.Context(), program)).To(Succeed())
	w := startCloud(t, ibmcloud.Options{Registry: program, Images: t.TempDir()})
	const others, elsewhere = cloudHost + "/office-images/desk:1", "de.icr.io/" + plantImages + "/camera:1"
	w.AddNamespace(plantAccount, cloudRegion, "office-images")
	w.AddNamespace(plantAccount, "eu-de", plantImages)
	edge, key := w.edge(t, w.all())
	awaitReady(t, edge)
	owner := w.AddKey(w.Owner(plantAccount))
	canary.know(credential.NewToken(owner.Value()))
	publish, pull := publishedTo(t, edge, "-publish"), publishedTo(t, edge, "-pull")
	pipeline, node := w.by(publish), w.by(pull)
	camera := string(publish.Data[handoff.KeyImagePrefix]) + "/camera:1"

	digest, err := pipeline.Push(t.Context(), camera)
	g.Expect(err).NotTo(HaveOccurred())
	for name, c := range map[string]platform.ImageClient{"the publisher": pipeline, "the puller": node} {
		pulled, err := c.Pull(t.Context(), strings.TrimSuffix(camera, ":1")+"@"+digest)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(pulled).To(Equal(digest), name)
	}
	g.Expect(refusedWith(node.Push(t.Context(), camera))).To(Equal(403), "the puller does not push")
	for _, image := range []string{others, elsewhere} {
		_, err := w.with(cloudUser, credential.NewToken(owner.Value())).Push(t.Context(), image)
		g.Expect(err).NotTo(HaveOccurred(), image)
		for name, does := range map[string]func(context.Context, string) (string, error){
			"the publisher pushes": pipeline.Push, "the publisher pulls": pipeline.Pull, "the puller pushes": node.Push, "the puller pulls": node.Pull,
		} {
			g.Expect(refusedWith(does(t.Context(), image))).To(Equal(403), "%s %s", name, image)
		}
	}

	g.Expect(w.Shown(w.keysOf(edge, "puller")[0].ID)).To(ContainElement(cloudHost+" GET /oauth/token"), "the test sees where a key is shown")
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Annotations = map[string]string{edgev1.RotateAnnotation: "1"} })
	g.Eventually(func() bool { return tokenOf(publishedTo(t, edge, "-pull")).Equal(node.Token) }).WithTimeout(soon).WithPolling(often).Should(BeFalse())
	for name, c := range map[string]platform.ImageClient{"previous": node, "new": w.by(publishedTo(t, edge, "-pull"))} {
		_, err := c.Pull(t.Context(), camera)
		g.Expect(err).NotTo(HaveOccurred(), "the %s key", name)
	}
	w.inspect(t, edge, key)
}
