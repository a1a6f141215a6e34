// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// startHost serves TLS with the given chain, and fails the test if a request
// gets through.
func startHost(t *testing.T, chain ...authority) string {
	t.Helper()
	return startTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the host received a request")
	}), chain...)
}

func startTLS(t *testing.T, handler http.Handler, chain ...authority) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	certificate := tls.Certificate{PrivateKey: chain[0].key}
	for _, a := range chain {
		certificate.Certificate = append(certificate.Certificate, a.Raw)
	}
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return nil, errors.New("no server name")
		}
		return &certificate, nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// dialer resolves addresses by a table; others are unknown, as to a resolver.
func dialer(table map[string]string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		target, ok := table[addr]
		if !ok {
			name, _, _ := net.SplitHostPort(addr)
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		return new(net.Dialer).DialContext(ctx, network, target)
	}
}

// proxy connects to what its dialer resolves. It counts the requests, and when
// refuse is set it answers with that.
type proxy struct {
	dial   func(context.Context, string, string) (net.Conn, error)
	refuse int
	seen   atomic.Int32
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.seen.Add(1)
	if p.refuse != 0 {
		w.WriteHeader(p.refuse)
		return
	}
	up, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = up.Close()
		return
	}
	_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	// The server may have read some of what follows the request.
	go func() { _, _ = io.Copy(up, buffered); _ = up.Close() }()
	_, _ = io.Copy(down, up)
	_ = down.Close()
}

