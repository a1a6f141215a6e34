// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// finding is what ca.crt has to hold for the route, and how that is known.
type finding struct {
	// Bundle verifies the route, or did when it could last be asked.
	trust.Bundle
	// successors may verify it next.
	successors []trust.Bundle
	// done is what the condition says.
	done
}

// trustRoute finds the certificates that consumers need to verify the route, now and over the next
// change of its CA, among places that an admin of the cluster vouches for. What the route itself
// presents is only ever checked. When nothing verifies, the bundle that is published already stays,
// and the steps after this one carry on with it.
func (r *EdgeRegistryReconciler) trustRoute(ctx context.Context, s *scope) (done, error) {
	last := r.lastGoodCA(s)
	found, err := r.findCA(ctx, s, last)
	switch {
	case err == nil:
		r.publishCA(s, found, last)
		return s.warnOfEnd(found), nil
	case last.usable():
		r.publishCA(s, finding{Bundle: last.Bundle}, last)
		return done{}, keepCA(s.explainTrust(err))
	default:
		return done{}, s.explainTrust(err)
	}
}

func (r *EdgeRegistryReconciler) findCA(ctx context.Context, s *scope, last lastCA) (finding, error) {
	near, err := r.nearCandidates(ctx, s)
	if err != nil {
		return finding{}, err
	}
	presented, err := r.present(ctx, s)
	if err != nil {
		return s.checkOffline(near, last, err)
	}
	bundle, err := r.verify(ctx, s, presented, near)
	if err != nil {
		return s.checkRolling(presented, near, last, err)
	}
	return finding{
		Bundle:     bundle,
		successors: trust.Successors(s.host, near, bundle.Root, s.now),
		done: doneBecause(edgev1.ReasonTrusted, "%s is verified by the root %q from %s%s",
			s.host, bundle.Subject, bundle.Where, s.reached),
	}, nil
}

// verify asks the places in the order of the API's promise. The proxy's CA and the public CAs are
// read only when the nearer places do not verify.
func (r *EdgeRegistryReconciler) verify(ctx context.Context, s *scope, presented []*x509.Certificate, near []trust.Candidate) (trust.Bundle, error) {
	bundle, err := trust.Verify(s.host, presented, near, s.now)
	if err == nil || !worthLookingFurther(err) {
		return bundle, err
	}
	far, err := r.farCandidates(ctx)
	if err != nil {
		return trust.Bundle{}, err
	}
	return trust.Verify(s.host, presented, slices.Concat(near, far), s.now)
}

// checkRolling judges a route that shows what no place vouches for, with err. That is how a change of
// CA begins on OpenShift: the new chain is published, and the router takes it a little later, one pod
// after the other. It is good as long as the route shows what it was verified with before and a place
// vouches for what follows. A certificate that is on its way out already keeps the time that it has.
func (s *scope) checkRolling(presented []*x509.Certificate, near []trust.Candidate, last lastCA, err error) (finding, error) {
	if !last.usable() {
		return finding{}, err
	}
	shown, unknown := trust.Verify(s.host, presented, []trust.Candidate{{PEM: trust.EncodePEM(last.certificates)}}, s.now)
	if unknown != nil {
		return finding{}, err
	}
	shown.Source, shown.Where = last.Source, last.Where
	successors := trust.Successors(s.host, near, shown.Root, s.now)
	if len(successors) == 0 {
		return finding{}, err
	}
	found := finding{Bundle: shown, successors: successors, done: doneBecause(edgev1.ReasonCARolling,
		"%s still shows a certificate of %q, and %q from %s is to follow: ca.crt holds both; if this lasts, check that every pod of the router has the new certificate%s",
		s.host, shown.Subject, successors[0].Subject, successors[0].Where, s.reached)}
	if last.outgoing(shown.Root) {
		found.Bundle, found.successors = successors[0], successors[1:]
	}
	// Nothing tells when the router changes over.
	s.due(s.now.Add(s.edge.Spec.Verification.Interval.Duration))
	return found, nil
}

// checkOffline takes what only a published chain vouches for, when the route cannot be asked. It does
// not displace what the route itself was verified with, unless the same place has another root by now.
func (s *scope) checkOffline(near []trust.Candidate, last lastCA, dialErr error) (finding, error) {
	s.unreachable = dialErr
	bundle, err := trust.VerifyOffline(s.host, near, s.now)
	if err != nil {
		return finding{}, dialErr
	}
	// Nothing tells when the route can be asked again.
	s.due(s.now.Add(s.edge.Spec.Verification.Interval.Duration))
	found := finding{Bundle: bundle, done: doneBecause(edgev1.ReasonTrustedOffline,
		"the certificate that %s publishes for %s is verified by its root %q; the route itself could not be asked: %s",
		bundle.Where, s.host, bundle.Subject, oneLine(dialErr))}
	if last.usable() && (last.Source != bundle.Source || last.SHA256 == bundle.SHA256) {
		found.Bundle = last.Bundle
	}
	found.successors = trust.Successors(s.host, near, found.Root, s.now)
	return found, nil
}

// keepCA lets the steps after this one go on with the CA that the Secrets carry.
func keepCA(err error) error {
	var b *blocked
	if !errors.As(err, &b) {
		_, reason, message := verdict(err)
		b = waiting(reason, "%s", message)
	}
	b.carryOn = true
	b.message += "; the Secrets keep the CA that they have"
	return b
}

// worthLookingFurther tells a chain whose root is elsewhere from one that no root can mend. An
// expired root may have a valid successor of the same key elsewhere.
func worthLookingFurther(err error) bool {
	var failure *trust.Error
	return errors.As(err, &failure) && failure.Kind != trust.NameMismatch
}

// explainTrust gives the reason and the kind of wait for a failure to verify.
func (s *scope) explainTrust(err error) error {
	var failure *trust.Error
	if !errors.As(err, &failure) {
		return err
	}
	message := oneLine(err) + s.reached.String()
	switch failure.Kind {
	case trust.Unresolvable:
		return waiting(edgev1.ReasonRouteUnresolvable, "%s", message)
	case trust.Unreachable:
		return waiting(edgev1.ReasonRouteUnreachable, "%s", message)
	case trust.NotTLS:
		return waiting(edgev1.ReasonHandshakeFailed, "%s", message)
	case trust.NameMismatch:
		return needsPerson(edgev1.ReasonNameMismatch, message)
	case trust.Expired:
		return needsPerson(edgev1.ReasonCertificateExpired, message)
	case trust.NoRoot:
		return needsPerson(edgev1.ReasonRootMissing, message)
	case trust.Untrusted, trust.NoCandidates:
		return needsPerson(edgev1.ReasonChainUntrusted, message)
	}
	return err
}

// needsPerson is a stall that may end by a change of the router's certificate, of which no watch
// tells: it is looked at again as often as a wait.
func needsPerson(reason, message string) *blocked {
	b := stalled(reason, "%s", message)
	b.retry = retryWaiting
	return b
}
