// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/delivery"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/controllers/watches"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries/status,verbs=patch
// +kubebuilder:rbac:groups=edge.open-horizon.io,resources=edgeregistries/finalizers,verbs=update
// +kubebuilder:rbac:groups=events.k8s.io,namespace=default,resources=events,verbs=create;patch

// EdgeRegistryReconciler makes the cluster agree with its EdgeRegistries. Its Connection reads live.
type EdgeRegistryReconciler struct {
	*apiserver.Connection
	// Edges reads EdgeRegistries from the manager's cache.
	Edges client.Reader
	// Recorder sends events about EdgeRegistries.
	Recorder events.EventRecorder
	// Namespace is the operator's own.
	Namespace string
	// Clock is the source of time; the real clock when nil.
	Clock clock.PassiveClock
	// DialContext connects to the registry's host; net.Dialer when nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy chooses a proxy for a request to the registry's host; none when nil.
	Proxy func(*http.Request) (*url.URL, error)
	// SystemRoots are the public CAs; those of the machine when nil.
	SystemRoots *x509.CertPool
	// ProbeTimeout bounds one verification; 30 seconds when zero.
	ProbeTimeout time.Duration
	// ExchangeTimeout bounds one request to an Exchange; a minute when zero.
	ExchangeTimeout time.Duration
	// ExternalHosts are the hosts that spec.external may name, as host, host:port or *.suffix; all when empty.
	ExternalHosts []string
	// MaxConcurrentReconciles is how many EdgeRegistries are reconciled concurrently; 1 when zero.
	MaxConcurrentReconciles int

	// Objects writes the objects of EdgeRegistries.
	Objects *objects.Writer

	triggers *watches.Triggers
	// memories is what this process remembers of EdgeRegistries.
	memories pass.Memories
	// shared is what registries answer to everybody.
	shared                        registry.Shared
	openshift, ibmCloud, external *provided
	delivery                      *delivered
}

// provided is a provider with its watches.
type provided struct {
	pass.Provider
	onDemand
}

// delivered is the delivery to Exchanges with its watch.
type delivered struct {
	*delivery.Delivery
	onDemand
}

// onDemand are watches that start with the first EdgeRegistry that needs them.
type onDemand struct {
	started sync.Once
	// start starts them; nil if there is no queue.
	start func()
}

func (w *onDemand) begin() {
	if w.start != nil {
		w.started.Do(w.start)
	}
}

// seenVersion is the latest resource version of an EdgeRegistry that came from the API server itself; an older version in the cache is
// stale. It is empty until then.
type seenVersion struct {
	known   bool
	version string
	// wrong: a write met a conflict, so the cache is stale.
	wrong bool
}

