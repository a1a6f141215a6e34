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
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

const (
	// dialTimeout bounds the attempt to be shown the route's certificate.
	dialTimeout = 10 * time.Second
	// serviceTimeout bounds the same inside the cluster, where the way is short.
	serviceTimeout = 5 * time.Second
)

// reached is how a pass comes to the registry's host.
type reached struct {
	// service is the address of the router inside the cluster, when the host itself does not answer;
	// empty otherwise.
	service string
	// host and direct are the host that does not answer and why.
	host   string
	direct error
}

// String goes at the end of a message. It is empty when the host itself was asked.
func (w reached) String() string {
	if w.service == "" {
		return ""
	}
	return fmt.Sprintf("; asked through the router's service %s, for %s does not answer from the operator's pod: %s; nodes need it",
		w.service, w.host, oneLine(w.direct))
}

// routerService is the address at which a router takes connections inside the cluster: the ingress
// operator makes this ClusterIP Service for each IngressController
// (openshift/cluster-ingress-operator, pkg/operator/controller/names.go).
func routerService(router string) string {
	return "router-internal-" + router + ".openshift-ingress.svc:443"
}

// present returns the certificates that the host presents. Where a host does not answer inside the
// cluster, as behind a load balancer that does not turn connections round, or one that only a proxy
// knows, the router's own service is asked for it, and the rest of the pass goes that way too. The
// error is that of the direct way.
func (r *EdgeRegistryReconciler) present(ctx context.Context, s *scope) ([]*x509.Certificate, error) {
	presented, direct := r.presentBy(ctx, s, reached{}, dialTimeout)
	var failure *trust.Error
	if !errors.As(direct, &failure) || (failure.Kind != trust.Unresolvable && failure.Kind != trust.Unreachable) {
		return presented, direct
	}
	inside := reached{service: routerService(s.router), host: s.host, direct: direct}
	presented, err := r.presentBy(ctx, s, inside, serviceTimeout)
	if err != nil {
		return nil, direct
	}
	s.reached = inside
	// Nothing tells when the host answers again.
	s.due(s.now.Add(s.edge.Spec.Verification.Interval.Duration))
	return presented, nil
}

func (r *EdgeRegistryReconciler) presentBy(ctx context.Context, s *scope, way reached, timeout time.Duration) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return trust.Present(ctx, r.transport(nil, way), s.host)
}

// transport connects to the registry's host, trusting the given roots.
func (r *EdgeRegistryReconciler) transport(roots *x509.CertPool, way reached) *http.Transport {
	t := &http.Transport{
		Proxy:               r.Proxy,
		DialContext:         r.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: r.Clock.Now},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if way.service == "" {
		return t
	}
	dial := r.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, way.service)
	}
	return t
}
