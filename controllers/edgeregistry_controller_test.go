// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestAPassThatFailsIsMadeAgainWithinAMinute(t *testing.T) {
	g := NewWithT(t)
	retries := newRetries()
	var pauses []time.Duration
	for range 100 {
		pauses = append(pauses, retries.When(reconcile.Request{}))
	}
	g.Expect(pauses[:3]).To(Equal([]time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond}))
	g.Expect(slices.IsSorted(pauses)).To(BeTrue())
	g.Expect(pauses[99]).To(Equal(time.Minute))
}

func TestAnEdgeRegistryThatWentBackIsLookedAt(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		want          bool
	}{
		"a newer state":            {"8", "9", false},
		"the same, listed again":   {"8", "8", false},
		"an older one, restored":   {"9", "8", true},
		"one that has no order":    {"8", "nonsense", true},
		"as numbers, not as words": {"9", "10", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			at := func(version string) *edgev1.EdgeRegistry {
				return &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
			}
			g.Expect(isRollback(event.UpdateEvent{ObjectOld: at(test.before), ObjectNew: at(test.after)})).To(Equal(test.want))
		})
	}
}
