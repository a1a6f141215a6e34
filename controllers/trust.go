// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// dialTimeout bounds the connection to the route.
const dialTimeout = 10 * time.Second

// trustRoute finds the root certificate that verifies the route, among places that an admin of the
// cluster vouches for. What the route itself presents is only ever checked. When nothing verifies,
// the bundle that is published already stays, and the steps after this one carry on with it.
func (r *EdgeRegistryReconciler) trustRoute(ctx context.Context, s *scope) (done, error) {
	last := s.lastGoodCA()
	bundle, err := r.findBundle(ctx, s)
	switch {
	case err == nil && s.unreachable == nil:
		s.adopt(bundle, last)
		return doneBecause(edgev1.ReasonTrusted, "%s is verified by the root %q from %s", s.host, bundle.Subject, bundle.Where), nil
	case err == nil:
		// Nothing tells when the route can be asked again.
		s.due(s.now.Add(s.edge.Spec.Verification.Interval.Duration))
		return s.trustOffline(bundle, last), nil
	case last == nil:
		return done{}, explainTrust(err)
	default:
		s.ca = last
		return done{}, keepCA(explainTrust(err))
	}
}

// findBundle asks the places in the order of the API's promise. The proxy's CA and the public CAs
// are read only when the nearer places do not verify. If the route cannot be asked, it says so in
// the scope and checks what the places themselves hold of the route's chain.
func (r *EdgeRegistryReconciler) findBundle(ctx context.Context, s *scope) (trust.Bundle, error) {
	candidates, err := r.nearCandidates(ctx, s)
	if err != nil {
		return trust.Bundle{}, err
	}
	presented, dialErr := r.present(ctx, s.host)
	s.unreachable = dialErr
	if dialErr != nil {
		bundle, err := trust.VerifyOffline(s.host, candidates, s.now)
		if err != nil {
			return trust.Bundle{}, dialErr
		}
		return bundle, nil
	}
	bundle, err := trust.Verify(s.host, presented, candidates, s.now)
	if err == nil || !worthLookingFurther(err) {
		return bundle, err
	}
	far, err := r.farCandidates(ctx)
	if err != nil {
		return trust.Bundle{}, err
	}
	return trust.Verify(s.host, presented, append(candidates, far...), s.now)
}

func (r *EdgeRegistryReconciler) present(ctx context.Context, host string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return trust.Present(ctx, r.transport(nil), host)
}

// adopt makes a bundle the one that the Secrets carry.
func (s *scope) adopt(bundle trust.Bundle, last []byte) {
	if old := s.edge.Status.CA; old != nil && old.SHA256 != bundle.SHA256 {
		s.notes = append(s.notes, note{
			reason: edgev1.ReasonCAChanged, message: fmt.Sprintf("the root certificate is now %q from %s", bundle.Subject, bundle.Where),
		})
	}
	s.changing = s.changing || !bytes.Equal(bundle.PEM, last)
	s.ca = bundle.PEM
	s.edge.Status.CA = &edgev1.CAStatus{
		Subject:  bundle.Subject,
		SHA256:   bundle.SHA256,
		NotAfter: metav1.NewTime(bundle.NotAfter),
		Source:   string(bundle.Source),
	}
}

// trustOffline takes a bundle that only a published chain vouches for. It does not displace one
// that the route itself was verified with, unless the same place has another root by now.
func (s *scope) trustOffline(bundle trust.Bundle, last []byte) done {
	old := s.edge.Status.CA
	if last == nil || old == nil || (old.Source == string(bundle.Source) && old.SHA256 != bundle.SHA256) {
		s.adopt(bundle, last)
	} else {
		s.ca = last
	}
	return doneBecause(edgev1.ReasonTrustedOffline,
		"the certificate that %s publishes for %s is verified by its root %q; the route itself could not be asked: %s",
		bundle.Where, s.host, bundle.Subject, oneLine(s.unreachable))
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
func explainTrust(err error) error {
	var failure *trust.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Kind {
	case trust.Unresolvable:
		return waiting(edgev1.ReasonRouteUnresolvable, "%s", failure.Error())
	case trust.Unreachable:
		return waiting(edgev1.ReasonRouteUnreachable, "%s", failure.Error())
	case trust.NotTLS:
		return waiting(edgev1.ReasonHandshakeFailed, "%s", failure.Error())
	case trust.NameMismatch:
		return needsPerson(edgev1.ReasonNameMismatch, failure)
	case trust.Expired:
		return needsPerson(edgev1.ReasonCertificateExpired, failure)
	case trust.NoRoot:
		return needsPerson(edgev1.ReasonRootMissing, failure)
	case trust.Untrusted, trust.NoCandidates:
		return needsPerson(edgev1.ReasonChainUntrusted, failure)
	}
	return err
}

// needsPerson is a stall that may end by a change of the router's certificate, of which no watch
// tells: it is looked at again as often as a wait.
func needsPerson(reason string, failure *trust.Error) *blocked {
	b := stalled(reason, "%s", failure.Error())
	b.retry = retryWaiting
	return b
}

// lastGoodCA is the bundle that the pull Secret carries, or nil. Whatever else somebody put there
// is left out.
func (s *scope) lastGoodCA() []byte {
	secret := s.live.secrets[s.puller.secret]
	if secret == nil {
		return nil
	}
	certificates, err := trust.ParsePEM(secret.Data[handoff.KeyCA])
	if err != nil {
		return nil
	}
	return trust.EncodePEM(certificates)
}
