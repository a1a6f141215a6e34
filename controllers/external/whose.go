// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Whose implements pass.Issuer. A supplied login is recognised by its user, an earlier one by the users on record. In some
// registries one user has tokens of different rights. Then a current token decides by itself, and an earlier one counts as the
// puller's, because the operator brings only those to an Exchange.
func (s *session) Whose(_ context.Context, user string, token credential.Token) (exchange.Owner, error) {
	owner := exchange.Nobody
	for _, l := range s.Logins() {
		if user != l.User && !s.wasUser(l.Role, user) {
			continue
		}
		owner = pass.OwnerOf(l.Role)
		if l.Credential.Token.Equal(token) {
			break
		}
	}
	return owner, nil
}

// wasUser reports whether a login had this user before.
func (s *session) wasUser(role edgev1.TokenRole, user string) bool {
	for _, issued := range s.Record.Issued {
		if issued.Role == role && issued.User == user && user != "" {
			return true
		}
	}
	return false
}
