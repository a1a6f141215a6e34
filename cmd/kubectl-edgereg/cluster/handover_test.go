// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const host, project = "registry.example.com", "factory"

// bundle is a CA in PEM.
func bundle(name string) []byte { return platform.NewCA(name).PEM() }

func fingerprint(ca []byte) string {
	block, _ := pem.Decode(ca)
	return fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
}

func published(t *testing.T, role edgev1.SecretRole, ca []byte) (*edgev1.EdgeRegistry, map[string][]byte) {
	t.Helper()
	in := handoff.Input{
		Host: host, Project: project, Provider: edgev1.ProviderOpenShift, CA: ca, PublicCAs: ca == nil,
		Publisher: handoff.Login{User: "edge-publisher.factory", Token: credential.NewToken("the-token-that-can-push")},
		Puller:    handoff.Login{User: "edge-puller.factory", Token: credential.NewToken("the-token-that-can-pull")},
	}
	edge := &edgev1.EdgeRegistry{}
	edge.Name = project
	edge.Status.Host, edge.Status.ImagePrefix = host, host+"/"+project
	edge.Status.Secrets = []edgev1.SecretStatus{{Role: role, Namespace: project, Name: "factory-secret"}}
	if ca != nil {
		edge.Status.CA = &edgev1.CAStatus{Certificates: []string{fingerprint(ca)}}
	}
	publish := handoff.PullData
	if role == edgev1.SecretPublish {
		publish = handoff.PublishData
	}
	data, err := publish(in)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return edge, data
}

func TestAPublishedSecretAgrees(t *testing.T) {
	for _, role := range []edgev1.SecretRole{edgev1.SecretPull, edgev1.SecretPublish} {
		for name, ca := range map[string][]byte{"with a CA": bundle("root"), "where public CAs verify the host": nil} {
			t.Run(string(role)+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				edge, data := published(t, role, ca)
				h, err := agree(edge, role, data)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(h.Host + "/" + h.Project).To(Equal(h.Prefix))
				g.Expect(h.CA).To(Equal(data[handoff.KeyCA]))
				g.Expect(h.Token.Reveal() == string(data[handoff.KeyToken])).To(BeTrue())
				g.Expect(h.RegistryAuth.Reveal() == string(data[handoff.KeyRegistryAuth])).To(BeTrue())
				g.Expect(h.CanPush).To(Equal(role == edgev1.SecretPublish))
			})
		}
	}
}

// TestASecretThatSaysSomethingElseIsRefused simulates the administrator of the namespace of the Secret.
func TestASecretThatSaysSomethingElseIsRefused(t *testing.T) {
	const evil = "evil.example.com"
	set := func(key, value string) func(map[string][]byte) {
		return func(data map[string][]byte) { data[key] = []byte(value) }
	}
	replace := func(old, with string) func(map[string][]byte) {
		return func(data map[string][]byte) {
			for key, value := range data {
				data[key] = []byte(strings.ReplaceAll(string(value), old, with))
			}
		}
	}
	for name, c := range map[string]struct {
		role  edgev1.SecretRole
		alter func(map[string][]byte)
		says  string
	}{
		"another host":                  {edgev1.SecretPull, set(handoff.KeyHost, evil), handoff.KeyHost},
		"another host everywhere":       {edgev1.SecretPull, replace(host, evil), "status"},
		"another prefix":                {edgev1.SecretPull, set(handoff.KeyImagePrefix, host+"/other"), handoff.KeyImagePrefix},
		"another project":               {edgev1.SecretPull, set(handoff.KeyProject, "other"), handoff.KeyProject},
		"no host":                       {edgev1.SecretPull, func(data map[string][]byte) { delete(data, handoff.KeyHost) }, handoff.KeyHost},
		"no token":                      {edgev1.SecretPull, set(handoff.KeyToken, ""), handoff.KeyToken},
		"a token that is not the other": {edgev1.SecretPull, set(handoff.KeyToken, "another"), handoff.KeyDockerConfigJSON},
		"an escape sequence for a user": {edgev1.SecretPull, set(handoff.KeyUser, "\x1b]0;x\x07"), handoff.KeyUser},
		"a line break in the user":      {edgev1.SecretPull, set(handoff.KeyUser, "edge\nrm -rf /"), handoff.KeyUser},
		"a user that hzn would misread": {edgev1.SecretPull, set(handoff.KeyUser, "a:b"), handoff.KeyUser},
		"a login of another host":       {edgev1.SecretPull, set(handoff.KeyRegistryAuth, evil+":u:t"), handoff.KeyRegistryAuth},
		"another login for hzn":         {edgev1.SecretPull, set(handoff.KeyRegistryAuth, host+":u:t"), "another login"},
		"the pushing login for hzn":     {edgev1.SecretPublish, set(handoff.KeyRegistryAuth, host+":edge-publisher.factory:the-token-that-can-push"), "can push"},
		"a line break in the login":     {edgev1.SecretPublish, set(handoff.KeyRegistryAuth, host+":u:t\nx"), handoff.KeyRegistryAuth},
		"another CA":                    {edgev1.SecretPull, set(handoff.KeyCA, string(bundle("evil"))), "did not put there"},
		"a further CA":                  {edgev1.SecretPull, func(data map[string][]byte) { data[handoff.KeyCA] = append(data[handoff.KeyCA], bundle("evil")...) }, "did not put there"},
		"no CA":                         {edgev1.SecretPull, func(data map[string][]byte) { delete(data, handoff.KeyCA) }, handoff.KeyCA},
		"a CA that is none":             {edgev1.SecretPull, set(handoff.KeyCA, "END_OF_CA\nrm -rf /\n"), handoff.KeyCA},
		"a CA of which a part is damaged": {edgev1.SecretPull, func(data map[string][]byte) {
			data[handoff.KeyCA] = append(data[handoff.KeyCA], "-----BEGIN CERTIFICATE-----\nx\n"...)
		}, handoff.KeyCA},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge, data := published(t, c.role, bundle("root"))
			altered := maps.Clone(data)
			c.alter(altered)
			_, err := agree(edge, c.role, altered)
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
			g.Expect(err.Error()).NotTo(Or(ContainSubstring("the-token"), ContainSubstring(evil)), "it repeats no value")
		})
	}
}

func TestACAWherePublicOnesVerifyTheHostIsRefused(t *testing.T) {
	edge, data := published(t, edgev1.SecretPull, nil)
	data[handoff.KeyCA] = bundle("evil")
	_, err := agree(edge, edgev1.SecretPull, data)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("public CAs")))
}

func TestAStatusThatContradictsItselfIsRefused(t *testing.T) {
	edge, data := published(t, edgev1.SecretPull, nil)
	edge.Status.ImagePrefix = "registry.example.com.evil.example/factory"
	_, err := agree(edge, edgev1.SecretPull, data)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("status.imagePrefix")))
}

func TestASecretThatIsNotThereYetIsNamed(t *testing.T) {
	g := NewWithT(t)
	edge, _ := published(t, edgev1.SecretPull, nil)
	_, err := placeOf(edge, edgev1.SecretPublish)
	g.Expect(err).To(MatchError(ErrNotYet))
	edge.Spec.External = &edgev1.ExternalSpec{}
	_, err = placeOf(edge, edgev1.SecretPublish)
	g.Expect(err).To(And(MatchError(ErrNotFound), MatchError(ContainSubstring("spec.external.publisher"))))
	edge.Status.Host = ""
	_, err = placeOf(edge, edgev1.SecretPull)
	g.Expect(err).To(MatchError(ErrNotYet))
}
