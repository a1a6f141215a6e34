// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const credentialsNamespace = objects.CredentialsNamespace

// keyEntry is where a supplied Secret holds the API key.
const keyEntry = "apikey"

// Annotations by which the owner of a supplied key allows its use. An author of EdgeRegistries cannot use it for anything else.
const (
	namespacesAnnotation = "edge.open-horizon.io/registry-namespaces"
	serviceIDsAnnotation = "edge.open-horizon.io/service-ids"
)

// readSupplied returns the supplied API key, if its Secret allows the use that the spec makes of it.
func (s *session) readSupplied(ctx context.Context) (credential.Token, error) {
	name := s.spec.CredentialsSecretRef.Name
	secret, err := objects.ReadSupplied(ctx, s, name, pass.Stalled(edgev1.ReasonCredentialMissing,
		"Secret %s/%s, with the API key for IBM Cloud, does not exist: run 'kubectl create secret generic %s -n %s --from-literal=%s=...', then label and annotate it",
		credentialsNamespace, name, name, credentialsNamespace, keyEntry))
	if err != nil {
		return credential.Token{}, err
	}
	key := strings.TrimSpace(string(secret.Data[keyEntry]))
	if key != "" {
		// From here on no message can contain it.
		credential.Know(key)
	}
	if err := s.checkGrant(secret); err != nil {
		return credential.Token{}, err
	}
	if !isKey(key) {
		return credential.Token{}, pass.Stalled(edgev1.ReasonCredentialUnusable,
			"Secret %s/%s has no API key under the key %s: put the key alone there, without quotes, as 'ibmcloud iam api-key-create' prints it", credentialsNamespace, name, keyEntry)
	}
	s.serviceIDs = objects.Listed(secret, serviceIDsAnnotation)
	return credential.NewToken(key), nil
}

// isKey reports whether a text can be an API key. A text in quotes was copied from a shell, or from the file that 'ibmcloud iam
// api-key-create --file' writes.
func isKey(key string) bool {
	return key != "" && text.Visible(key) && !strings.ContainsAny(key, `"'`)
}

// checkGrant refuses a Secret that does not allow the use that the spec makes of its key.
func (s *session) checkGrant(secret *corev1.Secret) error {
	what := fmt.Sprintf("Secret %s/%s, with the API key for IBM Cloud,", secret.Namespace, secret.Name)
	if err := objects.CheckFor(s.Edge.Name, secret, what); err != nil {
		return err
	}
	for _, asked := range []struct {
		annotation, kind string
		values           []string
	}{
		{objects.PublishToAnnotation, "may have keys published in namespace", s.namespaces()},
		{namespacesAnnotation, "may be used for registry namespace", []string{s.spec.RegistryNamespace.Name}},
		{serviceIDsAnnotation, "may be used for service ID", s.namedServiceIDs()},
	} {
		said := objects.Listed(secret, asked.annotation)
		for _, value := range asked.values {
			if !slices.Contains(said, value) {
				return pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s does not say that it %s %q: run 'kubectl annotate secret %s -n %s --overwrite %s=%s'",
					what, asked.kind, value, secret.Name, secret.Namespace, asked.annotation, strings.Join(append(slices.Clone(said), value), ","))
			}
		}
	}
	return nil
}

// namespaces are those in which keys are published.
func (s *session) namespaces() []string {
	secrets := s.Edge.Spec.Secrets
	return slices.Concat([]string{s.Home.Namespace}, secrets.Publish.CopyTo, secrets.Pull.CopyTo)
}

// namedServiceIDs are those that the spec names.
func (s *session) namedServiceIDs() []string {
	var named []string
	for _, l := range s.Logins() {
		if id := s.specOf(l.Role).ServiceIDRef; id != "" {
			named = append(named, id)
		}
	}
	return named
}
