// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"errors"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

// Config configures the provider.
type Config struct {
	*apiserver.Connection
	Objects  *objects.Writer
	Triggers *watches.Triggers
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	// Namespace is the operator's own.
	Namespace string
	Clock     clock.PassiveClock
}

// Provider is the image registry of the OpenShift cluster that the operator runs in. It implements pass.Provider.
type Provider struct {
	Config

	configs     *watches.Informer[*imageregistryv1.Config]
	routes      *watches.Informer[*routev1.Route]
	ingressCert *watches.Informer[*corev1.ConfigMap]
	contest     contest
}

// New returns a provider whose watches are not started yet.
func New(config Config) *Provider {
	c, passive := config.Connection, config.Clock
	return &Provider{
		Config: config,
		configs: watches.NewInformer(c.WithWatch, passive, func() *imageregistryv1.Config { return &imageregistryv1.Config{} },
			&imageregistryv1.ConfigList{}, "", imageRegistryConfig),
		routes: watches.NewInformer(c.WithWatch, passive, func() *routev1.Route { return &routev1.Route{} },
			&routev1.RouteList{}, imageRegistryNamespace, ""),
		ingressCert: watches.NewInformer(c.WithWatch, passive, func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
			&corev1.ConfigMapList{}, configManagedNamespace, defaultIngressCert),
	}
}

// Watch implements pass.Provider: it watches the registry's Config, its Routes and the default router's CA.
func (p *Provider) Watch(ctx context.Context, enqueue func(edge string)) error {
	enqueueAll := func() { enqueue("") }
	return errors.Join(
		p.configs.Start(ctx, enqueueAll),
		p.routes.Start(ctx, enqueueAll),
		p.ingressCert.Start(ctx, enqueueAll),
	)
}

// Forget implements pass.Provider. All that it remembers of an EdgeRegistry is in the memory of the passes.
func (*Provider) Forget(types.UID) {}

// watched are the kinds of objects to watch in a project, from the resourceVersion at which the pass listed them.
func (s *session) watched() []watches.Listed {
	return []watches.Listed{
		{Kind: corev1.SchemeGroupVersion.WithKind("ServiceAccountList"), At: s.accountsListed},
		{Kind: rbacv1.SchemeGroupVersion.WithKind("RoleBindingList"), At: s.BindingsListed},
		{Kind: corev1.SchemeGroupVersion.WithKind("SecretList"), At: s.SecretsListed},
	}
}

// remembered is what the process remembers of one EdgeRegistry for this provider.
type remembered struct {
	// host is the last admitted host of its Route.
	host string
	// entered: its project existed, and the operator was allowed in.
	entered bool
	// malformed are the logins whose last token was not what was asked for, and when the next may be requested.
	malformed map[edgev1.TokenRole]time.Time
}

// causeOf is why the token of a bound Secret was issued: by the record, or by the Secret if it is not on record yet.
func (s *session) causeOf(bound *corev1.Secret) string {
	if issued := s.onRecord(bound); issued != nil {
		return issued.Cause
	}
	return bound.Annotations[objects.CauseAnnotation]
}

func (s *session) remembered() *remembered { return pass.Part[remembered](s.Memory) }
