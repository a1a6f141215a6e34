// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/json"
	"net/url"
)

const (
	// pageSize is how many entries of a list are asked for at a time: the most that IAM gives.
	pageSize = "100"
	// maxPages bounds a list: no account may have so many of anything that is listed here.
	maxPages = 100
)

// pages reads a list to its end. What the pages hold goes to take, which tells where the next one is: the name and the value of
// a parameter, or an empty value at the end. A page is asked for at the same host always.
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

// parameterOf is a parameter of the address of a next page; false where the address does not have it.
func parameterOf(next, name string) (value string, ok bool) {
	u, err := url.Parse(next)
	if err != nil {
		return "", false
	}
	value = u.Query().Get(name)
	return value, value != ""
}

// items reads a list in JSON. One that is absent is not an empty one; null is, as IBM's own clients have it.
func items[T any](list json.RawMessage) ([]T, bool) {
	if len(list) == 0 {
		return nil, false
	}
	var found []T
	return found, json.Unmarshal(list, &found) == nil
}
