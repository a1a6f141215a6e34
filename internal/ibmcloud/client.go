// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

// Config of a client.
type Config struct {
	// HTTP sends the requests. Its transport decides whom to trust, and knows the proxy. The client uses a copy that follows no
	// redirects. Nil means the default of net/http.
	HTTP      *http.Client
	Endpoints Endpoints
	// Key is the API key in whose name everything is done.
	Key credential.Token
	// Clock is for the renewal of tokens; nil for the real time.
	Clock clock.PassiveClock
	// Tokens is shared by the clients of one process; nil for a cache of this client's own.
	Tokens *Tokens
}

// Client is a client of IBM Cloud for one API key, over TLS only. Safe for concurrent use.
type Client struct {
	http      http.Client
	endpoints Endpoints
	key       credential.Token
	clock     clock.PassiveClock
	tokens    *Tokens

	// timeout is remote.Timeout, and pause is sleep, except in tests.
	timeout time.Duration
	pause   func(context.Context, time.Duration) error
}

// New returns a client. It sends nothing.
func New(c Config) *Client {
	client := &Client{
		endpoints: c.Endpoints, key: c.Key, clock: c.Clock, tokens: c.Tokens, timeout: remote.Timeout, pause: sleep,
	}
	if c.HTTP != nil {
		client.http = *c.HTTP
	}
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.http.Jar = nil
	if client.clock == nil {
		client.clock = clock.RealClock{}
	}
	if client.tokens == nil {
		client.tokens = &Tokens{}
	}
	return client
}

// request is one call.
type request struct {
	// op is what is being done, in words that follow "the attempt to".
	op     string
	method string
	// base is one of the endpoints, and path what comes after it.
	base, path string
	query      url.Values
	header     http.Header
	// body is sent as JSON; a []byte is sent as it is, as a form.
	body any
	// creates: the request makes something, and would make it twice if it were sent again.
	creates bool
	// anonymous: the request carries no IAM token.
	anonymous bool
	// ids are the ids in the request. They are checked before it is sent: with an empty id it would be about something else, such as
	// all keys.
	ids []string
}

// idForm is the form of every id of IBM Cloud, and of the names of namespaces.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// at sets the path, and replaces each %s in it by an id.
func (r request) at(path string, ids ...string) request {
	r.path = path
	for _, id := range ids {
		r.path = strings.Replace(r.path, "%s", id, 1)
	}
	return r.about(ids...)
}

// about adds ids that the request holds elsewhere.
func (r request) about(ids ...string) request {
	r.ids = append(slices.Clone(r.ids), ids...)
	return r
}

// host is where a request goes, for messages.
func (r request) host() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(r.base, "https://"), "/")
	return host
}

// do sends a request with an IAM token, and returns a successful answer. If a token from the cache is refused, it gets another and
// sends the request once more. That is safe for every request, because a refused one has done nothing.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	token, cached, failure := c.token(ctx)
	if failure != nil {
		return answer{}, failure
	}
	a, failure := c.retried(ctx, r.with(token))
	if failure == nil {
		return a, nil
	}
	if failure.Kind != Unauthorized {
		return a, failure
	}
	c.tokens.drop(c.place(), token)
	if !cached {
		return a, failure
	}
	token, _, refused := c.token(ctx)
	if refused != nil {
		return a, refused
	}
	if a, failure = c.retried(ctx, r.with(token)); failure != nil {
		return a, failure
	}
	return a, nil
}

// with returns the request with a token.
func (r request) with(token credential.Token) request {
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("Authorization", "Bearer "+token.Reveal())
	return r
}

// read sends a request and decodes the answer.
func (c *Client) read(ctx context.Context, r request, into any) error {
	a, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	if !a.decode(into) {
		return r.fail(Unexpected, a.status, malformed)
	}
	return nil
}

// once sends a request once. It returns the answer, if there is one, with a failure too.
func (c *Client) once(ctx context.Context, r request) (answer, *Error) {
	for _, id := range r.ids {
		if !idForm.MatchString(id) {
			return answer{}, r.fail(Unexpected, 0, noID)
		}
	}
	req, failure := r.build(ctx)
	if failure != nil {
		return answer{}, failure
	}
	got, unread := remote.Send(&c.http, req, c.timeout)
	a := answer{got.Status, got.Header, got.Body}
	switch {
	case unread != nil:
		return a, r.unanswered(unread)
	case !got.Succeeded():
		return a, r.unwanted(a)
	}
	return a, nil
}

// build makes the request of net/http.
func (r request) build(ctx context.Context) (*http.Request, *Error) {
	if !strings.HasPrefix(r.base, "https://") {
		return nil, r.fail(Unexpected, 0, "its address is not https")
	}
	payload, kind := []byte(nil), "application/json"
	switch body := r.body.(type) {
	case nil:
		kind = ""
	case []byte:
		payload, kind = body, "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, r.fail(Unexpected, 0, "the request cannot be encoded")
		}
		payload = encoded
	}
	address := r.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(payload))
	if err != nil {
		return nil, r.fail(Unexpected, 0, "its address is malformed")
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}
