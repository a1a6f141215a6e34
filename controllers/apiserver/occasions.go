// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// occasionPause is the least time between two occasions: of several API servers, one that is out of step may refuse the operator
// again and again.
const occasionPause = 30 * time.Second

// Occasions counts events after which tokens may be dead although nobody revoked them: the start of the operator, which does not
// know what happened before; each refusal of the operator itself by the API server; and each change of the API server's keys. The
// zero value is ready for use.
type Occasions struct {
	mu      sync.Mutex
	counted int64
	// refused: the API server has not accepted the operator again since it refused it.
	refused bool
	// next is the earliest time of the next occasion, and waits that it is to come then.
	next  time.Time
	waits bool
	// enqueueAll enqueues all EdgeRegistries; nil before the watches start.
	enqueueAll func()
}

// Count returns the number of occasions so far. The first is the start.
func (o *Occasions) Count() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counted + 1
}

// Start makes every further occasion enqueue all EdgeRegistries.
func (o *Occasions) Start(enqueueAll func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enqueueAll = enqueueAll
}

// Noticing returns a config whose requests notice when the API server refuses the operator. Requests that carry another
// identity need a config of their own.
func (o *Occasions) Noticing(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return RoundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil {
				o.answered(response.StatusCode)
			}
			return response, err
		})
	})
	return config
}

// answered notes the API server's answer to the operator. A refusal becomes an occasion once it is over: before that a pass can do
// nothing.
func (o *Occasions) answered(status int) {
	o.mu.Lock()
	was := o.refused
	switch {
	case status == http.StatusUnauthorized:
		o.refused = true
	case status < http.StatusBadRequest:
		o.refused = false
	}
	over := was && !o.refused
	o.mu.Unlock()
	if over {
		o.add()
	}
}

// add counts an occasion as soon as the pause since the last one is over.
func (o *Occasions) add() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waits {
		return
	}
	if wait := time.Until(o.next); wait > 0 {
		o.waits = true
		time.AfterFunc(wait, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.come()
		})
		return
	}
	o.come()
}

func (o *Occasions) come() {
	o.counted++
	o.waits, o.next = false, time.Now().Add(occasionPause)
	if o.enqueueAll != nil {
		go o.enqueueAll()
	}
}
