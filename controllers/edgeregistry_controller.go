// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries/status,verbs=patch
// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries/finalizers,verbs=update
// +kubebuilder:rbac:groups=events.k8s.io,namespace=default,resources=events,verbs=create;patch

// EdgeRegistryReconciler makes the cluster agree with its EdgeRegistries. Its Client reads live.
type EdgeRegistryReconciler struct {
	client.WithWatch
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	// Recorder writes events about EdgeRegistries.
	Recorder events.EventRecorder
	// Namespace is the operator's own.
	Namespace string
	// Clock tells the time; the real one when nil.
	Clock clock.PassiveClock
	// DialContext connects to the registry's host; the usual way when nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy chooses a proxy for a request to the registry's host; none when nil.
	Proxy func(*http.Request) (*url.URL, error)
	// SystemRoots are the public CAs; those of the machine when nil.
	SystemRoots *x509.CertPool
	// ProbeTimeout bounds one verification; 30 seconds when zero.
	ProbeTimeout time.Duration
	// MaxConcurrentReconciles is how many EdgeRegistries are worked on at once; 1 when zero.
	MaxConcurrentReconciles int

	configs     *mirror[*imageregistryv1.Config]
	routes      *mirror[*routev1.Route]
	ingressCert *mirror[*corev1.ConfigMap]
	watcher     watcher
	wakers      *wakers
	identity    identity
	contest     contest
	// anonymous is how to reach the API server with no identity at all.
	anonymous *rest.Config
	// memories holds the memory of each login, for the name of its role binding.
	memories sync.Map
	// occasions are when all tokens are to be reviewed.
	occasions occasions
	// signingKeys are those of the API server as it last told them.
	signingKeys signingKeys
	// published holds the publishedCA of each name.
	published sync.Map
	// seen holds the latest resource version of each name that the API server itself told of, by which
	// a pass knows that the cache is behind. It is empty where the cache was found to be wrong.
	seen sync.Map
	// conflicts holds the conflicts of each name.
	conflicts sync.Map
	// repairs holds the rate.Limiter of each object that was repaired, by repairsOf.
	repairs sync.Map
}

// Reconcile makes one pass over an EdgeRegistry.
func (r *EdgeRegistryReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	edge, err := r.read(ctx, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.forget(req.Name)
		return ctrl.Result{}, nil
	}
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case !edge.DeletionTimestamp.IsZero():
		return r.delete(ctx, edge)
	case edge.Spec.Suspend:
		return r.suspend(ctx, edge)
	}
	if err := r.hold(ctx, edge); err != nil {
		return outcomeOfWrite(err)
	}
	before := edge.DeepCopy()
	s := newScope(edge, r.Clock.Now())
	if pause := r.recallConflicts(s); pause > 0 {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	passErr := runSteps(ctx, r.steps(), s)
	if ctx.Err() != nil {
		// The operator is stopping: what failed for that reason is nobody's trouble.
		return ctrl.Result{}, ctx.Err()
	}
	r.tell(edge, s.notes)
	if r.conflicted(s, passErr) {
		// Somebody changed an object between its read and its write: the next pass reads it again.
		return retrySoon(), nil
	}
	summarize(edge, firstPending(edge), isStall(passErr))
	if err := r.writeStatus(ctx, before, edge); err != nil {
		return outcomeOfWrite(err)
	}
	r.tellTransitions(before, edge)
	observe(edge)
	return outcome(passErr, s.now, s.next)
}

func (r *EdgeRegistryReconciler) steps() []step {
	return []step{
		{edgev1.RegistryExposed, r.expose},
		{edgev1.ProjectReady, r.insideProject(r.prepareProject)},
		{edgev1.AccessGranted, r.insideProject(r.grantAccess)},
		{edgev1.RegistryTrusted, r.trustRoute},
		{edgev1.CredentialsIssued, r.insideProject(r.issueTokens)},
		{edgev1.SecretsPublished, r.insideProject(r.publishSecrets)},
		{edgev1.RegistryVerified, r.verifyRegistry},
	}
}

// forget drops what is kept in memory about an EdgeRegistry that is gone.
func (r *EdgeRegistryReconciler) forget(name string) {
	r.wakers.forget(name)
	r.seen.Delete(name)
	r.published.Delete(name)
	r.conflicts.Delete(name)
	r.forgetRepairs(name)
	gone := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}
	r.memories.Delete(bindingName(gone, edgev1.TokenPublisher))
	r.memories.Delete(bindingName(gone, edgev1.TokenPuller))
	unobserve(name)
}

// read returns the EdgeRegistry from the cache if that can be believed, or else live.
func (r *EdgeRegistryReconciler) read(ctx context.Context, key types.NamespacedName) (*edgev1.EdgeRegistry, error) {
	edge := &edgev1.EdgeRegistry{}
	if err := r.Edges.Get(ctx, key, edge); err != nil {
		return nil, err
	}
	if r.Edges == client.Reader(r.WithWatch) || r.isCurrent(edge) {
		return edge, nil
	}
	live := &edgev1.EdgeRegistry{}
	if err := r.Get(ctx, key, live); err != nil {
		return nil, err
	}
	r.seen.Store(key.Name, live.ResourceVersion)
	return live, nil
}

