// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// tunnels is an HTTP proxy that knows CONNECT alone.
type tunnels struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	server *httptest.Server

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	group  sync.WaitGroup
}

func newTunnels(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *tunnels {
	p := &tunnels{dial: dial}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.Start()
	return p
}

func (p *tunnels) address() string { return p.server.Listener.Addr().String() }

// close ends it with all tunnels, which the server forgets once it has handed them over.
func (p *tunnels) close() {
	p.server.Close()
	p.mu.Lock()
	p.closed = true
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.group.Wait()
}

// ServeHTTP implements http.Handler.
func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is served here", http.StatusMethodNotAllowed)
		return
	}
	upstream, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = upstream.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = client.Close()
		_ = upstream.Close()
		return
	}
	p.conns = append(p.conns, client, upstream)
	_, _ = fmt.Fprint(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	for _, way := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
		p.group.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
}
