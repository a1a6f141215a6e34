// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// conflictsUnreported is how many passes in a row may end in a conflict before it is reported. The next pass mostly succeeds,
// since it reads the object again; but a webhook may answer with a conflict for ever, and another writer may always come first.
const conflictsUnreported = 5

// conflicts counts consecutive passes over one EdgeRegistry that ended in a conflict.
type conflicts struct {
	passes int
	// until is when the next pass is made, whatever enqueues the EdgeRegistry before: each write of a rival does. A new request
	// of a person is handled at once.
	until time.Time
	asked asked
}

// asked is what people request by the EdgeRegistry itself.
type asked struct {
	generation                int64
	rotate, revoke, reconcile string
}

func askedOf(edge *edgev1.EdgeRegistry) asked {
	return asked{edge.Generation, edge.Annotations[edgev1.RotateAnnotation], edge.Annotations[edgev1.RevokeAnnotation], edge.Annotations[edgev1.ReconcileAnnotation]}
}

// ConflictPause returns how long a pass has to wait because of the conflicts before it.
func (s *Scope) ConflictPause() time.Duration {
	before := Part[conflicts](s.Memory)
	if before.asked != askedOf(s.Edge) {
		return 0
	}
	return LeftOf(before.until, s.Now, RetryCap)
}

// CountConflict counts consecutive passes that end in a conflict, by the error of this one, and returns whether it is too early to
// report it.
func (s *Scope) CountConflict(err error) bool {
	row := Part[conflicts](s.Memory)
	known := AsBlocked(err)
	if !apierrors.IsConflict(err) && (known == nil || !known.Conflict) {
		*row = conflicts{}
		return false
	}
	row.passes++
	row.asked = askedOf(s.Edge)
	row.until = time.Time{}
	return known == nil && row.passes < conflictsUnreported
}

// PauseAfterConflicts makes the next pass wait, once repeated conflicts are reported.
func (s *Scope) PauseAfterConflicts() {
	if row := Part[conflicts](s.Memory); row.passes >= conflictsUnreported {
		row.until = s.Now.Add(conflictPause(row.passes))
	}
}

// conflictPause is the pause after a number of consecutive conflicts.
func conflictPause(passes int) time.Duration {
	return min(time.Second<<min(passes-conflictsUnreported+1, 16), RetryCap)
}

// persistent turns a conflict that has repeated too often into a Blocked for the condition.
func (s *Scope) persistent(err error) error {
	before := Part[conflicts](s.Memory).passes
	if before < conflictsUnreported-1 || !apierrors.IsConflict(err) || AsBlocked(err) != nil {
		return err
	}
	lasting := Stalled(edgev1.ReasonContested,
		"%s; this was the answer to at least %d passes in a row: have whatever writes that object all the time (its managedFields name it), or the webhook that answers so, leave it alone",
		text.Of(err), conflictsUnreported)
	lasting.Conflict, lasting.Retry = true, conflictPause(before+1)
	return lasting
}
