// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/x509"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

var birth = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rootAt makes a root that begins at a time and ends two years later.
func rootAt(cn string, begin time.Time) *x509.Certificate {
	return platform.NewCAAt(cn, func() time.Time { return begin }).Certificate()
}

// showing is what a pass finds when one root verifies and others may follow.
func showing(root *x509.Certificate, successors ...*x509.Certificate) finding {
	found := finding{Bundle: trust.Bundle{
		Certificates: []*x509.Certificate{root}, Source: "DefaultIngressCert", Where: "here",
		Root: root, Subject: root.Subject.String(), SHA256: trust.Fingerprint(root), NotAfter: root.NotAfter,
	}, done: pass.DoneBecause(edgev1.ReasonTrusted, "verified")}
	for _, successor := range successors {
		found.successors = append(found.successors, showing(successor).Bundle)
	}
	return found
}

// times makes passes over one EdgeRegistry, whose Secret holds what the pass before published.
type times struct {
	memories *pass.Memories
	edge     *edgev1.EdgeRegistry
	secret   []byte
}

func newTimes(overlap time.Duration) *times {
	return &times{memories: &pass.Memories{}, edge: newEdge(withOverlap(overlap))}
}

// restart forgets what is not in the cluster.
func (p *times) restart() { p.memories = &pass.Memories{} }

func (p *times) begin(at time.Time) (*run, lastCA) {
	s := &run{Scope: pass.NewScope(p.edge, at, p.memories.Of(p.edge))}
	s.Record.CA = p.edge.Status.CA
	s.Secrets[s.Puller.Secret] = &corev1.Secret{Data: map[string][]byte{handoff.KeyCA: p.secret}}
	return s, s.lastGoodCA()
}

func (p *times) pass(at time.Time, found finding) *run {
	s, last := p.begin(at)
	s.publishCA(found, last)
	p.secret = s.CA
	return s
}

func (p *times) expect(t *testing.T, certificates ...*x509.Certificate) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(string(p.secret)).To(Equal(string(trust.EncodePEM(certificates))))
	var fingerprints []string
	for _, cert := range certificates {
		fingerprints = append(fingerprints, trust.Fingerprint(cert))
	}
	g.Expect(p.edge.Status.CA.Certificates).To(Equal(fingerprints))
}

// messagesOf are the messages of the acts of a pass.
func messagesOf(s *run) (messages []string) {
	for _, n := range s.Notes {
		messages = append(messages, n.Message)
	}
	return messages
}

