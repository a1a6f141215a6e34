// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"errors"
	"fmt"
	"time"
)

const (
	// RetryWaiting is when a cause that mends itself is looked at again. A watch mostly starts a pass before.
	RetryWaiting = 15 * time.Second
	// retryStalled is the same for a cause that a person has to mend, where no watch notices: whoever follows the message soon
	// sees the condition turn within half a minute. A stall that lasts is looked at less and less often, up to retryStalledLong.
	retryStalled     = 25 * time.Second
	retryStalledLong = 5 * time.Minute
	// RetryCap is the longest pause before a pass that failed is made again.
	RetryCap = time.Minute
)

// Blocked is the error of a step that cannot be done now, and why.
type Blocked struct {
	// Reason is that of the step's condition, and Message says what is wrong, where, and what to do.
	Reason, Message string
	// Stalled: a person has to act first.
	Stalled bool
	// CarryOn: the steps after it can do their work anyway.
	CarryOn bool
	// Conflict: it is one of many conflicts in a row.
	Conflict bool
	// Retry is when to look again at the latest; zero for the usual time.
	Retry time.Duration
}

// Error implements error.
func (b *Blocked) Error() string { return b.Message }

// Waiting is a step that cannot be done before something mends itself.
func Waiting(reason, format string, args ...any) *Blocked {
	return &Blocked{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Stalled is a step that cannot be done before a person acts.
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

// IsStalled reports an error that a person has to mend.
func IsStalled(err error) bool {
	b := AsBlocked(err)
	return b != nil && b.Stalled
}

// patience is how long to wait for the cause to go.
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
