// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// asksPerMinute is how often in a minute IBM Cloud is asked about keys in an Exchange, for one EdgeRegistry.
const asksPerMinute = 20

// verdicts are the owners of keys in an Exchange that are not on record, as IBM Cloud reported them, by the digests of the keys.
// Several goroutines of a pass use them.
type verdicts struct {
	mu      sync.Mutex
	known   map[string]exchange.Owner
	askedAt []time.Time
}

// unanswered are the failures that say nothing about the key in question.
var unanswered = []ibmcloud.Kind{ibmcloud.Busy, ibmcloud.Unavailable, ibmcloud.KeyRefused, ibmcloud.Unauthorized, ibmcloud.Untrusted}

var errAskedTooOften = errors.New("whose a login is was asked too often in a minute: it is asked again later")

// Whose implements pass.Issuer. All keys have the same user name, so the key itself decides: by the record, otherwise by asking IBM
// Cloud. Without a clear answer it is somebody else's.
func (s *session) Whose(ctx context.Context, name string, key credential.Token) (exchange.Owner, error) {
	if name != user || key.IsZero() {
		return exchange.Nobody, nil
	}
	for _, l := range s.Logins() {
		if l.Credential.Token.Equal(key) {
			return pass.OwnerOf(l.Role), nil
		}
		if issued := s.issuedAs(l.Role, key); issued != nil {
			if !issued.DisabledAt.IsZero() || !issued.EndedAt.IsZero() || (!issued.Until.IsZero() && !s.Now.Before(issued.Until.Time)) {
				return exchange.Dead, nil
			}
			return pass.OwnerOf(l.Role), nil
		}
	}
	return s.askWhose(ctx, digestOf(key), key)
}

func (s *session) askWhose(ctx context.Context, digest string, key credential.Token) (exchange.Owner, error) {
	v := &s.remembered().whose
	v.mu.Lock()
	defer v.mu.Unlock()
	if owner, known := v.known[digest]; known {
		return owner, nil
	}
	if s.client == nil && s.clientErr == nil {
		// An EdgeRegistry that is being deleted has no steps that connect.
		if _, err := s.connect(ctx); err != nil {
			s.client, s.clientErr = nil, err
		}
	}
	if s.client == nil {
		return exchange.Nobody, s.clientErr
	}
	for len(v.askedAt) > 0 && s.Now.Sub(v.askedAt[0]).Abs() >= time.Minute {
		v.askedAt = v.askedAt[1:]
	}
	if len(v.askedAt) >= asksPerMinute {
		return exchange.Nobody, errAskedTooOften
	}
	v.askedAt = append(v.askedAt, s.Now)
	found, err := s.client.DescribeKey(ctx, key)
	if slices.Contains(unanswered, ibmcloud.KindOf(err)) {
		return exchange.Nobody, s.explain(err, needsServiceIDs)
	}
	owner := exchange.Nobody
	if err == nil {
		owner = s.ownerOfKey(found)
	}
	if v.known == nil || len(v.known) > 1000 {
		v.known = map[string]exchange.Owner{}
	}
	v.known[digest] = owner
	return owner, nil
}

// ownerOfKey is the owner of a key that is not on record. For a service ID that the spec names, only keys with our mark are ours.
func (s *session) ownerOfKey(key ibmcloud.Key) exchange.Owner {
	for _, l := range s.Logins() {
		identity := s.Record.Identity(l.Role)
		switch {
		case identity.Subject == "" || key.IAMID != identity.Subject, identity.Given && !s.isOurs(key, l.Role):
			continue
		case key.Disabled:
			return exchange.Dead
		}
		return pass.OwnerOf(l.Role)
	}
	return exchange.Nobody
}

// digestOf identifies a key in verdicts without keeping it.
func digestOf(key credential.Token) string {
	sum := sha256.Sum256([]byte(key.Reveal()))
	return hex.EncodeToString(sum[:])
}
