// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Self returns the user, org/user, that owns the services which the login publishes. If the login is a key, it asks the Exchange for
// the key's user, once for each client.
func (c *Client) Self(ctx context.Context) (string, error) {
	org, name, _ := strings.Cut(c.login.User, "/")
	if name != "apikey" && name != "iamapikey" {
		return c.login.User, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.self != "" {
		return c.self, nil
	}
	op := "find the user of the key"
	a, err := c.do(ctx, op, http.MethodGet, "/orgs/"+url.PathEscape(org)+"/users/"+name, nil)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", c.unwanted(op, a)
	}
	var got struct {
		Users map[string]struct{} `json:"users"`
	}
	if err := decode(a.body, &got); err != nil {
		return "", c.fail(Unexpected, op, a.status, err)
	}
	for id := range got.Users {
		if len(got.Users) == 1 && strings.HasPrefix(id, org+"/") && id != c.login.User {
			c.self = id
			return id, nil
		}
	}
	return "", c.fail(Unexpected, op, a.status, errors.New("its answer names no single user of the organisation"))
}

// Version returns the version of the Exchange, such as 2.154.0. It needs no login, but sends it.
func (c *Client) Version(ctx context.Context) (string, error) {
	op := "ask for the version"
	a, err := c.do(ctx, op, http.MethodGet, "/admin/version", nil)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", c.unwanted(op, a)
	}
	version := strings.TrimSpace(string(a.body))
	if version == "" || len(version) > 32 || strings.Trim(version, "0123456789.") != "" {
		return "", c.fail(Unexpected, op, a.status, errMalformed)
	}
	return version, nil
}
