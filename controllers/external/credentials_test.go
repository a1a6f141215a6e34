// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// begun is a session of an EdgeRegistry named plant whose pull Secret is copied to a line.
func begun() *session {
	edge := &edgev1.EdgeRegistry{}
	edge.Name = "plant"
	edge.Spec.External = &edgev1.ExternalSpec{
		Host: "registry.example.com", Publisher: &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: "push"}},
		Puller: &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: "pull"}},
	}
	edge.Spec.Secrets.Namespace, edge.Spec.Secrets.Pull.CopyTo = "plant", []string{"line"}
	scope := &pass.Scope{Edge: edge, Memory: &pass.Memory{}}
	scope.Publisher.Role, scope.Puller.Role = edgev1.TokenPublisher, edgev1.TokenPuller
	return New(Config{}).begin(scope)
}

// granted is a Secret that says all that is asked of it, and more.
func granted() *corev1.Secret {
	secret := &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson}
	secret.Name, secret.Namespace = "pull", "edge-registry-credentials"
	secret.Labels = map[string]string{objects.CredentialsLabel: "true"}
	secret.Annotations = map[string]string{
		edgev1.ForAnnotation: "other, plant", objects.PublishToAnnotation: "plant,line\n\tanother", tokenHostsAnnotation: "tokens.example.com,a.example:8443",
	}
	return secret
}

func TestWhatASecretHasToSay(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Secret)
		// reason is empty where nothing is wrong for the puller, and publisher where the publisher may have it too.
		reason    string
		publisher bool
	}{
		"all":                        {func(*corev1.Secret) {}, "", true},
		"another label":              {func(s *corev1.Secret) { s.Labels[objects.CredentialsLabel] = "yes" }, edgev1.ReasonCredentialNotGranted, false},
		"for nobody":                 {func(s *corev1.Secret) { delete(s.Annotations, edgev1.ForAnnotation) }, edgev1.ReasonCredentialNotGranted, false},
		"for a name like it":         {func(s *corev1.Secret) { s.Annotations[edgev1.ForAnnotation] = "plant2" }, edgev1.ReasonCredentialNotGranted, false},
		"for all":                    {func(s *corev1.Secret) { s.Annotations[edgev1.ForAnnotation] = "*" }, edgev1.ReasonCredentialNotGranted, false},
		"not for the home":           {func(s *corev1.Secret) { s.Annotations[objects.PublishToAnnotation] = "line" }, edgev1.ReasonCredentialNotGranted, false},
		"not for where copies go":    {func(s *corev1.Secret) { s.Annotations[objects.PublishToAnnotation] = "plant" }, edgev1.ReasonCredentialNotGranted, true},
		"a token host with a scheme": {func(s *corev1.Secret) { s.Annotations[tokenHostsAnnotation] = "https://a.example" }, edgev1.ReasonCredentialNotGranted, false},
		"a token host with a user":   {func(s *corev1.Secret) { s.Annotations[tokenHostsAnnotation] = "a@b.example" }, edgev1.ReasonCredentialNotGranted, false},
		"a token host with a path":   {func(s *corev1.Secret) { s.Annotations[tokenHostsAnnotation] = "a.example/t" }, edgev1.ReasonCredentialNotGranted, false},
		"another type":               {func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, edgev1.ReasonCredentialUnusable, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, secret := begun(), granted()
			test.change(secret)
			err := s.checkGrant(&s.Puller, secret)
			if test.reason == "" {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(pass.AsBlocked(err)).To(HaveValue(And(HaveField("Reason", test.reason), HaveField("Stalled", true))))
				g.Expect(err).To(MatchError(ContainSubstring("Secret edge-registry-credentials/pull")))
			}
			g.Expect(s.checkGrant(&s.Publisher, secret) == nil).To(Equal(test.publisher))
		})
	}
}

// No login goes to a host that its own Secret does not name, though the registry is asked with both.
func TestTokenHostsAreThoseOfAllLogins(t *testing.T) {
	g := NewWithT(t)
	s := begun()
	s.read[edgev1.TokenPublisher] = reading{given: given{grant: grant{tokenHosts: []string{"a.example", "both.example"}}}}
	s.read[edgev1.TokenPuller] = reading{given: given{grant: grant{tokenHosts: []string{"both.example", "b.example"}}}}
	g.Expect(s.tokenHosts()).To(Equal([]string{"both.example"}))
	s.Publisher.Absent = true
	g.Expect(s.tokenHosts()).To(Equal([]string{"both.example", "b.example"}))
}
