// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// IBM Cloud shows the value of a key only in the reply to its creation, and accepts the same name twice. So the operator makes the
// value itself and writes it to the record first. If the reply is lost or the operator stops, it asks by the value whether the key
// exists.

const (
	// usualLimit is how many keys a service ID may have, if IBM Cloud does not say.
	usualLimit = 20
	// staleAfter is after how long a key that was written ahead and never made gets new times.
	staleAfter = 5 * time.Minute
)

// Issue implements pass.Issuer: it records a key, then creates it at IBM Cloud. If that cannot be done now, the key in use stays.
func (s *session) Issue(ctx context.Context, l *pass.Login, _ pass.Cause) (pass.Credential, error) {
	c, err := s.issue(ctx, l)
	if b := pass.AsBlocked(err); b != nil && l.Credential.ID != "" && s.Now.Before(l.Credential.Expiry) {
		b.CarryOn = true
	}
	return c, err
}

func (s *session) issue(ctx context.Context, l *pass.Login) (pass.Credential, error) {
	if s.client == nil {
		return pass.Credential{}, s.clientErr
	}
	pending, waits := s.Record.Pending[l.Role]
	if waits && pending.ID != "" && s.isOverdue(l, pending) {
		if err := s.Revoke(ctx, l, s.begun(pending)); err != nil {
			return pass.Credential{}, err
		}
		pending, waits = pass.Pending{}, false
	}
	if waits && pending.ID != "" {
		c := s.newCredential(l.Role, credential.NewToken(pending.Value), pending)
		c.Resumed, c.About = true, s.SecretOf(l)
		return c, nil
	}
	if !waits || s.Now.Sub(pending.IssuedAt.Time).Abs() > staleAfter {
		fresh, err := s.writeAhead(ctx, l, pending)
		if err != nil {
			return pass.Credential{}, err
		}
		pending = fresh
	}
	begun := s.begun(pending)
	l.Begun = &begun
	key, err := s.make(ctx, l, pending)
	if err != nil {
		return pass.Credential{}, err
	}
	if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(pending.ExpiresAt.Time) {
		// It was made by an earlier attempt.
		pending.ExpiresAt = metav1.NewTime(key.ExpiresAt)
	}
	pending.ID = key.ID
	s.Record.Await(l.Role, pending)
	if err := s.SaveRecord(ctx, s.Scope); err != nil {
		return pass.Credential{}, err
	}
	s.cloud.keys.invalidate()
	begun.ID = key.ID
	c := s.newCredential(l.Role, credential.NewToken(pending.Value), pending)
	c.About, c.Warnings = s.SecretOf(l), s.warn(l)
	return c, nil
}

// isOverdue reports a key that was made and never published, and that is due for renewal by now or has another lifetime than the
// spec.
func (s *session) isOverdue(l *pass.Login, pending pass.Pending) bool {
	asked := pending.Until.Sub(pending.IssuedAt.Time) - l.Policy.RenewBefore
	return s.Now.After(pending.IssuedAt.Add(l.Policy.Lifetime-l.Policy.RenewBefore)) || (asked-l.Policy.Lifetime).Abs() > time.Minute
}

// writeAhead puts a key on record before it is made. A key that is on record already keeps its value, because it may exist.
func (s *session) writeAhead(ctx context.Context, l *pass.Login, before pass.Pending) (pass.Pending, error) {
	pending := before
	if pending.Value == "" {
		generation, err := s.nextGeneration(ctx, l)
		if err != nil {
			return pending, err
		}
		random := make([]byte, 33)
		_, _ = rand.Read(random) // It never fails.
		pending = pass.Pending{
			Generation: generation, Name: s.nameOf(l.Role) + "-" + strconv.FormatInt(generation, 10),
			Value: base64.RawURLEncoding.EncodeToString(random),
		}
	}
	issued := s.Now.UTC().Truncate(time.Second)
	pending.IssuedAt = metav1.NewTime(issued)
	pending.ExpiresAt = metav1.NewTime(issued.Add(l.Policy.Lifetime))
	// In whole minutes, as IBM Cloud takes it, and never before the lifetime ends.
	pending.Until = metav1.NewTime(issued.Add(l.Policy.Lifetime + max(l.Policy.RenewBefore, time.Minute)).Truncate(time.Minute))
	s.Record.Await(l.Role, pending)
	return pending, s.SaveRecord(ctx, s.Scope)
}

