// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

// +kubebuilder:rbac:groups="",namespace=edge-registry-credentials,resources=secrets,verbs=get;watch

// Config configures the provider.
type Config struct {
	*apiserver.Connection
	Objects  *objects.Writer
	Triggers *watches.Triggers
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	// Hosts are those that EdgeRegistries may point to, as host, host:port or *.suffix; empty for all.
	Hosts []string
	// Namespace is the operator's own.
	Namespace string
	// SaveRecord writes the record of a pass, before something is done that has to be known after a crash.
	SaveRecord func(context.Context, *pass.Scope) error
	// Transport connects to a registry's host as the operator does, and trusts the given roots; nil for the public CAs.
	Transport func(roots *x509.CertPool) *http.Transport
}

// Provider is any private registry. It implements pass.Provider.
type Provider struct{ Config }

// New returns a provider whose watches are not started yet.
func New(config Config) *Provider { return &Provider{config} }

// Begin implements pass.Provider.
func (p *Provider) Begin(scope *pass.Scope) pass.Session {
	if scope.Edge.Spec.External.Harbor != nil {
		return p.beginHarbor(scope)
	}
	return p.begin(scope)
}

// Watch implements pass.Provider: it watches the metadata of the supplied Secrets. Their data is read by name.
func (p *Provider) Watch(ctx context.Context, enqueue func(edge string)) error {
	p.Triggers.Observe(ctx, corev1.SchemeGroupVersion.WithKind("SecretList"), objects.CredentialsNamespace, func(secret string) {
		objects.EnqueueUsers(ctx, p.Edges, secret, secretNames, enqueue)
	})
	return nil
}

// secretNames are the supplied Secrets that an EdgeRegistry takes a login from.
func secretNames(edge *edgev1.EdgeRegistry) []string {
	spec := edge.Spec.External
	if spec == nil {
		return nil
	}
	if spec.Harbor != nil {
		return []string{spec.Harbor.CredentialsSecretRef.Name}
	}
	names := []string{spec.Puller.CredentialsSecretRef.Name}
	if spec.Publisher != nil {
		names = append(names, spec.Publisher.CredentialsSecretRef.Name)
	}
	return names
}

// Forget implements pass.Provider. All that it remembers of an EdgeRegistry is in the memory of the passes.
func (*Provider) Forget(types.UID) {}

// allows reports whether EdgeRegistries may point to a host.
func (p *Provider) allows(host string) bool {
	return len(p.Hosts) == 0 || slices.ContainsFunc(p.Hosts, func(pattern string) bool { return matches(pattern, host) })
}

func matches(pattern, host string) bool {
	suffix, isSuffix := strings.CutPrefix(pattern, "*")
	if !isSuffix {
		return registry.WithPort(pattern) == registry.WithPort(host)
	}
	return strings.HasSuffix(registry.WithPort(host), registry.WithPort(suffix))
}
