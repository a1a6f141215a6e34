// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// ProxyOptions say what a proxy is like. The zero value connects, and looks at nothing.
type ProxyOptions struct {
	// Certificate has the proxy speak TLS itself; nil for plain HTTP.
	Certificate *tls.Certificate
	// Inspects has it end the TLS of the host itself, with a certificate of this CA, and begin another towards the host; nil for a
	// tunnel.
	Inspects *CA
	// Refuses is the status with which it refuses each CONNECT, in HTML; 0 for none.
	Refuses int
}

// Proxy is an HTTP proxy that knows CONNECT alone, and dials by dial.
type Proxy struct {
	ProxyOptions

	dial     dialFunc
	listener net.Listener
	server   *http.Server
	connects atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	group  sync.WaitGroup
}

// NewProxy starts a proxy that reaches what DialContext reaches. Close ends it.
func (p *Platform) NewProxy(o ProxyOptions) (*Proxy, error) {
	proxy, err := newProxy(p.DialContext, o)
	if err != nil {
		return nil, err
	}
	proxy.group.Go(proxy.serve)
	return proxy, nil
}

func newProxy(dial dialFunc, o ProxyOptions) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	p := &Proxy{ProxyOptions: o, dial: dial, listener: listener, conns: map[net.Conn]struct{}{}}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	return p, nil
}

// URL is what names the proxy.
func (p *Proxy) URL() *url.URL {
	u := &url.URL{Scheme: "http", Host: p.Address()}
	if p.Certificate != nil {
		u.Scheme = "https"
	}
	return u
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Connects is how often it was asked to connect.
func (p *Proxy) Connects() int64 { return p.connects.Load() }

// Close ends it and every tunnel, and returns when nothing of it runs.
func (p *Proxy) Close() {
	p.close()
	p.group.Wait()
}

func (p *Proxy) run(ctx context.Context) {
	p.group.Go(p.serve)
	<-ctx.Done()
	p.Close()
}

func (p *Proxy) serve() {
	listener := p.listener
	if p.Certificate != nil {
		// In HTTP/2 no connection can be taken over.
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*p.Certificate}, NextProtos: []string{"http/1.1"},
		})
	}
	_ = p.server.Serve(listener)
}

// close ends the listener and every tunnel, which the server forgets once it
// has handed them over.
func (p *Proxy) close() {
	stopServer(p.server, p.listener)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is served here", http.StatusMethodNotAllowed)
		return
	}
	p.connects.Add(1)
	if p.Refuses != 0 {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(p.Refuses)
		_, _ = io.WriteString(w, "<html><body>The policy of the company forbids this.</body></html>")
		return
	}
	upstream, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		status := http.StatusServiceUnavailable
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			status = http.StatusBadGateway
		}
		http.Error(w, err.Error(), status)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = upstream.Close()
		return
	}
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = client.Close()
		_ = upstream.Close()
		return
	}
	if p.Inspects != nil {
		client, upstream = p.inspect(client, upstream, r.URL.Hostname())
	}
	p.pipe(client, upstream)
	p.pipe(upstream, client)
}

// inspect puts two connections of TLS in the place of the one that a client begins with the host.
func (p *Proxy) inspect(client, upstream net.Conn, host string) (towardsClient, towardsHost net.Conn) {
	leaf := p.Inspects.Leaf(host)
	towardsClient = tls.Server(client, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{WithRoot(leaf, p.Inspects)}, NextProtos: []string{"http/1.1"},
	})
	towardsHost = tls.Client(upstream, &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, // What the proxy trusts is of no interest here.
	})
	return towardsClient, towardsHost
}

// pipe copies one direction of a tunnel and ends the tunnel with it.
func (p *Proxy) pipe(from, to net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = from.Close()
		return
	}
	p.conns[from] = struct{}{}
	p.group.Go(func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	})
}
