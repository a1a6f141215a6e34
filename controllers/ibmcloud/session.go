// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// user is the user name of every login with an API key.
const user = "iamapikey"

// session is one EdgeRegistry during one pass. It implements pass.Session.
type session struct {
	*Provider
	*pass.Scope
	spec *edgev1.IBMCloudSpec

	// client, cloud and account are those of the supplied key, which useAccount sets. If the key cannot be used, client is nil and
	// clientErr says why.
	client    *ibmcloud.Client
	cloud     *cloud
	account   string
	clientErr error
	// serviceIDs are those that the supplied Secret names.
	serviceIDs []string
}

// remembered is what the process remembers of one EdgeRegistry for this provider. It only spares requests.
type remembered struct {
	// grantsChecked is when the policies were last read.
	grantsChecked time.Time
	// vetoed are, by their ids, keys that somebody used after their lifetime, and when to check them again.
	vetoed map[string]time.Time
	// trouble is why the last attempt to end keys failed; empty if it did not.
	trouble string
	whose   verdicts
}

func (s *session) remembered() *remembered { return pass.Part[remembered](s.Memory) }

func (p *Provider) begin(scope *pass.Scope) *session {
	edge := scope.Edge
	s := &session{Provider: p, Scope: scope, spec: edge.Spec.IBMCloud}
	scope.Home = consent.Home(edge, p.Username)
	host, _ := ibmcloud.HostOf(string(s.spec.Region))
	if s.spec.Visibility == edgev1.IBMCloudPrivate {
		host = "private." + host
	}
	scope.Noun = pass.NounKey
	scope.Registry = pass.Registry{Host: host, Repository: s.spec.RegistryNamespace.Name, PublicCAs: true, Advice: advice}
	if named := edge.Spec.Verification.Repository; named != "" {
		scope.Registry.Trial = scope.Registry.Repository + "/" + named
	}
	s.prepare(&scope.Publisher, s.spec.Publisher, "the publisher", "Reader and Writer")
	s.prepare(&scope.Puller, s.spec.Puller, "the puller", "Reader")
	return s
}

func (s *session) prepare(l *pass.Login, spec edgev1.ServiceIDSpec, account, roles string) {
	l.Account, l.User = account, user
	l.Naming = func(generation int64) string { return fmt.Sprintf("key %d of %s", generation, account) }
	l.Policy = pass.Policy{Lifetime: spec.Key.Lifetime.Duration, RenewBefore: spec.Key.RenewBefore.Duration}
	check := fmt.Sprintf("check that its service ID has a policy with %s on registry namespace %q", roles, s.spec.RegistryNamespace.Name)
	l.PullAdvice, l.PushAdvice = check, check
	l.TooMuch = "take every policy and access group off its service ID but Reader on this registry namespace"
}

// advice is what to do where the registry cannot be used.
var advice = pass.Advice{Probe: map[registry.Kind]string{
	registry.Refused:   "see at IBM Cloud whether somebody disabled or deleted the key or its service ID, or restricted its addresses",
	registry.Untrusted: "a proxy that inspects TLS has to leave out *.icr.io, or name its CA by spec.trust.caBundleRef",
}}

// specOf is what the spec says of a login's service ID.
func (s *session) specOf(role edgev1.TokenRole) edgev1.ServiceIDSpec {
	if role == edgev1.TokenPublisher {
		return s.spec.Publisher
	}
	return s.spec.Puller
}

// Steps implements pass.Session.
func (s *session) Steps() []pass.Step {
	return []pass.Step{
		{Condition: edgev1.AccountReady, Run: s.useAccount},
		{Condition: edgev1.RegistryNamespaceReady, Run: s.prepareNamespace},
		{Condition: edgev1.AccessGranted, Run: s.grantAccess},
	}
}

// CASources implements pass.Session: public CAs verify the registry.
func (*session) CASources(context.Context, bool) ([]trust.Candidate, error) { return nil, nil }

// Cleanups implements pass.Session.
func (s *session) Cleanups() []pass.Cleanup {
	return []pass.Cleanup{{What: "delete what was made at IBM Cloud", Run: s.cleanUp}}
}

// mark is the description of what is made for a login, by which the operator recognises it.
func (s *session) mark(role edgev1.TokenRole) string {
	return fmt.Sprintf("EdgeRegistry uid=%s role=%s", s.Edge.UID, objects.RoleValue(role))
}

// nameOf is the name of a login's service ID. The names of its keys begin with it.
func (s *session) nameOf(role edgev1.TokenRole) string {
	return fmt.Sprintf("edge-%.8s-%s", s.Edge.UID, objects.RoleValue(role))
}

// where is the registry namespace, for messages.
func (s *session) where() string {
	return fmt.Sprintf("registry namespace %q in region %s", s.spec.RegistryNamespace.Name, s.spec.Region)
}
