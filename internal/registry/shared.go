// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

// sharedFor is how long a shared answer is used. It is a fraction of the time between two verifications, and long enough for all
// that are due at the same time.
const sharedFor = 10 * time.Minute

// Shared caches what registries answer without a login, which is the same for all clients: the clients of one process ask for it once
// in some minutes. It holds no login. The zero value is ready for use.
type Shared struct {
	mu    sync.Mutex
	known map[sharedKey]sharedAnswer
}

// sharedKey identifies a request. With other trusted CAs or another token endpoint, another server may answer.
type sharedKey struct {
	host  string
	trust [sha256.Size]byte
	// realm is the token endpoint that issued an anonymous token, if one did.
	realm      string
	repository string
}

type sharedAnswer struct {
	at time.Time
	// offer is the registry's, if the key has no repository; public is the repository's, if it has.
	offer  offer
	public bool
}

// Share makes the client use a shared cache with the other clients that trust the same CAs, which are PEM.
func (c *Client) Share(among *Shared, cas []byte, now time.Time) {
	c.shared, c.now, c.trust = among, now, sha256.Sum256(cas)
}

func (c *Client) sharedKey(realm, repository string) sharedKey {
	return sharedKey{WithPort(c.host), c.trust, realm, repository}
}

// recall returns an answer from the shared cache, if it is fresh.
func (c *Client) recall(key sharedKey) (sharedAnswer, bool) {
	if c.shared == nil {
		return sharedAnswer{}, false
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	answer, known := c.shared.known[key]
	if !known || !answer.isFresh(c.now) {
		return sharedAnswer{}, false
	}
	c.recalled = append(c.recalled, key)
	return answer, true
}

// remember puts an answer into the shared cache.
func (c *Client) remember(key sharedKey, answer sharedAnswer) {
	if c.shared == nil {
		return
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.known == nil {
		c.shared.known = map[sharedKey]sharedAnswer{}
	}
	maps.DeleteFunc(c.shared.known, func(_ sharedKey, old sharedAnswer) bool { return !old.isFresh(c.now) })
	answer.at = c.now
	c.shared.known[key] = answer
}

// forget drops from the shared cache what this client used of it, and reports whether there was anything.
func (c *Client) forget() bool {
	if len(c.recalled) == 0 {
		return false
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	for _, key := range c.recalled {
		delete(c.shared.known, key)
	}
	c.recalled = nil
	clear(c.offers)
	clear(c.public)
	return true
}

// isFresh reports whether an answer may still be used. One with a later time comes from before the clock was set back.
func (a sharedAnswer) isFresh(now time.Time) bool {
	return !now.Before(a.at) && now.Before(a.at.Add(sharedFor))
}
