// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	projectv1 "github.com/openshift/api/project/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

const (
	bareAgent = "bare"
	publisher = "edge-publisher"
	puller    = "edge-puller"
)

// bare sends the requests that the operator sends, one after the other and each once: no queue, no
// cache, no watch, and no thought. It is who the operator is compared with.
type bare struct {
	*world
	api client.Client
	// background are requests that nobody waits for, as the operator's events.
	background sync.WaitGroup
}

func newBare(w *world) (*bare, error) {
	config := rest.CopyConfig(w.account)
	config.UserAgent, config.QPS = bareAgent, -1
	api, err := client.New(config, client.Options{Scheme: w.control.Scheme})
	if err != nil {
		return nil, fmt.Errorf("make the bare client: %w", err)
	}
	return &bare{world: w, api: api}, nil
}

func twinKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: twinGroup, Version: "v1alpha1", Kind: "EdgeRegistry"}
}

// newTwin is an object as an EdgeRegistry of that name, that the operator does not see.
func newTwin(name string) *unstructured.Unstructured {
	twin := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"openshift": map[string]any{}}}}
	twin.SetGroupVersionKind(twinKind())
	twin.SetName(name)
	return twin
}

func newTwinList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(twinKind().GroupVersion().WithKind("EdgeRegistryList"))
	return list
}

