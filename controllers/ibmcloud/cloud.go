// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// listLife is how long a list is used again, by all EdgeRegistries that use one supplied key.
const listLife = time.Hour

// clouds are what the process knows of accounts, by the supplied key and where it is used. The zero value has to be given how
// to send requests, and the time.
type clouds struct {
	http   *http.Client
	clock  clock.PassiveClock
	tokens ibmcloud.Tokens

	mu  sync.Mutex
	all map[cloudKey]*cloud
}

// cloudKey holds a digest in the place of the key.
type cloudKey struct {
	digest  [sha256.Size]byte
	private bool
}

// cloud is what is known of the account of one supplied key.
type cloud struct {
	account shelf[checked]
	keys    shelf[[]ibmcloud.Key]
	limit   shelf[int]
	roles   shelf[map[string]string]

	mu      sync.Mutex
	regions map[string]*region
	used    time.Time
}

// region is what is known of an account's registry in one region.
type region struct {
	namespaces shelf[[]string]
	quota      shelf[ibmcloud.Quota]
}

// shelf caches what was read. A caller that comes while it is being read waits.
type shelf[T any] struct {
	mu    sync.Mutex
	known bool
	at    time.Time
	value T
}

// get is what is kept, or else what read returns, and when it was read. What failed is not kept.
func (s *shelf[T]) get(now time.Time, read func() (T, error)) (value T, at time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.at); s.known && age >= 0 && age < listLife {
		return s.value, s.at, nil
	}
	value, err = read()
	if err == nil {
		s.value, s.known, s.at = value, true, now
	}
	return value, now, err
}

// kept is what was last read, however long ago; the zero value for nothing.
func (s *shelf[T]) kept() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// drop has the next one read again.
func (s *shelf[T]) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = false
}

// of is what is known of the account of a key. What nobody used for long is dropped.
func (c *clouds) of(key credential.Token, private bool) *cloud {
	at := cloudKey{sha256.Sum256([]byte(key.Reveal())), private}
	now := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[cloudKey]*cloud{}
	}
	for other, one := range c.all {
		if other != at && now.Sub(one.used) > 24*time.Hour {
			delete(c.all, other)
		}
	}
	if c.all[at] == nil {
		c.all[at] = &cloud{regions: map[string]*region{}}
	}
	c.all[at].used = now
	return c.all[at]
}

func (c *cloud) in(name string) *region {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.regions[name] == nil {
		c.regions[name] = &region{}
	}
	return c.regions[name]
}

// checked is what IBM Cloud says of a supplied key.
type checked struct {
	ibmcloud.Account
	// key is its details; the zero value where it may not read them.
	key ibmcloud.Key
}

// check asks whom the supplied key speaks for, and until when it works.
func check(ctx context.Context, c *ibmcloud.Client, key credential.Token) (checked, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return checked{}, err
	}
	found, err := c.DescribeKey(ctx, key)
	if err != nil && ibmcloud.KindOf(err) != ibmcloud.Forbidden && ibmcloud.KindOf(err) != ibmcloud.NotFound {
		return checked{}, err
	}
	return checked{account, found}, nil
}
