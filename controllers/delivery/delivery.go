// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Config configures a Delivery.
type Config struct {
	*apiserver.Connection
	Triggers *watches.Triggers
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	// Namespace is the operator's own.
	Namespace string
	Clock     clock.PassiveClock
	// Timeout bounds one request to an Exchange; a minute when zero.
	Timeout time.Duration
}

// Delivery brings logins to Exchanges, for all EdgeRegistries of the process.
type Delivery struct {
	Config
	exchanges *exchange.Exchanges
}

// New returns a Delivery whose watch is not started yet.
func New(config Config) *Delivery {
	return &Delivery{config, exchange.NewExchanges(config.Clock.Now)}
}

// Watch enqueues the EdgeRegistries whose Exchange's Secret changes.
func (d *Delivery) Watch(ctx context.Context, enqueue func(edge string)) {
	d.Triggers.Observe(ctx, corev1.SchemeGroupVersion.WithKind("SecretList"), objects.CredentialsNamespace, func(secret string) {
		objects.EnqueueUsers(ctx, d.Edges, secret, secretNames, enqueue)
	})
}

// secretNames are the supplied Secrets with the logins to the Exchanges of an EdgeRegistry.
func secretNames(edge *edgev1.EdgeRegistry) []string {
	var names []string
	for _, e := range edge.Spec.Exchanges {
		names = append(names, e.CredentialsSecretRef.Name)
	}
	return names
}

// Step returns the step ExchangeUpdated, for an EdgeRegistry that names an Exchange.
func (d *Delivery) Step(s *pass.Scope, whose exchange.Whose) pass.Step {
	r := d.begin(s, whose)
	return pass.Step{Condition: edgev1.ExchangeUpdated, Advisory: r.spec.Policy == edgev1.ExchangeBestEffort, Run: r.deliver}
}

// run is one pass over one EdgeRegistry.
type run struct {
	*Delivery
	*pass.Scope
	spec  edgev1.ExchangeSpec
	whose exchange.Whose
}

func (d *Delivery) begin(s *pass.Scope, whose exchange.Whose) *run {
	s.Nodes = pass.Part[connection](s.Memory).nodes
	// The CustomResourceDefinition takes one at most.
	return &run{d, s, s.Edge.Spec.Exchanges[0], whose}
}

// connection is kept from pass to pass: the client keeps its user and open connections, and the syncer what saves reads.
type connection struct {
	client *exchange.Client
	login  exchange.Login
	// bundle are the CAs that verify the Exchange, in PEM; empty for the public ones.
	bundle string
	syncer *exchange.Syncer
	// nodes is what the last pass found out about nodes.
	nodes pass.Nodes
}

// connect returns the connection to the Exchange. It makes a new one when the login or the CA changes.
func (r *run) connect(ctx context.Context) (*connection, error) {
	login, err := r.readLogin(ctx)
	if err != nil {
		return nil, err
	}
	bundle, roots, err := r.readRoots(ctx)
	if err != nil {
		return nil, err
	}
	kept := pass.Part[connection](r.Memory)
	if kept.client == nil || !kept.login.Equal(login) || kept.bundle != bundle {
		*kept = connection{
			client: r.exchanges.Client(login, exchange.Options{Roots: roots, Timeout: r.Timeout}),
			login:  login, bundle: bundle, syncer: exchange.NewSyncer(r.exchanges),
		}
	}
	return kept, nil
}

// wanted is the desired state of the Exchange.
func (r *run) wanted(login exchange.Login) exchange.Wanted {
	return exchange.Wanted{
		Read: r.nodesRead(login),
		Host: r.Registry.Host, Prefix: r.Registry.Repository, User: r.Puller.User, Token: r.Puller.Credential.Token,
		Organization:   r.spec.Owner == edgev1.ExchangeOrganization,
		PublicServices: r.spec.PublicServices == edgev1.PublicInclude,
		Marker:         exchange.Marker{Name: r.Edge.Name, UID: string(r.Edge.UID), Generation: r.Puller.Credential.Generation},
	}
}

// deliver brings the puller's login to the services. What is to do follows from the state of the Exchange, each time.
func (r *run) deliver(ctx context.Context) (pass.Done, error) {
	to, err := r.connect(ctx)
	if err != nil {
		return pass.Done{}, err
	}
	r.Nodes = to.nodes
	report, err := to.syncer.Sync(ctx, to.client, r.wanted(to.login), r.whose)
	r.noteActs(to.login, report)
	if err != nil {
		return pass.Done{}, explain(err)
	}
	r.describe(report)
	r.noteRead(to.login, report.Nodes)
	r.noteNodes(to, report)
	if err := r.failed(to.login, report); err != nil {
		return pass.Done{}, err
	}
	r.Due(r.Now.Add(exchange.ListLife))
	if next := report.Nodes.Next; !next.IsZero() {
		r.Due(next)
	}
	return r.delivered(to.login, report), nil
}
