// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// RetryWaiting is the requeue interval for a cause that ends by itself. A watch mostly starts a pass before.
	RetryWaiting = 15 * time.Second
	// retryStalled is the same for a cause that a person has to fix, where no watch notices: once they have, the condition
	// changes within half a minute. A stall that lasts is requeued less and less often, up to retryStalledLong.
	retryStalled     = 25 * time.Second
	retryStalledLong = 5 * time.Minute
	// RetryCap is the longest pause before a failed pass is retried, and before a server outside of the cluster is asked again.
	RetryCap = time.Minute
)

// Blocked is the error of a step that cannot be done now, with the reason.
type Blocked struct {
	// Reason and Message are for the step's condition. The message says what is wrong, where, and what to do.
	Reason, Message string
	// Stalled: a person has to act first.
	Stalled bool
	// CarryOn: the later steps can run anyway.
	CarryOn bool
	// Conflict: it reports many conflicts in a row.
	Conflict bool
	// Remote: it waits for a server outside of the cluster, which is asked less often the longer that lasts, up to RetryCap.
	Remote bool
	// Retry is the requeue interval; zero for the usual one. With Remote it is the shortest.
	Retry time.Duration
}

// Error implements error.
func (b *Blocked) Error() string { return b.Message }

// Waiting returns the error of a step whose cause ends by itself.
func Waiting(reason, format string, args ...any) *Blocked {
	return &Blocked{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Stalled returns the error of a step that cannot be done before a person acts.
func Stalled(reason, format string, args ...any) *Blocked {
	return &Blocked{Reason: reason, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// AsBlocked returns the Blocked in an error, or nil.
func AsBlocked(err error) *Blocked {
	var b *Blocked
	if errors.As(err, &b) {
		return b
	}
	return nil
}

// IsStalled reports whether a person has to act on an error.
func IsStalled(err error) bool {
	b := AsBlocked(err)
	return b != nil && b.Stalled
}

// Together combines several waits into one. What a person has to mend comes first, and the soonest decides when to look again.
func Together(waits []*Blocked) *Blocked {
	inOrder := slices.SortedStableFunc(slices.Values(waits), func(a, b *Blocked) int {
		switch {
		case a.Stalled == b.Stalled:
			return 0
		case a.Stalled:
			return -1
		default:
			return 1
		}
	})
	all := *inOrder[0]
	for _, b := range inOrder[1:] {
		if !strings.Contains(all.Message, b.Message) {
			all.Message += "; " + b.Message
		}
		if b.patience() < all.patience() {
			all.Retry = b.patience()
		}
		all.Conflict = all.Conflict || b.Conflict
	}
	return &all
}

// patience is the requeue interval.
func (b *Blocked) patience() time.Duration {
	switch {
	case b.Retry != 0:
		return b.Retry
	case b.Stalled:
		return retryStalled
	default:
		return RetryWaiting
	}
}
