// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
	if !s.repairs() {
		return nil
	}
	return r.spent(s, object, how)
}

// spent refuses a repair while there were too many of an object.
func (r *EdgeRegistryReconciler) spent(s *scope, object, how string) error {
	known, isKnown := r.repairs.Load(repairsOf{s.edge.Name, object})
	if !isKnown {
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

// wish is what people ask of the tokens from outside of the project, where nobody in it can write.
type wish struct {
	edge           types.UID
	generation     int64
	rotation, host string
}

func (s *scope) wish() wish {
	return wish{s.edge.UID, s.edge.Generation, s.edge.Annotations[edgev1.RotateAnnotation], s.host}
}

// mayMint refuses to mint once more for what somebody does in the project each time. Nearly every cause is read there, from
// annotations and Secrets that all who may edit the project can write. So a login is minted for once for each wish, and in
// the places of a renewal; all that goes beyond spends what a rival has of repairs, whatever else the pass has to change.
func (r *EdgeRegistryReconciler) mayMint(s *scope, l *login, why cause) error {
	if r.isWished(s, l) || r.isRenewal(s, l, why) {
		return nil
	}
	return r.spent(s, tokenName(s, l), "has to be replaced again, because "+why.text+r.alterer(l, why))
}

// countForMint counts a mint that was not asked for by anybody outside of the project.
func (r *EdgeRegistryReconciler) countForMint(s *scope, l *login, why cause) {
	switch {
	case r.isRenewal(s, l, why):
	case r.isWished(s, l) && !(why.undone && s.established):
	default:
		r.countRepair(s, tokenName(s, l))
	}
}

// useUpWish has the next mint count, since an anchor was deleted before its token was in use: whoever deletes another is a
// rival.
func (r *EdgeRegistryReconciler) useUpWish(s *scope, l *login) {
	r.remember(s, l, func(m *memory) { m.answered = s.wish() })
}

// isWished reports that nothing was minted yet for what people ask for. So it is after a restart, too.
func (r *EdgeRegistryReconciler) isWished(s *scope, l *login) bool {
	return r.recall(s, l).answered != s.wish()
}

// isRenewal reports that a token is due which the operator minted itself, by what it knew of it then. What a token in a Secret
// says of its life may be forged.
func (r *EdgeRegistryReconciler) isRenewal(s *scope, l *login, why cause) bool {
	return why.name == causeDue.name && l.token.claims == r.recall(s, l).minted
}

// alterer says who altered the object that a cause was read from, if the API server noted that.
func (r *EdgeRegistryReconciler) alterer(l *login, why cause) string {
	shown := map[evidence]*corev1.Secret{inSecret: l.published, inAnchor: l.anchor}[why.seen]
	if shown == nil {
		return ""
	}
	who := lastRival(shown)
	if who == "" {
		return ""
	}
	return fmt.Sprintf(" (%s was last altered by %q)", r.describe(shown), who)
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
	who := lastRival(live)
	if who == "" {
		return "was altered again"
	}
	return fmt.Sprintf("was altered again, by %q,", who)
}

// lastRival is who else altered an object last, if the API server noted that.
func lastRival(live client.Object) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != fieldManager && entry.Time != nil && !entry.Time.Before(last.Time) {
			last = entry
		}
	}
	return last.Manager
}
