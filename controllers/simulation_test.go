// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about years of an EdgeRegistry, by a stepped clock, across all steps.

import (
	"os"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// The simulations run the operator for months and years of a stepped clock against the real control
// plane, pass by pass: the time between two passes is what the operator itself asked for. What they
// play is described in simulation_world_test.go. Each runs a part of its time by default, and all of it
// with LONG=1.

// simulation is one run.
type simulation struct {
	name string
	// whole is how long all of it takes, part the piece that runs by default.
	whole, part time.Duration
	spec        func(*edgev1.EdgeRegistry)
	// lifetime is what the tokens are asked for, overlap what an outgoing CA stays.
	lifetime, overlap time.Duration
}

func TestSimulatedTimeLosesNoConsumer(t *testing.T) {
	const day = 24 * time.Hour
	for _, run := range []simulation{{
		name:  "thirty days at a lifetime of one hour",
		whole: 30 * day, part: day,
		lifetime: time.Hour, overlap: 4 * time.Hour,
		spec: func(edge *edgev1.EdgeRegistry) {
			hour := edgev1.TokenSpec{Lifetime: metav1.Duration{Duration: time.Hour}}
			edge.Spec.OpenShift.Publisher.Token, edge.Spec.OpenShift.Puller.Token = hour, hour
			edge.Spec.Trust.Overlap = ptr.To(metav1.Duration{Duration: 4 * time.Hour})
		},
	}, {
		name:  "two months at a lifetime of a day",
		whole: 60 * day, part: 6 * day,
		lifetime: day, overlap: 2 * day,
		spec: func(edge *edgev1.EdgeRegistry) {
			token := edgev1.TokenSpec{Lifetime: metav1.Duration{Duration: day}}
			edge.Spec.OpenShift.Publisher.Token, edge.Spec.OpenShift.Puller.Token = token, token
			edge.Spec.Trust.Overlap = ptr.To(metav1.Duration{Duration: 2 * day})
			edge.Spec.Verification.Interval = metav1.Duration{Duration: 12 * time.Hour}
		},
	}, {
		name:  "four years at the defaults",
		whole: 4 * 365 * day, part: 365 * day,
		lifetime: 2160 * time.Hour, overlap: 720 * time.Hour,
		spec: func(edge *edgev1.EdgeRegistry) {
			// All but the interval, which would make 70,000 probes of it.
			edge.Spec.Verification.Interval = metav1.Duration{Duration: 4 * day}
		},
	}} {
		t.Run(run.name, func(t *testing.T) {
			length := run.part
			if os.Getenv("LONG") != "" {
				length = run.whole
			}
			run.play(t, length)
		})
	}
}

// caPeriod is how often the router's CA changes at the latest: it lasts two years.
const caPeriod = 600 * 24 * time.Hour

// play lets the time pass. The router's CA changes in the middle, and in time before it ends: its
// successor is published an overlap before the router shows it.
func (run *simulation) play(t *testing.T, length time.Duration) {
	g := NewWithT(t)
	w := newWorld(t)
	edge := apply(t, newEdge(run.spec))
	begin := w.clock.Now()
	end, period := begin.Add(length), min(length/2, caPeriod)
	for announce := begin.Add(period); announce.Add(run.overlap).Before(end); announce = announce.Add(period) {
		w.at(announce, w.announceCA)
		w.at(announce.Add(run.overlap), w.changeCA)
	}
	var earlyHeap uint64
	w.at(begin.Add(length/4), func(*testing.T) { earlyHeap = heap() })
	passes, most := 0, 0
	for w.clock.Now().Before(end) {
		wait := w.pass(t, edge)
		passes++
		w.read(t, edge, run)
		most = max(most, w.secrets(t, edge))
		w.sleep(t, wait)
	}
	w.settle(t)
	for _, role := range []edgev1.TokenRole{edgev1.TokenPublisher, edgev1.TokenPuller} {
		minted, window := w.minted[role], w.window(t, edge, role)
		fewest, mostMints := int(length/(window+2*time.Second))+1, int(length/window)+1
		g.Expect(minted).To(And(BeNumerically(">=", fewest), BeNumerically("<=", mostMints)),
			"%s: one mint for each window of %s", role, window)
	}
	// The current one of each role, those that still live after it, and what is published.
	g.Expect(most).To(BeNumerically("<=", 2+2*5), "Secrets in the project")
	late := heap()
	g.Expect(late).To(BeNumerically("<", earlyHeap+8<<20), "bytes of heap, after a quarter of the time and at the end")
	g.Expect(w.checkedTokens).To(BeNumerically(">", 0))
	g.Expect(w.heldTokens).To(Equal(w.minted), "a pipeline and a node that was logged in by hand used each to its last day")
	g.Expect(w.checkedCAs).To(BeNumerically(">", 1), "the CA before and the CA after the change were checked")
	t.Logf("%s: %s simulated, %d passes, %d+%d mints, %d tokens and %d CAs used at the end of their promise, at most %d Secrets, heap %.1f MB after a quarter and %.1f MB at the end",
		run.name, length, passes, w.minted[edgev1.TokenPublisher], w.minted[edgev1.TokenPuller],
		w.checkedTokens, w.checkedCAs, most, float64(earlyHeap)/(1<<20), float64(late)/(1<<20))
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
