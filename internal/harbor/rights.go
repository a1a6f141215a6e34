// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Permissions lists what the account may do in a project, in Harbor's terms, such as robot:create. It works for people and for
// robots (GetCurrentUserPermissions in src/server/v2.0/handler/user.go). An empty list means no permissions.
func (c *Client) Permissions(ctx context.Context, in Project) ([]string, error) {
	r := request{
		op: "see what the account may do in project " + in.Name, method: http.MethodGet, path: "/users/current/permissions",
		query: url.Values{"scope": {fmt.Sprintf("/project/%d", in.ID)}, "relative": {"true"}}, host: c.host,
	}
	var granted []access
	if _, err := c.do(ctx, r, &granted); err != nil {
		return nil, err
	}
	var all []string
	for _, one := range granted {
		all = append(all, one.Resource+":"+one.Action)
	}
	return all, nil
}
