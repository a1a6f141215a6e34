// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Whose implements pass.Issuer: a supplied login is recognised by its user, earlier ones by the record. Some registries
// give one user tokens of different rights. Then the current token tells, and an earlier one is taken for the puller's, which is
// what the operator brings to an Exchange.
func (s *session) Whose(_ context.Context, user string, token credential.Token) (exchange.Owner, error) {
	owner := exchange.Nobody
	for _, l := range s.Logins() {
		if user != l.User && !s.wasUser(l.Role, user) {
			continue
		}
		owner = exchange.Puller
		if l.Role == edgev1.TokenPublisher {
			owner = exchange.Publisher
		}
		if l.Credential.Token.Equal(token) {
			break
		}
	}
	return owner, nil
}

// wasUser reports whether a login had a user before.
func (s *session) wasUser(role edgev1.TokenRole, user string) bool {
	for _, issued := range s.Record.Issued {
		if issued.Role == role && issued.User == user && user != "" {
			return true
		}
	}
	return false
}
