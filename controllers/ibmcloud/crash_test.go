// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

// This file is about an operator that dies around each of its writes: to the record, and to IBM Cloud, with the reply lost or not.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

const plant = "accplant"

// world is a cloud, an EdgeRegistry and what a killed operator leaves: the record.
type world struct {
	*cloudtest.Cloud
	clock *clocktesting.FakePassiveClock
	key   cloudtest.Key
	edge  *edgev1.EdgeRegistry
	// record is as it was last written, and published what the Secrets carry, by role.
	record    []byte
	published map[edgev1.TokenRole]pass.Credential
	// writes are those of the record, and dieAt is the one at which the operator dies; 0 for none.
	writes, dieAt int
	provider      *Provider
	// memory is what this operator remembers, and http reaches the cloud.
	memory *pass.Memory
	http   *http.Client
}

var errKilled = errors.New("the operator was killed")

func newWorld(t *testing.T, delays cloudtest.Delays) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)), record: []byte("{}"), published: map[edgev1.TokenRole]pass.Credential{}}
	w.Cloud = cloudtest.New(cloudtest.Options{Clock: w.clock, Delays: &delays})
	t.Cleanup(w.Close)
	w.AddAccount(plant, cloudtest.AccountOptions{})
	w.key = w.AddServiceID(plant, "operator", w.MayCreateNamespaces(plant, "us-south")...)
	life := edgev1.KeySpec{Lifetime: metav1.Duration{Duration: 24 * time.Hour}, RenewBefore: metav1.Duration{Duration: 16 * time.Hour}}
	w.edge = &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "plant", UID: types.UID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")}}
	w.edge.Spec.DeletionPolicy = edgev1.DeletionRetain
	w.edge.Spec.IBMCloud = &edgev1.IBMCloudSpec{
		Region: "us-south", RegistryNamespace: edgev1.RegistryNamespaceSpec{Name: "plant-images", Policy: edgev1.RegistryNamespaceCreateOrAdopt},
		Publisher: edgev1.ServiceIDSpec{Key: life}, Puller: edgev1.ServiceIDSpec{Key: life},
	}
	w.start(t)
	return w
}

// start begins another operator.
func (w *world) start(t *testing.T) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(w.CA.Certificate())
	transport := &http.Transport{DialContext: w.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	w.provider = New(Config{Clock: w.clock, Transport: transport, SaveRecord: w.save})
	w.memory, w.http = &pass.Memory{}, &http.Client{Transport: transport}
}

func (w *world) save(_ context.Context, s *pass.Scope) error {
	if w.writes++; w.writes == w.dieAt {
		return errKilled
	}
	w.record, _ = json.Marshal(s.Record)
	return nil
}

// begin begins a pass of the operator, with the supplied key in hand.
func (w *world) begin(t *testing.T) *session {
	t.Helper()
	s := w.provider.begin(pass.NewScope(w.edge, w.clock.Now(), w.memory))
	NewWithT(t).Expect(json.Unmarshal(w.record, s.Record)).To(Succeed())
	key := credential.NewToken(w.key.Value())
	s.cloud, s.account = s.clouds.of(key, false), plant
	s.client = ibmcloud.New(ibmcloud.Config{
		HTTP: s.clouds.http, Endpoints: ibmcloud.EndpointsOf("us-south", false), Key: key, Clock: w.clock, Tokens: &s.clouds.tokens,
	})
	return s
}

// pass is what a pass does at IBM Cloud: with renew it has both keys followed by others.
func (w *world) pass(t *testing.T, renew bool) error {
	t.Helper()
	s := w.begin(t)
	if _, err := s.prepareNamespace(t.Context()); err != nil {
		return err
	}
	if _, err := s.grantAccess(t.Context()); err != nil {
		return err
	}
	for _, l := range s.Logins() {
		l.Credential = w.published[l.Role]
		if l.Credential.ID != "" && !renew && s.Record.Pending[l.Role].Value == "" {
			continue
		}
		c, err := s.Issue(t.Context(), l, pass.Cause{Name: "Test"})
		if err != nil {
			return err
		}
		l.Credential = c
		s.Record.Note(pass.Issued{
			Role: l.Role, ID: c.ID, Generation: c.Generation, Check: c.Check, IssuedAt: metav1.NewTime(c.IssuedAt),
			ExpiresAt: metav1.NewTime(c.Expiry), Until: metav1.NewTime(c.Until), Lifetime: l.Policy.Lifetime.String(),
		})
		if err := w.save(t.Context(), s.Scope); err != nil {
			return err
		}
		w.published[l.Role] = c
	}
	if err := s.Retire(t.Context()); err != nil {
		return err
	}
	return w.save(t.Context(), s.Scope)
}