func TestAnOutgoingCAStaysForTheOverlapAndNoLonger(t *testing.T) {
	a, b, c := rootAt("a", birth), rootAt("b", birth), rootAt("c", birth)
	short := rootAt("short", birth.Add(time.Hour-2*365*24*time.Hour))
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name    string
		overlap time.Duration
		run     func(*testing.T, *times)
	}{
		{"it stays until its time, and then goes", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			s := p.pass(birth.Add(day), showing(b))
			p.expect(t, b, a)
			NewWithT(t).Expect(s.Next).To(Equal(birth.Add(31 * day)))
			NewWithT(t).Expect(messagesOf(s)).To(ConsistOf(And(ContainSubstring(`now "CN=b" from here`),
				ContainSubstring(`the previous one, "CN=a", stays in ca.crt until 2026-02-02T03:04:05Z`))))
			p.pass(birth.Add(31*day-time.Second), showing(b))
			p.expect(t, b, a)
			s = p.pass(birth.Add(31*day), showing(b))
			p.expect(t, b)
			NewWithT(t).Expect(s.Notes).To(BeEmpty())
		}},
		{"a restart in between changes nothing", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.restart()
			p.pass(birth.Add(day), showing(b))
			p.restart()
			NewWithT(t).Expect(p.pass(birth.Add(30*day), showing(b)).Notes).To(BeEmpty())
			p.expect(t, b, a)
			p.restart()
			p.pass(birth.Add(31*day), showing(b))
			p.expect(t, b)
		}},
		{"a longer overlap does not extend it", 10 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.pass(birth, showing(b))
			p.edge.Spec.Trust.Overlap.Duration = 100 * day
			p.pass(birth.Add(10*day-time.Second), showing(b))
			p.expect(t, b, a)
			p.pass(birth.Add(10*day), showing(b))
			p.expect(t, b)
		}},
		{"a shorter overlap shortens it", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.pass(birth, showing(b))
			p.edge.Spec.Trust.Overlap.Duration = 2 * day
			s := p.pass(birth.Add(day), showing(b))
			p.expect(t, b, a)
			NewWithT(t).Expect(s.Next).To(Equal(birth.Add(3 * day)))
			p.pass(birth.Add(3*day), showing(b))
			p.expect(t, b)
		}},
		{"without an overlap it goes at once", 0, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			s := p.pass(birth.Add(day), showing(b))
			p.expect(t, b)
			NewWithT(t).Expect(messagesOf(s)).To(ConsistOf(ContainSubstring(`the previous one, "CN=a", is no longer in ca.crt`)))
		}},
		{"an overlap that becomes none ends it", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.pass(birth, showing(b))
			p.edge.Spec.Trust.Overlap.Duration = 0
			p.pass(birth.Add(day), showing(b))
			p.expect(t, b)
		}},
		{"it does not outlive itself", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(short))
			s := p.pass(birth, showing(b))
			p.expect(t, b, short)
			NewWithT(t).Expect(s.Next).To(Equal(birth.Add(time.Hour)))
			p.pass(birth.Add(time.Hour), showing(b))
			p.expect(t, b)
		}},
		{"one that comes back is current and no longer on its way out", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.pass(birth.Add(day), showing(b))
			p.pass(birth.Add(2*day), showing(a))
			p.expect(t, a, b)
			NewWithT(t).Expect(p.edge.Status.CA.Previous).To(ConsistOf(And(
				HaveField("SHA256", trust.Fingerprint(b)), HaveField("Until.Time", birth.Add(32*day)))))
			p.pass(birth.Add(31*day), showing(a))
			p.expect(t, a, b)
			p.pass(birth.Add(32*day), showing(a))
			p.expect(t, a)
		}},
		{"one that is to follow is there before, and its time does not run", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a, b))
			p.expect(t, a, b)
			p.pass(birth.Add(300*day), showing(a, b))
			p.expect(t, a, b)
			s := p.pass(birth.Add(301*day), showing(b))
			p.expect(t, b, a)
			NewWithT(t).Expect(s.Next).To(Equal(birth.Add(331 * day)))
		}},
		{"both are vouched for: the event says so", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a, b))
			s := p.pass(birth, showing(b, a))
			p.expect(t, b, a)
			NewWithT(t).Expect(messagesOf(s)).To(ConsistOf(ContainSubstring("stays in ca.crt as long as it is vouched for")))
			NewWithT(t).Expect(p.edge.Status.CA.Previous).To(BeEmpty())
		}},
		{"a second roll within the overlap keeps the time of the first", 30 * day, func(t *testing.T, p *times) {
			p.pass(birth, showing(a))
			p.pass(birth.Add(day), showing(b))
			p.pass(birth.Add(2*day), showing(c))
			p.expect(t, append([]*x509.Certificate{c}, byFingerprint([]*x509.Certificate{a, b})...)...)
			p.pass(birth.Add(31*day), showing(c))
			p.expect(t, c, b)
			p.pass(birth.Add(32*day), showing(c))
			p.expect(t, c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newTimes(tt.overlap)) })
	}
}

func TestTheOrderInWhichCAsAreFoundDoesNotChangeTheBytes(t *testing.T) {
	g := NewWithT(t)
	a, b := rootAt("a", birth), rootAt("b", birth)
	upcoming := []*x509.Certificate{rootAt("c", birth), rootAt("d", birth), rootAt("e", birth)}
	var first []byte
	for range 20 {
		rand.Shuffle(len(upcoming), func(i, j int) { upcoming[i], upcoming[j] = upcoming[j], upcoming[i] })
		p := newTimes(time.Hour)
		p.pass(birth, showing(a, upcoming...))
		p.pass(birth, showing(b, append(slices.Clone(upcoming), upcoming[0])...))
		if first == nil {
			first = p.secret
		}
		g.Expect(string(p.secret)).To(Equal(string(first)))
	}
}

// Anyone who may edit the project may edit the Secret, and holds the publisher's token perhaps.
func TestWhatSomebodyPutIntoTheSecretIsNoCA(t *testing.T) {
	a, b, evil := rootAt("a", birth), rootAt("b", birth), rootAt("evil", birth)
	for _, tt := range []struct {
		name   string
		tamper func(*times)
		left   []*x509.Certificate
	}{
		{"beside the others", func(p *times) { p.secret = append(trust.EncodePEM([]*x509.Certificate{evil}), p.secret...) }, []*x509.Certificate{b, a}},
		{"in their place", func(p *times) { p.secret = trust.EncodePEM([]*x509.Certificate{evil}) }, nil},
		{"with a status that was lost", func(p *times) {
			p.secret = append(p.secret, trust.EncodePEM([]*x509.Certificate{evil})...)
			p.edge.Status.CA = nil
		}, nil},
		{"with a status of a version without a record", func(p *times) {
			p.secret = append(p.secret, trust.EncodePEM([]*x509.Certificate{evil})...)
			p.edge.Status.CA.Certificates = nil
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			p := newTimes(time.Hour)
			p.pass(birth, showing(a))
			p.pass(birth, showing(b))
			tt.tamper(p)
			_, known := p.begin(birth)
			p.restart()
			_, read := p.begin(birth)
			g.Expect(read.certificates).To(Equal(tt.left))
			g.Expect(read.usable()).To(Equal(tt.left != nil))
			g.Expect(known.usable()).To(BeTrue(), "this process knows what it published")
			g.Expect(known.certificates).To(Equal([]*x509.Certificate{b, a}))
		})
	}
}

