// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	projectv1 "github.com/openshift/api/project/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	projectsNamespace = "openshift-apiserver"
	projectsService   = "api"
	projectsVersion   = "v1"
)

// Projects simulates the project API of openshift/openshift-apiserver: an aggregated
// API server that kube-apiserver calls with its front-proxy certificate
// (pkg/project/apiserver/registry). kube-apiserver's RBAC decides
// who may call it, before the request gets here.
type Projects struct {
	api      client.WithWatch
	ca       *CA
	listener net.Listener
	server   *http.Server
	group    sync.WaitGroup

	mu       sync.Mutex
	template func(requester, name string) []client.Object
	disabled bool
	message  string
	down     bool
}

func newProjects(api client.WithWatch, frontProxyCA []byte) (*Projects, error) {
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(frontProxyCA) {
		return nil, errors.New("start the project API: the front-proxy CA holds no certificate")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the project API: %w", err)
	}
	p := &Projects{api: api, ca: NewCA("openshift-service-serving-signer"), listener: listener}
	p.server = &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{p.ca.Leaf(projectsService + "." + projectsNamespace + ".svc")},
			ClientCAs:    clients,
			ClientAuth:   tls.RequireAndVerifyClientCert,
		},
	}
	return p, nil
}

func (p *Projects) run(ctx context.Context) {
	p.group.Go(func() { _ = p.server.ServeTLS(p.listener, "", "") })
	<-ctx.Done()
	p.close()
}

func (p *Projects) close() {
	stopServer(p.server, p.listener)
	p.group.Wait()
}

// Template replaces what a new project holds beside its namespace: by default
// a RoleBinding that gives the requester ClusterRole admin. Objects without a
// namespace go into the project's. Nil restores the default.
func (p *Projects) Template(objects func(requester, name string) []client.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.template = objects
}

// Disable refuses project requests, as a cluster does whose administrators took
// self-provisioning away. An empty message is OpenShift's own.
func (p *Projects) Disable(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disabled, p.message = true, message
}

// Enable ends Disable.
func (p *Projects) Enable() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disabled, p.message = false, ""
}

// Down answers 503 to everything while it is set, as during a rollout.
func (p *Projects) Down(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = yes
}

// Register makes the API known to kube-apiserver and waits until it is served.
func (p *Projects) Register(ctx context.Context) error {
	port := int32(p.listener.Addr().(*net.TCPAddr).Port)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: projectsNamespace, Name: projectsService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	if err := p.api.Create(ctx, service); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register the project API: %w", err)
	}
	registration := apiService()
	registration.Spec = apiregistrationv1.APIServiceSpec{
		Group: projectv1.GroupName, Version: projectsVersion,
		GroupPriorityMinimum: 9900, VersionPriority: 15,
		CABundle: p.ca.PEM(),
		Service:  &apiregistrationv1.ServiceReference{Namespace: projectsNamespace, Name: projectsService, Port: ptr.To(port)},
	}
	if err := p.api.Create(ctx, registration); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register the project API: %w", err)
	}
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		if err := p.api.Get(ctx, client.ObjectKeyFromObject(registration), registration); err != nil {
			return false, err
		}
		for _, c := range registration.Status.Conditions {
			if c.Type == apiregistrationv1.Available {
				return c.Status == apiregistrationv1.ConditionTrue, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the project API to be available: %w", err)
	}
	return p.waitServed(ctx, true)
}

// Unregister takes the API away, as in a cluster that is not OpenShift, and
// waits until kube-apiserver does not serve it any more.
func (p *Projects) Unregister(ctx context.Context) error {
	if err := p.api.Delete(ctx, apiService()); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take the project API away: %w", err)
	}
	return p.waitServed(ctx, false)
}

// waitServed waits until kube-apiserver's proxy for the API follows the
// registration, which it does a moment later.
func (p *Projects) waitServed(ctx context.Context, served bool) error {
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		err := p.api.List(ctx, &projectv1.ProjectList{}, client.Limit(1))
		if served {
			return err == nil, nil
		}
		return apierrors.IsNotFound(err) || meta.IsNoMatchError(err), nil
	})
	if err != nil {
		return fmt.Errorf("wait for kube-apiserver to follow the project API's registration: %w", err)
	}
	return nil
}

func apiService() *apiregistrationv1.APIService {
	return &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: projectsVersion + "." + projectv1.GroupName},
	}
}
