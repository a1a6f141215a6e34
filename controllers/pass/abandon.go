// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// patience is how long a deletion waits for an unusable server outside of the cluster.
	patience = time.Hour
	// retryAbandoned is how long after a failure such a server is tried again.
	retryAbandoned = time.Minute
)

// UnlessAbandoned makes a deletion wait for a server outside of the cluster; it returns nil once the wait is over: after an hour,
// or sooner if the annotation abandon says so.
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
