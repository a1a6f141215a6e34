// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

// Config of a client.
type Config struct {
	// Host is Harbor's, with a port where it is not 443.
	Host string
	// Transport sends the requests: it decides whom to trust, and knows the proxy.
	Transport http.RoundTripper
	// User and Password are the account in whose name everything is done.
	User     string
	Password credential.Token
}

// Client is a client of Harbor for one account, over TLS only. Safe for concurrent use.
type Client struct {
	http     http.Client
	host     string
	user     string
	password credential.Token
	// timeout is remote.Timeout, except in tests.
	timeout time.Duration
}

// New returns a client. It sends nothing.
func New(c Config) *Client {
	return &Client{
		http: http.Client{
			Transport: c.Transport,
			// A login is never sent to where a redirect points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		host: c.Host, user: c.User, password: c.Password, timeout: remote.Timeout,
	}
}

// request is one call.
type request struct {
	// op is what is being done, in words that follow "the attempt to".
	op     string
	method string
	// path is what comes after /api/v2.0, escaped.
	path   string
	query  url.Values
	header http.Header
	// body is sent as JSON; nil for none.
	body any
	// permission is what Harbor calls the right that the request needs, such as robot:create.
	permission string
	host       string
	// place is a path outside of the API that is used instead; empty for none. Then the login is user and secret.
	place, user string
	secret      *credential.Token
}

// do sends a request and decodes the answer into a value; nil to ignore the answer.
func (c *Client) do(ctx context.Context, r request, into any) (http.Header, error) {
	r.host = c.host
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	answer, failure := remote.Send(&c.http, req, c.timeout)
	switch {
	case failure != nil:
		return nil, r.unanswered(failure)
	case !answer.Succeeded():
		return nil, r.unwanted(answer.Status, answer.Body)
	case into != nil && json.Unmarshal(answer.Body, into) != nil:
		return nil, r.fail(Unexpected, answer.Status, remote.Malformed)
	}
	return answer.Header, nil
}

// build makes the request of net/http.
func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	var payload []byte
	if r.body != nil {
		var err error
		if payload, err = json.Marshal(r.body); err != nil {
			return nil, r.fail(Unexpected, 0, "the request cannot be encoded")
		}
	}
	address := "https://" + c.host + "/api/v2.0" + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	if r.place != "" {
		address = "https://" + c.host + r.place
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(payload))
	if err != nil {
		return nil, r.fail(Unexpected, 0, "its address is malformed")
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.secret != nil {
		req.SetBasicAuth(r.user, r.secret.Reveal())
		return req, nil
	}
	req.SetBasicAuth(c.user, c.password.Reveal())
	return req, nil
}