// isCurrent reports whether a copy is as new as anything that the operator knows of. An older one would
// have it do again what is done, or undo it. At first it knows nothing, and its cache may be filled by an
// API server that lags behind; but what no operator holds yet is proven by the write that holds it.
func (r *EdgeRegistryReconciler) isCurrent(edge *edgev1.EdgeRegistry) bool {
	seen, known := r.seen.Load(edge.Name)
	if !known {
		return !controllerutil.ContainsFinalizer(edge, cleanupFinalizer)
	}
	return seen != "" && !newer(seen.(string), edge.ResourceVersion)
}

// noteWrite learns from the answer to a write to the EdgeRegistry. A conflict means that the copy was old,
// and the cache may stay so if the event that would mend it was lost.
func (r *EdgeRegistryReconciler) noteWrite(edge *edgev1.EdgeRegistry, err error) {
	switch {
	case err == nil:
		r.seen.Store(edge.Name, edge.ResourceVersion)
	case apierrors.IsConflict(err):
		r.seen.Store(edge.Name, "")
	}
}

// writeStatus patches the status once, and only if it changed.
func (r *EdgeRegistryReconciler) writeStatus(ctx context.Context, before, after *edgev1.EdgeRegistry) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	// The patch replaces whole lists, so it must not meet a status other than the one that it was made from.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	status := after.Status
	err := r.Status().Patch(ctx, after, patch, client.FieldOwner(fieldManager))
	r.noteWrite(after, err)
	if err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("write the status of EdgeRegistry %q: %w", after.Name, err)
	}
	after.Status = status
	return nil
}

// SetupWithManager adds the controller to a manager.
func (r *EdgeRegistryReconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := r.prepare(); err != nil {
		return err
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, predicate.Funcs{UpdateFunc: wentBack})
	return ctrl.NewControllerManagedBy(mgr).
		For(&edgev1.EdgeRegistry{}, builder.WithPredicates(changed)).
		WatchesRawSource(source.Func(r.startWatches)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.MaxConcurrentReconciles, RateLimiter: newRetries()}).
		Complete(r)
}

// retryCap is the longest pause before a pass that failed is made again. By default it is 17 minutes, and reached soon
// where events about other things have failing passes made: each counts as a failure more.
const retryCap = time.Minute

// newRetries has the pause after a failure begin as by default, and end at retryCap.
func newRetries() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, retryCap)
}

// wentBack reports that an older state took the place of a newer one, as after a restore of etcd: whatever was written
// since is to be looked at again, a status too.
func wentBack(e event.UpdateEvent) bool {
	return newer(e.ObjectOld.GetResourceVersion(), e.ObjectNew.GetResourceVersion())
}

// prepare sets what was left out, and makes what a pass looks through.
func (r *EdgeRegistryReconciler) prepare() error {
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
	r.configs = newMirror(r.WithWatch, r.Clock, func() *imageregistryv1.Config { return &imageregistryv1.Config{} },
		&imageregistryv1.ConfigList{}, "", imageRegistryConfig)
	r.routes = newMirror(r.WithWatch, r.Clock, func() *routev1.Route { return &routev1.Route{} },
		&routev1.RouteList{}, imageRegistryNamespace, "")
	r.ingressCert = newMirror(r.WithWatch, r.Clock, func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		&corev1.ConfigMapList{}, configManagedNamespace, defaultIngressCert)
	r.wakers = newWakers(r.watcher)
	return nil
}

// startWatches starts everything that wakes the operator, but for the EdgeRegistries themselves.
func (r *EdgeRegistryReconciler) startWatches(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	wake := func(edge string) {
		queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: edge}})
	}
	wakeAll := func() { r.wakeTrusting(ctx, "", wake) }
	r.occasions.start(wakeAll)
	r.wakers.begun = func() { r.compareSigningKeys(ctx) }
	r.wakers.start(ctx, r.Namespace, wake, func(configMap string) { r.wakeTrusting(ctx, configMap, wake) })
	return errors.Join(
		r.configs.start(ctx, wakeAll),
		r.routes.start(ctx, wakeAll),
		r.ingressCert.start(ctx, wakeAll),
	)
}

// wakeTrusting wakes the EdgeRegistries that a ConfigMap in the operator's namespace may hold the CA
// of; without a name, all.
func (r *EdgeRegistryReconciler) wakeTrusting(ctx context.Context, configMap string, wake func(edge string)) {
	list := &edgev1.EdgeRegistryList{}
	if err := r.Edges.List(ctx, list); err != nil {
		return
	}
	for _, edge := range list.Items {
		ref := edge.Spec.Trust.CABundleRef
		if configMap == "" || configMap == trustedCAConfigMap || (ref != nil && ref.Name == configMap) {
			wake(edge.Name)
		}
	}
}
