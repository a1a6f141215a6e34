// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"cmp"
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

const (
	// tokenLife is how long an IAM token works that was issued for a key before the key was disabled.
	tokenLife = time.Hour
	// recent is how long after its last use a key counts as in use.
	recent = 24 * time.Hour
)

// Retire implements pass.Issuer. A key works for its whole lifetime. Then it is disabled, which a person can undo, and deleted once
// no IAM token of it works. A key that is still in use, or that nodes may need, stays until IBM Cloud itself ends it.
func (s *session) Retire(ctx context.Context) error {
	if s.client != nil {
		// An error of the list is reported by those that need the list.
		_, _ = s.listed(ctx)
	}
	trouble := &s.remembered().trouble
	*trouble = ""
	for _, l := range s.Logins() {
		if pending, waits := s.Record.Pending[l.Role]; waits && pending.ID == l.Credential.ID {
			s.forgetPending(l.Role)
		}
		if err := s.retireAll(ctx, l); err != nil {
			b := pass.AsBlocked(err)
			if b == nil {
				return err
			}
			// The Secrets are right anyway, so this is only a warning.
			*trouble = b.Message
			s.Due(s.Now.Add(pass.RetryCap))
		}
		s.listAlive(l)
	}
	return nil
}

func (s *session) retireAll(ctx context.Context, l *pass.Login) error {
	for i := range s.Record.Issued {
		issued := &s.Record.Issued[i]
		if issued.Role != l.Role || issued.ID == l.Credential.ID || !issued.EndedAt.IsZero() {
			continue
		}
		if err := s.retire(ctx, l, issued); err != nil {
			return err
		}
	}
	return s.deleteUnrecorded(ctx, l)
}

// forgetPending removes a key that was written ahead from the record.
func (s *session) forgetPending(role edgev1.TokenRole) {
	delete(s.Record.Pending, role)
	if len(s.Record.Pending) == 0 {
		s.Record.Pending = nil
	}
}

// retire disables or deletes a key, whichever is due.
func (s *session) retire(ctx context.Context, l *pass.Login, issued *pass.Issued) error {
	switch {
	case s.Now.Before(issued.ExpiresAt.Time):
		s.Due(issued.ExpiresAt.Time)
		return nil
	case issued.DisabledAt.IsZero() && s.Postponed(l, issued.Generation, issued.Until.Time):
		return nil
	case s.client == nil:
		// Without a client, IBM Cloud ends the key by itself.
		return nil
	case issued.DisabledAt.IsZero() && s.Now.Before(issued.Until.Time):
		return s.disable(ctx, issued)
	case s.Now.Before(issued.DisabledAt.Add(tokenLife)) && !issued.DisabledAt.IsZero():
		s.Due(issued.DisabledAt.Add(tokenLife))
		return nil
	}
	if err := s.remove(ctx, issued.ID); err != nil {
		return err
	}
	issued.EndedAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	s.Note(edgev1.ReasonTokenRetired, keyName(l, issued.ID, issued.Generation)+" does not work any more, and is deleted", s.SecretOf(l))
	return nil
}

// disable disables a key, unless somebody used it recently.
func (s *session) disable(ctx context.Context, issued *pass.Issued) error {
	m := s.remembered()
	if again := m.vetoed[issued.ID]; s.Now.Before(again) {
		s.Due(again)
		return nil
	}
	key, err := s.client.KeyActivity(ctx, issued.ID)
	switch {
	case ibmcloud.KindOf(err) == ibmcloud.NotFound:
		if err := s.keyIsGone(ctx, issued.ID); err != nil {
			return err
		}
		issued.EndedAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
		return nil
	case err != nil:
		return s.explain(err, needsServiceIDs)
	}
	inUse := min(recent, issued.Until.Sub(issued.ExpiresAt.Time)/4)
	if !key.LastAuthn.IsZero() && s.Now.Sub(key.LastAuthn) < inUse {
		if m.vetoed == nil {
			m.vetoed = map[string]time.Time{}
		}
		again := pass.Earlier(s.Now.Add(max(inUse/4, soon)), issued.Until.Time)
		m.vetoed[issued.ID] = again
		s.Due(again)
		return nil
	}
	delete(m.vetoed, issued.ID)
	if err := s.client.UnlockKey(ctx, issued.ID); err != nil {
		return s.explain(err, needsServiceIDs)
	}
	if err := s.client.DisableKey(ctx, issued.ID); err != nil && ibmcloud.KindOf(err) != ibmcloud.NotFound {
		return s.explain(err, needsServiceIDs)
	}
	issued.DisabledAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	s.Due(issued.DisabledAt.Add(tokenLife))
	return nil
}

// deleteUnrecorded deletes keys that were made for a login and never came on record. It keeps keys that are older than those on
// record, because the record may have dropped them.
func (s *session) deleteUnrecorded(ctx context.Context, l *pass.Login) error {
	if s.client == nil || s.Record.Lost {
		return nil
	}
	lowest := s.Record.Lowest(l.Role)
	for _, key := range s.cloud.keys.last() {
		generation := generationIn(key.Description)
		known := s.Record.Find(key.ID) != nil || s.Record.Pending[l.Role].ID == key.ID || s.Record.Pending[l.Role].Generation == generation
		if !s.isOurs(key, l.Role) || known || generation < lowest {
			continue
		}
		if err := s.remove(ctx, key.ID); err != nil {
			return err
		}
		s.cloud.keys.invalidate()
		s.NoteLost(l, generation, s.SecretOf(l))
	}
	return nil
}

// listAlive lists the working keys of a login. One that was left enabled beyond its lifetime works until IBM Cloud ends it.
func (s *session) listAlive(l *pass.Login) {
	l.Alive = nil
	for _, issued := range s.Record.Issued {
		current := issued.ID == l.Credential.ID
		if issued.Role != l.Role || !issued.EndedAt.IsZero() || !issued.DisabledAt.IsZero() || (!current && !s.Now.Before(issued.Until.Time)) {
			continue
		}
		ends := issued.ExpiresAt
		if !current && !s.Now.Before(ends.Time) {
			ends = issued.Until
		}
		one := s.working(l, issued.ID, issued.Generation, issued.IssuedAt.Time, ends.Time)
		one.Current = current
		l.Alive = append(l.Alive, one)
	}
	l.Alive = append(s.dropped(l), l.Alive...)
}

// dropped are the keys of a login that left the record before they ended. They work until IBM Cloud ends them.
func (s *session) dropped(l *pass.Login) []pass.Working {
	if s.client == nil {
		return nil
	}
	var found []pass.Working
	lowest := s.Record.Lowest(l.Role)
	for _, key := range s.cloud.keys.last() {
		generation := generationIn(key.Description)
		if !s.isOurs(key, l.Role) || generation >= lowest || s.Record.Find(key.ID) != nil || key.Disabled || !s.Now.Before(key.ExpiresAt) {
			continue
		}
		found = append(found, s.working(l, key.ID, generation, key.CreatedAt, key.ExpiresAt))
	}
	slices.SortFunc(found, func(a, b pass.Working) int { return cmp.Compare(a.Generation, b.Generation) })
	return found
}

// working is a key of a login that works, as the status lists it.
func (s *session) working(l *pass.Login, id string, generation int64, issued, ends time.Time) pass.Working {
	return pass.Working{ID: id, CredentialStatus: edgev1.CredentialStatus{
		Role: l.Role, Generation: generation, ServiceID: s.Record.Identity(l.Role).ID, CredentialID: id,
		IssuedAt: pass.StatusTime(issued), ExpiresAt: pass.StatusTime(ends),
	}}
}
