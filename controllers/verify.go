// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// verifyRegistry uses each token as its consumer would: with the published CA alone, against the
// published host. A login by itself proves nothing, since the registry's token endpoint answers
// without credentials too; so the rights are tried, and that the puller has no more than its own.
func (r *EdgeRegistryReconciler) verifyRegistry(ctx context.Context, s *scope) (done, error) {
	policy := s.edge.Spec.Verification
	if policy.Policy == edgev1.VerificationDisabled {
		s.edge.Status.VerifiedAt = nil
		return done{}, nil
	}
	last := meta.FindStatusCondition(s.edge.Status.Conditions, edgev1.RegistryVerified)
	if due := s.verificationDue(last); s.now.Before(due) && !r.knowsRefused(s) {
		s.due(due)
		return verified(s), nil
	}
	err := explainDial(s.unreachable)
	if err == nil {
		err = r.probe(ctx, s)
	}
	countProbe(err)
	if err == nil {
		s.edge.Status.VerifiedAt = statusTime(s.verifiedNow(r.Clock.Now()))
		if s.verifiedFarAhead() {
			s.due(s.now.Add(policy.Interval.Duration))
		} else {
			s.due(s.edge.Status.VerifiedAt.Add(policy.Interval.Duration))
		}
		return verified(s), nil
	}
	var b *blocked
	if policy.Policy == edgev1.VerificationBestEffort && errors.As(err, &b) {
		b.retry = policy.Interval.Duration
	}
	return done{}, err
}

// verified says that the last trial was a success, and of each setting of the registry that may
// keep people from pushing or nodes from pulling all the same. A setting takes no trial to judge: each
// pass looks at all of them again, and a change of the Config makes a pass.
func verified(s *scope) done {
	warnings := registryWarnings(s.config)
	if len(warnings) > 0 {
		return doneBecause(edgev1.ReasonVerifiedWithWarnings, "%s accepts both tokens, but %s", s.host, strings.Join(warnings, "; and "))
	}
	return doneBecause(edgev1.ReasonVerified, "%s accepts both tokens: %s can push and pull, %s can only pull",
		s.host, s.publisher.account, s.puller.account)
}

// verificationDue is when the tokens are to be tried next: at once if this pass changed anything, the last trial was
// not a success under this spec, the route does not answer, or a pass since did not come as far as here, which left the
// condition Unknown; else an interval after the last trial. The status only spares a probe: whatever it says, what is
// published is re-derived from live objects.
func (s *scope) verificationDue(last *metav1.Condition) time.Time {
	verifiedAt := s.edge.Status.VerifiedAt
	if s.wrote || s.unreachable != nil || verifiedAt == nil || s.verifiedFarAhead() || last == nil ||
		last.Status != metav1.ConditionTrue || last.ObservedGeneration != s.edge.Generation {
		return s.now
	}
	for _, l := range s.logins() {
		if l.token.claims.IssuedAt.After(verifiedAt.Time) {
			return s.now
		}
	}
	return verifiedAt.Add(s.edge.Spec.Verification.Interval.Duration)
}

// verifiedFarAhead reports a last trial whose time is not to be waited for: one of the clocks was wrong then, or is now, and a
// token that died since would go unnoticed for as long.
func (s *scope) verifiedFarAhead() bool {
	return s.edge.Status.VerifiedAt.After(s.now.Add(s.edge.Spec.Verification.Interval.Duration))
}

// verifiedNow is the time of a trial, never before the tokens were issued, though the API server's
// clock may be ahead of the operator's.
func (s *scope) verifiedNow(now time.Time) time.Time {
	for _, l := range s.logins() {
		if l.token.claims.IssuedAt.After(now) {
			now = l.token.claims.IssuedAt
		}
	}
	return now.Truncate(time.Second)
}

func (r *EdgeRegistryReconciler) probe(ctx context.Context, s *scope) error {
	return r.atRegistry(ctx, s, func(ctx context.Context, client *registry.Client) error {
		for _, l := range s.logins() {
			if err := r.try(ctx, s, l, client); err != nil {
				return err
			}
		}
		return nil
	})
}

