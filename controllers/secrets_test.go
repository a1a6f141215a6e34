// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// held compares values without printing either, for one of them is a token.
func held(t *testing.T, data map[string][]byte, key, want string) {
	t.Helper()
	if string(data[key]) != want {
		t.Errorf("%s does not hold what it should", key)
	}
}

func TestSecretsCarryWhatConsumersRead(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.ServiceAccountName = "pipeline"
		e.Spec.OpenShift.Puller.ServiceAccountName = "nodes"
		e.Spec.Secrets.Publish.Name, e.Spec.Secrets.Pull.Name = "push-here", "pull-here"
	})))
	host, prefix := openShift.Host(), openShift.Host()+"/"+edge.Name
	pullToken := tokenOf(secretOf(t, edge, "pull-here")).Reveal()
	common := []string{".dockerconfigjson", "HZN_REGISTRY_AUTH", "IMAGE_PREFIX", "OCP_DOCKER_HOST", "OCP_PROJECT", "OCP_TOKEN", "OCP_USER", "ca.crt",
		"type", "provider", "host", "port", "uri", "username", "password"}
	for _, tt := range []struct {
		secret, user string
		keys         []string
	}{
		{"push-here", "pipeline." + edge.Name, common},
		{"pull-here", "nodes." + edge.Name, append([]string{"EDGE_CLUSTER_REGISTRY_TOKEN", "EDGE_CLUSTER_REGISTRY_USERNAME", "node-bootstrap.sh"}, common...)},
	} {
		t.Run(tt.secret, func(t *testing.T) {
			g := NewWithT(t)
			secret := secretOf(t, edge, tt.secret)
			token := tokenOf(secret).Reveal()
			g.Expect(slices.Collect(maps.Keys(secret.Data))).To(ConsistOf(tt.keys))
			g.Expect(secret.Type).To(Equal(corev1.SecretTypeDockerConfigJson))
			g.Expect(secret.Annotations).To(HaveKeyWithValue("tekton.dev/docker-0", "https://"+host))
			expectOwned(t, edge, secret)
			held(t, secret.Data, "OCP_DOCKER_HOST", host)
			held(t, secret.Data, "OCP_PROJECT", edge.Name)
			held(t, secret.Data, "OCP_USER", tt.user)
			held(t, secret.Data, "OCP_TOKEN", token)
			held(t, secret.Data, "IMAGE_PREFIX", prefix)
			held(t, secret.Data, "uri", "https://"+host)
			held(t, secret.Data, "username", tt.user)
			held(t, secret.Data, "password", token)
			held(t, secret.Data, "HZN_REGISTRY_AUTH", host+":nodes."+edge.Name+":"+pullToken)
			if tt.secret == "pull-here" {
				held(t, secret.Data, "EDGE_CLUSTER_REGISTRY_USERNAME", tt.user)
				held(t, secret.Data, "EDGE_CLUSTER_REGISTRY_TOKEN", token)
				g.Expect(string(secret.Data["node-bootstrap.sh"])).To(And(HavePrefix("#!/bin/sh"), ContainSubstring(host)))
			}
			var login struct {
				Auths map[string]map[string]string
			}
			g.Expect(json.Unmarshal(secret.Data[".dockerconfigjson"], &login)).To(Succeed())
			g.Expect(login.Auths).To(HaveLen(1))
			g.Expect(slices.Collect(maps.Keys(login.Auths[host]))).To(Equal([]string{"auth"}), "docker and crane know no other field in DOCKER_AUTH_CONFIG")
			g.Expect(login.Auths[host]["auth"] == base64.StdEncoding.EncodeToString([]byte(tt.user+":"+token))).To(BeTrue())
			certificates, err := trust.ParsePEM(secret.Data["ca.crt"])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(certificates).To(HaveEach(HaveField("IsCA", true)))
			g.Expect(works(t, tokenOf(secret))).To(BeTrue())
		})
	}
	g.Expect(edge.Status.Host).To(Equal(host))
	g.Expect(edge.Status.ImagePrefix).To(Equal(prefix))
	g.Expect(edge.Status.Secrets).To(HaveExactElements(
		And(HaveField("Role", edgev1.SecretPublish), HaveField("Namespace", edge.Name), HaveField("Name", "push-here")),
		And(HaveField("Role", edgev1.SecretPull), HaveField("Namespace", edge.Name), HaveField("Name", "pull-here"))))
	g.Expect(same(tokenOf(secretOf(t, edge, "push-here")), tokenOf(secretOf(t, edge, "pull-here")))).To(BeFalse())
}

