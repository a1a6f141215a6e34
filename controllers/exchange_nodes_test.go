// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about nodes that have read a login, or have not, and how that is reported.

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

// staffed is an EdgeRegistry with a service in an Exchange, and nodes that run it; the clocks of both go together.
type staffed struct {
	t        *testing.T
	o        *operator
	recorder *eventRecorder
	edge     *edgev1.EdgeRegistry
	x        *exchangetest.Exchange
	nodes    []*exchangetest.Player
	service  string
}

// staff has an operator bring a login to nodes that run a service, as a user that is an administrator of the organisation or is
// not.
func staff(t *testing.T, admin bool, nodes int) *staffed {
	t.Helper()
	edge := newEdge()
	return staffOf(t, directOperator(t), edge, "", admin, nodes, func(*edgev1.EdgeRegistry) {})
}

// staffOf does that for an EdgeRegistry that is not applied yet. ready supplies what else it needs; without an image, it is one of
// the cluster's registry.
func staffOf(t *testing.T, o *operator, edge *edgev1.EdgeRegistry, image string, admin bool, nodes int, ready func(*edgev1.EdgeRegistry)) *staffed {
	t.Helper()
	s := &staffed{t: t, o: o, recorder: &eventRecorder{}, edge: edge}
	s.o.Recorder = s.recorder
	var secret *corev1.Secret
	s.x, secret = exchangeFor(t, s.edge)
	if admin {
		s.x.AddUser(organization, "boss", "boss-s-very-long-password", true)
		edit(t, secret, func(c *corev1.Secret) { c.Data[exchange.KeyAuth] = []byte("boss:boss-s-very-long-password") })
		s.edge.Spec.Exchanges[0].Owner = edgev1.ExchangeOrganization
	}
	if image == "" {
		image = imageOf(s.edge, "camera")
	}
	s.service = s.x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: image})
	ready(s.edge)
	for i := range nodes {
		name := fmt.Sprint("gateway-", i)
		s.x.AddNode(organization, name, "node-secret", "alice", s.service)
		s.nodes = append(s.nodes, s.x.NewPlayer(organization+"/"+name, 10*i))
	}
	s.o.settles(t, apply(t, s.edge))
	return s
}

// live lets both clocks go on, with a look in each five minutes.
func (s *staffed) live(d time.Duration) {
	s.t.Helper()
	const look = 5 * time.Minute
	for range d / look {
		for range look / time.Minute {
			s.x.Clock.Advance(time.Minute)
			for _, n := range s.nodes {
				n.Live()
			}
		}
		s.o.advance(look)
		s.o.pass(s.t, s.edge)
	}
	s.edge = reload(s.t, s.edge)
}

func (s *staffed) updated() metav1.Condition {
	s.t.Helper()
	return condition(s.t, s.edge, edgev1.ExchangeUpdated)
}

func (s *staffed) events(reason string) (n int) {
	for _, event := range s.recorder.all() {
		if strings.Contains(event, " "+reason+" ") {
			n++
		}
	}
	return n
}

// Which nodes have not read a renewed login the condition says, and the status and the metrics; Ready minds it not. Once they
// have, the condition says that the previous one may end, and another process says the same without a touch.
func TestWhoIsLateIsToldUntilItHasReadTheLogin(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, true, 4)
	s.live(30 * time.Minute)
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonDelivered), s.updated().Message)
	g.Expect(s.updated().Message).To(ContainSubstring("all nodes that run these services (4) have read it"))
	first := pulls(t, s.edge)

	s.nodes[0].Silence(s.x.Clock.Now().Add(5 * time.Hour))
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(10 * time.Minute)
	late := s.updated()
	g.Expect(late.Status).To(Equal(metav1.ConditionTrue))
	g.Expect(late.Reason).To(Equal(edgev1.ReasonNodesLate), late.Message)
	g.Expect(late.Message).To(MatchRegexp(`1 of 4 nodes have not read it, and pull with an earlier one, of which login 1 ends first, on \S+: plant/gateway-0`))
	g.Expect(condition(t, s.edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))
	nodes := s.edge.Status.Exchange.Nodes
	g.Expect([]int32{nodes.Total, nodes.Confirmed, nodes.Late, nodes.Unknown}).To(Equal([]int32{4, 3, 1, 0}))
	g.Expect(nodes.LateNodes).To(ConsistOf(And(HaveField("Node", "plant/gateway-0"), HaveField("LastHeartbeat", Not(BeNil())))))
	g.Expect(series(t, metricNodes, map[string]string{labelOfEdge: s.edge.Name})).To(Equal(map[string]float64{"confirmed": 3, "late": 1, "unknown": 0}))
	ends := series(t, metricFormerEnd, map[string]string{labelOfEdge: s.edge.Name, "role": "puller"})
	g.Expect(ends[""]).To(BeNumerically(">", float64(s.o.clock.Now().Unix())))
	g.Expect(works(t, first)).To(BeTrue(), "nothing ends early")

	s.live(4 * time.Hour)
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonNodesLate))
	g.Expect(s.events(edgev1.ReasonNodesLate)).To(Equal(1), "an event tells of a change")
	s.live(90 * time.Minute)
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonDelivered), s.updated().Message)
	g.Expect(s.updated().Message).To(ContainSubstring("all nodes that run these services (4) have read it, and need no earlier one"))
	g.Expect(s.events(edgev1.ReasonNodesLate)).To(Equal(1))
	g.Expect(s.nodes[0].Holds(s.service, openShift.Host(), pulls(t, s.edge).Reveal())).To(BeTrue())

	s.live(20 * time.Minute)
	s.x.Forget()
	status := reload(t, s.edge).Status
	restarted := directOperator(t)
	restarted.clock.SetTime(s.o.clock.Now().Add(6 * time.Hour))
	s.x.Clock.Advance(6 * time.Hour)
	restarted.pass(t, s.edge)
	g.Expect(reload(t, s.edge).Status.Exchange).To(Equal(status.Exchange))
	g.Expect(s.x.Matching(exchangetest.Writes)).To(BeEmpty())
}