func TestPresent(t *testing.T) {
	root := newRoot(t, "root")
	leaf := root.leaf(t)
	address := startHost(t, leaf, root)
	proxyRoot := newRoot(t, "proxy root")
	proxyLeaf := proxyRoot.leaf(t)

	plain := httptest.NewServer(&proxy{dial: dialer(map[string]string{host + ":443": address})})
	t.Cleanup(plain.Close)
	secure := startTLS(t, &proxy{dial: dialer(map[string]string{host + ":443": address})}, proxyLeaf)

	for _, tt := range []struct {
		name      string
		transport *http.Transport
	}{
		{"directly", &http.Transport{DialContext: dialer(map[string]string{host + ":443": address})}},
		{"past a TLS dialer and a configuration of the caller", &http.Transport{
			DialContext: dialer(map[string]string{host + ":443": address}),
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("the dialer of the caller was used")
			},
			TLSClientConfig: &tls.Config{ServerName: "elsewhere.test"},
		}},
		{"through a proxy", &http.Transport{Proxy: http.ProxyURL(parse(t, plain.URL))}},
		{"through a proxy that speaks TLS", &http.Transport{
			Proxy:           http.ProxyURL(parse(t, "https://proxy.apps.edge.test:3129")),
			DialContext:     dialer(map[string]string{"proxy.apps.edge.test:3129": secure}),
			TLSClientConfig: &tls.Config{RootCAs: newPool(certs(proxyRoot))},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			presented, err := Present(t.Context(), tt.transport, host)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(presented).To(HaveLen(2))
			g.Expect(presented[0].Equal(leaf.Certificate)).To(BeTrue())
			g.Expect(presented[1].Equal(root.Certificate)).To(BeTrue())
			config := tt.transport.TLSClientConfig
			g.Expect(config == nil || !config.InsecureSkipVerify).To(BeTrue(), "the transport still verifies")

			_, err = Verify(host, presented, []Candidate{fromIngress(leaf, root)}, now)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func TestPresentFails(t *testing.T) {
	leaf := newRoot(t, "root").leaf(t)
	notTLS := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notTLS.Close)
	refusing := httptest.NewServer(&proxy{refuse: http.StatusForbidden})
	t.Cleanup(refusing.Close)
	lost := httptest.NewServer(&proxy{dial: dialer(nil)})
	t.Cleanup(lost.Close)
	impostor := new(proxy)
	impostorAddress := startTLS(t, impostor, leaf)
	alerting := startAlerting(t)

	for _, tt := range []struct {
		name      string
		transport *http.Transport
		kind      Kind
		text      string
	}{
		{"a name that does not resolve", &http.Transport{DialContext: dialer(nil)}, Unresolvable, "check its DNS record"},
		{"a refused connection", &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}}, Unreachable, "connection refused"},
		{"a host that does not speak TLS", &http.Transport{
			DialContext: dialer(map[string]string{host + ":443": notTLS.Listener.Addr().String()}),
		}, NotTLS, "does not look like a TLS handshake"},
		{"a host that refuses the handshake", &http.Transport{
			DialContext: dialer(map[string]string{host + ":443": alerting}),
		}, NotTLS, "remote error: tls"},
		{"a proxy that refuses", &http.Transport{Proxy: http.ProxyURL(parse(t, refusing.URL))},
			Unreachable, "the proxy answered 403 Forbidden"},
		{"a proxy that does not find the host", &http.Transport{Proxy: http.ProxyURL(parse(t, lost.URL))},
			Unreachable, "the proxy answered 502 Bad Gateway"},
		{"a proxy whose name does not resolve", &http.Transport{
			Proxy: http.ProxyURL(parse(t, "http://user:secret@proxy.test:3128")), DialContext: dialer(nil),
		}, Unreachable, "through proxy proxy.test:3128"},
		{"a proxy with a certificate that is not trusted", &http.Transport{
			Proxy:       http.ProxyURL(parse(t, "https://user:secret@proxy.apps.edge.test:3129")),
			DialContext: dialer(map[string]string{"proxy.apps.edge.test:3129": impostorAddress}),
		}, Unreachable, "unknown authority"},
		{"a proxy of another CA than the transport trusts", &http.Transport{
			Proxy:           http.ProxyURL(parse(t, "https://user:secret@proxy.apps.edge.test:3129")),
			DialContext:     dialer(map[string]string{"proxy.apps.edge.test:3129": impostorAddress}),
			TLSClientConfig: &tls.Config{RootCAs: newPool(certs(newRoot(t, "other")))},
		}, Unreachable, "unknown authority"},
		{"a proxy that is something else", &http.Transport{Proxy: http.ProxyURL(parse(t, "http://"+startTelling(t, "220 call 555 and say secret")))},
			Unreachable, "no valid answer in HTTP"},
		{"a proxy that refuses in its own words", &http.Transport{Proxy: http.ProxyURL(parse(t, "http://"+startTelling(t, "HTTP/1.1 407 say secret")))},
			Unreachable, "the proxy answered 407 Proxy Authentication Required"},
		{"a proxy whose URL is malformed", &http.Transport{
			Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("invalid proxy http://user:secret@") },
		}, Unreachable, "cannot be parsed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			presented, err := Present(t.Context(), tt.transport, host)
			g := NewWithT(t)
			g.Expect(presented).To(BeNil())
			expectError(t, err, tt.kind, tt.text)
			g.Expect(err.Error()).NotTo(ContainSubstring("secret"))
		})
	}
	NewWithT(t).Expect(impostor.seen.Load()).To(BeZero(), "a proxy that is not trusted learns nothing")
}

// startTelling answers each connection with a line.
func startTelling(t *testing.T, line string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1024))
			_, _ = conn.Write([]byte(line + "\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// startAlerting serves a TLS that no handshake succeeds with.
func startAlerting(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS12}).Handshake()
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestPresentEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	accepted := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := silent.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = conn.Read(make([]byte, 1))
		cancel()
		close(accepted)
	}()
	transport := &http.Transport{DialContext: dialer(map[string]string{host + ":443": silent.Addr().String()})}
	_, err = Present(ctx, transport, host)
	<-accepted
	expectError(t, err, Unreachable, "context canceled")
	NewWithT(t).Expect(errors.Is(err, context.Canceled)).To(BeTrue())
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}
