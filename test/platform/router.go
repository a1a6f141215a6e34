// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// unavailablePage is HAProxy's answer when no server can take a request.
const unavailablePage = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"

// Router simulates OpenShift's router and the parts around it: it fills the host of
// a Route (openshift-apiserver, library-go pkg/route/hostassignment), admits it
// (openshift/router pkg/router/controller/status.go), terminates TLS by SNI with
// the ingress operator's self-signed certificate or the Route's own, and
// publishes that chain in openshift-config-managed/default-ingress-cert
// (openshift/cluster-ingress-operator, certificate-publisher).
type Router struct {
	api      client.WithWatch
	domain   string
	backend  http.Handler
	listener net.Listener
	server   *http.Server
	waker    waker

	mu          sync.Mutex
	ca          *CA
	serving     tls.Certificate
	published   []byte // what SetPublished gave
	overridden  bool   // published is used in place of the serving chain
	admission   admission
	routes      map[string]*tls.Certificate // admitted host to its own certificate, if any
	unavailable bool
	refusing    bool
	hidden      bool     // hosts do not answer, the router's service does
	names       []string // of the IngressControllers that take the Routes
}

// admission is what the router says of the Routes it sees.
type admission struct {
	ignored         bool
	reason, message string // a rejection when there is a reason
	claimedAt       string // the router that knows every host as another Route's, if one does
}

func (a admission) open() bool { return !a.ignored && a.reason == "" }

func newRouter(api client.WithWatch, domain string, backend http.Handler) (*Router, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the router: %w", err)
	}
	r := &Router{
		api: api, domain: domain, backend: backend, listener: listener,
		waker: newWaker(), routes: map[string]*tls.Certificate{}, names: []string{routerName},
	}
	// The default router offers no HTTP/2 with its wildcard certificate.
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	r.RotateCA()
	return r, nil
}

func (r *Router) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	defer r.close()
	group.Go(func() {
		_ = r.server.Serve(tls.NewListener(r.listener, &tls.Config{
			MinVersion:             tls.VersionTLS12,
			GetCertificate:         r.certificate,
			SessionTicketsDisabled: true,
			NextProtos:             []string{"http/1.1"},
		}))
	})
	r.waker.watch(ctx, &group, r.api, &routev1.RouteList{}, client.InNamespace(RegistryNamespace))
	r.waker.watch(ctx, &group, r.api, &corev1.ConfigMapList{}, client.InNamespace(ManagedNamespace),
		client.MatchingFields{"metadata.name": ingressCertName})
	r.waker.run(ctx, r.pass)
}

func (r *Router) close() {
	stopServer(r.server, r.listener)
}

// set changes what the router does. Idle connections end, as they do when
// HAProxy reloads, so that the next request meets the new state.
func (r *Router) set(change func()) {
	r.mu.Lock()
	change()
	refusing := r.refusing
	r.mu.Unlock()
	r.server.SetKeepAlivesEnabled(false)
	r.server.SetKeepAlivesEnabled(!refusing)
	r.waker.wake()
}

// RotateCA makes a new self-signed CA and a leaf for *.<AppsDomain>, and serves
// and publishes leaf and root, as the ingress operator does by default.
func (r *Router) RotateCA() *CA {
	return r.RotateCAAt(time.Now)
}

// RotateCAAt is RotateCA with the clock of the caller, for a test whose time is
// not that of the machine.
func (r *Router) RotateCAAt(now func() time.Time) *CA {
	ca := NewCAAt(fmt.Sprintf("ingress-operator@%d", now().Unix()), now)
	serving := WithRoot(ca.Leaf("*."+r.domain), ca)
	r.set(func() { r.ca, r.serving, r.overridden = ca, serving, false })
	return ca
}

// RenewLeaf serves and publishes a new leaf of the current CA.
func (r *Router) RenewLeaf() {
	ca := r.CA()
	serving := WithRoot(ca.Leaf("*."+r.domain), ca)
	r.set(func() { r.serving, r.overridden = serving, false })
}

