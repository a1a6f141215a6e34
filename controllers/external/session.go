// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"cmp"
	"context"
	"fmt"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// session is one EdgeRegistry during one pass. It implements pass.Session.
type session struct {
	*Provider
	*pass.Scope
	spec *edgev1.ExternalSpec
	// read are the supplied Secrets that this pass has read.
	read map[edgev1.TokenRole]reading
}

// sourceSupplied is a CA in the key ca.crt of a Secret that people supply.
const sourceSupplied trust.Source = "SuppliedSecret"

// begin begins a pass for logins that people supply.
func (p *Provider) begin(scope *pass.Scope) *session {
	s := p.beginAnywhere(scope)
	scope.Publisher.Absent = s.spec.Publisher == nil
	if !scope.Publisher.Absent {
		s.prepare(&scope.Publisher, s.spec.Publisher, "the publisher")
	}
	s.prepare(&scope.Puller, s.spec.Puller, "the puller")
	return s
}

// beginAnywhere is what begin and beginHarbor share.
func (p *Provider) beginAnywhere(scope *pass.Scope) *session {
	edge := scope.Edge
	s := &session{Provider: p, Scope: scope, spec: edge.Spec.External, read: map[edgev1.TokenRole]reading{}}
	scope.Home, scope.Noun = consent.Home(edge, p.Username), pass.NounLogin
	scope.Registry = pass.Registry{
		Host: s.spec.Host, Repository: s.spec.RepositoryPrefix, Trial: s.trial(), PublicCAs: true, Advice: advice,
	}
	if !p.allows(s.spec.Host) {
		scope.Registry.Forbidden = pass.Stalled(edgev1.ReasonHostNotAllowed,
			"nothing is sent to %s, which the operator's flag --external-hosts does not name: have an admin of the cluster add it there", s.spec.Host)
	}
	return s
}

// trial is the repository with which the verification tries rights; empty for none.
func (s *session) trial() string {
	named := s.Edge.Spec.Verification.Repository
	if named == "" || s.spec.RepositoryPrefix == "" {
		return named
	}
	return s.spec.RepositoryPrefix + "/" + named
}

func (s *session) prepare(l *pass.Login, from *edgev1.SuppliedLogin, account string) {
	l.Account = account
	l.Supplied = fmt.Sprintf("Secret %s/%s", objects.CredentialsNamespace, from.CredentialsSecretRef.Name)
	l.PullAdvice = "give it that right in the registry; some registries say the same of a repository that does not exist yet, which the first push makes"
	l.PushAdvice = "give it that right in the registry"
	l.TooMuch = "supply a login that may only pull, or leave spec.verification.repository out where the registry cannot tell users apart"
}

// Steps implements pass.Session: all steps are shared.
func (s *session) Steps() []pass.Step { return nil }

// Cleanups implements pass.Session: garbage collection deletes the Secrets, and nothing else was made.
func (s *session) Cleanups() []pass.Cleanup { return nil }

// CASources implements pass.Session: the Secrets may hold the registry's CA. There are no places that are shared with other
// registries, so far returns only the error of a Secret that cannot be used: its CA was not tried.
func (s *session) CASources(ctx context.Context, far bool) ([]trust.Candidate, error) {
	var candidates []trust.Candidate
	var failed error
	for _, l := range s.Logins() {
		given, err := s.supplied(ctx, l)
		failed = cmp.Or(failed, err)
		if err == nil && len(given.ca) > 0 && !far {
			candidates = append(candidates, trust.Candidate{Source: sourceSupplied, Where: l.Supplied + ", key " + handoff.KeyCA, PEM: given.ca})
		}
	}
	if !far {
		return candidates, nil
	}
	return nil, failed
}

// advice is what to do if a registry cannot be used.
var advice = pass.Advice{
	Trust: map[trust.Kind]string{
		trust.NoCandidates: "supply its root CA in the key ca.crt of the Secret with the login, or by spec.trust.caBundleRef",
	},
	Probe: map[registry.Kind]string{
		registry.Refused:        "correct the login where it is supplied",
		registry.OtherTokenHost: "if that host is the registry's own, name it in the annotation " + tokenHostsAnnotation + " of the Secrets of both logins",
		registry.Untrusted:      "its certificate and the published CA do not match; wait for the next check of the host, or supply its CA",
	},
}
