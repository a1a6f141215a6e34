// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// +kubebuilder:rbac:groups="",namespace=edge-registry-system,resources=configmaps,verbs=get;watch

// offlineLook is the longest requeue interval while a host does not answer. Each attempt may take as long as a connection timeout.
const offlineLook = 5 * time.Minute

// finding is the CA that was found for the host, and how.
type finding struct {
	// Bundle verifies the route, or did when it last answered.
	trust.Bundle
	// successors may verify it next.
	successors []trust.Bundle
	// done is the reason and message of the condition.
	done pass.Done
}

// trustRegistry finds the certificates that consumers need to verify the route, now and over the next change of its CA, in places that
// a cluster admin controls. What the route itself presents is only checked. If nothing verifies, the published bundle stays, and later
// steps run with it.
func (p *run) trustRegistry(ctx context.Context) (pass.Done, error) {
	if p.Registry.Forbidden != nil {
		return pass.Done{}, p.Registry.Forbidden
	}
	p.Settled = p.Settled && p.Registry.Host == p.Record.Host
	last := p.lastGoodCA()
	found, err := p.findCA(ctx, last)
	found.done.Message += p.leftOut
	switch {
	case err == nil && p.needsNoCA(found, last):
		p.publishNoCA(last)
		return found.done, nil
	case err == nil:
		p.publishCA(found, last)
		return p.warnOfEnd(found), nil
	case last.usable():
		p.publishCA(finding{Bundle: last.Bundle}, last)
		return pass.Done{}, keepCA(p.explainTrust(err))
	case p.neededNoCA():
		return pass.Done{}, keepCA(p.explainTrust(err))
	default:
		return pass.Done{}, p.explainTrust(err)
	}
}

func (p *run) findCA(ctx context.Context, last lastCA) (finding, error) {
	near, err := p.nearSources(ctx)
	if err != nil {
		return finding{}, err
	}
	presented, err := p.present(ctx)
	if err != nil {
		return p.checkOffline(near, last, err)
	}
	bundle, err := p.verifyChain(ctx, presented, near)
	if err == nil {
		bundle, presented, err = p.besideProxy(ctx, bundle, presented, near, last)
	}
	if err != nil {
		return p.checkRolling(presented, near, last, err)
	}
	return finding{
		Bundle:     bundle,
		successors: trust.Successors(p.Registry.Host, near, bundle.Root, p.Now),
		done: pass.DoneBecause(edgev1.ReasonTrusted, "%s is verified by the root %q from %s%s",
			p.Registry.Host, bundle.Subject, bundle.Where, describeWay(p.Reached)),
	}, nil
}

// verifyChain tries the places in the documented order. Those about other hosts too, and the public CAs, are read only if the nearer
// ones do not verify.
func (p *run) verifyChain(ctx context.Context, presented []*x509.Certificate, near []trust.Candidate) (trust.Bundle, error) {
	bundle, err := trust.Verify(p.Registry.Host, presented, near, p.Now)
	if err == nil || !worthLookingFurther(err) {
		return bundle, p.withCAAdvice(err)
	}
	far, missing := p.session.CASources(ctx, true)
	if missing != nil && pass.AsBlocked(missing) == nil {
		return trust.Bundle{}, missing
	}
	bundle, err = trust.Verify(p.Registry.Host, presented, slices.Concat(near, far, []trust.Candidate{p.publicCAs()}), p.Now)
	if err != nil && missing != nil {
		return bundle, missing
	}
	return bundle, p.withCAAdvice(err)
}

// publicCAs are the roots of the operator's own machine.
func (p *run) publicCAs() trust.Candidate {
	return trust.Candidate{Source: trust.SourceSystem, Where: "the public CAs", Roots: p.SystemRoots}
}

// withCAAdvice adds the provider's advice to an error of trust.
func (p *run) withCAAdvice(err error) error {
	var failure *trust.Error
	if errors.As(err, &failure) && failure.Advice != "" {
		failure.Advice = cmp.Or(p.Registry.Advice.Trust[failure.Kind], failure.Advice)
		failure.PlaceIn(p.EdgeRegistryReconciler.Namespace)
	}
	return err
}

// checkRolling handles a route that shows a certificate of a root in no place, with err. A change of CA begins so on OpenShift: the new
// chain is published, and the router takes it a little later, one pod after the other. This is fine as long as the route shows what it
// was verified with before and a place holds the next root. An outgoing certificate keeps its time.
func (p *run) checkRolling(presented []*x509.Certificate, near []trust.Candidate, last lastCA, err error) (finding, error) {
	if !last.usable() {
		return finding{}, err
	}
	shown, unknown := trust.Verify(p.Registry.Host, presented, []trust.Candidate{{PEM: trust.EncodePEM(last.certificates)}}, p.Now)
	if unknown != nil {
		return finding{}, err
	}
	shown.Source, shown.Where = last.Source, last.Where
	successors := trust.Successors(p.Registry.Host, near, shown.Root, p.Now)
	if len(successors) == 0 {
		return finding{}, err
	}
	found := finding{Bundle: shown, successors: successors, done: pass.DoneBecause(edgev1.ReasonCARolling,
		"%s still shows a certificate of %q, and %s is to follow: ca.crt holds both; if this lasts, check that every pod of the router has the new certificate%s",
		p.Registry.Host, shown.Subject, placesOf(successors), describeWay(p.Reached))}
	// All of them are published; the first, by the order of the places, is what the status calls current meanwhile.
	if last.outgoing(shown.Root) {
		found.Bundle, found.successors = successors[0], successors[1:]
	}
	// No watch reports when the router changes over, which mostly takes seconds; until then the message says that it has not.
	p.Due(p.Now.Add(p.PauseWhile("root to follow", successors[0].SHA256, pass.RetryWaiting, p.Edge.Spec.Verification.Interval.Duration)))
	return found, nil
}

