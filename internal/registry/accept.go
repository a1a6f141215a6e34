// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Answers asks without a token whether the registry answers. An error is an *Error.
func (c *Client) Answers(ctx context.Context) error {
	if !c.dialect.AnyRepository {
		found, err := c.askRoot(ctx)
		if err == nil {
			_, err = c.choose(found)
		}
		return err
	}
	_, err := c.challenge(ctx)
	return err
}

// Accepts asks whether the registry accepts a token, whatever its rights. An error is an *Error: of kind Refused if it does not, of
// another kind if there is no answer.
func (c *Client) Accepts(ctx context.Context, place, user string, token credential.Token) error {
	if token.IsZero() {
		return c.fail(Refused, opLogin, 0, errors.New("there is no token"))
	}
	if !c.dialect.AnyRepository {
		err := c.accepts(ctx, place, user, token)
		if err != nil && c.mayHaveChanged(err) {
			err = c.accepts(ctx, place, user, token)
		}
		return err
	}
	realm, err := c.challenge(ctx)
	if err != nil {
		return err
	}
	_, err = c.login(ctx, realm, place+"/"+ProbeRepository, user, token)
	return err
}

// Shows asks whether a repository exists, as far as a login may see it. It takes one request, besides those for the login. An error
// is an *Error.
func (c *Client) Shows(ctx context.Context, repository, user string, token credential.Token) (bool, error) {
	w, err := c.findWay(ctx, repository)
	if err != nil || w.open {
		return false, err
	}
	t := &trial{Client: c, way: w, repository: repository, user: user, token: token}
	allowed, exists, err := t.list(ctx, true)
	return allowed && exists, err
}

func (c *Client) accepts(ctx context.Context, repository, user string, token credential.Token) error {
	w, err := c.findWay(ctx, repository)
	if err != nil {
		return err
	}
	return c.logIn(ctx, w, user, token)
}
