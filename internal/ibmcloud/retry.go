// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"net/http"
	"time"
)

const (
	// tries is how often a request is sent that may be sent again.
	tries = 4
	// firstPause is the pause before the second try, where the answer asks for none. Each next one is twice as long.
	firstPause = 500 * time.Millisecond
	// longestPause is for how long a call waits. An answer that asks for a longer pause is left to the caller, who has other
	// things to do meanwhile.
	longestPause = 10 * time.Second
)

// retried sends a request until there is an answer that trying again would not better.
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

// again reports whether a failure may pass, and the request may be sent again. One that makes something is not: what became of
// it is unknown, and IAM takes the same name twice.
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

// sleep waits, for no longer than the context lives.
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