// install does for a twin what the operator does for an EdgeRegistry until it is Ready.
func (b *bare) install(ctx context.Context, name string) error {
	twin := newTwin(name)
	finalizer := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["edge.open-horizon.io/bench"]}}`))
	if err := b.api.Patch(ctx, twin, finalizer); err != nil {
		return fmt.Errorf("patch the twin: %w", err)
	}
	if err := b.api.Create(ctx, record(twin)); err != nil {
		return fmt.Errorf("create the record: %w", err)
	}
	if err := b.enter(ctx, twin); err != nil {
		return err
	}
	if err := b.handshake(ctx); err != nil {
		return err
	}
	if err := b.grant(ctx, twin); err != nil {
		return err
	}
	secrets, err := b.mint(ctx, twin, 1)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if err := b.api.Create(ctx, secret); err != nil {
			return fmt.Errorf("create a Secret: %w", err)
		}
	}
	return b.finish(ctx, twin, secrets, 1)
}

// enter asks for the project and reads what is in it.
func (b *bare) enter(ctx context.Context, twin client.Object) error {
	name := twin.GetName()
	if err := b.api.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %s must be absent: %w", name, err)
	}
	if err := b.api.Get(ctx, client.ObjectKeyFromObject(twin), twin); err != nil {
		return err
	}
	if err := b.api.Create(ctx, &projectv1.ProjectRequest{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return fmt.Errorf("request a project: %w", err)
	}
	if err := b.look(ctx, name); err != nil {
		return err
	}
	for _, absent := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: publisher}}, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: puller}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-publish"}}, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-pull"}},
	} {
		key := client.ObjectKey{Namespace: name, Name: absent.GetName()}
		if err := b.api.Get(ctx, key, absent); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s must be absent: %w", key, err)
		}
	}
	return nil
}

// record is where the operator keeps what it has to know of an EdgeRegistry after a restart.
func record(twin client.Object) *corev1.Secret {
	meta := owned(twin, "bench-"+twin.GetName())
	meta.Namespace = operatorNamespace
	return &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"record.json": bytes.Repeat([]byte("."), 1500)}}
}

// keep writes the record, as the operator does before it publishes and once it knows that the logins work.
func (b *bare) keep(ctx context.Context, twin client.Object) error {
	if err := b.api.Update(ctx, record(twin)); err != nil {
		return fmt.Errorf("update the record: %w", err)
	}
	return nil
}

// look reads what every pass of the operator reads.
func (b *bare) look(ctx context.Context, name string) error {
	if err := b.api.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); err != nil {
		return err
	}
	for _, list := range []client.ObjectList{&rbacv1.RoleBindingList{}, secretsByMetadata()} {
		if err := b.api.List(ctx, list, client.InNamespace(name)); err != nil {
			return err
		}
	}
	return nil
}

// secretsByMetadata is a list of Secrets without what they hold.
func secretsByMetadata() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	return list
}

// handshake has the route show its certificate.
func (b *bare) handshake(ctx context.Context) error {
	_, err := trust.Present(ctx, b.toRegistry(), b.platform.Host())
	return err
}

func (b *bare) toRegistry() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyURL(b.platform.ProxyURL()), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// grant makes the service accounts and binds their roles.
func (b *bare) grant(ctx context.Context, twin client.Object) error {
	for account, role := range map[string]string{publisher: "edit", puller: "system:image-puller"} {
		for _, object := range []client.Object{
			&corev1.ServiceAccount{ObjectMeta: owned(twin, account)},
			&rbacv1.RoleBinding{
				ObjectMeta: owned(twin, account),
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: twin.GetName()}},
			},
		} {
			if err := b.api.Create(ctx, object); err != nil {
				return fmt.Errorf("grant access: %w", err)
			}
		}
	}
	return nil
}

// owned is the metadata of an object that goes with its twin.
func owned(twin client.Object, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: twin.GetName(), Name: name,
		Labels:          map[string]string{"edge.open-horizon.io/edgeregistry": twin.GetName()},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(twin, twinKind())},
	}
}

// mint asks what the puller may do, has both tokens issued, each bound to a Secret of its own, puts that on record, and returns the two
// Secrets that carry them.
func (b *bare) mint(ctx context.Context, twin client.Object, generation int) ([]*corev1.Secret, error) {
	if err := b.api.Create(ctx, mayPush(twin.GetName())); err != nil {
		return nil, fmt.Errorf("ask what the puller may do: %w", err)
	}
	in := handoff.Input{Provider: "openshift", Host: b.platform.Host(), Project: twin.GetName(), CA: b.platform.Router.CA().RootPEM()}
	for account, login := range map[string]*handoff.Login{publisher: &in.Publisher, puller: &in.Puller} {
		bound := &corev1.Secret{ObjectMeta: owned(twin, fmt.Sprintf("%s-%d", account, generation))}
		if err := b.api.Create(ctx, bound); err != nil {
			return nil, fmt.Errorf("create a bound Secret: %w", err)
		}
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: ptr.To[int64](2160 * 60 * 60),
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID},
		}}
		owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: bound.Namespace, Name: account}}
		if err := b.api.SubResource("token").Create(ctx, owner, request); err != nil {
			return nil, fmt.Errorf("request a token: %w", err)
		}
		*login = handoff.Login{User: account + "." + twin.GetName(), Token: credential.NewToken(request.Status.Token)}
	}
	if err := b.keep(ctx, twin); err != nil {
		return nil, err
	}
	publish, err := handoff.PublishData(in)
	if err != nil {
		return nil, err
	}
	pull, err := handoff.PullData(in)
	if err != nil {
		return nil, err
	}
	return []*corev1.Secret{
		{ObjectMeta: owned(twin, twin.GetName()+"-publish"), Type: corev1.SecretTypeDockerConfigJson, Data: publish},
		{ObjectMeta: owned(twin, twin.GetName()+"-pull"), Type: corev1.SecretTypeDockerConfigJson, Data: pull},
	}, nil
}

// mayPush asks whether the puller may push.
func mayPush(project string) *authorizationv1.SubjectAccessReview {
	return &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:" + project + ":" + puller,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: project, Verb: "update", Group: "image.openshift.io", Resource: "imagestreams", Subresource: "layers"},
	}}
}

// finish tries both tokens, marks their bound Secrets as published, and writes the record and the status.
func (b *bare) finish(ctx context.Context, twin *unstructured.Unstructured, secrets []*corev1.Secret, generation int) error {
	pool, err := trust.Pool(b.platform.Router.CA().RootPEM())
	if err != nil {
		return err
	}
	transport := b.toRegistry()
	transport.TLSClientConfig.RootCAs = pool
	defer transport.CloseIdleConnections()
	for _, secret := range secrets {
		token, _ := handoff.Token(secret.Data)
		user := string(secret.Data[handoff.KeyUser])
		if _, err := registry.New(b.platform.Host(), transport, registry.Dialect{Anonymous: "anonymous", AnyRepository: true}).Probe(ctx, twin.GetName(), user, token); err != nil {
			return fmt.Errorf("try a token: %w", err)
		}
		account := strings.TrimSuffix(user, "."+twin.GetName())
		bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: twin.GetName(), Name: fmt.Sprintf("%s-%d", account, generation)}}
		mark := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"edge.open-horizon.io/bench":"published"}}}`))
		if err := b.api.Patch(ctx, bound, mark); err != nil {
			return fmt.Errorf("mark a bound Secret: %w", err)
		}
	}
	if err := b.keep(ctx, twin); err != nil {
		return err
	}
	b.tell(ctx, twin)
	status := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{"lastHandledRotation":"%d"}}`, generation))
	return b.api.Status().Patch(ctx, twin, status)
}

var eventNumber atomic.Int64

// tell sends events as the operator's recorder does, which nobody waits for.
func (b *bare) tell(ctx context.Context, twin client.Object) {
	for range b.events {
		event := &eventsv1.Event{
			ObjectMeta:          metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("%s.%d", twin.GetName(), eventNumber.Add(1))},
			EventTime:           metav1.NowMicro(),
			ReportingController: bareAgent, ReportingInstance: bareAgent, Action: "Bench", Reason: "Bench", Type: corev1.EventTypeNormal,
			Regarding: corev1.ObjectReference{APIVersion: twinKind().GroupVersion().String(), Kind: "EdgeRegistry", Name: twin.GetName(), UID: twin.GetUID()},
			Note:      "a message of about the length that the operator's messages have, so that it costs as much to store",
		}
		b.background.Go(func() { _ = b.api.Create(ctx, event) })
	}
}

// rotate gives a twin new tokens, as the operator does when it is asked to.
func (b *bare) rotate(ctx context.Context, name string, generation int) error {
	twin := newTwin(name)
	if err := b.api.Get(ctx, client.ObjectKeyFromObject(twin), twin); err != nil {
		return err
	}
	if err := b.look(ctx, name); err != nil {
		return err
	}
	if err := b.handshake(ctx); err != nil {
		return err
	}
	secrets, err := b.mint(ctx, twin, generation)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if err := b.api.Patch(ctx, secret, client.Merge); err != nil {
			return fmt.Errorf("patch a Secret: %w", err)
		}
	}
	return b.finish(ctx, twin, secrets, generation)
}
