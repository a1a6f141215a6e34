// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about logins that are not to end yet, since nodes may need them: robots of Harbor and keys of IBM Cloud, which
// their issuers let live for longer than was promised.

import (
	"crypto/x509"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// minted is an issuer that mints outside of the cluster, and an operator that makes its passes by hand.
type minted struct {
	o *operator
	// edge is one that is not applied yet, whose logins live for 30 days and end for good after 40; ready has all supplied for it.
	edge  *edgev1.EdgeRegistry
	ready func(*edgev1.EdgeRegistry)
	image string
	// works reports whether the issuer takes what a Secret carried.
	works func(login) bool
	// calls are those to the issuer, and what goes wrong with them.
	calls *standin.Journal
}

// issuersThatWait are those whose logins can be left beyond what was promised.
var issuersThatWait = map[string]func(*testing.T) *minted{
	"Harbor": func(t *testing.T) *minted {
		o := harborOperator(t)
		p := startHarbor(t, o.clock)
		edge := p.edge(t)
		return &minted{o, edge, func(edge *edgev1.EdgeRegistry) {
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			supply(t, p.account(edge))
		}, p.Host + "/plant/edge/camera", func(l login) bool { return p.Works(l.user, l.secret) }, p.Journal}
	},
	"IBM Cloud": func(t *testing.T) *minted {
		w := &cloudWorld{clock: clocktesting.NewFakePassiveClock(time.Now())}
		w.Cloud = ibmcloud.New(ibmcloud.Options{Clock: w.clock, Delays: &ibmcloud.Delays{}})
		t.Cleanup(w.Close)
		w.AddAccount(plantAccount, ibmcloud.AccountOptions{})
		o := &operator{clock: w.clock, wire: &wire{}, direct: true}
		roots := x509.NewCertPool()
		roots.AddCert(w.CA.Certificate())
		o.EdgeRegistryReconciler = &EdgeRegistryReconciler{
			Namespace: operatorNamespace, Clock: w.clock, Recorder: quiet{}, DialContext: w.Cloud.DialContext, SystemRoots: roots,
		}
		config := rest.CopyConfig(operatorConfig)
		config.Wrap(o.wire.wrap)
		NewWithT(t).Expect(o.Connect(config)).To(Succeed())
		edge, secret, _ := w.prepared(t, w.all())
		month := edgev1.KeySpec{Lifetime: metav1.Duration{Duration: 30 * oneDay}, RenewBefore: metav1.Duration{Duration: 10 * oneDay}}
		edge.Spec.IBMCloud.Publisher.Key, edge.Spec.IBMCloud.Puller.Key = month, month
		return &minted{o, edge, func(edge *edgev1.EdgeRegistry) {
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			supply(t, secret)
		}, cloudHost + "/" + plantImages + "/camera", func(l login) bool {
			key, there := w.KeyOf(l.secret)
			// To the minute, with a zone.
			ends, err := time.Parse("2006-01-02T15:04Z0700", key.ExpiresAt)
			NewWithT(t).Expect(err == nil || !there).To(BeTrue(), key.ExpiresAt)
			return there && !key.Disabled && w.clock.Now().Before(ends)
		}, w.Journal}
	},
}

// waitFor has an issuer's logins be brought to nodes, by a user that is an administrator of the organisation or is not. The
// first of them was followed by the second ten days before its end, which one node has not read.
func waitFor(t *testing.T, m *minted, admin bool, silence time.Duration) (s *staffed, first login, made time.Time) {
	t.Helper()
	g := NewWithT(t)
	s = staffOf(t, m.o, m.edge, m.image, admin, 3, m.ready)
	s.live(30 * time.Minute)
	s.edge = reload(t, s.edge)
	first = publishedLogin(t, s.edge, "-pull")
	made = statusOfTokens(s.edge, edgev1.TokenPuller)[0].IssuedAt.Time
	s.nodes[0].Silence(s.x.Clock.Now().Add(silence))
	s.until(made.Add(20*oneDay + time.Hour))
	g.Expect(publishedLogin(t, s.edge, "-pull")).NotTo(Equal(first), "it is followed by another")
	s.live(30 * time.Minute)
	g.Expect(s.x.Logins(s.service)).To(HaveLen(1))
	g.Expect(s.x.Logins(s.service)[0].Username).To(Equal(publishedLogin(t, s.edge, "-pull").user), "in its place")
	return s, first, made
}

// A login that a late node may need works beyond its lifetime until that node has read another, and the status says until when at
// most. One that nobody needs ends at its lifetime.
func TestTheEndOfALoginIsPostponedForLateNodes(t *testing.T) {
	for name, start := range issuersThatWait {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := start(t)
			s, first, made := waitFor(t, m, true, 33*oneDay)
			g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerNo))
			s.until(made.Add(30*oneDay + 10*time.Minute))
			g.Expect(m.works(first)).To(BeTrue(), "a node may need it")
			alive := statusOfTokens(s.edge, edgev1.TokenPuller)
			g.Expect(alive[0].Generation).To(BeEquivalentTo(1))
			g.Expect(alive[0].ExpiresAt.Time).To(BeTemporally("~", made.Add(40*oneDay), time.Hour), "so long at most")
			g.Expect(s.updated().Message).To(ContainSubstring("of which login 1 ends first, on "))

			s.until(made.Add(33*oneDay + time.Hour))
			s.live(time.Hour)
			g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerYes), s.updated().Message)
			s.live(30 * time.Minute)
			g.Expect(m.works(first)).To(BeFalse(), "no node needs it any more")
			g.Expect(generations(t, s.edge, edgev1.TokenPuller)).To(Equal([]int64{2}))
		})
	}
}