// nextGeneration is the number of the next key, if there is room for one.
func (s *session) nextGeneration(ctx context.Context, l *pass.Login) (int64, error) {
	keys, err := s.client.Keys(ctx, s.account, s.Record.Identity(l.Role).Subject)
	if err != nil {
		return 0, s.explain(err, needsServiceIDs)
	}
	limit, _, err := s.cloud.limit.get(s.Now, func() (int, error) { return s.client.KeyLimit(ctx, s.account) })
	if err != nil || limit == 0 {
		limit = usualLimit
	}
	if len(keys) >= limit {
		return 0, pass.Stalled(edgev1.ReasonLimitReached, "service ID %s of %s has %d keys, and may have %d: delete those that nobody uses, or rotate less often; the operator deletes its own when their lifetime is over",
			s.Record.Identity(l.Role).ID, l.Account, len(keys), limit)
	}
	highest := s.Record.Highest(l.Role)
	for _, key := range keys {
		if s.isOurs(key, l.Role) {
			highest = max(highest, generationIn(key.Description))
		}
	}
	return highest + 1, nil
}

// make has IBM Cloud make a key. If an earlier attempt made it, it is found by its value.
func (s *session) make(ctx context.Context, l *pass.Login, pending pass.Pending) (ibmcloud.Key, error) {
	value := credential.NewToken(pending.Value)
	identity := s.Record.Identity(l.Role)
	made, err := s.client.CreateKey(ctx, ibmcloud.NewKey{
		Name: pending.Name, Description: s.keyMark(l.Role, pending.Generation), IAMID: identity.Subject, AccountID: s.account,
		Value: value, ExpiresAt: pending.Until.Time,
	})
	if err == nil {
		return made, nil
	}
	if refused(err) {
		return ibmcloud.Key{}, s.explain(err, needsServiceIDs)
	}
	found, unknown := s.client.DescribeKey(ctx, value)
	if unknown == nil && found.IAMID == identity.Subject {
		return found, nil
	}
	return ibmcloud.Key{}, pass.Waiting(edgev1.ReasonPropagating, "whether IBM Cloud made key %s of %s is not known: it is looked for by its value, and made again under the same; %s", pending.Name, l.Account, err)
}

// keyMark is the description of a key.
func (s *session) keyMark(role edgev1.TokenRole, generation int64) string {
	return s.mark(role) + generationMark + strconv.FormatInt(generation, 10)
}

const generationMark = " generation="

// isOurs reports a key that was made for a login of this EdgeRegistry.
func (s *session) isOurs(key ibmcloud.Key, role edgev1.TokenRole) bool {
	return key.IAMID == s.Record.Identity(role).Subject && strings.HasPrefix(key.Description, s.mark(role)+generationMark) && generationIn(key.Description) > 0
}

// generationIn is the generation that a description names; 0 for none. Anybody who may make keys for a service ID can write any
// number there.
func generationIn(description string) int64 {
	_, number, _ := strings.Cut(description, generationMark)
	return pass.ParseGeneration(number)
}

