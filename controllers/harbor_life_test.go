// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the lives of robots of Harbor.

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

func TestRobotsOverlap(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	first := publishedLogin(t, edge, "-pull")
	made := p.of(edge, "puller")[0].Created

	o.clock.SetTime(made.Add(20 * oneDay))
	o.settles(t, edge)
	second := publishedLogin(t, edge, "-pull")
	g.Expect(second.user).To(Equal(strings.TrimSuffix(first.user, "1") + "2"))
	g.Expect(p.of(edge, "puller")).To(HaveLen(2))

	o.clock.SetTime(made.Add(30*oneDay - time.Minute))
	o.settles(t, edge)
	g.Expect(p.Works(first.user, first.secret)).To(BeTrue(), "it was promised")

	o.clock.SetTime(made.Add(30*oneDay + time.Minute))
	o.settles(t, edge)
	o.pass(t, edge)
	g.Expect(p.of(edge, "puller")[0].Disabled).To(BeTrue())
	g.Expect(p.of(edge, "puller")[1].Disabled).To(BeFalse())

	o.clock.SetTime(made.Add(31*oneDay + time.Minute))
	o.settles(t, edge)
	p.expectOneRobotEach(t, edge)
	p.expectOthers(t)
}

func TestAnOperatorThatWasAwayForLongMakesOtherRobots(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	before := publishedLogin(t, edge, "-pull")
	o.clock.SetTime(o.clock.Now().Add(42 * oneDay))
	g.Expect(p.Works(before.user, before.secret)).To(BeFalse(), "Harbor ends it")
	o = o.restarted(t)
	o.settles(t, edge)
	o.pass(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"))
	p.expectOneRobotEach(t, edge)
}

func TestALostRecordHasOtherRobotsMadeAndEndsNone(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	before := publishedLogin(t, edge, "-pull")
	deleteRecord(t, edge)
	o = o.restarted(t)
	o.comesTo(t, edge, edgev1.NamespaceReady, edgev1.ReasonNamespaceReplaced)
	home := &corev1.Namespace{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: edge.Spec.Secrets.Namespace}, home)).To(Succeed())
	annotate(t, edge, edgev1.AcceptAnnotation, home.Name+"/"+string(home.UID))
	o.settles(t, edge)
	o.pass(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"))
	g.Expect(p.Works(before.user, before.secret)).To(BeTrue(), "somebody may hold it")
	g.Expect(p.of(edge, "puller")).To(HaveLen(2))
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(p.of(edge, "puller")).To(BeEmpty())
	p.expectOthers(t)
}

func TestAYearOfRobots(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	promised := map[login]time.Time{}
	for range 365 {
		for _, suffix := range []string{"-publish", "-pull"} {
			if carried := publishedLogin(t, edge, suffix); promised[carried].IsZero() {
				promised[carried] = promisedUntil(t, edge, suffix)
			}
		}
		for carried, until := range promised {
			if o.clock.Now().Before(until) {
				g.Expect(p.Works(carried.user, carried.secret)).To(BeTrue(), "%s was promised to work until %s", carried.user, until)
			}
		}
		for _, role := range []string{"publisher", "puller"} {
			g.Expect(len(p.of(edge, role))).To(BeNumerically("<=", 3), role)
		}
		o.clock.SetTime(o.clock.Now().Add(oneDay))
		o.pass(t, edge)
		g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue), condition(t, edge, edgev1.Ready).Message)
	}
	g.Expect(len(promised)).To(BeNumerically(">", 30), "they were renewed")

	// Nothing works for ever once nobody is there.
	o.clock.SetTime(o.clock.Now().Add(40 * oneDay))
	for carried := range promised {
		g.Expect(p.Works(carried.user, carried.secret)).To(BeFalse(), carried.user)
	}
}

// promisedUntil is until when a Secret promises its login.
func promisedUntil(t *testing.T, edge *edgev1.EdgeRegistry, suffix string) time.Time {
	t.Helper()
	until, err := time.Parse(time.RFC3339, publishedTo(t, edge, suffix).Annotations[objects.ExpiresAtAnnotation])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return until
}