func TestSecretsCarryLabelsAndAnnotationsOfTheSpec(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels = map[string]edgev1.LabelValue{"team": "a", "stays": "yes"}
		e.Spec.Secrets.Publish.Annotations = map[string]edgev1.AnnotationValue{"example.test/note": "one", "example.test/stays": "yes"}
	})))
	name := pass.PublishSecretName(edge)
	g.Expect(secretOf(t, edge, name).Labels).To(And(HaveKeyWithValue("team", "a"), HaveKeyWithValue("stays", "yes")))
	g.Expect(secretOf(t, edge, name).Annotations).To(And(HaveKeyWithValue("example.test/note", "one"), HaveKeyWithValue("example.test/stays", "yes")))

	// What somebody else puts on the Secret is theirs.
	edit(t, secretOf(t, edge, name), func(s *corev1.Secret) {
		metav1.SetMetaDataLabel(&s.ObjectMeta, "mine", "label")
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, "mine", "annotation")
		s.Data["MINE"] = []byte("data")
	})
	theirs := func(g Gomega, s *corev1.Secret) {
		g.Expect(s.Labels).To(HaveKeyWithValue("mine", "label"))
		g.Expect(s.Annotations).To(HaveKeyWithValue("mine", "annotation"))
		g.Expect(string(s.Data["MINE"])).To(Equal("data"))
	}
	quiet := len(o.wire.writes())
	o.pass(t, edge)
	g.Expect(o.wire.writes()[quiet:]).To(BeEmpty())

	edit(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels = map[string]edgev1.LabelValue{"stays": "changed"}
		e.Spec.Secrets.Publish.Annotations = map[string]edgev1.AnnotationValue{"example.test/stays": "changed"}
	})
	awaitReady(t, edge)
	secret := secretOf(t, edge, name)
	g.Expect(secret.Labels).To(And(HaveKeyWithValue("stays", "changed"), Not(HaveKey("team"))))
	g.Expect(secret.Annotations).To(And(HaveKeyWithValue("example.test/stays", "changed"), Not(HaveKey("example.test/note"))))
	theirs(g, secret)

	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish = edgev1.SecretSpec{} })
	awaitReady(t, edge)
	secret = secretOf(t, edge, name)
	g.Expect(secret.Labels).NotTo(HaveKey("stays"))
	g.Expect(secret.Annotations).NotTo(HaveKey("example.test/stays"))
	theirs(g, secret)
	expectOwned(t, edge, secret)
	g.Expect(o.mints(edge)).To(Equal(2), "none of this concerns the token")
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty(), "a new spec is no repair")

	old := tokenOf(secret)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	secret = secretOf(t, edge, name)
	g.Expect(same(tokenOf(secret), old)).To(BeFalse())
	theirs(g, secret)
	quiet = len(o.wire.writes())
	o.pass(t, edge)
	g.Expect(o.wire.writes()[quiet:]).To(BeEmpty())
}

func TestSecretThatWasMadeImmutable(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	name := pass.PublishSecretName(edge)
	edit(t, secretOf(t, edge, name), func(s *corev1.Secret) {
		yes := true
		s.Immutable, s.Data["MINE"] = &yes, []byte("data")
	})
	sealed := secretOf(t, edge, name)
	o.pass(t, edge)
	g.Expect(secretOf(t, edge, name).ResourceVersion).To(Equal(sealed.ResourceVersion), "it says all that it has to")

	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	awaitReady(t, edge)
	renewed := secretOf(t, edge, name)
	g.Expect(renewed.UID).NotTo(Equal(sealed.UID))
	g.Expect(same(tokenOf(renewed), tokenOf(sealed))).To(BeFalse())
	g.Expect(works(t, tokenOf(renewed))).To(BeTrue())
	g.Expect(works(t, tokenOf(sealed))).To(BeTrue(), "the old token lives on")
	g.Expect(reload(t, edge).Status.LastHandledRotation).To(Equal("now"))
	g.Expect(o.mints(edge)).To(Equal(4))
}

func TestSecretThatLostItsOwnerIsNotTakenBack(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	secret := secretOf(t, edge, pass.PullSecretName(edge))
	edit(t, secret, func(s *corev1.Secret) { s.OwnerReferences = nil })
	awaitReason(t, edge, edgev1.AccessGranted, edgev1.ReasonConflict)
	o.pass(t, edge)
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(secretOf(t, edge, secret.Name).ResourceVersion).To(Equal(secret.ResourceVersion))
	g.Expect(o.mints(edge)).To(Equal(2))
	g.Expect(admin.Delete(t.Context(), secret)).To(Succeed())
	heals(t, edge)
	g.Expect(o.mints(edge)).To(Equal(3))
}