// atRegistry has the registry asked, as a consumer would: with the published CA alone.
func (r *EdgeRegistryReconciler) atRegistry(ctx context.Context, s *scope, ask func(context.Context, *registry.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.probeTimeout())
	defer cancel()
	roots, err := trust.Pool(s.ca)
	if err != nil {
		return err
	}
	transport := r.transport(roots, s.reached)
	defer transport.CloseIdleConnections()
	return ask(ctx, registry.New(s.host, transport))
}

// try finds what one token may do. Rights that this pass changed take a moment to count at the API
// server: it tries again for that long before it speaks of a wrong one.
func (r *EdgeRegistryReconciler) try(ctx context.Context, s *scope, l *login, client *registry.Client) error {
	const rightsDelay = 2 * time.Second
	var denial error
	err := wait.PollUntilContextTimeout(ctx, rightsDelay/10, rightsDelay, true, func(context.Context) (bool, error) {
		access, err := client.Probe(ctx, s.project, l.user, l.token.Token)
		if err != nil {
			return false, r.weighRefusal(ctx, s, l, withRegistryState(explainProbe(err), s.config))
		}
		denial = judgeAccess(s, l, access)
		return denial == nil || !s.wrote, nil
	})
	if err != nil && !wait.Interrupted(err) {
		return err
	}
	return denial
}

func judgeAccess(s *scope, l *login, access registry.Access) error {
	publisher := l.role == edgev1.TokenPublisher
	switch {
	case !access.Pull:
		return waiting(edgev1.ReasonPullDenied, "%s may not pull from %s: check that ClusterRole %q allows get on imagestreams/layers",
			l.account, s.edge.Status.ImagePrefix, l.clusterRole)
	case publisher && !access.Push:
		return waiting(edgev1.ReasonPushDenied, "%s may not push to %s: check that ClusterRole %q allows update on imagestreams/layers",
			l.account, s.edge.Status.ImagePrefix, l.clusterRole)
	case !publisher && access.Push:
		tooMuch := stalled(edgev1.ReasonPullerCanPush,
			"%s may push to %s, and so may every node that holds its token: set spec.openshift.puller.clusterRole to system:image-puller, or remove other bindings of %s in the project",
			l.account, s.edge.Status.ImagePrefix, l.account)
		// No watch tells that another's role binding is gone.
		tooMuch.retry = time.Minute
		return tooMuch
	case access.ReadOnly && !s.config.Spec.ReadOnly:
		return waiting(edgev1.ReasonRegistryUnavailable,
			"registry %s refuses pushes as read-only, though spec.readOnly of registry Config %q is not set: wait until its pods have that setting; %s",
			s.host, s.config.Name, registryState(s.config))
	default:
		return nil
	}
}

func explainProbe(err error) error {
	var failure *registry.Error
	if !errors.As(err, &failure) {
		return err
	}
	reasons := map[registry.Kind]string{
		registry.Unresolvable: edgev1.ReasonRegistryUnresolvable,
		registry.Unreachable:  edgev1.ReasonRegistryUnreachable,
		registry.Untrusted:    edgev1.ReasonRegistryUntrusted,
		registry.Refused:      edgev1.ReasonCredentialRefused,
		registry.Unavailable:  edgev1.ReasonRegistryUnavailable,
		registry.Unexpected:   edgev1.ReasonRegistryUnexpected,
	}
	return waiting(reasons[failure.Kind], "%s", failure.Error())
}

// withRegistryState adds to a failure of the registry what its own operator says of its pods.
func withRegistryState(err error, config *imageregistryv1.Config) error {
	var b *blocked
	if errors.As(err, &b) && b.reason == edgev1.ReasonRegistryUnavailable {
		b.message += "; " + registryState(config)
	}
	return err
}

// explainDial says in the words of the verification why the route could not be asked.
func explainDial(err error) error {
	if err == nil {
		return nil
	}
	reasons := map[trust.Kind]string{
		trust.Unresolvable: edgev1.ReasonRegistryUnresolvable,
		trust.NotTLS:       edgev1.ReasonRegistryUnexpected,
	}
	var failure *trust.Error
	if errors.As(err, &failure) && reasons[failure.Kind] != "" {
		return waiting(reasons[failure.Kind], "%s", oneLine(err))
	}
	return waiting(edgev1.ReasonRegistryUnreachable, "%s", oneLine(err))
}

func (r *EdgeRegistryReconciler) probeTimeout() time.Duration {
	if r.ProbeTimeout > 0 {
		return r.ProbeTimeout
	}
	return 30 * time.Second
}
