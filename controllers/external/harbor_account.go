// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

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
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Annotations by which the owner of an account of Harbor allows its use. Those of objects.CheckFor and publish-to come on top.
const (
	hostsAnnotation    = "edge.open-horizon.io/hosts"
	projectsAnnotation = "edge.open-horizon.io/harbor-projects"
)

// account is what makes robots.
type account struct {
	user     string
	password credential.Token
	ca       []byte
	// version is the UID and the resourceVersion of the Secret.
	version string
}

// where names the Secret with the account, for messages.
func (s *harborSession) where() string {
	return fmt.Sprintf("Secret %s/%s", objects.CredentialsNamespace, s.harbor.CredentialsSecretRef.Name)
}

// account returns the account from its Secret, which is read once in a pass.
func (s *harborSession) account(ctx context.Context) (account, error) {
	if !s.accountRead {
		s.accountRead = true
		s.maker, s.accountErr = s.readAccount(ctx)
	}
	return s.maker, s.accountErr
}

func (s *harborSession) readAccount(ctx context.Context) (account, error) {
	secret, err := objects.ReadSupplied(ctx, s, s.harbor.CredentialsSecretRef.Name, pass.Stalled(edgev1.ReasonCredentialMissing,
		"%s, the account that makes robots in Harbor, does not exist: make it with the keys %s and %s",
		s.where(), corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey))
	if err != nil {
		return account{}, err
	}
	if err := s.checkAccount(secret); err != nil {
		return account{}, err
	}
	user, password := string(secret.Data[corev1.BasicAuthUsernameKey]), string(secret.Data[corev1.BasicAuthPasswordKey])
	if problem := wrongWith(user, password); problem != "" {
		return account{}, pass.Stalled(edgev1.ReasonCredentialUnusable, "%s, the account that makes robots in Harbor, cannot be used: %s", s.where(), problem)
	}
	return account{
		user: user, password: credential.NewToken(password), ca: secret.Data[handoff.KeyCA],
		version: string(secret.UID) + "/" + secret.ResourceVersion,
	}, nil
}

// wrongWith says which key of the Secret cannot be sent to Harbor, and why; empty if the account can be used.
func wrongWith(user, password string) string {
	for _, one := range []struct{ key, value string }{{corev1.BasicAuthUsernameKey, user}, {corev1.BasicAuthPasswordKey, password}} {
		switch {
		case one.value == "":
			return fmt.Sprintf("its key %s is missing or empty", one.key)
		case !text.Visible(one.value):
			return fmt.Sprintf("its key %s has a space, a line break or a character beyond ASCII, maybe at its end: write it again without", one.key)
		}
	}
	if strings.Contains(user, ":") {
		return fmt.Sprintf("its key %s has a ':', where a login is split: name another account", corev1.BasicAuthUsernameKey)
	}
	return ""
}

// checkAccount refuses a Secret that does not allow the use that the spec makes of it. So an author of EdgeRegistries cannot
// have an account sent to a host, or used in a project, that its owner did not write down.
func (s *harborSession) checkAccount(secret *corev1.Secret) error {
	if err := objects.CheckFor(s.Edge.Name, secret, s.where()+", the account that makes robots in Harbor,"); err != nil {
		return err
	}
	refuse := func(what, annotation, value string) error {
		return pass.Stalled(edgev1.ReasonCredentialNotGranted,
			"%s, the account that makes robots in Harbor, does not say that it may %s: add %s to its annotation, as 'kubectl annotate secret %s -n %s %s=%s' does where there is none",
			s.where(), what, value, secret.Name, secret.Namespace, annotation, value)
	}
	isHost := func(named string) bool { return registry.WithPort(named) == registry.WithPort(s.spec.Host) }
	switch {
	case !slices.ContainsFunc(objects.Listed(secret, hostsAnnotation), isHost):
		return refuse("be sent to "+s.spec.Host, hostsAnnotation, s.spec.Host)
	case !slices.Contains(objects.Listed(secret, projectsAnnotation), s.harbor.Project):
		return refuse("make robots in project "+s.harbor.Project, projectsAnnotation, s.harbor.Project)
	}
	granted := grantOf(secret)
	for _, l := range s.Logins() {
		for _, namespace := range s.namespacesOf(l) {
			if !granted.covers([]string{namespace}) {
				return refuse(fmt.Sprintf("have its robots published in namespace %q", namespace), objects.PublishToAnnotation, namespace)
			}
		}
	}
	return nil
}
