// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// What a supplied Secret says of itself. An author of EdgeRegistries cannot use a login for anything that its owner did not
// write down here.
const tokenHostsAnnotation = "edge.open-horizon.io/token-hosts"

// given is what a supplied Secret gives.
type given struct {
	entry
	ca []byte
	grant
	// version is the UID and the resourceVersion of the Secret.
	version string
}

// grant is what the owner of a supplied login allows.
type grant struct {
	// publishTo are the namespaces in which it may be published. tokenHosts are further hosts that may issue tokens for it.
	publishTo, tokenHosts []string
}

// covers reports whether a login may be published in all of the namespaces.
func (g grant) covers(namespaces []string) bool {
	return !slices.ContainsFunc(namespaces, func(namespace string) bool { return !slices.Contains(g.publishTo, namespace) })
}

// reading is the result of reading a supplied Secret.
type reading struct {
	given given
	err   error
}

// tokenHost is a host with or without a port.
var tokenHost = regexp.MustCompile(`(?i)^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?$`)

// supplied returns what the Secret of a login gives. Each Secret is read once in a pass. The token hosts of the registry are
// those that the Secrets of all logins name, so that no login goes to a host that its own Secret does not name.
func (s *session) supplied(ctx context.Context, l *pass.Login) (given, error) {
	r, known := s.read[l.Role]
	if !known {
		r.given, r.err = s.readSupplied(ctx, l)
		s.read[l.Role] = r
		s.Registry.Dialect.TokenHosts = s.tokenHosts()
	}
	return r.given, r.err
}

func (s *session) tokenHosts() []string {
	var common []string
	for i, l := range s.Logins() {
		named := s.read[l.Role].given.tokenHosts
		if known := s.remembered().published[l.Role]; s.read[l.Role].err != nil && known != nil {
			named = known.tokenHosts
		}
		if i == 0 {
			common = named
			continue
		}
		common = slices.DeleteFunc(slices.Clone(common), func(host string) bool {
			return !slices.ContainsFunc(named, func(other string) bool { return registry.WithPort(other) == registry.WithPort(host) })
		})
	}
	return common
}

func (s *session) readSupplied(ctx context.Context, l *pass.Login) (given, error) {
	secret, err := objects.ReadSupplied(ctx, s, s.secretOf(l), pass.Stalled(edgev1.ReasonCredentialMissing,
		"%s, the login of %s, does not exist: make it, of the type %s and with an entry for %s; what was published before stays", l.Supplied, l.Account, corev1.SecretTypeDockerConfigJson, s.Registry.Host))
	if err != nil {
		return given{}, err
	}
	if err := s.checkGrant(l, secret); err != nil {
		return given{}, err
	}
	found, err := pick(secret.Data[corev1.DockerConfigJsonKey], s.Registry.Host, s.Registry.Repository)
	if err != nil {
		reason := edgev1.ReasonCredentialUnusable
		if missing(err) {
			reason = edgev1.ReasonCredentialMissing
		}
		return given{}, pass.Stalled(reason, "%s, the login of %s, %s", l.Supplied, l.Account, err)
	}
	return given{
		entry: found, ca: secret.Data[handoff.KeyCA], grant: grantOf(secret),
		version: string(secret.UID) + "/" + secret.ResourceVersion,
	}, nil
}

func (s *session) secretOf(l *pass.Login) string {
	if l.Role == edgev1.TokenPublisher {
		return s.spec.Publisher.CredentialsSecretRef.Name
	}
	return s.spec.Puller.CredentialsSecretRef.Name
}

// checkGrant refuses a Secret that does not allow the use that the spec makes of it.
func (s *session) checkGrant(l *pass.Login, secret *corev1.Secret) error {
	refuse := func(format string, args ...any) error {
		return pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s, the login of %s, %s", l.Supplied, l.Account, fmt.Sprintf(format, args...))
	}
	if secret.Type != corev1.SecretTypeDockerConfigJson {
		return pass.Stalled(edgev1.ReasonCredentialUnusable, "%s, the login of %s, is of the type %s: recreate it with the type %s",
			l.Supplied, l.Account, secret.Type, corev1.SecretTypeDockerConfigJson)
	}
	if err := objects.CheckFor(s.Edge.Name, secret, fmt.Sprintf("%s, the login of %s,", l.Supplied, l.Account)); err != nil {
		return err
	}
	granted := grantOf(secret)
	for _, namespace := range s.namespacesOf(l) {
		if !granted.covers([]string{namespace}) {
			return refuse("does not say that it may be published in namespace %q: add that to its annotation %s, or take it off copyTo", namespace, objects.PublishToAnnotation)
		}
	}
	for _, host := range granted.tokenHosts {
		if !tokenHost.MatchString(host) {
			return refuse("names %q as a host of tokens: write hosts as host or host:port into its annotation %s, without a scheme, user or path", text.Foreign(host), tokenHostsAnnotation)
		}
	}
	return nil
}

// namespacesOf are the namespaces in which a login is published. The publish Secret also carries the pull login.
func (s *session) namespacesOf(l *pass.Login) []string {
	namespaces := []string{s.Home.Namespace}
	if !s.Publisher.Absent {
		namespaces = append(namespaces, s.Edge.Spec.Secrets.Publish.CopyTo...)
	}
	if l.Role == edgev1.TokenPuller {
		namespaces = append(namespaces, s.Edge.Spec.Secrets.Pull.CopyTo...)
	}
	return namespaces
}

func grantOf(secret *corev1.Secret) grant {
	return grant{publishTo: objects.Listed(secret, objects.PublishToAnnotation), tokenHosts: objects.Listed(secret, tokenHostsAnnotation)}
}
