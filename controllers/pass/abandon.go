// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// patience is how long a server outside of the cluster that cannot be used holds up a deletion.
	patience = time.Hour
	// retryAbandoned is when such a server is tried again.
	retryAbandoned = time.Minute
)

// UnlessAbandoned is the wait of a deletion for a server outside of the cluster; nil once nobody waits any more: after an hour,
// or sooner if an annotation says so.
func UnlessAbandoned(s *Scope, cause error) *Blocked {
	until := s.Edge.DeletionTimestamp.Add(patience)
	if !s.Now.Before(until) || s.Edge.Annotations[edgev1.AbandonAnnotation] == "true" {
		return nil
	}
	_, reason, message := Verdict(cause)
	b := Waiting(reason, "%s; after %s, or once the annotation %s is set to true, the deletion goes on without that",
		message, Timestamp(until), edgev1.AbandonAnnotation)
	b.Retry = retryAbandoned
	return b
}
