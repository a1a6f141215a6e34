// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"strings"
	"time"
)

// Delays are how long what was written takes to be seen. The documents say no more than "up to 10 minutes" for policies, and
// issues of Terraform's provider report the others (#3561, #3573, #4413, #4478 of IBM-Cloud/terraform-provider-ibm).
type Delays struct {
	// Reads is how long a new service ID, key or policy is not found, and not listed.
	Reads time.Duration
	// Keys is how long a new key is refused, and RetiredKeys how long one that was disabled or deleted is not.
	Keys, RetiredKeys time.Duration
	// Grants is how long a new policy allows nothing, and Revocations how long one that was deleted still does.
	Grants, Revocations time.Duration
	// Activity is how long an authentication is not counted.
	Activity time.Duration
	// Tombstone is how long the name of a namespace cannot be used again.
	Tombstone time.Duration
}

// DefaultDelays are those of a cloud that has a slow day.
var DefaultDelays = Delays{
	Reads: 10 * time.Second, Keys: 30 * time.Second, RetiredKeys: 10 * time.Second,
	Grants: 4 * time.Minute, Revocations: 8 * time.Minute,
	Activity: 10 * time.Minute, Tombstone: 5 * time.Minute,
}

// SetDelays replaces the delays, of what was written before too.
func (c *Cloud) SetDelays(d Delays) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delays = d
}

// passed reports whether a delay since a time is over.
func (c *Cloud) passed(since time.Time, delay time.Duration) bool {
	return !c.clock.Now().Before(since.Add(delay))
}

// stamp is a time as IAM writes it: to the minute (platform-services, iam-identity).
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04-0700") }

// parseStamp takes the two forms of expires_at that documents and IBM's own tests have, and no other.
func parseStamp(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04-0700", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", text)
}

// next is a number that was not given yet.
func (c *Cloud) next() int {
	c.last++
	return c.last
}

// newID is an id in the form of a UUID. It differs from all others of this cloud.
func (c *Cloud) newID() string {
	n := c.next()
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n)
}

// newHex is an id without dashes.
func (c *Cloud) newHex() string { return strings.ReplaceAll(c.newID(), "-", "") }
