// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/json"
	"net/url"
)

const (
	// pageSize is how many entries a page has: the most that IAM allows.
	pageSize = "100"
	// maxPages bounds a list: no account may have that many objects of the kinds listed here.
	maxPages = 100
)

// pages reads all pages of a list. It calls take with each, which returns the query parameter for the next page, or an empty value at
// the end. Every page is requested from the same host.
func (c *Client) pages(ctx context.Context, r request, take func(answer) (name, value string, ok bool)) error {
	for range maxPages {
		a, err := c.do(ctx, r)
		if err != nil {
			return err
		}
		name, value, ok := take(a)
		if !ok {
			return r.fail(Unexpected, a.status, malformed)
		}
		if value == "" {
			return nil
		}
		r.query.Set(name, value)
	}
	return r.fail(Unexpected, 0, tooLong)
}

// parameterOf returns a query parameter of the URL of the next page, and false if the URL does not have it.
func parameterOf(next, name string) (value string, ok bool) {
	u, err := url.Parse(next)
	if err != nil {
		return "", false
	}
	value = u.Query().Get(name)
	return value, value != ""
}

// items decodes a JSON list. An absent list is an error; null is an empty list, as for IBM's own clients.
func items[T any](list json.RawMessage) ([]T, bool) {
	if len(list) == 0 {
		return nil, false
	}
	var found []T
	return found, json.Unmarshal(list, &found) == nil
}
