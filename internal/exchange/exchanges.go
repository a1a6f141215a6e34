// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const (
	// ListLife is how long a list of services serves all passes that only check whether something changed.
	ListLife = 10 * time.Minute
	// concurrency is how many requests this process sends to one Exchange at a time. The Exchange checks a password with each.
	concurrency = 2
	// forgetAfter is how long an unused list is kept.
	forgetAfter = time.Hour
)

// Exchanges is what all passes of a process share, for all EdgeRegistries: at most two requests run at a time for each Exchange, and
// a list of services is read once in ten minutes for each login. Safe for concurrent use.
type Exchanges struct {
	now func() time.Time

	mu    sync.Mutex
	slots map[string]chan struct{}
	lists []*list
}

// NewExchanges returns an Exchanges with a clock.
func NewExchanges(now func() time.Time) *Exchanges {
	return &Exchanges{now: now, slots: map[string]chan struct{}{}}
}

// Client returns a client of the Exchange that the login names.
func (x *Exchanges) Client(login Login, o Options) *Client {
	x.mu.Lock()
	defer x.mu.Unlock()
	slots := x.slots[login.Base]
	if slots == nil {
		slots = make(chan struct{}, concurrency)
		x.slots[login.Base] = slots
	}
	return newClient(login, o, slots)
}

// list is one list of services, as one login sees it.
type list struct {
	base, org, user, owner string
	// password is part of the key: whoever knows only the name must not get the list, and a name such as apikey stands for many users.
	password credential.Token
	// asked is when the list was last used.
	asked time.Time

	// turn is a lock for the fields below that a caller holds while it reads the Exchange.
	turn chan struct{}
	// begun and ended are when the last request began and ended; begun is zero before the first.
	begun, ended time.Time
	services     []Service
	err          error
}

// find returns the list of a login, and drops unused ones.
func (x *Exchanges) find(login Login, owner string) *list {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	x.lists = slices.DeleteFunc(x.lists, func(l *list) bool { return now.Sub(l.asked) > forgetAfter })
	i := slices.IndexFunc(x.lists, func(l *list) bool {
		return l.base == login.Base && l.org == login.Org && l.user == login.User && l.owner == owner && l.password.Equal(login.Password)
	})
	if i < 0 {
		i = len(x.lists)
		x.lists = append(x.lists, &list{
			base: login.Base, org: login.Org, user: login.User, owner: owner, password: login.Password, turn: make(chan struct{}, 1),
		})
	}
	x.lists[i].asked = now
	return x.lists[i]
}

// services returns the services of an owner, or of all owners, and when they were read, which is not before notBefore. Callers that
// wait for the same list share the result and the error.
func (x *Exchanges) services(ctx context.Context, c *Client, owner string, notBefore time.Time) ([]Service, time.Time, error) {
	l, came := x.find(c.login, owner), x.now()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, time.Time{}, c.failTransport(ctx, "list the services of "+c.login.Org, ctx.Err())
	}
	switch {
	case l.err == nil && !l.begun.IsZero() && !l.begun.Before(notBefore):
		return l.services, l.begun, nil
	case l.err != nil && l.ended.After(came):
		return nil, time.Time{}, l.err
	}
	begun := x.now()
	l.services, l.err = c.Services(ctx, owner)
	l.begun, l.ended = begun, x.now()
	if ctx.Err() != nil {
		// This caller gave up, so others must not get its error.
		l.ended = came
	}
	return l.services, l.begun, l.err
}
