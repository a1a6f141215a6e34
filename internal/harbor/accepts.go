// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"net/http"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Accepts asks whether Harbor takes a login, at its token endpoint. Without a scope that refuses a login that does not work;
// with one it would answer with a token that is good for nothing.
func (c *Client) Accepts(ctx context.Context, user string, secret credential.Token) (bool, error) {
	r := request{op: "try a login", method: http.MethodGet, place: "/service/token?service=harbor-registry", user: user, secret: &secret}
	_, err := c.do(ctx, r, nil)
	switch KindOf(err) {
	case Unauthorized:
		return false, nil
	default:
		return err == nil, err
	}
}
