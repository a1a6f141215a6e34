// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

// This file is about keys over a long time: what was promised of them works, and nothing works for ever.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
)

const (
	oneDay = 24 * time.Hour
	// keyLimit is that of an account in which there is room for what overlaps, and no more.
	keyLimit = 3
)

// promise is when a key has to work, by what its Secret said.
type promise struct {
	name        string
	key         credential.Token
	from, until time.Time
}

// life is a world in which time passes. Somebody holds every key for as long as it was promised, and pulls with it.
type life struct {
	*world
	// promised are by the ids of the keys.
	promised map[string]promise
	// all are the keys that ever were published.
	all []credential.Token
	// accepts asks the registry about a key.
	accepts func(*testing.T, credential.Token) bool
}

func newLife(t *testing.T, delays cloudtest.Delays) *life {
	t.Helper()
	l := &life{world: newWorld(t, delays), promised: map[string]promise{}}
	// The same account, with that limit.
	l.AddAccount(plant, cloudtest.AccountOptions{Keys: keyLimit})
	l.key = l.AddServiceID(plant, "operator", l.MayCreateNamespaces(plant, "us-south")...)
	month := edgev1.KeySpec{Lifetime: metav1.Duration{Duration: 30 * oneDay}, RenewBefore: metav1.Duration{Duration: 10 * oneDay}}
	l.edge.Spec.IBMCloud.Publisher.Key, l.edge.Spec.IBMCloud.Puller.Key = month, month
	l.accepts = l.pulls
	return l
}

// pulls reports whether the registry lets who holds a key pull, as a client asks it: for a token, and with that for the tags of
// an image which is not there.
func (w *world) pulls(t *testing.T, key credential.Token) bool {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://us.icr.io/oauth/token?service=registry&scope=repository:plant-images/probe:pull", nil)
	g.Expect(err).NotTo(HaveOccurred())
	request.SetBasicAuth(user, key.Reveal())
	var said struct{ Token string }
	if w.send(t, request, &said) != http.StatusOK {
		return false
	}
	request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, "https://us.icr.io/v2/plant-images/probe/tags/list", nil)
	g.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+said.Token)
	return w.send(t, request, &struct{}{}) == http.StatusNotFound
}

func (w *world) send(t *testing.T, request *http.Request, into any) int {
	t.Helper()
	g := NewWithT(t)
	answer, err := w.http.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = answer.Body.Close() }()
	g.Expect(json.NewDecoder(answer.Body).Decode(into)).To(Succeed())
	return answer.StatusCode
}

// look is a pass with what the shared steps do around it: what is due, or refused and dead, is followed by another, which is
// proven before it takes the place of one that works.
func (l *life) look(ctx context.Context, t *testing.T) error {
	t.Helper()
	s := l.begin(t) //nolint:contextcheck // Its transport outlives the pass.
	if _, err := s.checkAccount(ctx, credential.NewToken(l.key.Value())); err != nil {
		return err
	}
	if _, err := s.prepareNamespace(ctx); err != nil {
		return err
	}
	if _, err := s.grantAccess(ctx); err != nil {
		return err
	}
	verified := true
	for _, login := range s.Logins() {
		err := l.renew(ctx, t, s, login)
		if b := pass.AsBlocked(err); err != nil && (b == nil || !b.CarryOn) {
			return err
		}
		verified = verified && err == nil && l.accepts(t, login.Credential.Token)
	}
	at := s.Now
	if !verified {
		at = time.Time{}
	}
	s.Record.Verify(l.edge, at)
	if err := s.Retire(ctx); err != nil {
		return err
	}
	if err := l.save(ctx, s.Scope); err != nil {
		return err
	}
	if trouble := s.remembered().trouble; trouble != "" {
		return errors.New(trouble)
	}
	return nil
}

// renew gives a login another key, if that is due.
func (l *life) renew(ctx context.Context, t *testing.T, s *session, login *pass.Login) error {
	t.Helper()
	login.Credential = l.published[login.Role]
	old := login.Credential
	dead := old.ID == ""
	if !dead && !l.accepts(t, old.Token) {
		var err error
		s.Record.Verify(l.edge, time.Time{})
		if dead, err = s.Dead(ctx, login); err != nil {
			return err
		}
	}
	if due := old.Expiry.Add(-login.Policy.RenewBefore); !dead && s.Now.Before(due) {
		return nil
	}
	c, err := s.Issue(ctx, login, pass.Cause{Name: "Test"})
	if err != nil {
		return err
	}
	from := s.Now
	if dead {
		from = c.Settles
	} else if !l.accepts(t, c.Token) {
		return nil
	}
	s.Record.Note(pass.Issued{
		Role: login.Role, ID: c.ID, Generation: c.Generation, Check: c.Check, IssuedAt: metav1.NewTime(c.IssuedAt),
		ExpiresAt: metav1.NewTime(c.Expiry), Until: metav1.NewTime(c.Until), Lifetime: login.Policy.Lifetime.String(),
	})
	if err := l.save(ctx, s.Scope); err != nil {
		return err
	}
	login.Credential, l.published[login.Role] = c, c
	l.promised[c.ID] = promise{key: c.Token, name: fmt.Sprintf("key %d of %s", c.Generation, login.Role), from: from, until: c.Expiry}
	l.all = append(l.all, c.Token)
	return nil
}

