// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const (
	// maxBody is how many bytes of an answer are read: some 80 for each node that runs a service. maxList is the same for a list of
	// services: there can be 1,000 for each owner, and some hold an archive of Kubernetes manifests.
	maxBody = 8 << 20
	maxList = 256 << 20
	// requestTimeout bounds one call, unless the options do. The Exchange itself gives up after 45 seconds.
	requestTimeout = time.Minute
)

// Options of a client.
type Options struct {
	// Roots are the certificates that are trusted; nil for those of the machine.
	Roots *x509.CertPool
	// Proxy finds the proxy for a request; nil for HTTPS_PROXY and NO_PROXY.
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext makes connections; nil for the default of net/http.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Timeout bounds one call; a minute when zero.
	Timeout time.Duration
}

// Client is a client of one Exchange for one user, over verified TLS only. It follows no redirect: that counts as an answer. Safe
// for concurrent use.
type Client struct {
	login     Login
	host      string
	timeout   time.Duration
	transport *http.Transport
	// slots limits how many requests run at a time.
	slots chan struct{}

	mu   sync.Mutex
	self string
}

func newClient(login Login, o Options, slots chan struct{}) *Client {
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	host := strings.TrimPrefix(login.Base, "https://")
	host, _, _ = strings.Cut(host, "/")
	return &Client{
		login: login, host: host, slots: slots, timeout: cmp.Or(o.Timeout, requestTimeout),
		transport: &http.Transport{
			Proxy:                  o.Proxy,
			OnProxyConnectResponse: text.RefusedByProxy,
			DialContext:            o.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		},
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// errorBody is the body of an answer that is no resource.
type errorBody struct {
	Code string `json:"code"`
	Msg  string `json:"msg"`
}

func (a answer) errorBody() errorBody {
	var b errorBody
	if json.Unmarshal(a.body, &b) != nil {
		return errorBody{}
	}
	return b
}

var errTooLarge = errors.New("its answer is too large")

// do sends one request and reads the whole answer.
func (c *Client) do(ctx context.Context, op, method, path string, body any) (answer, error) {
	var a answer
	err := c.send(ctx, op, method, path, body, func(resp *http.Response) error {
		read, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		if err != nil {
			return err
		}
		if len(read) > maxBody {
			return errTooLarge
		}
		a = answer{resp.StatusCode, resp.Header, read}
		return nil
	})
	return a, err
}

// send sends one request to a path of the API and calls read with the response.
func (c *Client) send(ctx context.Context, op, method, path string, body any, read func(*http.Response) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return c.failTransport(ctx, op, ctx.Err())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %s", c.timeout))
	defer cancel()
	payload := io.Reader(http.NoBody)
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return c.fail(Invalid, op, 0, errors.New("the request cannot be encoded"))
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.login.Base+path, payload)
	if err != nil {
		return c.fail(Unexpected, op, 0, errors.New("the address is malformed"))
	}
	req.SetBasicAuth(c.login.User, c.login.Password.Reveal())
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return c.failTransport(ctx, op, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch err := read(resp); {
	case err == nil:
		return nil
	case isMalformed(err):
		return c.fail(Unexpected, op, resp.StatusCode, err)
	default:
		return c.failTransport(ctx, op, err)
	}
}

// errMalformed stands for a parse error, which could quote the answer.
var errMalformed = errors.New("its answer is malformed")

func isMalformed(err error) bool { return errors.Is(err, errMalformed) || errors.Is(err, errTooLarge) }

// servicePath is the path of a service, org/id, in the API.
func servicePath(id string) string {
	org, name, _ := strings.Cut(id, "/")
	return "/orgs/" + url.PathEscape(org) + "/services/" + url.PathEscape(name)
}

// decode decodes a body into a value. Its error quotes nothing of the body.
func decode(body []byte, into any) error {
	if json.Unmarshal(body, into) != nil {
		return errMalformed
	}
	return nil
}

// token wraps the password of an entry. From now on it is redacted.
func token(text string) credential.Token { return credential.NewToken(text) }
