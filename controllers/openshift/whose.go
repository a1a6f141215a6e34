// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"sync"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Whose implements pass.Issuer. The claims of a token say whose it is, under any user name. Its signature proves that a cluster with
// these keys issued it, even after it expired. The record proves that the operator had it issued. A token for our accounts that is
// not on record comes from a clone of this cluster, or from before a restore. Unless it has expired, it may be in use.
func (s *session) Whose(ctx context.Context, _ string, token credential.Token) (exchange.Owner, error) {
	claims, err := credential.ReadClaims(token)
	if err != nil {
		return exchange.Nobody, nil //nolint:nilerr // A password that is no token is somebody else's login.
	}
	for _, l := range s.logins() {
		if !s.speaksFor(claims, l) {
			continue
		}
		signed, err := s.isSigned(ctx, token)
		if err != nil || !signed {
			return exchange.Nobody, err
		}
		return s.ownerOf(l, claims), nil
	}
	return exchange.Nobody, nil
}

// ownerOf classifies a token that was issued for a login.
func (s *session) ownerOf(l *login, claims credential.Claims) exchange.Owner {
	switch issued := s.issuedAs(l, claims); {
	case claims.Expires() && !s.Now.Before(claims.Expiry):
		return exchange.Dead
	case issued == nil:
		return exchange.Contested
	case l.Role == edgev1.TokenPublisher:
		return exchange.Publisher
	default:
		return exchange.Puller
	}
}

// issuedAs finds a token on record. A token that does not expire lacks the UID of its Secret, but the name of the Secret holds the
// generation.
func (s *session) issuedAs(l *login, claims credential.Claims) *pass.Issued {
	if claims.SecretUID != "" {
		return s.Record.Find(string(claims.SecretUID))
	}
	for i := range s.Record.Issued {
		if issued := &s.Record.Issued[i]; issued.Role == l.Role && issued.Generation == generationIn(claims.SecretName, l.Secret) {
			return issued
		}
	}
	return nil
}

// keySet is a JSON Web Key Set that is read once. Several goroutines of a pass ask for it.
type keySet struct {
	mu   sync.Mutex
	keys []byte
}

// isSigned reports whether this cluster issued a token.
func (s *session) isSigned(ctx context.Context, token credential.Token) (bool, error) {
	known := &s.signingKeys
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.keys == nil {
		keys, err := s.SigningKeys(ctx)
		if err != nil {
			return false, fmt.Errorf("read the keys of the API server's tokens: %w", err)
		}
		known.keys = keys
	}
	return credential.SignedBy(token, known.keys)
}