// mustLook makes a pass that leaves nothing for people to do.
func (l *life) mustLook(t *testing.T) {
	t.Helper()
	if err := l.look(t.Context(), t); err != nil {
		NewWithT(t).Expect(pass.AsBlocked(err)).To(HaveField("Stalled", false), "%v", err)
	}
}

// expectPromises has everybody pull who may count on it.
func (l *life) expectPromises(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	for id, one := range l.promised {
		switch now := l.clock.Now(); {
		case !now.Before(one.until):
			delete(l.promised, id)
		case !now.Before(one.from):
			g.Expect(l.pulls(t, one.key)).To(BeTrue(), "%s was promised from %s to %s, and is refused at %s", one.name, one.from, one.until, now)
		}
	}
	for _, role := range []string{"publisher", "puller"} {
		g.Expect(len(l.oursOf(role))).To(BeNumerically("<=", keyLimit), role)
	}
}

// next goes on for a day, or for less: to the last second of a promise, to its end, and by minutes while a key is awaited.
func (l *life) next(t *testing.T) {
	t.Helper()
	now := l.clock.Now()
	next := now.Add(oneDay)
	var record pass.Record
	NewWithT(t).Expect(json.Unmarshal(l.record, &record)).To(Succeed())
	if len(record.Pending) > 0 || record.Settled == 0 && record.VerifiedAt(l.edge).IsZero() {
		next = now.Add(time.Minute)
	}
	for _, one := range l.promised {
		for _, at := range []time.Time{one.from, one.until.Add(-time.Second), one.until} {
			if at.After(now) && at.Before(next) {
				next = at
			}
		}
	}
	l.clock.SetTime(next)
}

// slowDelays are the longest delays that IBM documents.
var slowDelays = cloudtest.Delays{
	Reads: 90 * time.Second, Keys: 3 * time.Minute, RetiredKeys: 2 * time.Minute,
	Grants: 8 * time.Minute, Revocations: 8 * time.Minute, Activity: 10 * time.Minute, Tombstone: 5 * time.Minute,
}

func TestAYearOfKeys(t *testing.T) {
	g := NewWithT(t)
	l := newLife(t, slowDelays)
	begun := l.clock.Now()
	// What others do, by the day.
	incidents := map[int]func(pass.Credential){
		100: func(c pass.Credential) { g.Expect(l.DisableKey(c.ID, true)).To(BeTrue()) }, // It was found in public.
		200: func(c pass.Credential) { g.Expect(l.DeleteKey(c.ID)).To(BeTrue()) },
		250: func(c pass.Credential) { g.Expect(l.LockKey(c.ID, true)).To(BeTrue()) },
		300: func(pass.Credential) { l.start(t) },
	}
	for day := 0; day < 365; {
		if act := incidents[day]; act != nil {
			delete(incidents, day)
			current := l.published[edgev1.TokenPuller]
			act(current)
			if _, there := l.KeyOf(current.Token.Reveal()); !there || day == 100 {
				delete(l.promised, current.ID)
				l.expectReplaced(t, current)
			}
		}
		l.mustLook(t)
		l.expectPromises(t)
		l.next(t)
		day = int(l.clock.Now().Sub(begun) / oneDay)
	}
	g.Expect(incidents).To(BeEmpty())
	g.Expect(len(l.all)).To(BeNumerically(">", 36), "they were renewed")
	l.expectNothingForEver(t)
}

// expectReplaced expects that a key which no longer works is followed by one that works within the time that IBM Cloud takes.
func (l *life) expectReplaced(t *testing.T, dead pass.Credential) {
	t.Helper()
	g := NewWithT(t)
	since := l.clock.Now().Add(slowDelays.RetiredKeys)
	l.clock.SetTime(since)
	g.Expect(l.pulls(t, dead.Token)).To(BeFalse())
	for !l.pulls(t, l.published[edgev1.TokenPuller].Token) {
		g.Expect(l.clock.Now().Sub(since)).To(BeNumerically("<", propagation))
		l.mustLook(t)
		l.expectPromises(t)
		l.clock.SetTime(l.clock.Now().Add(time.Minute))
	}
	g.Expect(l.published[edgev1.TokenPuller].Generation).To(Equal(dead.Generation + 1))
}

// expectNothingForEver ends the operator: what it promised holds, and then nothing that it ever made works.
func (l *life) expectNothingForEver(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	for len(l.promised) > 0 {
		l.expectPromises(t)
		l.next(t)
	}
	life := l.edge.Spec.IBMCloud.Puller.Key
	for _, c := range l.published {
		if over := c.IssuedAt.Add(life.Lifetime.Duration + life.RenewBefore.Duration); over.After(l.clock.Now()) {
			l.clock.SetTime(over)
		}
	}
	for _, key := range l.all {
		g.Expect(l.pulls(t, key)).To(BeFalse(), "nobody has ended it, and it has ended")
	}
}
