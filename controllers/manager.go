// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/delivery"
	"github.com/edge-registry/edge-registry-operator/controllers/external"
	"github.com/edge-registry/edge-registry-operator/controllers/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
)

// NewManager returns a manager whose cache holds EdgeRegistries and nothing else, and sets the
// reconciler up in it. The caller's options say how the process runs: metrics, health, election.
func NewManager(config *rest.Config, options ctrl.Options, r *EdgeRegistryReconciler) (ctrl.Manager, error) {
	config = apiserver.Tuned(config)
	options.Scheme = apiserver.NewScheme()
	options.MapperProvider = apiserver.RESTMapper
	options.Cache = cache.Options{
		// A read without its own informer is a mistake, and would need rights that the operator lacks.
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&edgev1.EdgeRegistry{}: {Transform: cache.TransformStripManagedFields()},
		},
	}
	occasions := &apiserver.Occasions{}
	mgr, err := ctrl.NewManager(occasions.Noticing(config), options)
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	connection, err := apiserver.Connect(config, client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	}, occasions)
	if err != nil {
		return nil, err
	}
	r.Recorder = apiserver.RedactEvents(apiserver.LogEvents(mgr.GetEventRecorder(objects.FieldManager), mgr.GetLogger()))
	if err := r.prepare(connection, mgr.GetCache()); err != nil {
		return nil, err
	}
	if err := r.setUp(mgr); err != nil {
		return nil, fmt.Errorf("set up the controller: %w", err)
	}
	return mgr, nil
}

// prepare sets defaults, and creates what a pass works with. edges reads EdgeRegistries.
func (r *EdgeRegistryReconciler) prepare(connection *apiserver.Connection, edges client.Reader) error {
	r.Connection, r.Edges = connection, edges
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.SystemRoots == nil {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return fmt.Errorf("read the public CAs of this machine: %w", err)
		}
		r.SystemRoots = roots
	}
	r.Objects = &objects.Writer{Client: connection}
	r.triggers = watches.NewTriggers(watches.NewOpener(connection.API, connection.RESTMapper()), objects.EdgeLabel, openshift.IsNews)
	r.memories.Forgotten = r.forget
	r.openshift = &provided{Provider: openshift.New(openshift.Config{
		Connection: connection, Objects: r.Objects, Triggers: r.triggers, Edges: edges, Namespace: r.Namespace, Clock: r.Clock,
	})}
	r.external = &provided{Provider: external.New(external.Config{
		Connection: connection, Objects: r.Objects, Triggers: r.triggers, Edges: edges, Hosts: r.ExternalHosts, Namespace: r.Namespace,
		SaveRecord: r.saveRecord,
		Transport: func(roots *x509.CertPool) *http.Transport {
			if roots == nil {
				roots = r.SystemRoots
			}
			return r.transport(roots, pass.Reached{})
		},
	})}
	r.ibmCloud = &provided{Provider: ibmcloud.New(ibmcloud.Config{
		Connection: connection, Objects: r.Objects, Triggers: r.triggers, Edges: edges, Clock: r.Clock,
		Transport: r.transport(r.SystemRoots, pass.Reached{}), SaveRecord: r.saveRecord,
	})}
	r.delivery = &delivered{Delivery: delivery.New(delivery.Config{
		Connection: connection, Triggers: r.triggers, Edges: edges, Namespace: r.Namespace, Clock: r.Clock,
		Timeout: r.ExchangeTimeout,
	})}
	return nil
}

// setUp adds the controller to a manager.
func (r *EdgeRegistryReconciler) setUp(mgr ctrl.Manager) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, predicate.Funcs{UpdateFunc: isRollback})
	return ctrl.NewControllerManagedBy(mgr).
		For(&edgev1.EdgeRegistry{}, builder.WithPredicates(changed)).
		WatchesRawSource(source.Func(r.startWatches)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.MaxConcurrentReconciles, RateLimiter: newRetries()}).
		Complete(r)
}

// newRetries returns the default rate limiter, but with pass.RetryCap as the longest pause. The default is 17 minutes, and is reached
// soon if events about other objects start passes that fail: each counts as another failure.
func newRetries() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, pass.RetryCap)
}

// isRollback reports whether an older state replaced a newer one, as after a restore of etcd: whatever was written since has to be
// checked, the status too.
func isRollback(e event.UpdateEvent) bool {
	return watches.Newer(e.ObjectOld.GetResourceVersion(), e.ObjectNew.GetResourceVersion())
}

// startWatches starts everything that enqueues EdgeRegistries, except the watch of EdgeRegistries itself and the watches of a provider,
// which start with its first EdgeRegistry.
func (r *EdgeRegistryReconciler) startWatches(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	enqueue := func(edge string) {
		queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: edge}})
	}
	enqueueAll := func() { r.enqueueTrusting(ctx, "", enqueue) }
	r.Occasions.Start(enqueueAll)
	r.triggers.Start(ctx, r.Namespace, enqueue,
		func() { r.CompareSigningKeys(ctx) },
		func(configMap string) { r.enqueueTrusting(ctx, configMap, enqueue) })
	r.delivery.start = func() { r.delivery.Watch(ctx, enqueue) }
	for _, provider := range []*provided{r.openshift, r.ibmCloud, r.external} {
		provider.start = func() {
			err := provider.Watch(ctx, func(edge string) {
				if edge == "" {
					enqueueAll()
					return
				}
				enqueue(edge)
			})
			if err != nil {
				logf.FromContext(ctx).Error(err, "The provider's watches could not be started")
			}
		}
	}
	return nil
}

// enqueueTrusting enqueues the EdgeRegistries whose CA may be in a ConfigMap of the operator's namespace; with an empty name, all.
func (r *EdgeRegistryReconciler) enqueueTrusting(ctx context.Context, configMap string, enqueue func(edge string)) {
	list := &edgev1.EdgeRegistryList{}
	if err := r.Edges.List(ctx, list); err != nil {
		return
	}
	for _, edge := range list.Items {
		refs := []*edgev1.CABundleRef{edge.Spec.Trust.CABundleRef}
		for _, exchange := range edge.Spec.Exchanges {
			refs = append(refs, exchange.CABundleRef)
		}
		named := slices.ContainsFunc(refs, func(ref *edgev1.CABundleRef) bool { return ref != nil && ref.Name == configMap })
		if named || configMap == "" || configMap == openshift.TrustedCAConfigMap {
			enqueue(edge.Name)
		}
	}
}

// Connect prepares the reconciler for passes that the caller starts itself, without a manager; EdgeRegistries are read live. It needs a
// Recorder.
func (r *EdgeRegistryReconciler) Connect(config *rest.Config) error {
	connection, err := apiserver.ConnectDirectly(config)
	if err != nil {
		return err
	}
	return r.prepare(connection, connection)
}