// It is postponed by no more than its issuer lets it live, and not at all for the publisher's, nor for a user to whom nodes are
// unknown.
func TestTheEndOfALoginIsNotPostponedForEver(t *testing.T) {
	for name, start := range issuersThatWait {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := start(t)
			s, first, made := waitFor(t, m, true, 300*oneDay)
			s.until(made.Add(39 * oneDay))
			g.Expect(m.works(first)).To(BeTrue())
			g.Expect(generations(t, s.edge, edgev1.TokenPublisher)).NotTo(ContainElement(BeEquivalentTo(1)))
			s.until(made.Add(40*oneDay + time.Hour))
			g.Expect(m.works(first)).To(BeFalse())
			g.Expect(generations(t, s.edge, edgev1.TokenPuller)).NotTo(ContainElement(BeEquivalentTo(1)))
		})
		t.Run(name+", to a plain user", func(t *testing.T) {
			g := NewWithT(t)
			m := start(t)
			s, first, made := waitFor(t, m, false, 0)
			g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerUnknown))
			s.until(made.Add(30*oneDay - 10*time.Minute))
			g.Expect(m.works(first)).To(BeTrue(), "nothing ends early")
			s.until(made.Add(30*oneDay + 10*time.Minute))
			g.Expect(m.works(first)).To(BeFalse())
		})
	}
}

// A process that has not looked at nodes yet takes them to need it: also while the Exchange is away.
func TestAfterARestartALoginIsLeftUntilNodesWereLookedAt(t *testing.T) {
	g := NewWithT(t)
	m := issuersThatWait["Harbor"](t)
	s, first, made := waitFor(t, m, true, 0)
	g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerYes), s.updated().Message)
	// What all nodes were known to have read is on record. So the one after it is the one of which that is not known.
	second := publishedLogin(t, s.edge, "-pull")
	s.until(made.Add(40*oneDay + 2*time.Hour))
	third := publishedLogin(t, s.edge, "-pull")
	g.Expect(third).NotTo(Equal(second))
	s.x.Close()
	s.o = s.o.restarted(t)
	s.until(made.Add(51 * oneDay))
	g.Expect(m.works(first)).To(BeFalse())
	g.Expect(m.works(second)).To(BeTrue(), "nodes may pull with it, for all that is known")
	g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerUnknown), "the Yes was about a login of before")
	s.until(made.Add(62 * oneDay))
	g.Expect(m.works(second)).To(BeFalse(), "Harbor ends it")
}

// While the Exchange is away nobody knows what nodes have read, whatever was known before.
func TestWhetherALoginMayEndIsUnknownWhileTheExchangeIsAway(t *testing.T) {
	g := NewWithT(t)
	s, _, _ := waitFor(t, issuersThatWait["Harbor"](t), true, 0)
	g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerYes), s.updated().Message)
	synced := s.edge.Status.Exchange.Synced
	s.x.Close()
	s.until(s.o.clock.Now().Add(time.Hour))
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonExchangeUnreachable))
	g.Expect(s.edge.Status.Exchange.Nodes.FormerMayEnd).To(Equal(edgev1.AnswerUnknown))
	g.Expect(s.edge.Status.Exchange.Synced).To(Equal(synced), "no login was issued since")
}

// until sets both clocks, and has the operator look.
func (s *staffed) until(at time.Time) {
	s.t.Helper()
	s.x.Clock.Advance(at.Sub(s.o.clock.Now()))
	s.o.clock.SetTime(at)
	for range 2 {
		s.o.pass(s.t, s.edge)
	}
	s.edge = reload(s.t, s.edge)
}

// Harbor and the Exchange agree on whose a login is: a robot is known by its name, a publisher's is replaced, and that of
// another EdgeRegistry or of nobody stays.
func TestRobotsAreBroughtToTheExchange(t *testing.T) {
	g := NewWithT(t)
	m := issuersThatWait["Harbor"](t)
	s := staffOf(t, m.o, m.edge, m.image, false, 1, m.ready)
	host := m.edge.Spec.External.Host
	one := s.x.Publish(publishingUser, exchangetest.Definition{URL: "radio", Image: m.image})
	two := s.x.Publish(publishingUser, exchangetest.Definition{URL: "lamp", Image: m.image})
	push := publishedLogin(t, s.edge, "-publish")
	s.x.AddLogin(one, host, push.user, push.secret)
	s.x.AddLogin(two, host, "robot$plant+edge-00000000-puller-1", "of-another")
	s.x.AddLogin(two, host, "robot$plant+ci", "of-others")
	s.live(20 * time.Minute)
	pull := publishedLogin(t, s.edge, "-pull")
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(10 * time.Minute)
	renewed := publishedLogin(t, s.edge, "-pull")
	g.Expect(renewed).NotTo(Equal(pull))
	logins := func(service string) (all []login) {
		for _, l := range s.x.Logins(service) {
			all = append(all, login{l.Username, l.Token})
		}
		return all
	}
	g.Expect(logins(s.service)).To(ConsistOf(renewed))
	g.Expect(logins(one)).To(ConsistOf(renewed), "the one that may push is gone")
	g.Expect(logins(two)).To(ConsistOf(renewed, login{"robot$plant+edge-00000000-puller-1", "of-another"}, login{"robot$plant+ci", "of-others"}))
	g.Expect(s.events(edgev1.ReasonPushLoginFound)).To(Equal(1))
}
