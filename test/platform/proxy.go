// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// connectProxy is an HTTP proxy that knows CONNECT alone, and dials by dial.
type connectProxy struct {
	dial     dialFunc
	listener net.Listener
	server   *http.Server

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	group  sync.WaitGroup
}

func newConnectProxy(dial dialFunc) (*connectProxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	p := &connectProxy{dial: dial, listener: listener, conns: map[net.Conn]struct{}{}}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	return p, nil
}

func (p *connectProxy) url() *url.URL {
	return &url.URL{Scheme: "http", Host: p.listener.Addr().String()}
}

func (p *connectProxy) run(ctx context.Context) {
	p.group.Go(func() { _ = p.server.Serve(p.listener) })
	<-ctx.Done()
	p.close()
	p.group.Wait()
}

// close ends the listener and every tunnel, which the server forgets once it
// has handed them over.
func (p *connectProxy) close() {
	stopServer(p.server, p.listener)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is served here", http.StatusMethodNotAllowed)
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
	p.pipe(client, upstream)
	p.pipe(upstream, client)
}

// pipe copies one direction of a tunnel and ends the tunnel with it.
func (p *connectProxy) pipe(from, to net.Conn) {
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
