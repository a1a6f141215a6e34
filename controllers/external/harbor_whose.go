// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Whose implements pass.Issuer. A robot is recognised by its name, even one that was deleted.
func (s *harborSession) Whose(_ context.Context, user string, _ credential.Token) (exchange.Owner, error) {
	role, generation, named := s.parseRobotName(user)
	if !named {
		return exchange.Nobody, nil
	}
	issued := s.recorded(role, generation)
	if issued != nil && !s.Now.Before(issued.ExpiresAt.Time) {
		return exchange.Dead, nil
	}
	return pass.OwnerOf(role), nil
}
