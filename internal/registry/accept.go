// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Answers asks whether the registry is there, without a token. An error is an *Error.
func (c *Client) Answers(ctx context.Context) error {
	if !c.dialect.AnyRepository {
		_, err := c.findWay(ctx, "")
		return err
	}
	_, err := c.challenge(ctx)
	return err
}

// Accepts asks whether the registry takes a token, whatever the token may do. An
// error is an *Error: of kind Refused if it does not, of another if it has not said.
func (c *Client) Accepts(ctx context.Context, place, user string, token credential.Token) error {
	if token.IsZero() {
		return c.fail(Refused, opLogin, 0, errors.New("there is no token"))
	}
	if !c.dialect.AnyRepository {
		way, err := c.findWay(ctx, place)
		if err != nil {
			return err
		}
		return c.logIn(ctx, way, user, token)
	}
	realm, err := c.challenge(ctx)
	if err != nil {
		return err
	}
	_, err = c.login(ctx, realm, place+"/"+ProbeRepository, user, token)
	return err
}