// Reconcile makes one pass over an EdgeRegistry.
func (r *EdgeRegistryReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	edge, err := r.read(ctx, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.memories.Forget(req.Name)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	observeStored(edge, r.Clock.Now())
	switch {
	case !edge.DeletionTimestamp.IsZero():
		return r.delete(ctx, edge)
	case edge.Spec.Suspend:
		return r.suspend(ctx, edge)
	}
	s := pass.NewScope(edge, r.Clock.Now(), r.memories.Of(edge))
	if pause := s.ConflictPause(); pause > 0 {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	if err := r.openRecord(ctx, s); err != nil {
		return r.withoutRecord(ctx, edge, err)
	}
	if err := r.ensureFinalizer(ctx, edge); err != nil {
		return outcomeOfWrite(err)
	}
	before, held := edge.DeepCopy(), edge.Status.Exchange
	// Copies are watched once the status lists them, from the version of the last write on.
	defer r.triggers.Watch(edge) //nolint:contextcheck // The watches outlive the pass.
	result := r.runSteps(ctx, s)
	r.keepRecord(ctx, s, &result)
	if ctx.Err() != nil {
		// The operator is stopping: what failed for that reason needs no report.
		return ctrl.Result{}, ctx.Err()
	}
	r.report(edge, s.Notes)
	if s.CountConflict(result.Err) {
		// Somebody changed an object between its read and its write: the next pass reads it again.
		return pass.RetrySoon(), nil
	}
	edge.Status.LastHandledVerification = edge.Annotations[edgev1.VerifyAnnotation]
	dropExpired(edge, s.Now)
	if edge.Status.Exchange == held {
		doubtExchange(before, edge)
	}
	pass.Summarize(edge, result.Pending, pass.IsStalled(result.Err), readyMessage(s))
	if err := r.writeStatus(ctx, before, edge); err != nil {
		return outcomeOfWrite(err)
	}
	s.PauseAfterConflicts()
	s.Pace(result.Err)
	r.reportTransitions(before, edge, result)
	next, err := pass.Outcome(result.Err, s.Now, s.Next)
	observe(edge, nextLook(s.Now, next, err), s.Used...)
	return next, err
}

func (r *EdgeRegistryReconciler) runSteps(ctx context.Context, s *pass.Scope) pass.Result {
	p := r.begin(s)
	if p == nil {
		return pass.Unsupported(s.Edge, pass.Stalled(edgev1.ReasonProviderUnknown,
			"this version of the operator knows no provider but openshift, ibmCloud and external: run a version that knows the one in use, or make another EdgeRegistry with one of these"))
	}
	if len(s.Edge.Spec.Exchanges) == 0 {
		s.Edge.Status.Exchange = nil
	}
	result := pass.RunSteps(ctx, p.steps(), s)
	p.answerRevocation(ctx, &result)
	return result
}

// begin begins a pass with the EdgeRegistry's provider; nil if no provider knows it.
func (r *EdgeRegistryReconciler) begin(s *pass.Scope) *run {
	var provider *provided
	switch {
	case s.Edge.Spec.OpenShift != nil:
		provider = r.openshift
	case s.Edge.Spec.IBMCloud != nil:
		provider = r.ibmCloud
	case s.Edge.Spec.External != nil:
		provider = r.external
	default:
		return nil
	}
	provider.begin()
	if len(s.Edge.Spec.Exchanges) > 0 {
		r.delivery.begin()
	}
	return &run{EdgeRegistryReconciler: r, Scope: s, session: provider.Begin(s), wasSettled: s.Settled, outages: r.triggers.Outages()}
}

// run is one pass over one EdgeRegistry, as the shared steps see it.
type run struct {
	*EdgeRegistryReconciler
	*pass.Scope
	session pass.Session
	// leftOut says, at the end of a message, what the places of the CA hold beside usable certificates.
	leftOut string
	// silence is why the registry did not answer; it is set with askedRegistry, by CredentialsIssued.
	silence       error
	askedRegistry bool
	// wasSettled is Settled at the start of the pass, and outages the number of outages of the API server by then.
	wasSettled bool
	outages    int
}

// steps are the provider's own, then the shared ones. If the Secrets are in a namespace by invitation, NamespaceReady comes first.
func (p *run) steps() []pass.Step {
	var steps []pass.Step
	if p.Home.ByInvitation {
		steps = append(steps, pass.Step{Condition: edgev1.NamespaceReady, Run: p.prepareNamespace})
	}
	steps = append(append(steps, p.session.Steps()...),
		pass.Step{Condition: edgev1.RegistryTrusted, Run: p.trustRegistry},
		objects.Explained(p.Scope, pass.Step{Condition: edgev1.CredentialsIssued, Run: p.issueCredentials}),
		objects.Explained(p.Scope, pass.Step{Condition: edgev1.SecretsPublished, Run: p.publishSecrets}),
		pass.Step{
			Condition: edgev1.RegistryVerified, Run: p.verifyRegistry,
			Advisory: p.Edge.Spec.Verification.Policy != edgev1.VerificationRequired,
		},
	)
	if len(p.Edge.Spec.Exchanges) > 0 {
		steps = append(steps, p.delivery.Step(p.Scope, p.session.Whose))
	}
	return steps
}

// cleanups remove the copies and the logins in the Exchange, then come those of the provider. The record is deleted last.
func (p *run) cleanups() []pass.Cleanup {
	all := []pass.Cleanup{{What: "remove the copies of the Secrets", Run: p.removeCopies}}
	if len(p.Edge.Spec.Exchanges) > 0 {
		all = append(all, p.delivery.Cleanup(p.Scope, p.session.Whose))
	}
	all = append(all, p.session.Cleanups()...)
	return append(all, pass.Cleanup{What: "delete the record", Run: p.dropRecord})
}

// forget releases what other packages keep for an EdgeRegistry that is gone.
func (r *EdgeRegistryReconciler) forget(name string, uid types.UID) {
	r.triggers.Forget(uid)
	r.openshift.Forget(uid)
	r.ibmCloud.Forget(uid)
	r.external.Forget(uid)
	unobserve(name)
}

// outcomeOfWrite is the outcome of a pass that failed to write to the EdgeRegistry itself. After a conflict it is read again.
func outcomeOfWrite(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return pass.RetrySoon(), nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// read returns the EdgeRegistry from the cache if that is current, otherwise live.
func (r *EdgeRegistryReconciler) read(ctx context.Context, key types.NamespacedName) (*edgev1.EdgeRegistry, error) {
	edge := &edgev1.EdgeRegistry{}
	if err := r.Edges.Get(ctx, key, edge); err != nil {
		return nil, err
	}
	if r.Edges != client.Reader(r.Connection) {
		if r.isCurrent(edge) {
			return edge, nil
		}
		edge = &edgev1.EdgeRegistry{}
		if err := r.Get(ctx, key, edge); err != nil {
			return nil, err
		}
	}
	seen := r.seen(edge)
	if watches.Newer(seen.version, edge.ResourceVersion) {
		// etcd was restored from an older copy, and the record with it.
		*pass.Part[stored](r.memories.Of(edge)) = stored{}
	}
	*seen = seenVersion{known: true, version: edge.ResourceVersion}
	return edge, nil
}

// isCurrent reports whether a cached version is as new as anything that the operator knows of. An older one would make it repeat or
// undo finished work. At first it knows nothing, and a lagging API server may have filled the cache; but for an EdgeRegistry without
// the finalizer, the write that sets it proves that the version is current.
func (r *EdgeRegistryReconciler) isCurrent(edge *edgev1.EdgeRegistry) bool {
	seen := r.seen(edge)
	if !seen.known {
		return !controllerutil.ContainsFinalizer(edge, objects.CleanupFinalizer)
	}
	return !seen.wrong && !watches.Newer(seen.version, edge.ResourceVersion)
}

func (r *EdgeRegistryReconciler) seen(edge *edgev1.EdgeRegistry) *seenVersion {
	return pass.Part[seenVersion](r.memories.Of(edge))
}

// noteWrite notes the answer to a write to the EdgeRegistry. A conflict means that the version was stale, and the cache may stay so
// if the event that would update it was lost.
func (r *EdgeRegistryReconciler) noteWrite(edge *edgev1.EdgeRegistry, err error) {
	switch {
	case err == nil:
		*r.seen(edge) = seenVersion{known: true, version: edge.ResourceVersion}
	case apierrors.IsConflict(err):
		r.seen(edge).known, r.seen(edge).wrong = true, true
	}
}

// writeStatus patches the status once, and only if it changed. All messages of the status are written here.
func (r *EdgeRegistryReconciler) writeStatus(ctx context.Context, before, after *edgev1.EdgeRegistry) error {
	redactStatus(&after.Status)
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	// The patch replaces whole lists, so it must not meet a status other than the one that it was made from.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	status := after.Status
	err := r.Status().Patch(ctx, after, patch, client.FieldOwner(objects.FieldManager))
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
