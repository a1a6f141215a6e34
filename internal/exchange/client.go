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
	// maxBody is how many bytes of an answer are read, and maxList of one that lists services: 1,000 for each owner, some of
	// which carry an archive of Kubernetes manifests.
	maxBody = 1 << 20
	maxList = 256 << 20
	// requestTimeout bounds one call, unless the options do: the Exchange gives up on its own after 45 seconds.
	requestTimeout = time.Minute
)

// Options of a client.
type Options struct {
	// Roots are the certificates that are trusted; nil for those of the machine.
	Roots *x509.CertPool
	// Proxy finds the proxy for a request; nil for what HTTPS_PROXY and NO_PROXY say.
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext makes connections; nil for the ordinary way.
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
	// slots has room for each request that may run at a time.
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

// answer is a response of which everything is read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// saying is the body of answers that are no resource.
type saying struct {
	Code string `json:"code"`
	Msg  string `json:"msg"`
}

func (a answer) said() saying {
	var s saying
	if json.Unmarshal(a.body, &s) != nil {
		return saying{}
	}
	return s
}

var errTooLarge = errors.New("its answer is too large")

// do sends one request and reads its answer whole.
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

// send sends one request, below the address of the API, and has its answer read.
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

// errMalformed is said of an answer that cannot be read, in the place of a cause that could quote it.
var errMalformed = errors.New("its answer is malformed")

func isMalformed(err error) bool { return errors.Is(err, errMalformed) || errors.Is(err, errTooLarge) }

// servicePath is the address of a service, org/id, below that of the API.
func servicePath(id string) string {
	org, name, _ := strings.Cut(id, "/")
	return "/orgs/" + url.PathEscape(org) + "/services/" + url.PathEscape(name)
}

// decode reads an answer into a value; its error quotes nothing of it.
func decode(body []byte, into any) error {
	if json.Unmarshal(body, into) != nil {
		return errMalformed
	}
	return nil
}

// token wraps a login that the Exchange holds. From now on it is taken out of whatever is said.
func token(text string) credential.Token { return credential.NewToken(text) }
