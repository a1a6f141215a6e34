// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"slices"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// Current implements pass.Issuer. It recognises a published key by the record, without a request to IBM Cloud.
func (s *session) Current(ctx context.Context, l *pass.Login) (pass.Cause, error) {
	if err := s.rebuild(ctx, l); err != nil {
		return pass.Cause{}, err
	}
	why, err := s.readCurrent(ctx, l)
	if err != nil {
		return pass.Cause{}, err
	}
	pending, waits := s.Record.Pending[l.Role]
	if waits && (pending.ID == "" || pending.ID != l.Credential.ID) {
		begun := s.begun(pending)
		if l.Unpublished == nil || l.Unpublished.ID != begun.ID {
			l.Begun = &begun
		}
	}
	return why, nil
}

func (s *session) readCurrent(ctx context.Context, l *pass.Login) (pass.Cause, error) {
	published, err := s.Objects.ReadPublished(ctx, s.Scope, l)
	if err != nil {
		return pass.Cause{}, err
	}
	if published == nil {
		return pass.CauseUnpublished, nil
	}
	token, intact := handoff.Token(published.Data)
	if !intact || string(published.Data[handoff.KeyUser]) != user {
		return pass.CauseEmptied.In(published), nil
	}
	issued := s.issuedAs(l.Role, token)
	if issued == nil {
		if issued, err = s.recognise(ctx, l, token); err != nil {
			return pass.Cause{}, err
		}
	}
	if issued == nil || !s.works(issued) {
		return pass.CauseAltered.In(published), nil
	}
	l.Credential = s.credentialOf(l, token, issued)
	if issued.Lifetime != "" && issued.Lifetime != l.Policy.Lifetime.String() {
		return pass.CauseLifetime.In(published), nil
	}
	return pass.Cause{}, nil
}

// works reports whether a key on record is within its lifetime and was not ended.
func (s *session) works(issued *pass.Issued) bool {
	return issued.DisabledAt.IsZero() && issued.EndedAt.IsZero() && s.Now.Before(issued.ExpiresAt.Time)
}

// issuedAs finds a key of a role on record.
func (s *session) issuedAs(role edgev1.TokenRole, key credential.Token) *pass.Issued {
	for i := range s.Record.Issued {
		if issued := &s.Record.Issued[i]; issued.Role == role && issued.Matches(key) {
			return issued
		}
	}
	return nil
}

// recognise asks IBM Cloud for the id of the published key, if the record lost the checks of its keys.
func (s *session) recognise(ctx context.Context, l *pass.Login, token credential.Token) (*pass.Issued, error) {
	unknown := false
	for _, issued := range s.Record.Issued {
		unknown = unknown || (issued.Role == l.Role && issued.Check == "")
	}
	if !unknown || s.client == nil {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	key, err := s.client.DescribeKey(ctx, token)
	if kind := ibmcloud.KindOf(err); kind == ibmcloud.NotFound || kind == ibmcloud.Forbidden {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	if err != nil {
		return nil, s.explain(err, needsServiceIDs)
	}
	issued := s.Record.Find(key.ID)
	if issued == nil || issued.Role != l.Role {
		return nil, nil //nolint:nilnil // Absence is an answer here.
	}
	issued.Check = pass.NewCheck(token)
	return issued, nil
}

// credentialOf returns the credential of a key on record.
func (s *session) credentialOf(l *pass.Login, token credential.Token, issued *pass.Issued) pass.Credential {
	c := s.newCredential(l.Role, token, pass.Pending{
		Generation: issued.Generation, ID: issued.ID, IssuedAt: issued.IssuedAt, ExpiresAt: issued.ExpiresAt, Until: issued.Until,
	})
	c.Issuance = pass.Cause{Name: issued.Cause}
	c.Warnings = s.warn(l)
	return c
}

func (s *session) newCredential(role edgev1.TokenRole, token credential.Token, of pass.Pending) pass.Credential {
	settles := of.IssuedAt.Add(propagation)
	// The zero time of an unknown grant is in the past.
	if granted := s.Record.Identity(role).GrantedAt.Add(propagation); granted.After(settles) {
		settles = granted
	}
	check := ""
	if known := s.Record.Find(of.ID); known != nil {
		check = known.Check
	}
	if check == "" {
		check = pass.NewCheck(token)
	}
	return pass.Credential{
		Token:      token,
		Identity:   pass.Identity{ID: of.ID, IssuedAt: of.IssuedAt.UTC(), Expiry: of.ExpiresAt.UTC()},
		Generation: of.Generation,
		Marks:      map[string]string{objects.CredentialIDAnnotation: of.ID},
		Check:      check, Until: of.Until.UTC(), Settles: settles,
	}
}

// begun returns the credential of a key that was written ahead.
func (s *session) begun(pending pass.Pending) pass.Credential {
	return pass.Credential{
		Token:    credential.NewToken(pending.Value),
		Identity: pass.Identity{ID: pending.ID, IssuedAt: pending.IssuedAt.UTC(), Expiry: pending.ExpiresAt.UTC()}, Generation: pending.Generation,
	}
}

// Dead implements pass.Issuer. A key that IBM Cloud does not know, or that somebody disabled there, no longer works.
func (s *session) Dead(ctx context.Context, l *pass.Login) (bool, error) {
	if s.client == nil {
		return false, s.clientErr
	}
	if s.Now.Before(l.Credential.Settles) {
		return false, nil
	}
	if !s.Record.VerifiedAt(s.Edge).IsZero() {
		// As long as the registry accepts the key, a list that is an hour old is enough.
		if listed, err := s.listed(ctx); err == nil && slices.ContainsFunc(listed, func(key ibmcloud.Key) bool {
			return key.ID == l.Credential.ID && !key.Disabled
		}) {
			return false, nil
		}
	}
	key, err := s.client.DescribeKey(ctx, l.Credential.Token)
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		return true, nil
	}
	if err != nil {
		return false, s.explain(err, needsServiceIDs)
	}
	return key.Disabled || (!key.ExpiresAt.IsZero() && !s.Now.Before(key.ExpiresAt)), nil
}

// listed are the keys of the account's service IDs that the supplied key may see, at most listLife old.
func (s *session) listed(ctx context.Context) ([]ibmcloud.Key, error) {
	keys, at, err := s.cloud.keys.get(s.Now, func() ([]ibmcloud.Key, error) { return s.client.AccountKeys(ctx, s.account) })
	if err != nil {
		return nil, s.explain(err, needsServiceIDs)
	}
	s.Due(at.Add(listLife))
	return keys, nil
}

// keyName is what messages call a key.
func keyName(l *pass.Login, id string, generation int64) string {
	return fmt.Sprintf("key %s of %s (generation %d)", id, l.Account, generation)
}

// soon is the shortest time until something at IBM Cloud is read again.
const soon = time.Minute
