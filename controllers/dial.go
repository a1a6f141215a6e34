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
	"slices"
	"strings"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

const (
	// dialTimeout bounds the attempt to read the route's certificate.
	dialTimeout = 10 * time.Second
	// serviceTimeout bounds the same inside the cluster.
	serviceTimeout = 5 * time.Second
)

// describeWay is the end of a message that says which second address was used; empty if the host itself was.
func describeWay(way pass.Reached) string {
	if way.Inside == "" {
		return ""
	}
	if way.Inspected != "" {
		return fmt.Sprintf("; asked through %s %s, for %s; nodes that go through such a proxy need its CA, which is not in ca.crt", way.InsideName, way.Inside, way.Inspected)
	}
	return fmt.Sprintf("; asked through %s %s, for %s does not answer from the operator's pod: %s; nodes need it",
		way.InsideName, way.Inside, way.Host, text.Of(way.Direct))
}

// present returns the certificates that the host presents. If a host does not answer inside the cluster, as behind a load balancer
// without hairpinning, or one that only a proxy reaches, its second address is used, also in the rest of the pass. The error is that
// of the direct connection.
func (p *run) present(ctx context.Context) ([]*x509.Certificate, error) {
	presented, direct := p.presentBy(ctx, pass.Reached{}, dialTimeout)
	var failure *trust.Error
	if p.Registry.Inside == "" || !errors.As(direct, &failure) || (failure.Kind != trust.Unresolvable && failure.Kind != trust.Unreachable) {
		return presented, direct
	}
	inside := p.inside()
	inside.Direct = direct
	presented, err := p.presentBy(ctx, inside, serviceTimeout)
	if err != nil {
		return nil, direct
	}
	p.Reached = inside
	// No watch reports when the host answers again.
	p.Due(p.Now.Add(p.Edge.Spec.Verification.Interval.Duration))
	return presented, nil
}

// inside returns the connection to the second address.
func (p *run) inside() pass.Reached {
	return pass.Reached{Inside: p.Registry.Inside, InsideName: p.Registry.InsideName, Host: p.Registry.Host}
}

// besideProxy decides about a root that was seen through a proxy, and that only a place for other hosts too holds, such as the
// cluster's proxy configuration: a TLS-inspecting proxy shows a certificate of its own, which nodes may never meet. So the host is
// asked at its second address, without the proxy, and what it shows there counts. If that is impossible, the root counts only if it
// was published before, since then it replaces no other one unnoticed.
func (p *run) besideProxy(ctx context.Context, shown trust.Bundle, presented []*x509.Certificate, near []trust.Candidate, last lastCA) (trust.Bundle, []*x509.Certificate, error) {
	proxy := p.proxyTo(p.Reached)
	if proxy == nil || vouchedFor(shown, near) || p.isPublic(presented) {
		return shown, presented, nil
	}
	inside := p.inside()
	inside.Inspected = fmt.Sprintf("proxy %s shows for %s a certificate of its own, which leads to %q", proxy.Host, p.Registry.Host, shown.Subject)
	own, err := []*x509.Certificate(nil), errors.New("it has no second address")
	if inside.Inside != "" {
		own, err = p.presentBy(ctx, inside, serviceTimeout)
	}
	switch {
	case err != nil && last.usable() && last.SHA256 == shown.SHA256:
		return shown, presented, nil
	case err != nil:
		return shown, presented, p.maybeInspected(proxy, shown, err)
	}
	bundle, err := p.verifyChain(ctx, own, near)
	if err == nil && bundle.SHA256 == shown.SHA256 {
		return shown, presented, nil
	}
	p.Reached = inside
	// No watch reports when the proxy stops inspecting the host.
	p.Due(p.Now.Add(p.Edge.Spec.Verification.Interval.Duration))
	return bundle, own, err
}

// vouchedFor reports whether a place for this very registry holds a root.
func vouchedFor(shown trust.Bundle, near []trust.Candidate) bool {
	return slices.ContainsFunc(near, func(c trust.Candidate) bool { return c.Source == shown.Source })
}

// isPublic reports whether public CAs verify what the host presented.
func (p *run) isPublic(presented []*x509.Certificate) bool {
	_, err := trust.Verify(p.Registry.Host, presented, []trust.Candidate{p.publicCAs()}, p.Now)
	return err == nil
}

// describeProxy is the end of a message about a certificate that is not trusted; empty if no proxy is used.
func (p *run) describeProxy() string {
	proxy := p.proxyTo(p.Reached)
	if proxy == nil {
		return ""
	}
	return fmt.Sprintf("; it was asked through proxy %s: if that certificate is the proxy's own, leave the host out of the proxy instead, for nodes may never meet it", proxy.Host)
}

// maybeInspected returns the error for a root that may be the proxy's own.
func (p *run) maybeInspected(proxy *url.URL, shown trust.Bundle, err error) error {
	return needsPerson(edgev1.ReasonProxyBetween, fmt.Sprintf(
		"a proxy stands between: %s is asked through %s, and what it shows there leads to %q, for which only %s vouches; that may be the proxy's own CA, which nodes may never meet, and it cannot be asked without the proxy (%s): "+
			"put %s on spec.noProxy of the cluster's Proxy, or the root that nodes need in a ConfigMap in namespace %s and name it in spec.trust.caBundleRef",
		p.Registry.Host, proxy.Host, shown.Subject, shown.Where, text.Of(err), p.Registry.Host, p.EdgeRegistryReconciler.Namespace))
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
		Proxy:                  r.Proxy,
		OnProxyConnectResponse: text.RefusedByProxy,
		DialContext:            r.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: r.Clock.Now},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
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

// proxyTo returns the proxy for the host; nil if there is none.
func (p *run) proxyTo(way pass.Reached) *url.URL {
	if p.Proxy == nil || way.Inside != "" {
		return nil
	}
	proxy, err := p.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: p.Registry.Host}})
	if err != nil {
		return nil
	}
	return proxy
}

// proxyRoots returns the roots that verify a proxy with TLS: those of the machine and the cluster's trusted CAs; nil if there is no
// such proxy.
func (p *run) proxyRoots(ctx context.Context, way pass.Reached) *x509.CertPool {
	if proxy := p.proxyTo(way); proxy == nil || proxy.Scheme != "https" {
		return nil
	}
	roots := p.SystemRoots.Clone()
	// Without these, the error of the connection says enough.
	far, _ := p.session.CASources(ctx, true)
	for _, place := range far {
		for _, cert := range trust.Read(place.PEM).Certificates {
			roots.AddCert(cert)
		}
	}
	return roots
}

// ways are the transports to the registry's host, and to others that issue tokens for it.
type ways struct {
	host         string
	own, foreign *http.Transport
}

// wayToRegistry trusts for the registry's host only the published CA, as a consumer does. For another host that issues tokens public
// CAs count too.
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

// CloseIdleConnections closes idle connections of both transports.
func (w *ways) CloseIdleConnections() {
	w.own.CloseIdleConnections()
	if w.foreign != nil {
		w.foreign.CloseIdleConnections()
	}
}

// atRegistry calls a function with a client of the registry that trusts the published CA alone, as a consumer does.
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
	client.Share(&p.shared, p.CA, p.Now)
	return ask(ctx, client)
}

func (p *run) probeTimeout() time.Duration {
	if p.ProbeTimeout > 0 {
		return p.ProbeTimeout
	}
	return 30 * time.Second
}
