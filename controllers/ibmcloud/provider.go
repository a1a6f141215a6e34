// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

// +kubebuilder:rbac:groups="",namespace=edge-registry-credentials,resources=secrets,verbs=get;watch

// Config configures the provider.
type Config struct {
	*apiserver.Connection
	Objects  *objects.Writer
	Triggers *watches.Triggers
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	Clock clock.PassiveClock
	// Transport reaches the APIs of IBM Cloud, which public CAs verify.
	Transport http.RoundTripper
	// SaveRecord writes the record of a pass, before something is done that has to be known after a crash.
	SaveRecord func(context.Context, *pass.Scope) error
}

// Provider is IBM Cloud Container Registry. It implements pass.Provider.
type Provider struct {
	Config
	clouds clouds
}

// New returns a provider whose watches are not started yet.
func New(config Config) *Provider {
	p := &Provider{Config: config}
	p.clouds.http = &http.Client{Transport: config.Transport}
	p.clouds.clock = config.Clock
	return p
}

// Begin implements pass.Provider.
func (p *Provider) Begin(scope *pass.Scope) pass.Session { return p.begin(scope) }

// Watch implements pass.Provider: it watches the metadata of the supplied Secrets. Their data is read by name.
func (p *Provider) Watch(ctx context.Context, enqueue func(edge string)) error {
	p.Triggers.Observe(ctx, corev1.SchemeGroupVersion.WithKind("SecretList"), objects.CredentialsNamespace, func(secret string) {
		objects.EnqueueUsers(ctx, p.Edges, secret, secretNames, enqueue)
	})
	return nil
}

// secretNames is the supplied Secret that an EdgeRegistry takes the API key from.
func secretNames(edge *edgev1.EdgeRegistry) []string {
	if edge.Spec.IBMCloud == nil {
		return nil
	}
	return []string{edge.Spec.IBMCloud.CredentialsSecretRef.Name}
}

// Forget implements pass.Provider. All that it remembers of an EdgeRegistry is in the memory of the passes.
func (*Provider) Forget(types.UID) {}
