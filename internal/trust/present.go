// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// errPresented ends a handshake once the certificates are known.
var errPresented = errors.New("the certificates were presented")

// Present connects to the host, at port 443 if it names none, through the proxy
// that the transport chooses for it. It returns the certificates that the host
// presents, leaf first. They are not verified, so use them for Verify only. The
// handshake is aborted before it ends, so that no byte of HTTP reaches the host.
// The transport itself is not changed. An error is an *Error.
func Present(ctx context.Context, transport *http.Transport, host string) ([]*x509.Certificate, error) {
	d := dial{host: host, presented: make(chan []*x509.Certificate, 1)}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { d.handshake.Store(true) },
	})
	target := &url.URL{Scheme: "https", Host: host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, target.String(), http.NoBody)
	if err != nil {
		return nil, d.failure(err)
	}
	if transport.Proxy != nil {
		if d.proxy, err = transport.Proxy(req); err != nil {
			// The cause would show the URL of the proxy, and the password in it.
			return nil, d.failure(ours("the URL of the proxy cannot be parsed"))
		}
	}
	resp, err := d.transport(transport).RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
		err = ours("the handshake did not take place")
	}
	select {
	case certs := <-d.presented:
		return certs, nil
	default:
		return nil, d.failure(err)
	}
}

// dial is one connection to a host.
type dial struct {
	host      string
	proxy     *url.URL
	presented chan []*x509.Certificate
	// handshake is set when the TLS handshake with the host begins.
	handshake atomic.Bool
}

// transport returns a copy of a transport that captures the certificates of the host.
func (d *dial) transport(base *http.Transport) *http.Transport {
	t := base.Clone()
	t.DisableKeepAlives = true
	t.Proxy = http.ProxyURL(d.proxy)
	t.OnProxyConnectResponse = text.RefusedByProxy
	t.DialTLS = nil //nolint:staticcheck // A dialer that the caller set would do its own handshake.
	t.DialTLSContext = nil
	if d.proxy != nil && d.proxy.Scheme == "https" {
		t.DialTLSContext = DialProxy(base)
	}
	t.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // The certificates are asked for here, and verified by Verify.
		VerifyConnection: func(state tls.ConnectionState) error {
			d.presented <- state.PeerCertificates
			return errPresented
		},
	}
	return t
}

// DialProxy returns a function for the field DialTLSContext of a transport that uses a proxy over TLS for every request. It verifies
// the proxy by the roots of base, because the proxy gets its credentials. The roots for the host behind it may differ.
func DialProxy(base *http.Transport) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		connect := base.DialContext
		if connect == nil {
			connect = new(net.Dialer).DialContext
		}
		raw, err := connect(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if base.TLSClientConfig != nil {
			config = base.TLSClientConfig.Clone()
		}
		config.NextProtos = nil
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			_ = raw.Close()
			return nil, err
		}
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		// Wrapped, so that net/http does not take this handshake for the one with the host.
		return struct{ net.Conn }{conn}, nil
	}
}

// failure returns the error of a failed connection, by how far it came.
func (d *dial) failure(err error) *Error {
	fail := func(kind Kind, advice, format string, args ...any) *Error {
		return &Error{Kind: kind, Host: d.host, Err: err, Advice: advice, text: fmt.Sprintf(format, args...)}
	}
	var unknown *net.DNSError
	switch {
	case d.proxy != nil && !d.handshake.Load():
		return fail(Unreachable, "", "cannot connect to %s through proxy %s (%s): check the cluster proxy and its noProxy",
			d.host, d.proxy.Host, said(err))
	case errors.As(err, &unknown):
		return fail(Unresolvable, "check its DNS record", "cannot resolve %s (%s)",
			d.host, text.Foreign(unknown.Err))
	case d.handshake.Load() && !cutOff(err):
		return fail(NotTLS, "", "no TLS with %s (%s): check what answers on its port %s", d.host, text.Foreign(err.Error()), portOf(d.host))
	default:
		return fail(Unreachable, "check the way to it, network policies and the proxy", "cannot connect to %s (%s)",
			d.host, said(withoutAddresses(err)))
	}
}

// ours is an error with a text of this package.
type ours string

func (o ours) Error() string { return string(o) }

// said is the text of an error without any text of the peer or of a proxy.
func said(err error) string {
	var found ours
	if errors.As(err, &found) {
		return found.Error()
	}
	return text.Connection(err)
}

// withoutAddresses is the error without the addresses of the connection. The local port differs each time, and the message of a
// lasting failure has to stay the same.
func withoutAddresses(err error) error {
	var failed *net.OpError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", failed.Op, failed.Err)
	}
	return err
}

// cutOff reports whether the connection broke or timed out. Otherwise the peer
// answered something wrong.
func cutOff(err error) bool {
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout() ||
		errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ECONNRESET)
}
