// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about clocks that are wrong, in credentials.go and verify.go.

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// The API server's clock is the real one, so an operator whose clock is a day ahead finds every
// token of ten minutes long due.
func TestAClockThatIsAheadCausesNoStormOfTokens(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	o.advance(24 * time.Hour)
	minted := canary.count()
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		short := edgev1.TokenSpec{Lifetime: metav1.Duration{Duration: 10 * time.Minute}}
		e.Spec.OpenShift.Publisher.Token, e.Spec.OpenShift.Puller.Token = short, short
	})))
	for range 3 {
		o.pass(t, edge)
	}
	g.Expect(canary.count()).To(Equal(minted + 2))

	o.advance(10 * time.Minute)
	o.pass(t, edge)
	o.pass(t, edge)
	g.Expect(canary.count()).To(Equal(minted + 4))
}

// Nor does a trial that such a clock has noted keep the tokens from being tried once the clock is right.
func TestATrialThatIsNotedFarAheadIsNotWaitedFor(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		due   bool
	}{
		{"an interval ago", -30 * time.Minute, true},
		{"a moment ago", -time.Minute, false},
		{"by a clock that is a little ahead", 5 * time.Minute, false},
		{"by a clock that is a day ahead", 24 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edge := newEdge()
			edge.Spec.Verification.Interval.Duration = 30 * time.Minute
			s := pass.NewScope(edge, now, &pass.Memory{})
			s.Record.Verify(edge, now.Add(tt.ahead))
			s.Registry.Dialect.AnyRepository = true
			due := (&run{Scope: s}).verificationDue()
			NewWithT(t).Expect(due.After(now)).To(Equal(!tt.due))
		})
	}
}
