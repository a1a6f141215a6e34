// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platform simulates the parts of OpenShift that cannot run in a test: the
// image registry operator, the router, the image registry and the project API.
// Each file says which part it copies and where that part is documented. All of
// them work against a real API server, with real rights and real tokens.
package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

const (
	// RegistryNamespace holds the image registry, its Routes and their Secrets.
	RegistryNamespace = "openshift-image-registry"
	// ManagedNamespace holds the ConfigMap with the router's certificate chain.
	ManagedNamespace = "openshift-config-managed"

	defaultAppsDomain = "apps.edge.test"
	stopTimeout       = 10 * time.Second
)

// Options of Start.
type Options struct {
	// Env is the control plane to work against.
	Env *env.Env
	// AppsDomain is the domain of generated Route hosts; default apps.edge.test.
	AppsDomain string
}

// Platform is the running stand-ins.
type Platform struct {
	ImageRegistry *ImageRegistryOperator
	Router        *Router
	Registry      *Registry
	Projects      *Projects

	domain string
	proxy  *Proxy
	cancel context.CancelFunc
	group  sync.WaitGroup
	once   sync.Once
}

// Start runs all stand-ins until Stop. ctx bounds the start only. It returns
// when the registry Config exists and the project API is available.
func Start(ctx context.Context, o Options) (*Platform, error) {
	if o.AppsDomain == "" {
		o.AppsDomain = defaultAppsDomain
	}
	api, err := client.NewWithWatch(o.Env.Admin, client.Options{Scheme: o.Env.Scheme})
	if err != nil {
		return nil, fmt.Errorf("make the platform's client: %w", err)
	}
	for _, name := range []string{RegistryNamespace, ManagedNamespace, projectsNamespace} {
		if err := ensureNamespace(ctx, api, name); err != nil {
			return nil, err
		}
	}
	running, cancel := context.WithCancel(context.Background())
	p := &Platform{domain: o.AppsDomain, cancel: cancel}
	p.Registry = newRegistry(o.Env.Admin)
	p.ImageRegistry = newImageRegistryOperator(api, o.AppsDomain)
	if p.Router, err = newRouter(api, o.AppsDomain, p.Registry); err == nil {
		p.Projects, err = newProjects(api, o.Env.FrontProxyCA)
	}
	if err == nil {
		p.proxy, err = newProxy(p.DialContext, ProxyOptions{})
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	p.run(running)
	if err := errors.Join(p.ImageRegistry.CreateConfig(ctx), p.Projects.Register(ctx)); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Platform) run(ctx context.Context) {
	parts := []func(context.Context){p.ImageRegistry.run, p.Router.run, p.Projects.run, p.proxy.run}
	for _, part := range parts {
		p.group.Go(func() { part(ctx) })
	}
}

// Stop ends all stand-ins, takes the project API out of the control plane and
// returns when nothing of the platform runs any more. A second Stop does nothing.
func (p *Platform) Stop() {
	p.once.Do(func() {
		if p.Projects != nil {
			ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			// The control plane may be gone already, and then so is the registration.
			_ = p.Projects.Unregister(ctx)
		}
		p.cancel()
		p.group.Wait()
		if p.Router != nil {
			p.Router.close()
		}
		if p.Projects != nil {
			p.Projects.close()
		}
		if p.proxy != nil {
			p.proxy.close()
		}
	})
}

// Host is the host that the default route gets.
func (p *Platform) Host() string {
	return generatedHost("default-route", RegistryNamespace, p.domain)
}

// ProxyURL is an HTTP CONNECT proxy that reaches what DialContext reaches, for
// the HTTPS_PROXY of another process.
func (p *Platform) ProxyURL() *url.URL { return p.proxy.URL() }

// DialContext connects to the router for port 443 of any host below the apps
// domain, of any host that an admitted Route has, and of the router's service
// inside the cluster. Another name is not found, as a resolver says it.
func (p *Platform) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if !p.Router.answers(host) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{
			Err: "no such host", Name: host, Server: "platform", IsNotFound: true,
		}}
	}
	target := p.Router.address(host)
	if target == "" || port != "443" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, target)
}

// stopServer lets requests that are being answered end, for a moment, and then
// closes what is left.
func stopServer(server *http.Server, listener net.Listener) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	_ = server.Close()
	_ = listener.Close()
}

func ensureNamespace(ctx context.Context, c client.Client, name string) error {
	err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return nil
}
