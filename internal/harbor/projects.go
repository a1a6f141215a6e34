// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"net/http"
	"net/url"

	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

// Project is a project of Harbor.
type Project struct {
	// ID is the number by which its robots are listed.
	ID   int64  `json:"project_id"`
	Name string `json:"name"`
}

// Project finds a project by its name.
func (c *Client) Project(ctx context.Context, name string) (Project, error) {
	r := request{
		op: "find project " + name, method: http.MethodGet, path: "/projects/" + url.PathEscape(name), permission: "project:read", host: c.host,
		// Without this header Harbor takes a name of digits alone for an id.
		header: http.Header{"X-Is-Resource-Name": {"true"}},
	}
	var found Project
	if _, err := c.do(ctx, r, &found); err != nil {
		return Project{}, err
	}
	if found.ID <= 0 || found.Name != name {
		return Project{}, r.fail(Unexpected, http.StatusOK, remote.Malformed)
	}
	return found, nil
}
