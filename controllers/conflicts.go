// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// conflictsUntold is how many passes in a row may end in a conflict before it is told. A conflict is mostly over in the next
// pass, which reads again what was changed; but a webhook may answer with one for ever, and whoever writes an object all the
// time may be there first each time.
const conflictsUntold = 5

// conflicts are passes over one EdgeRegistry that ended in a conflict, in a row. They are kept in memory alone: without them
// the first few are untold again.
type conflicts struct {
	passes int
	// until is when the next pass is made, whatever wakes the operator before: each answer of a rival does. A person who asks
	// for something else since is answered at once.
	until time.Time
	asked asked
}

// asked is what people can ask for with an EdgeRegistry itself.
type asked struct {
	generation        int64
	rotate, reconcile string
}

func askedOf(edge *edgev1.EdgeRegistry) asked {
	return asked{edge.Generation, edge.Annotations[edgev1.RotateAnnotation], edge.Annotations[edgev1.ReconcileAnnotation]}
}

// recallConflicts gives a pass the conflicts before it, and returns how long it has to wait.
func (r *EdgeRegistryReconciler) recallConflicts(s *scope) time.Duration {
	known, found := r.conflicts.Load(s.edge.Name)
	if !found {
		return 0
	}
	before := known.(conflicts)
	s.conflicts = before.passes
	if before.asked != askedOf(s.edge) {
		return 0
	}
	return leftOf(before.until, s.now, retryCap)
}

// conflicted counts the passes that end in a conflict, and reports one that is not worth telling yet.
func (r *EdgeRegistryReconciler) conflicted(s *scope, err error) bool {
	var known *blocked
	told := errors.As(err, &known)
	if !apierrors.IsConflict(err) && (!told || !known.conflict) {
		r.conflicts.Delete(s.edge.Name)
		return false
	}
	row := conflicts{passes: s.conflicts + 1, asked: askedOf(s.edge)}
	if row.passes >= conflictsUntold {
		row.until = s.now.Add(conflictPause(row.passes))
	}
	r.conflicts.Store(s.edge.Name, row)
	return !told && row.passes < conflictsUntold
}

// conflictPause is how long to wait after so many conflicts in a row.
func conflictPause(passes int) time.Duration {
	return min(time.Second<<min(passes-conflictsUntold+1, 16), retryCap)
}

// persistent makes of a conflict that has met too many passes in a row what a condition can say.
func (s *scope) persistent(err error) error {
	var known *blocked
	if s.conflicts < conflictsUntold-1 || !apierrors.IsConflict(err) || errors.As(err, &known) {
		return err
	}
	lasting := stalled(edgev1.ReasonContested,
		"%s; this was the answer to at least %d passes in a row: have whatever writes that object all the time (its managedFields name it), or the webhook that answers so, leave it alone",
		oneLine(err), conflictsUntold)
	lasting.conflict, lasting.retry = true, conflictPause(s.conflicts+1)
	return lasting
}
