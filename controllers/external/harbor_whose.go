// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"context"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
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
	switch {
	case issued != nil && !s.Now.Before(issued.ExpiresAt.Time):
		return exchange.Dead, nil
	case role == edgev1.TokenPublisher:
		return exchange.Publisher, nil
	default:
		return exchange.Puller, nil
	}
}
