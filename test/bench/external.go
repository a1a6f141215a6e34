// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// suppliedTo is the namespace of the Secrets that people supply.
const suppliedTo = "edge-registry-credentials"

// plant is a registry that is not the cluster's own, which takes logins by themselves, and any repository is there.
type plant struct {
	host string
	ca   *platform.CA
}

// plantUsers are its users, by name, with the verbs of HTTP that they may use.
var plantUsers = map[string]string{"pusher": "GET PATCH", "puller": "GET"}

func startPlant() (p *plant, stop func()) {
	p = &plant{ca: platform.NewCA("plant")}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{p.ca.Leaf("localhost")}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	p.host = "localhost" + server.URL[strings.LastIndex(server.URL, ":"):]
	return p, server.Close
}

// ServeHTTP implements http.Handler.
func (p *plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case plantUsers[user] == "" || password != user+"-password":
		w.Header().Set("WWW-Authenticate", `Basic realm="plant"`)
		refuse(http.StatusUnauthorized, "UNAUTHORIZED")
	case !strings.Contains(plantUsers[user], r.Method):
		refuse(http.StatusForbidden, "DENIED")
	case r.Method == http.MethodPatch:
		refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	default:
		_, _ = io.WriteString(w, `{"tags":["1"]}`)
	}
}

// spec is that of an EdgeRegistry for which everything was supplied under its name.
func (p *plant) spec(name string) edgev1.EdgeRegistrySpec {
	of := func(user string) *edgev1.SuppliedLogin {
		return &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name + "-" + user}}
	}
	spec := edgev1.EdgeRegistrySpec{External: &edgev1.ExternalSpec{Host: p.host, RepositoryPrefix: name, Publisher: of("pusher"), Puller: of("puller")}}
	spec.Secrets.Namespace, spec.Verification.Repository = name, "service"
	return spec
}

// supply makes what people make: a namespace with an invitation, and both logins.
func (p *plant) supply(ctx context.Context, w *world, name string) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "edge-registry-secrets", Annotations: map[string]string{edgev1.ForAnnotation: name}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-secrets"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "edge-registry-controller-manager"}},
		},
	}
	for user := range plantUsers {
		login := base64.StdEncoding.EncodeToString([]byte(user + ":" + user + "-password"))
		objects = append(objects, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: suppliedTo, Name: name + "-" + user, Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
				Annotations: map[string]string{edgev1.ForAnnotation: name, "edge.open-horizon.io/publish-to": name},
			},
			Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, p.host, login), "ca.crt": p.ca.PEM()},
		})
	}
	for _, object := range objects {
		if err := w.api.Create(ctx, object); err != nil {
			return fmt.Errorf("supply what another registry needs: %w", err)
		}
	}
	return nil
}

// anotherRegistry compares what is done for one object of another registry, by turns, and counts its requests.
func (b *bench) anotherRegistry(ctx context.Context, w *world) error {
	p, stop := startPlant()
	defer stop()
	var operator, direct []time.Duration
	for i := range b.plan.Singles {
		names := append(w.names("plant", 1), w.names("plant-twin", 1)...)
		for _, name := range names {
			if err := p.supply(ctx, w, name); err != nil {
				return err
			}
		}
		at, err := w.audit.end()
		if err != nil {
			return err
		}
		took, err := w.apply(ctx, names[:1], p.spec)
		if err != nil {
			return err
		}
		operator = append(operator, took)
		if err := w.rest(ctx, names[0]); err != nil {
			return err
		}
		if i == 0 {
			if b.report.Elsewhere, err = w.audit.since(at, operatorAgent); err != nil {
				return err
			}
			w.events = b.report.Elsewhere["create events"]
		}
		if at, err = w.audit.end(); err != nil {
			return err
		}
		if took, err = w.elsewhereByBare(ctx, p, names[1]); err != nil {
			return err
		}
		direct = append(direct, took)
		if b.report.BareElsewhere, err = w.audit.since(at, bareAgent); err != nil {
			return err
		}
	}
	b.report.compare("one object of another registry, applied to Ready", operator, direct, 1.5)
	return nil
}

