// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// Causes of a publication, besides those that all providers have.
var (
	causeSupplied    = pass.Cause{Name: "Supplied", Text: "another was supplied", Kept: true}
	causeUnpublished = pass.Cause{Name: pass.CauseUnpublished.Name, Text: "none was published", Undone: true}
)

// remembered is what the process remembers of one EdgeRegistry for this provider.
type remembered struct {
	// published is what this process last published for each login. Unlike the Secret, nobody else can have changed it.
	published map[edgev1.TokenRole]*publication
}

// publication is a login that this process published.
type publication struct {
	entry
	grant
	credential pass.Credential
}

func (s *session) remembered() *remembered { return pass.Part[remembered](s.Memory) }

// Current implements pass.Issuer. The published login stays until another is supplied.
func (s *session) Current(ctx context.Context, l *pass.Login) (pass.Cause, error) {
	published, err := s.Objects.ReadPublished(ctx, s.Scope, l)
	if err != nil {
		return pass.Cause{}, err
	}
	supplied, err := s.supplied(ctx, l)
	if err != nil {
		return pass.Cause{}, s.keep(l, err)
	}
	if published == nil {
		s.setUser(l, supplied.user)
		return causeUnpublished, nil
	}
	carried, intact := readLogin(published)
	known := s.remembered().published[l.Role]
	switch {
	case intact && carried.equal(supplied.entry):
		s.setUser(l, carried.user)
		l.Credential = s.credentialOf(l, carried, published)
		return pass.Cause{}, nil
	case !intact:
		s.setUser(l, supplied.user)
		return pass.CauseEmptied.In(published), nil
	case known != nil && !carried.equal(known.entry):
		s.setUser(l, supplied.user)
		return pass.CauseAltered.In(published), nil
	}
	s.setUser(l, carried.user)
	l.Credential = s.credentialOf(l, carried, published)
	l.Credential.Unvouched = known == nil
	why := causeSupplied
	why.Successor = supplied.version
	why.Kept = !l.Credential.Expires() || s.Now.Before(l.Credential.Expiry)
	return why, nil
}

// keep has the pass go on with what this process published, if the supplied Secret cannot be used. It does not if that would
// publish the login in a namespace for which its owner did not allow it.
func (s *session) keep(l *pass.Login, cause error) error {
	b, known := pass.AsBlocked(cause), s.remembered().published[l.Role]
	if b == nil || known == nil || b.Reason == edgev1.ReasonCredentialNotGranted || !known.covers(s.namespacesOf(l)) {
		return cause
	}
	s.setUser(l, known.user)
	l.Credential = known.credential
	b.CarryOn = true
	return b
}

// setUser sets the user of a login, which is also what messages call it.
func (s *session) setUser(l *pass.Login, user string) { l.User, l.Account = user, user }

// readLogin returns the login that a published Secret carries, and false if it was emptied or altered.
func readLogin(published *corev1.Secret) (entry, bool) {
	token, intact := handoff.Token(published.Data)
	user := string(published.Data[handoff.KeyUser])
	return entry{user, token}, intact && user != ""
}

// credentialOf is the login that a published Secret carries as a credential.
func (s *session) credentialOf(l *pass.Login, carried entry, published *corev1.Secret) pass.Credential {
	return s.newCredential(l, carried, max(pass.ParseGeneration(published.Annotations[objects.GenerationAnnotation]), 1), pass.AnnotatedTime(published, objects.IssuedAtAnnotation))
}

func (s *session) newCredential(l *pass.Login, from entry, generation int64, since time.Time) pass.Credential {
	c := pass.Credential{
		Token:      from.token,
		Identity:   pass.Identity{ID: fmt.Sprintf("%s-%d", l.Role, generation), IssuedAt: since, Expiry: credential.ExpiryOf(from.token)},
		Generation: generation,
		Marks:      map[string]string{objects.GenerationAnnotation: strconv.FormatInt(generation, 10)},
	}
	c.Advice = s.advise(l, c)
	return c
}