// describe shows who is late, and answers whether the previous login may end. The document has it as it is.
func TestDescribeAnswersWhetherTheLoginOfBeforeMayEnd(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, true, 4)
	s.live(30 * time.Minute)
	s.nodes[0].Silence(s.x.Clock.Now().Add(5 * time.Hour))
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(10 * time.Minute)
	out, err := control.Kubectl(t.Context(), "describe", "edgeregistry", s.edge.Name)
	g.Expect(err).NotTo(HaveOccurred())
	shown := ""
	for _, part := range []string{`    Last Transition Time:  \S+\n    Message: +login 2 of [^\n]*\n(?:    [^\n]*\n){3}    Type: +ExchangeUpdated\n`, `  Exchange:\n(?:    [^\n]*\n)+`} {
		found := regexp.MustCompile(part).FindString(out)
		g.Expect(found).NotTo(BeEmpty(), "%s in:\n%s", part, out)
		shown += found
	}
	for _, replace := range []struct{ pattern, by string }{
		{`ends first, on ` + rfc3339, "ends first, on 2026-05-30T08:00:00Z"},
		{`( Time:  )` + rfc3339, "${1}2026-03-01T08:00:00Z"},
		{`127\.0\.0\.1:\d+`, "exchange.example.com"},
		{`(Observed Generation:  )\d+`, "${1}1"},
	} {
		shown = regexp.MustCompile(replace.pattern).ReplaceAllString(shown, replace.by)
	}
	shown = strings.ReplaceAll(shown, s.edge.Name, "factory")
	document, err := os.ReadFile("../docs/exchange.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(document)).To(ContainSubstring(shown))
}

// The operator stands still while a node misses the touch: the next process does not believe that it has read the login, and
// tells it again.
func TestAnotherProcessTellsANodeThatMissedTheTouch(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, true, 2)
	s.live(30 * time.Minute)
	s.nodes[0].Pull(s.service, openShift.Host(), func(string) bool { return true })
	s.nodes[0].Silence(s.x.Clock.Now().Add(5 * time.Hour))
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.o.pass(t, s.edge)
	for range 6 * 60 {
		s.x.Clock.Advance(time.Minute)
		for _, n := range s.nodes {
			n.Live()
		}
	}
	token := pulls(t, s.edge).Reveal()
	g.Expect(s.nodes[0].Holds(s.service, openShift.Host(), token)).To(BeFalse())
	restarted := directOperator(t)
	restarted.clock.SetTime(s.o.clock.Now().Add(6 * time.Hour))
	restarted.Recorder = s.recorder
	s.o = restarted
	s.o.pass(t, s.edge)
	nodes := reload(t, s.edge).Status.Exchange.Nodes
	g.Expect(nodes.Confirmed).To(BeZero())
	s.live(30 * time.Minute)
	g.Expect(s.edge.Status.Exchange.Nodes.Confirmed).To(BeEquivalentTo(2), s.updated().Message)
	g.Expect(s.nodes[0].Holds(s.service, openShift.Host(), token)).To(BeTrue())
}

// To a user who is no administrator the Exchange shows a part of the nodes: none is taken for proof, and the condition says why.
func TestAPlainUserIsToldThatNothingIsProven(t *testing.T) {
	g := NewWithT(t)
	s := staff(t, false, 2)
	s.live(30 * time.Minute)
	nodes := s.edge.Status.Exchange.Nodes
	g.Expect([]int32{nodes.Total, nodes.Confirmed, nodes.Late, nodes.Unknown}).To(Equal([]int32{2, 0, 0, 2}))
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonDelivered))
	g.Expect(s.updated().Message).To(ContainSubstring("is no administrator of the organisation and sees 2 of them"))
	s.nodes[0].Silence(s.x.Clock.Now().Add(time.Hour))
	annotate(t, s.edge, edgev1.RotateAnnotation, "now")
	s.live(10 * time.Minute)
	g.Expect(s.updated().Reason).To(Equal(edgev1.ReasonNodesLate), "that it has not asked is known anyway")
}