// elsewhereByBare makes a twin and has the bare client do for it what the operator does for an EdgeRegistry of another registry.
func (w *world) elsewhereByBare(ctx context.Context, p *plant, name string) (time.Duration, error) {
	b, err := newBare(w)
	if err != nil {
		return 0, err
	}
	defer b.background.Wait()
	spec := p.spec(name)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&spec)
	if err != nil {
		return 0, err
	}
	twin := newTwin(name)
	twin.Object["spec"] = fields
	// The operator knows what the API server serves, and is connected.
	if err := b.api.List(ctx, &rbacv1.RoleBindingList{}, client.InNamespace(name)); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := b.api.Create(ctx, twin); err != nil {
		return 0, fmt.Errorf("create the twin: %w", err)
	}
	err = b.installElsewhere(ctx, p, twin)
	return time.Since(began), err
}

func (b *bare) installElsewhere(ctx context.Context, p *plant, twin *unstructured.Unstructured) error {
	name := twin.GetName()
	finalizer := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["edge.open-horizon.io/bench"]}}`))
	if err := b.api.Patch(ctx, twin, finalizer); err != nil {
		return fmt.Errorf("patch the twin: %w", err)
	}
	if err := b.api.Create(ctx, record(twin)); err != nil {
		return fmt.Errorf("create the record: %w", err)
	}
	if err := b.api.Get(ctx, client.ObjectKeyFromObject(twin), twin); err != nil {
		return err
	}
	if err := b.invited(ctx, name); err != nil {
		return err
	}
	in := handoff.Input{Provider: "external", Host: p.host, Project: name, CA: p.ca.PEM()}
	for user, login := range map[string]*handoff.Login{"pusher": &in.Publisher, "puller": &in.Puller} {
		if err := b.api.Get(ctx, client.ObjectKey{Namespace: suppliedTo, Name: name + "-" + user}, &corev1.Secret{}); err != nil {
			return fmt.Errorf("read a login: %w", err)
		}
		*login = handoff.Login{User: user, Token: credential.NewToken(user + "-password")}
	}
	trusted, err := p.transport()
	if err != nil {
		return err
	}
	defer trusted.CloseIdleConnections()
	if _, err := trust.Present(ctx, &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}, p.host); err != nil {
		return err
	}
	if err := b.publishElsewhere(ctx, twin, in); err != nil {
		return err
	}
	probe := registry.New(p.host, trusted, registry.Dialect{})
	for _, login := range []handoff.Login{in.Publisher, in.Puller} {
		if _, err := probe.Probe(ctx, name+"/service", login.User, login.Token); err != nil {
			return fmt.Errorf("try a login: %w", err)
		}
	}
	if err := b.keep(ctx, twin); err != nil {
		return err
	}
	b.tell(ctx, twin)
	return b.api.Status().Patch(ctx, twin, client.RawPatch(types.MergePatchType, []byte(`{"status":{"lastHandledRotation":"1"}}`)))
}

// invited reads the namespace of the Secrets and what its owner allows there.
func (b *bare) invited(ctx context.Context, name string) error {
	if err := b.api.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); err != nil {
		return err
	}
	return b.api.List(ctx, &rbacv1.RoleBindingList{}, client.InNamespace(name))
}

// publishElsewhere finds neither Secret, writes the record and both.
func (b *bare) publishElsewhere(ctx context.Context, twin client.Object, in handoff.Input) error {
	name := twin.GetName()
	publish, err := handoff.PublishData(in)
	if err != nil {
		return err
	}
	pull, err := handoff.PullData(in)
	if err != nil {
		return err
	}
	secrets := []*corev1.Secret{
		{ObjectMeta: owned(twin, name+"-publish"), Type: corev1.SecretTypeDockerConfigJson, Data: publish},
		{ObjectMeta: owned(twin, name+"-pull"), Type: corev1.SecretTypeDockerConfigJson, Data: pull},
	}
	for _, secret := range secrets {
		if err := b.api.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("a Secret must be absent: %w", err)
		}
	}
	if err := b.keep(ctx, twin); err != nil {
		return err
	}
	for _, secret := range secrets {
		if err := b.api.Create(ctx, secret); err != nil {
			return fmt.Errorf("create a Secret: %w", err)
		}
	}
	return nil
}

// transport trusts the registry.
func (p *plant) transport() (*http.Transport, error) {
	pool, err := trust.Pool(p.ca.PEM())
	if err != nil {
		return nil, err
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}