// CA is the router's current self-signed CA.
func (r *Router) CA() *CA {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ca
}

// SetServing serves and publishes a chain of the caller's, as an ingress
// controller with spec.defaultCertificate does.
func (r *Router) SetServing(chain tls.Certificate) {
	r.set(func() { r.serving, r.overridden = chain, false })
}

// SetPublished puts pem into the ConfigMap in place of the chain that is
// served, until the serving chain changes. Nil deletes the ConfigMap.
func (r *Router) SetPublished(pem []byte) {
	r.set(func() { r.published, r.overridden = pem, true })
}

// SetBoth serves one chain and publishes another at the same moment, so that nobody sees the first one published.
func (r *Router) SetBoth(serving tls.Certificate, published []byte) {
	r.set(func() { r.serving, r.published, r.overridden = serving, published, true })
}

// Reject refuses every Route with the reason, for instance HostAlreadyClaimed.
func (r *Router) Reject(reason, message string) {
	r.set(func() { r.admission = admission{reason: reason, message: message} })
}

// Admit admits every Route, which is how the router starts.
func (r *Router) Admit() { r.set(func() { r.admission = admission{} }) }

// Claim has one of the routers refuse every Route, since it knows the host as
// another's, while the others admit them.
func (r *Router) Claim(router string) { r.set(func() { r.admission = admission{claimedAt: router} }) }

// NoIngress simulates a cluster in which no router selects the Routes.
func (r *Router) NoIngress() { r.set(func() { r.admission = admission{ignored: true} }) }

// Unavailable answers 503 in place of the backend while it is set.
func (r *Router) Unavailable(yes bool) { r.set(func() { r.unavailable = yes }) }

// RefuseConnections makes every connect end with "connection refused".
func (r *Router) RefuseConnections(yes bool) { r.set(func() { r.refusing = yes }) }

// Hide makes connections to every host end with "connection refused", while the
// router's service inside the cluster still answers: so it is behind a load
// balancer that does not turn connections from the cluster round.
func (r *Router) Hide(yes bool) { r.set(func() { r.hidden = yes }) }

// Rename has the Routes taken by IngressControllers of these names; by the one
// named default without any.
func (r *Router) Rename(names ...string) {
	if len(names) == 0 {
		names = []string{routerName}
	}
	r.set(func() { r.names = names })
}

// address is where the router listens for connections to a host or to its own
// service, and empty while it refuses them.
func (r *Router) address(host string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusing || (r.hidden && !r.isService(host)) {
		return ""
	}
	return r.listener.Addr().String()
}

// answers reports whether a name is one of the router's: a host below the apps
// domain, that of an admitted Route, or its service inside the cluster.
func (r *Router) answers(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, admitted := r.routes[host]
	return admitted || strings.HasSuffix(host, "."+r.domain) || r.isService(host)
}

// isService knows the ClusterIP Service that the ingress operator makes for each
// IngressController (openshift/cluster-ingress-operator, InternalIngressControllerServiceName).
func (r *Router) isService(host string) bool {
	return slices.ContainsFunc(r.names, func(name string) bool {
		return host == "router-internal-"+name+".openshift-ingress.svc"
	})
}

func (r *Router) serves(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.routes[host]
	return ok
}

func (r *Router) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if own := r.routes[strings.ToLower(hello.ServerName)]; own != nil {
		return own, nil
	}
	serving := r.serving
	return &serving, nil
}

// ServeHTTP hands requests for admitted hosts to the registry.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	host, _, found := strings.Cut(req.Host, ":")
	if !found {
		host = req.Host
	}
	r.mu.Lock()
	unavailable := r.unavailable
	r.mu.Unlock()
	if unavailable || !r.serves(strings.ToLower(host)) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Connection", "close")
		h.Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, unavailablePage)
		return
	}
	r.backend.ServeHTTP(w, req)
}
