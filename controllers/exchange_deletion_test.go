// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what a deletion does with the logins in an Exchange.

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

func TestDeletionTakesTheLoginsOutOfTheExchange(t *testing.T) {
	gone := func(t *testing.T, edge *edgev1.EdgeRegistry) bool {
		t.Helper()
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), &edgev1.EdgeRegistry{}))
	}
	for name, test := range map[string]struct {
		change  func(*edgev1.EdgeRegistry)
		away    bool
		abandon bool
		// left are the logins afterwards: another's, and perhaps ours.
		left int
	}{
		"removed":                {func(*edgev1.EdgeRegistry) {}, false, false, 1},
		"retained":               {func(e *edgev1.EdgeRegistry) { e.Spec.Exchanges[0].DeletionPolicy = edgev1.ExchangeRetain }, false, false, 2},
		"away for an hour":       {func(*edgev1.EdgeRegistry) {}, true, false, 2},
		"away, and nobody cares": {func(*edgev1.EdgeRegistry) {}, true, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			recorder := &eventRecorder{}
			o.Recorder = recorder
			edge := newEdge()
			x, _ := exchangeFor(t, edge)
			test.change(edge)
			camera := x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: imageOf(edge, "camera")})
			x.AddLogin(camera, "registry.example.com", "somebody", "somebody-s-password")
			o.settles(t, apply(t, edge))
			token := pulls(t, edge)
			g.Expect(x.Logins(camera)).To(HaveLen(2))
			x.Migrate(test.away)
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			o.pass(t, edge)
			if test.away {
				ready := condition(t, edge, edgev1.Ready)
				g.Expect(ready.Reason).To(Equal(edgev1.ReasonDeletionPending))
				g.Expect(ready.Message).To(And(ContainSubstring("the Exchange"), ContainSubstring(edgev1.AbandonAnnotation)))
				g.Expect(works(t, token)).To(BeTrue(), "as long as it is waited for, nodes pull")
				if test.abandon {
					annotate(t, edge, edgev1.AbandonAnnotation, "true")
				} else {
					o.advance(61 * time.Minute)
				}
				o.pass(t, edge)
				g.Expect(recorder.all()).To(ContainElement(HavePrefix("Warning " + edgev1.ReasonLoginLeftBehind)))
			}
			g.Expect(gone(t, edge)).To(BeTrue())
			expectDead(t, token)
			g.Expect(x.Logins(camera)).To(HaveLen(test.left))
			g.Expect(x.Logins(camera)[0].Username).To(Equal("somebody"))
		})
	}
}
