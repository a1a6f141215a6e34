// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// deletionPatience is how long a server outside of the cluster that cannot be used holds up a deletion.
const deletionPatience = time.Hour

// HoldDeletion is what holds up a deletion for a server outside of the cluster, by what failed there; nil once the deletion is
// to go on without it. retry is when to try again.
func (s *Scope) HoldDeletion(err error, retry time.Duration) *Blocked {
	until := s.Edge.DeletionTimestamp.Add(deletionPatience)
	if !s.Now.Before(until) || s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {
		return nil
	}
	_, reason, message := Verdict(err)
	b := Waiting(reason, "%s; after %s, or once the annotation %s is set to true, the deletion goes on without that",
		message, Timestamp(until), edgev1.AbandonAnnotation)
	b.Retry = retry
	return b
}