// Revoke implements pass.Issuer: it deletes a key that no Secret carries. A key without an id is first looked for by its value.
func (s *session) Revoke(ctx context.Context, l *pass.Login, c pass.Credential) error {
	if s.client == nil {
		return s.clientErr
	}
	id := c.ID
	if id == "" {
		key, err := s.client.DescribeKey(ctx, c.Token)
		switch {
		case err == nil && key.IAMID == s.Record.Identity(l.Role).Subject:
			id = key.ID
		case err != nil && ibmcloud.KindOf(err) != ibmcloud.NotFound:
			return s.explain(err, needsServiceIDs)
		}
	}
	if id != "" {
		if err := s.remove(ctx, id); err != nil {
			return err
		}
	}
	if pending, waits := s.Record.Pending[l.Role]; waits && pending.Generation == c.Generation {
		s.forgetPending(l.Role)
	}
	if l.Begun != nil && l.Begun.Generation == c.Generation {
		l.Begun = nil
	}
	if issued := s.Record.Find(id); issued != nil {
		issued.EndedAt = metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	} else {
		// Only the list knows of it.
		s.cloud.keys.invalidate()
	}
	return s.SaveRecord(ctx, s.Scope)
}

// remove deletes a key, even one that somebody locked.
func (s *session) remove(ctx context.Context, id string) error {
	if err := s.client.UnlockKey(ctx, id); err != nil {
		return s.explain(err, needsServiceIDs)
	}
	err := s.client.DeleteKey(ctx, id)
	if ibmcloud.KindOf(err) == ibmcloud.NotFound {
		return s.keyIsGone(ctx, id)
	}
	return s.explain(err, needsServiceIDs)
}

// rebuild puts the keys that exist back on record, if the record was lost. It deletes nothing.
func (s *session) rebuild(ctx context.Context, l *pass.Login) error {
	if !s.Record.Lost || s.client == nil || s.Record.Highest(l.Role) > 0 {
		return nil
	}
	keys, err := s.client.Keys(ctx, s.account, s.Record.Identity(l.Role).Subject)
	if err != nil {
		return s.explain(err, needsServiceIDs)
	}
	keys = slices.DeleteFunc(keys, func(key ibmcloud.Key) bool { return !s.isOurs(key, l.Role) || key.ExpiresAt.IsZero() })
	slices.SortFunc(keys, func(a, b ibmcloud.Key) int {
		return int(generationIn(a.Description) - generationIn(b.Description))
	})
	for _, key := range keys {
		s.Record.Note(pass.Issued{
			Role: l.Role, ID: key.ID, Generation: generationIn(key.Description), Host: s.Registry.Host,
			Marks:    map[string]string{objects.CredentialIDAnnotation: key.ID},
			IssuedAt: metav1.NewTime(key.CreatedAt), Until: metav1.NewTime(key.ExpiresAt),
			ExpiresAt: metav1.NewTime(key.ExpiresAt.Add(-l.Policy.RenewBefore)),
		})
	}
	return nil
}

// warn says what is wrong with the keys of a login at IBM Cloud, by the last list.
func (s *session) warn(l *pass.Login) []string {
	if s.client == nil || s.cloud == nil {
		return nil
	}
	var all []string
	if trouble := s.remembered().trouble; trouble != "" && l.Role == edgev1.TokenPuller {
		all = append(all, "keys whose lifetime is over could not be ended: "+trouble)
	}
	identity := s.Record.Identity(l.Role)
	for _, key := range s.cloud.keys.last() {
		if key.IAMID != identity.Subject {
			continue
		}
		issued := s.Record.Find(key.ID)
		switch {
		case issued == nil && !identity.Given && !s.isOurs(key, l.Role):
			all = append(all, fmt.Sprintf("key %s of service ID %s is not one that the operator made: delete it, unless you know who uses it", key.ID, identity.ID))
		case issued == nil:
		case key.Disabled && issued.DisabledAt.IsZero():
			all = append(all, fmt.Sprintf("%s is disabled at IBM Cloud, as is done with a key that is found in public: find out where it was shown", keyName(l, key.ID, issued.Generation)))
		case key.Locked:
			all = append(all, fmt.Sprintf("%s is locked at IBM Cloud: it is unlocked when it is to be deleted", keyName(l, key.ID, issued.Generation)))
		}
	}
	return all
}
