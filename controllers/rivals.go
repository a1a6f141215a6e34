// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// repairsAtOnce is how often the operator repairs an object without a pause.
	repairsAtOnce = 10
	// repairAgain is how long after that it repairs it once more, and so on.
	repairAgain = 5 * time.Minute
)

// repairsOf is an object of an EdgeRegistry, by how messages call it.
type repairsOf struct{ edge, object string }

// mayRepair refuses to undo once more what somebody does to an object each time. A policy engine or another controller
// answers a repair at once, and would be answered at once: the two would write, and mint, as fast as the API server lets
// them. live is nil when the object is gone.
func (r *EdgeRegistryReconciler) mayRepair(s *scope, desired, live client.Object) error {
	return r.contested(s, r.describe(desired), alteredAgain(live))
}

// contested is that refusal for anything that has a name in messages. how says what happened to it.
func (r *EdgeRegistryReconciler) contested(s *scope, object, how string) error {
	known, isKnown := r.repairs.Load(repairsOf{s.edge.Name, object})
	if !isKnown || !s.repairs() {
		return nil
	}
	left := known.(*rate.Limiter).TokensAt(s.now)
	if left >= 1 {
		return nil
	}
	again := s.now.Add(time.Duration((1 - left) * float64(repairAgain)))
	contested := stalled(edgev1.ReasonContested,
		"%s %s, after the operator repaired it %d times: have whatever does that leave it alone; the operator repairs it again at %s",
		object, how, repairsAtOnce, timestamp(again))
	contested.retry = again.Sub(s.now)
	return contested
}

// countRepair counts that the operator undid what somebody did to an object. A repair that was refused does not count: it
// is tried again, and told as what it is.
func (r *EdgeRegistryReconciler) countRepair(s *scope, object string) {
	limiter, _ := r.repairs.LoadOrStore(repairsOf{s.edge.Name, object}, rate.NewLimiter(rate.Every(repairAgain), repairsAtOnce))
	limiter.(*rate.Limiter).AllowN(s.now, 1)
}

// forgetRepairs drops what was counted for an EdgeRegistry.
func (r *EdgeRegistryReconciler) forgetRepairs(edge string) {
	r.repairs.Range(func(key, _ any) bool {
		if key.(repairsOf).edge == edge {
			r.repairs.Delete(key)
		}
		return true
	})
}

// repairs reports that what a pass finds otherwise than it should be, somebody else made so.
func (s *scope) repairs() bool { return s.established && !s.changing }

// alteredAgain says what happened to an object, and by whom if the API server noted that.
func alteredAgain(live client.Object) string {
	if isNil(live) {
		// A pass that does not find an object by its label sees no difference.
		return "was deleted again, or lost its labels"
	}
	var last metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != fieldManager && entry.Time != nil && !entry.Time.Before(last.Time) {
			last = entry
		}
	}
	if last.Manager == "" {
		return "was altered again"
	}
	return fmt.Sprintf("was altered again, by %q,", last.Manager)
}