// placesOf names roots, each with the place that holds it.
func placesOf(bundles []trust.Bundle) string {
	var names []string
	for _, b := range bundles {
		names = append(names, fmt.Sprintf("%q from %s", b.Subject, b.Where))
	}
	return text.And(names)
}

// subjectsOf names roots.
func subjectsOf(bundles []trust.Bundle) string {
	var names []string
	for _, b := range bundles {
		names = append(names, fmt.Sprintf("%q", b.Subject))
	}
	return text.And(names)
}

// checkOffline uses a published chain while the route does not answer. It does not replace what the route itself was verified with,
// unless the same place has another root by now.
func (p *run) checkOffline(near []trust.Candidate, last lastCA, dialErr error) (finding, error) {
	p.Unreachable = dialErr
	bundle, err := trust.VerifyOffline(p.Registry.Host, near, p.Now)
	if err != nil {
		return finding{}, dialErr
	}
	// No watch reports when the route answers again.
	p.Due(p.Now.Add(min(p.Edge.Spec.Verification.Interval.Duration, offlineLook)))
	found := finding{Bundle: bundle, done: pass.DoneBecause(edgev1.ReasonTrustedOffline,
		"the certificate that %s publishes for %s is verified by its root %q; the route itself could not be asked: %s",
		bundle.Where, p.Registry.Host, bundle.Subject, text.Of(dialErr))}
	if last.usable() && (last.Source != bundle.Source || last.SHA256 == bundle.SHA256) {
		found.Bundle = last.Bundle
	}
	found.successors = trust.Successors(p.Registry.Host, near, found.Root, p.Now)
	return found, nil
}

// keepCA lets later steps run with the CA that the Secrets carry.
func keepCA(err error) error {
	b := pass.AsBlocked(err)
	if b == nil {
		_, reason, message := pass.Verdict(err)
		b = pass.Waiting(reason, "%s", message)
	}
	b.CarryOn = true
	b.Message += "; the Secrets keep the CA that they have"
	return b
}

// worthLookingFurther reports whether a root in another place could verify a chain. An expired root may have a valid successor with the
// same key elsewhere.
func worthLookingFurther(err error) bool {
	var failure *trust.Error
	return errors.As(err, &failure) && failure.Kind != trust.NameMismatch
}

// explainTrust turns a failure to verify into a Blocked.
func (p *run) explainTrust(err error) error {
	var failure *trust.Error
	if !errors.As(err, &failure) {
		return err
	}
	message := text.Of(err) + describeWay(p.Reached) + p.leftOut
	switch failure.Kind {
	case trust.Unresolvable:
		return pass.Waiting(p.ofRoute(edgev1.ReasonRouteUnresolvable, edgev1.ReasonRegistryUnresolvable), "%s", message)
	case trust.Unreachable:
		return pass.Waiting(p.ofRoute(edgev1.ReasonRouteUnreachable, edgev1.ReasonRegistryUnreachable), "%s", message)
	case trust.NotTLS:
		return pass.Waiting(edgev1.ReasonHandshakeFailed, "%s", message)
	case trust.NameMismatch:
		return needsPerson(edgev1.ReasonNameMismatch, message)
	case trust.Expired:
		return needsPerson(edgev1.ReasonCertificateExpired, message)
	case trust.NoRoot:
		return needsPerson(edgev1.ReasonRootMissing, message)
	case trust.Untrusted, trust.NoCandidates:
		return needsPerson(edgev1.ReasonChainUntrusted, message+p.describeProxy())
	}
	return err
}

// ofRoute returns the first reason if the host is that of a Route, otherwise the second.
func (p *run) ofRoute(route, other string) string {
	if p.Edge.Spec.OpenShift != nil {
		return route
	}
	return other
}

// needsPerson returns a stall that a change of the router's certificate may end, which no watch reports: it is requeued as often as a
// wait.
func needsPerson(reason, message string) *pass.Blocked {
	b := pass.Stalled(reason, "%s", message)
	b.Retry = pass.RetryWaiting
	return b
}

// nearSources are the places about this very registry: what the admin names, and what the provider knows.
func (p *run) nearSources(ctx context.Context) ([]trust.Candidate, error) {
	var named []trust.Candidate
	if ref := p.Edge.Spec.Trust.CABundleRef; ref != nil {
		candidate, err := p.namedBundle(ctx, ref)
		if err != nil {
			return nil, err
		}
		named = append(named, candidate)
	}
	near, err := p.session.CASources(ctx, false)
	near = append(named, near...)
	for _, c := range near {
		if missing := trust.Read(c.PEM).Missing(c.Where); missing != "" {
			p.leftOut += "; " + missing
		}
	}
	return near, err
}

func (p *run) namedBundle(ctx context.Context, ref *edgev1.CABundleRef) (trust.Candidate, error) {
	where := fmt.Sprintf("ConfigMap %s/%s, key %s", p.Namespace, ref.Name, ref.Key)
	bundle, _, err := objects.Bundle{Where: where, CA: "root CA", Field: "spec.trust.caBundleRef"}.Read(ctx, p, p.Namespace, ref)
	return trust.Candidate{Source: trust.SourceCABundleRef, Where: where, PEM: []byte(bundle)}, err
}