func TestTheRecordOfAnEdgeRegistryThatIsGoneServesNoOther(t *testing.T) {
	g := NewWithT(t)
	p := newTimes(time.Hour)
	p.edge.Name, p.edge.UID = "same", "1"
	p.pass(birth, showing(rootAt("a", birth)))
	p.edge = newEdge()
	p.edge.Name, p.edge.UID = "same", "2"
	_, last := p.begin(birth)
	g.Expect(last.certificates).To(BeEmpty())
	g.Expect(last.usable()).To(BeFalse())
}

func TestTheWarningOfTheEndOfACABeginsInTime(t *testing.T) {
	const day = 24 * time.Hour
	router := rootAt("ingress-operator@1700000000", birth)
	end := router.NotAfter
	own := showing(rootAt("company", birth))
	own.Source = trust.SourceCABundleRef
	rolling := showing(router, rootAt("b", birth))
	rolling.done.Reason = edgev1.ReasonCARolling
	for _, tt := range []struct {
		name    string
		overlap time.Duration
		found   finding
		begin   time.Time
		parts   []string
	}{
		{"twice the overlap before", 30 * day, showing(router), end.Add(-60 * day), []string{
			"verified; this CA ends at 2028-01-02T03:04:05Z", "nobody renews it"}},
		{"thirty days before at the least", 0, showing(router), end.Add(-30 * day), nil},
		{"not in the first half of its life", 3650 * day, showing(router), router.NotBefore.Add(end.Sub(router.NotBefore) / 2), nil},
		{"a CA of one's own", 30 * day, own, end.Add(-60 * day), []string{"have it renewed", "spec.trust.caBundleRef"}},
		{"one whose successor is known", 30 * day, showing(router, rootAt("b", birth)), end.Add(-60 * day),
			[]string{`ca.crt holds "CN=b" too: have the registry take`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			edge := newEdge(withOverlap(tt.overlap))
			s := &run{Scope: pass.NewScope(edge, tt.begin.Add(-time.Second), &pass.Memory{})}
			g.Expect(s.warnOfEnd(tt.found)).To(Equal(tt.found.done))
			g.Expect(s.Next).To(Equal(tt.begin))
			s = &run{Scope: pass.NewScope(edge, tt.begin, &pass.Memory{})}
			s.Registry.CARemedy = func(source trust.Source, _ *x509.Certificate) string {
				if source == "DefaultIngressCert" {
					return "nobody renews it"
				}
				return ""
			}
			said := s.warnOfEnd(tt.found)
			g.Expect(said.Reason).To(Equal(edgev1.ReasonCAExpiring))
			g.Expect(len(said.Message)).To(BeNumerically("<", 600))
			for _, part := range tt.parts {
				g.Expect(said.Message).To(ContainSubstring(part))
			}
		})
	}
	g := NewWithT(t)
	s := &run{Scope: pass.NewScope(newEdge(), end.Add(-time.Hour), &pass.Memory{})}
	g.Expect(s.warnOfEnd(rolling)).To(Equal(rolling.done), "a roll is what the warning asks for")
	stored := newEdge()
	stored.Spec.Trust.Overlap = nil
	g.Expect((&run{Scope: pass.NewScope(stored, birth, &pass.Memory{})}).overlap()).To(Equal(30 * day))
}

func TestACautionIsAWarningAmongTheEvents(t *testing.T) {
	g := NewWithT(t)
	before, after := newEdge(), newEdge()
	before.Status.Conditions = []metav1.Condition{{Type: edgev1.RegistryTrusted, Status: metav1.ConditionTrue, Reason: edgev1.ReasonTrusted}}
	after.Status.Conditions = []metav1.Condition{{Type: edgev1.RegistryTrusted, Status: metav1.ConditionTrue, Reason: edgev1.ReasonCAExpiring, Message: "ends"}}
	recorder := events.NewFakeRecorder(2)
	r := &EdgeRegistryReconciler{Recorder: recorder}
	only := pass.Result{Conditions: []string{edgev1.RegistryTrusted}}
	r.reportTransitions(before, after, only)
	r.reportTransitions(after, before, only)
	g.Expect(<-recorder.Events).To(HavePrefix("Warning CAExpiring ends"))
	g.Expect(<-recorder.Events).To(HavePrefix("Normal Trusted"))
}
