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

// listLife is how long an answer of IBM Cloud's is cached, for all EdgeRegistries with the same supplied key.
const listLife = time.Hour

// clouds caches what IBM Cloud answered, by the supplied key and the endpoints. The zero value needs http and clock.
type clouds struct {
	http   *http.Client
	clock  clock.PassiveClock
	tokens ibmcloud.Tokens

	mu  sync.Mutex
	all map[cloudKey]*cloud
}

// cloudKey identifies a supplied key by its digest.
type cloudKey struct {
	digest  [sha256.Size]byte
	private bool
}

// cloud caches answers about the account of one supplied key.
type cloud struct {
	account cached[checked]
	keys    cached[[]ibmcloud.Key]
	limit   cached[int]
	roles   cached[map[string]string]

	mu      sync.Mutex
	regions map[string]*region
	used    time.Time
}

// region caches answers about an account's registry in one region.
type region struct {
	namespaces cached[[]string]
	quota      cached[ibmcloud.Quota]
}

// cached holds one answer. While a caller reads it, others wait for the result.
type cached[T any] struct {
	mu    sync.Mutex
	known bool
	at    time.Time
	value T
}

// get returns the cached value, or what read returns, and when it was read. Errors are not cached.
func (c *cached[T]) get(now time.Time, read func() (T, error)) (value T, at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.at); c.known && age >= 0 && age < listLife {
		return c.value, c.at, nil
	}
	value, err = read()
	if err == nil {
		c.value, c.known, c.at = value, true, now
	}
	return value, now, err
}

// last returns what was last read, however long ago; the zero value for nothing.
func (c *cached[T]) last() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// invalidate has the next get read again.
func (c *cached[T]) invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}

// of returns the cache for the account of a key. Caches that were not used for a day are dropped.
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

// check reads the account of the supplied key, and the details of the key.
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
