// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

const (
	// dialTimeout bounds the attempt to be shown the route's certificate.
	dialTimeout = 10 * time.Second
	// serviceTimeout bounds the same inside the cluster, where the way is short.
	serviceTimeout = 5 * time.Second
)

// describeWay goes at the end of a message. It is empty when the host itself was asked.
func describeWay(way pass.Reached) string {
	if way.Inside == "" {
		return ""
	}
	return fmt.Sprintf("; asked through %s %s, for %s does not answer from the operator's pod: %s; nodes need it",
		way.InsideName, way.Inside, way.Host, text.Of(way.Direct))
}

// present returns the certificates that the host presents. Where a host does not answer inside the
// cluster, as behind a load balancer that does not turn connections round, or one that only a proxy
// knows, a second address of it is asked, and the rest of the pass goes that way too. The
// error is that of the direct way.
func (p *run) present(ctx context.Context) ([]*x509.Certificate, error) {
	presented, direct := p.presentBy(ctx, pass.Reached{}, dialTimeout)
	var failure *trust.Error
	if p.Registry.Inside == "" || !errors.As(direct, &failure) || (failure.Kind != trust.Unresolvable && failure.Kind != trust.Unreachable) {
		return presented, direct
	}
	inside := pass.Reached{Inside: p.Registry.Inside, InsideName: p.Registry.InsideName, Host: p.Registry.Host, Direct: direct}
	presented, err := p.presentBy(ctx, inside, serviceTimeout)
	if err != nil {
		return nil, direct
	}
	p.Reached = inside
	// Nothing tells when the host answers again.
	p.Due(p.Now.Add(p.Edge.Spec.Verification.Interval.Duration))
	return presented, nil
}

func (p *run) presentBy(ctx context.Context, way pass.Reached, timeout time.Duration) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	presented, err := trust.Present(ctx, p.transport(p.proxyRoots(ctx, way), way), p.Registry.Host)
	return presented, p.withCAAdvice(err)
}

// transport connects to the registry's host, trusting the given roots.
func (r *EdgeRegistryReconciler) transport(roots *x509.CertPool, way pass.Reached) *http.Transport {
	t := &http.Transport{
		Proxy:               r.Proxy,
		DialContext:         r.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: r.Clock.Now},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if way.Inside == "" {
		return t
	}
	dial := r.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, way.Inside)
	}
	return t
}

// proxyRoots are what verifies a proxy on the way to the host, if that speaks TLS itself: the roots of the machine and what the
// cluster trusts besides. nil where there is no such proxy.
func (p *run) proxyRoots(ctx context.Context, way pass.Reached) *x509.CertPool {
	if p.Proxy == nil || way.Inside != "" {
		return nil
	}
	proxy, err := p.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: p.Registry.Host}})
	if err != nil || proxy == nil || proxy.Scheme != "https" {
		return nil
	}
	roots := p.SystemRoots.Clone()
	// Without these, the failure to connect tells enough.
	far, _ := p.session.CASources(ctx, true)
	for _, place := range far {
		for _, cert := range trust.Read(place.PEM).Certificates {
			roots.AddCert(cert)
		}
	}
	return roots
}

// ways are the transports to the registry's host, and to others that give tokens for it.
type ways struct {
	host         string
	own, foreign *http.Transport
}

// wayToRegistry trusts for the registry's host what is published for it, as a consumer does. A host that gives tokens is
// another: public CAs verify it too.
func (p *run) wayToRegistry(ctx context.Context) (*ways, error) {
	roots := p.SystemRoots
	if len(p.CA) > 0 || !p.Registry.PublicCAs {
		var err error
		if roots, err = trust.Pool(p.CA); err != nil {
			return nil, err
		}
	}
	w := &ways{host: p.Registry.Host, own: p.transport(roots, p.Reached)}
	if proxy := p.proxyRoots(ctx, p.Reached); proxy != nil {
		w.own.DialTLSContext = trust.DialProxy(p.transport(proxy, p.Reached))
	}
	if !p.Registry.Dialect.AnyRepository {
		every := p.SystemRoots.Clone()
		every.AppendCertsFromPEM(p.CA)
		w.foreign = p.transport(every, pass.Reached{})
	}
	return w, nil
}

// RoundTrip implements http.RoundTripper.
func (w *ways) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.foreign != nil && !strings.EqualFold(r.URL.Host, w.host) {
		return w.foreign.RoundTrip(r)
	}
	return w.own.RoundTrip(r)
}

// CloseIdleConnections ends what is left of the connections.
func (w *ways) CloseIdleConnections() {
	w.own.CloseIdleConnections()
	if w.foreign != nil {
		w.foreign.CloseIdleConnections()
	}
}

// atRegistry has the registry asked, as a consumer would: with the published CA alone.
func (p *run) atRegistry(ctx context.Context, ask func(context.Context, *registry.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.probeTimeout())
	defer cancel()
	transport, err := p.wayToRegistry(ctx)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := registry.New(p.Registry.Host, transport, p.Registry.Dialect)
	client.Advice, client.Shown = p.Registry.Advice.Probe, p.Noun
	client.Share(&p.told, p.CA, p.Now)
	return ask(ctx, client)
}

func (p *run) probeTimeout() time.Duration {
	if p.ProbeTimeout > 0 {
		return p.ProbeTimeout
	}
	return 30 * time.Second
}
