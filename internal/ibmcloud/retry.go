// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"net/http"
	"time"
)

const (
	// tries is how often a request is sent at most, if it may be sent again.
	tries = 4
	// firstPause is the pause before the second try, if the answer does not ask for one. Each later pause is twice as long.
	firstPause = 500 * time.Millisecond
	// longestPause is the longest pause within a call. If an answer asks for a longer one, the call returns it to the caller.
	longestPause = 10 * time.Second
)

// retried sends a request, again if that may help.
func (c *Client) retried(ctx context.Context, r request) (answer, *Error) {
	pause := firstPause
	for try := 1; ; try++ {
		a, failure := c.once(ctx, r)
		if failure == nil || try == tries || !r.again(failure) {
			return a, failure
		}
		wait := failure.RetryAfter
		if wait == 0 {
			wait, pause = pause, 2*pause
		}
		if end, bounded := ctx.Deadline(); wait > longestPause || bounded && time.Until(end) <= wait {
			return a, failure
		}
		if c.pause(ctx, wait) != nil {
			return a, failure
		}
	}
}

// again reports whether a failure may be temporary and the request may be sent again. A request that makes something may not: it may
// have succeeded, and IAM accepts the same name twice.
func (r request) again(failure *Error) bool {
	if r.creates || failure.lasting || failure.ended != nil {
		return false
	}
	switch failure.Status {
	case 0:
		return failure.Kind == Unavailable
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// sleep waits until the time is over or the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