// advise says what a person should know about a login. The previous one has to work until its holders have taken this one. They
// have as long for that as for a new CA.
func (s *session) advise(l *pass.Login, c pass.Credential) []string {
	var all []string
	if until := c.IssuedAt.Add(s.overlap()); c.Generation > 1 && s.Now.Before(until) {
		s.Due(until)
		all = append(all, fmt.Sprintf("leave the login before it working until %s, and as long as a copy is not up to date, since consumers take the new one each at a time of their own",
			pass.Timestamp(until)))
	}
	if c.Expires() {
		all = append(all, fmt.Sprintf("that of %s expires at %s: supply another before", l.Account, pass.Timestamp(c.Expiry)))
	}
	return append(all, s.adviseOfHost(l)...)
}

// adviseOfHost says what the Secrets lack because of the form of the registry's host.
func (s *session) adviseOfHost(l *pass.Login) []string {
	if l.Role != edgev1.TokenPuller || !handoff.RegistryAuthMisread(s.Registry.Host) {
		return nil
	}
	return []string{handoff.KeyRegistryAuth + " is left out of the Secrets, since 'hzn -r' misreads a host with a port"}
}

// overlap is how long consumers have to take a new login.
func (s *session) overlap() time.Duration {
	const usual = 720 * time.Hour
	if overlap := s.Edge.Spec.Trust.Overlap; overlap != nil {
		return overlap.Duration
	}
	return usual
}

// Issue implements pass.Issuer: it returns the supplied login.
func (s *session) Issue(ctx context.Context, l *pass.Login, _ pass.Cause) (pass.Credential, error) {
	supplied, err := s.supplied(ctx, l)
	if err != nil {
		return pass.Credential{}, err
	}
	s.setUser(l, supplied.user)
	generation, since := int64(1), s.Now.UTC().Truncate(time.Second)
	known := s.remembered().published[l.Role]
	switch {
	case l.Published != nil:
		generation = pass.ParseGeneration(l.Published.Annotations[objects.GenerationAnnotation]) + 1
	case known != nil && supplied.entry.equal(known.entry):
		generation, since = known.credential.Generation, known.credential.IssuedAt
	case known != nil:
		generation = known.credential.Generation + 1
	}
	c := s.newCredential(l, supplied.entry, generation, since)
	c.About = s.SecretOf(l)
	return c, nil
}

// Revoke implements pass.Issuer: the rejected login stays where it is supplied, and the previous one stays in use.
func (s *session) Revoke(_ context.Context, l *pass.Login, _ pass.Credential) error {
	if carried, intact := readLogin(l.Published); intact {
		s.setUser(l, carried.user)
	}
	return nil
}

// Retire implements pass.Issuer. It remembers what is published now. People end the earlier logins.
func (s *session) Retire(context.Context) error {
	m := s.remembered()
	if m.published == nil {
		m.published = map[edgev1.TokenRole]*publication{}
	}
	for _, l := range s.Logins() {
		allowed := s.read[l.Role].given.grant
		if known := m.published[l.Role]; s.read[l.Role].err != nil && known != nil {
			allowed = known.grant
		}
		kept := l.Credential
		kept.Fresh = false
		m.published[l.Role] = &publication{entry{l.User, kept.Token}, allowed, kept}
		l.Alive = []pass.Working{{ID: kept.ID, CredentialStatus: edgev1.CredentialStatus{
			Role: l.Role, Generation: kept.Generation, Current: true, SuppliedBy: s.secretOf(l),
			IssuedAt: pass.StatusTime(kept.IssuedAt), ExpiresAt: pass.StatusTime(kept.Expiry),
		}}}
	}
	return nil
}

// Dead implements pass.Issuer: only the registry knows, and the verification asks it.
func (s *session) Dead(context.Context, *pass.Login) (bool, error) { return false, nil }