// converge makes passes until one is done.
func (w *world) converge(t *testing.T) {
	t.Helper()
	var err error
	for range 20 {
		w.clock.SetTime(w.clock.Now().Add(time.Minute))
		if err = w.pass(t, false); err == nil {
			return
		}
	}
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// oursOf are the keys that are there of a role.
func (w *world) oursOf(role string) []cloudtest.KeyState {
	var found []cloudtest.KeyState
	for _, keys := range w.Keys() {
		for _, key := range keys {
			if strings.Contains(key.Description, string(w.edge.UID)+" role="+role) {
				found = append(found, key)
			}
		}
	}
	return found
}

// expectOne expects one key of each role that is there and published, and no second of anything.
func (w *world) expectOne(t *testing.T, generation int) {
	t.Helper()
	g := NewWithT(t)
	made := 0
	for _, one := range w.ServiceIDs(plant) {
		if strings.Contains(one.Description, string(w.edge.UID)) {
			made++
		}
	}
	g.Expect(made).To(Equal(2), "service IDs")
	policies := 0
	for _, one := range w.Policies(plant) {
		if strings.Contains(one.Description, string(w.edge.UID)) {
			policies++
		}
	}
	g.Expect(policies).To(Equal(2), "policies")
	for role, name := range map[edgev1.TokenRole]string{edgev1.TokenPublisher: "publisher", edgev1.TokenPuller: "puller"} {
		keys := w.oursOf(name)
		seen := map[string]bool{}
		for _, key := range keys {
			g.Expect(seen).NotTo(HaveKey(key.Description), "one key a generation")
			seen[key.Description] = true
		}
		g.Expect(keys).To(HaveLen(generation), name)
		published, there := w.KeyOf(w.published[role].Token.Reveal())
		g.Expect(there).To(BeTrue(), name)
		g.Expect(published.ID).To(Equal(w.published[role].ID), name)
	}
	var record pass.Record
	g.Expect(json.Unmarshal(w.record, &record)).To(Succeed())
	g.Expect(record.Pending).To(BeEmpty())
	g.Expect(string(w.record)).NotTo(ContainSubstring(w.published[edgev1.TokenPuller].Token.Reveal()))
}

func TestAnOperatorThatDiesAroundAWriteLeavesOneKeyOfAGeneration(t *testing.T) {
	slow := cloudtest.Delays{Reads: 90 * time.Second}
	for name, delays := range map[string]cloudtest.Delays{"at once": {}, "seen late": slow} {
		t.Run(name, func(t *testing.T) {
			whole := newWorld(t, cloudtest.Delays{})
			NewWithT(t).Expect(whole.pass(t, false)).To(Succeed())
			calls := whole.Count(cloudtest.Writes)
			NewWithT(t).Expect(whole.writes).To(BeNumerically(">", 5))
			NewWithT(t).Expect(calls).To(BeNumerically(">", 6))
			for at := 1; at <= whole.writes; at++ {
				t.Run(fmt.Sprintf("at write %d of the record", at), func(t *testing.T) {
					w := newWorld(t, delays)
					w.dieAt = at
					for range 20 {
						if w.pass(t, false) != nil && w.writes >= at {
							break
						}
						w.clock.SetTime(w.clock.Now().Add(time.Minute))
					}
					w.start(t)
					w.converge(t)
					w.expectOne(t, 1)
				})
			}
			for at := range calls {
				for _, commit := range []bool{false, true} {
					t.Run(fmt.Sprintf("at write %d to IBM Cloud, committed %v", at, commit), func(t *testing.T) {
						w := newWorld(t, delays)
						fault := &standin.Fault{Match: cloudtest.Writes, Skip: at, Commit: commit, Status: http.StatusInternalServerError}
						w.Inject(fault)
						_ = w.pass(t, false)
						w.start(t)
						w.converge(t)
						w.expectOne(t, 1)
					})
				}
			}
		})
	}
}

func TestAKeyIsEndedInThreeStepsAfterItsLifetime(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	old := w.published[edgev1.TokenPuller]
	w.clock.SetTime(w.clock.Now().Add(8 * time.Hour))
	g.Expect(w.pass(t, true)).To(Succeed())
	w.expectOne(t, 2)
	at := func(after time.Duration) (state cloudtest.KeyState, there bool) {
		w.clock.SetTime(old.IssuedAt.Add(after))
		g.Expect(w.pass(t, false)).To(Succeed())
		return w.KeyOf(old.Token.Reveal())
	}
	state, there := at(24*time.Hour - time.Second)
	g.Expect(there).To(BeTrue())
	g.Expect(state.Disabled).To(BeFalse(), "it works for its whole lifetime")
	state, there = at(24 * time.Hour)
	g.Expect(there).To(BeTrue(), "tokens of it live")
	g.Expect(state.Disabled).To(BeTrue())
	_, there = at(25*time.Hour - time.Second)
	g.Expect(there).To(BeTrue())
	_, there = at(25 * time.Hour)
	g.Expect(there).To(BeFalse())
}

func TestAKeyThatIsInUseIsLeftUntilIBMCloudEndsIt(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	old := w.published[edgev1.TokenPuller]
	w.clock.SetTime(w.clock.Now().Add(8 * time.Hour))
	g.Expect(w.pass(t, true)).To(Succeed())
	use := func() error {
		roots := w.begin(t).client
		return roots.Works(t.Context(), old.Token)
	}
	for after := 24 * time.Hour; after < 39*time.Hour; after += 90 * time.Minute {
		w.clock.SetTime(old.IssuedAt.Add(after))
		g.Expect(use()).To(Succeed())
		g.Expect(w.pass(t, false)).To(Succeed())
		state, there := w.KeyOf(old.Token.Reveal())
		g.Expect(there).To(BeTrue())
		g.Expect(state.Disabled).To(BeFalse())
	}
	w.clock.SetTime(old.IssuedAt.Add(41 * time.Hour))
	g.Expect(use()).NotTo(Succeed(), "lifetime and renewBefore are over")
	g.Expect(w.pass(t, false)).To(Succeed())
	_, there := w.KeyOf(old.Token.Reveal())
	g.Expect(there).To(BeFalse())
}

// A record has so many keys of a role and no more. One that it dropped works, and whoever wants it to end has to be able to say so.
func TestAKeyThatTheRecordDroppedIsListedAndEnds(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	w.AddAccount(plant, cloudtest.AccountOptions{Keys: 50})
	w.key = w.AddServiceID(plant, "operator", w.MayCreateNamespaces(plant, "us-south")...)
	g.Expect(w.pass(t, true)).To(Succeed())
	first := w.published[edgev1.TokenPuller]
	all := []int64{1}
	for range 21 {
		g.Expect(w.pass(t, true)).To(Succeed())
		all = append(all, w.published[edgev1.TokenPuller].Generation)
	}
	alive := func(s *session) []int64 {
		g.Expect(s.Retire(t.Context())).To(Succeed())
		var generations []int64
		for _, one := range s.Puller.Alive {
			generations = append(generations, one.Generation)
		}
		return generations
	}
	s := w.begin(t)
	g.Expect(s.Record.Find(first.ID)).To(BeNil())
	s.cloud.keys.invalidate()
	g.Expect(alive(s)).To(Equal(all))
	g.Expect(s.Puller.Alive[0].ID).To(Equal(first.ID))

	g.Expect(s.Revoke(t.Context(), &s.Puller, pass.Credential{Identity: pass.Identity{ID: first.ID}, Generation: 1})).To(Succeed())
	_, there := w.KeyOf(first.Token.Reveal())
	g.Expect(there).To(BeFalse())
	g.Expect(alive(w.begin(t))).To(Equal(all[1:]), "what was kept of a list is not believed once a key of it ended")
}
