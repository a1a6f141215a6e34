// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sync/atomic"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	operatorNamespace = "edge-registry-system"
	operatorAccount   = "edge-registry-controller-manager"
	soon              = time.Minute
	often             = 10 * time.Millisecond
	// privateRoutes is how many cases can have a Route of their own at the same time.
	privateRoutes = 16
)

// World is what all cases share: one control plane, one platform, the admin's eyes and the operator's credentials.
type World struct {
	Env       *env.Env
	OpenShift *platform.Platform
	// Admin reads and writes without limits.
	Admin client.WithWatch
	// Operator authenticates as the operator's own service account, with the rights that config/ ships.
	Operator *rest.Config

	journal *journal
	ledger  *ledger
	routes  chan string
	cases   atomic.Int64
	binary  binary
	running context.Context
	cancel  context.CancelFunc
}

// NewWorld starts everything. ctx bounds the start only.
func NewWorld(ctx context.Context, o env.Options) (*World, error) {
	w := &World{routes: make(chan string, privateRoutes)}
	err := w.start(ctx, o)
	if err != nil {
		w.Stop()
		return nil, err
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o env.Options) error {
	var err error
	if w.Env, err = env.Start(ctx, o); err != nil {
		return err
	}
	if w.OpenShift, err = platform.Start(ctx, platform.Options{Env: w.Env}); err != nil {
		return err
	}
	if w.Operator, err = w.Env.InstallOperator(ctx); err != nil {
		return err
	}
	if w.Admin, err = client.NewWithWatch(w.Env.Admin, client.Options{Scheme: w.Env.Scheme}); err != nil {
		return fmt.Errorf("make the admin's client: %w", err)
	}
	if err := w.declareRoutes(ctx); err != nil {
		return err
	}
	w.running, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if w.journal, err = startJournal(w.running, w.Admin); err != nil {
		return err
	}
	w.ledger = startLedger(w.running, w.Env.AuditLog)
	return nil
}

// Stop ends everything.
func (w *World) Stop() {
	if w.cancel != nil {
		w.cancel()
	}
	if w.OpenShift != nil {
		w.OpenShift.Stop()
	}
	if w.Env != nil {
		_ = w.Env.Stop()
	}
}

// declareRoutes has the registry's operator make Routes besides the default one, so that a case can change the host or
// the certificate of its own.
func (w *World) declareRoutes(ctx context.Context) error {
	config := &imageregistryv1.Config{}
	if err := w.Admin.Get(ctx, client.ObjectKey{Name: "cluster"}, config); err != nil {
		return fmt.Errorf("read the registry's Config: %w", err)
	}
	before := config.DeepCopy()
	// On from the start: which of the cases switches it on would be chance.
	config.Spec.DefaultRoute = true
	for i := range privateRoutes {
		name := fmt.Sprintf("route-%d", i)
		config.Spec.Routes = append(config.Spec.Routes, imageregistryv1.ImageRegistryConfigRoute{Name: name, Hostname: hostOf(name, "a")})
		w.routes <- name
	}
	if err := w.Admin.Patch(ctx, config, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("declare the Routes: %w", err)
	}
	for i := range privateRoutes {
		name := fmt.Sprintf("route-%d", i)
		if err := w.awaitServed(ctx, name, hostOf(name, "a"), nil); err != nil {
			return err
		}
	}
	return w.awaitServed(ctx, "default-route", w.OpenShift.Host(), nil)
}

// hostOf is one of the hosts of a private Route.
func hostOf(route, variant string) string { return route + "-" + variant + ".apps.edge.test" }

// SetRoute changes host and certificate of a private Route, and returns when the router serves both.
func (w *World) SetRoute(ctx context.Context, name, host string, ca *platform.CA) error {
	return w.Serve(ctx, name, host, ca.Leaf(host), ca.PEM())
}

// Serve is SetRoute with any certificate, and with any CA, or none, in the Route beside it.
func (w *World) Serve(ctx context.Context, name, host string, chain tls.Certificate, ca []byte) error {
	key, err := x509.MarshalPKCS8PrivateKey(chain.PrivateKey)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	route := &routev1.Route{}
	if err := w.Admin.Get(ctx, client.ObjectKey{Namespace: platform.RegistryNamespace, Name: name}, route); err != nil {
		return fmt.Errorf("read Route %s: %w", name, err)
	}
	before := route.DeepCopy()
	route.Spec.Host = host
	route.Spec.TLS.Certificate = string(platform.ChainPEM(chain))
	route.Spec.TLS.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	route.Spec.TLS.CACertificate = string(ca)
	if err := w.Admin.Patch(ctx, route, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("write Route %s: %w", name, err)
	}
	return w.awaitServed(ctx, name, host, chain.Leaf)
}

// awaitServed waits until a Route is admitted at a host, and the router shows a certificate there; any when nil.
func (w *World) awaitServed(ctx context.Context, name, host string, leaf *x509.Certificate) error {
	err := wait.PollUntilContextTimeout(ctx, often, soon, true, func(ctx context.Context) (bool, error) {
		route := &routev1.Route{}
		if err := w.Admin.Get(ctx, client.ObjectKey{Namespace: platform.RegistryNamespace, Name: name}, route); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		ingress := route.Status.Ingress
		if len(ingress) == 0 || ingress[0].Host != host || route.Spec.Host != host {
			return false, nil
		}
		return leaf == nil || w.shows(ctx, host, leaf), nil
	})
	if err != nil {
		return fmt.Errorf("wait for the router to serve %s: %w", host, err)
	}
	return nil
}

func (w *World) shows(ctx context.Context, host string, leaf *x509.Certificate) bool {
	raw, err := w.OpenShift.DialContext(ctx, "tcp", host+":443")
	if err != nil {
		return false
	}
	defer func() { _ = raw.Close() }()
	conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	return conn.HandshakeContext(ctx) == nil && conn.ConnectionState().PeerCertificates[0].Equal(leaf)
}

// handshake connects to a host as a node would that trusts a ca.crt and nothing else.
func (w *World) handshake(ctx context.Context, host string, ca []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	raw, err := w.OpenShift.DialContext(ctx, "tcp", host+":443")
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	return tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}).HandshakeContext(ctx)
}

// accepts asks the API server whether a token is good.
func (w *World) accepts(ctx context.Context, token credential.Token) bool {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Reveal()}}
	return w.Admin.Create(ctx, review) == nil && review.Status.Authenticated
}

// Invite has the owner of a namespace bind one of the shipped roles to an account of the operator for an EdgeRegistry, and
// returns when that counts.
func (w *World) Invite(ctx context.Context, account, namespace, clusterRole, edge string) error {
	err := w.Admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "invitation", Annotations: map[string]string{edgev1.ForAnnotation: edge}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects:   []rbacv1.Subject{operatorSubject(account)},
	})
	if err != nil {
		return fmt.Errorf("invite the operator to %s: %w", namespace, err)
	}
	return w.awaitRight(ctx, account, right{Namespace: namespace, Verb: "create", Resource: "secrets"}, true)
}

// operatorSubject is an account in the operator's namespace.
func operatorSubject(account string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: account}
}
