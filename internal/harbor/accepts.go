// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"net/http"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Accepts asks Harbor's token endpoint whether a login works. Without a scope it refuses one that does not work; with a scope it
// would answer with a useless token.
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
