// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// victim is an object of an EdgeRegistry that somebody deletes.
type victim struct {
	what   string
	object client.Object
}

// victims are the kinds of objects that the operator owns, of one EdgeRegistry with a copy.
func victims(name, copiedTo string) []victim {
	in := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	return []victim{
		{what: "service account", object: &corev1.ServiceAccount{ObjectMeta: in(name, publisher)}},
		{what: "role binding", object: &rbacv1.RoleBinding{ObjectMeta: in(name, name+"-publisher")}},
		{what: "publish Secret", object: &corev1.Secret{ObjectMeta: in(name, name+"-publish")}},
		{what: "pull Secret", object: &corev1.Secret{ObjectMeta: in(name, name+"-pull")}},
		{what: "copy of the publish Secret", object: &corev1.Secret{ObjectMeta: in(copiedTo, name+"-publish")}},
	}
}

// heal deletes an object and returns how long it takes until another is in its place and the
// EdgeRegistry is Ready.
func (w *world) heal(ctx context.Context, edge string, v victim) (time.Duration, error) {
	if err := w.api.Get(ctx, client.ObjectKeyFromObject(v.object), v.object); err != nil {
		return 0, fmt.Errorf("read the %s: %w", v.what, err)
	}
	before := v.object.GetUID()
	began := time.Now()
	if err := w.api.Delete(ctx, v.object); err != nil {
		return 0, fmt.Errorf("delete the %s: %w", v.what, err)
	}
	err := poll(ctx, "the "+v.what+" is not made again", func(ctx context.Context) (bool, error) {
		err := w.api.Get(ctx, client.ObjectKeyFromObject(v.object), v.object)
		return err == nil && v.object.GetUID() != before, client.IgnoreNotFound(err)
	})
	took := time.Since(began)
	return took, errors.Join(err, w.rest(ctx, edge))
}

// revoke deletes the bound Secret of the publish token, and returns how long it takes until the publish
// Secret carries another token.
func (w *world) revoke(ctx context.Context, edge string) (time.Duration, error) {
	const generation = "edge.open-horizon.io/token-generation"
	published := &corev1.Secret{}
	key := client.ObjectKey{Namespace: edge, Name: edge + "-publish"}
	if err := w.api.Get(ctx, key, published); err != nil {
		return 0, fmt.Errorf("read the publish Secret: %w", err)
	}
	before := published.Annotations[generation]
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: edge, Name: key.Name + "-" + before}}
	began := time.Now()
	if err := w.api.Delete(ctx, bound); err != nil {
		return 0, fmt.Errorf("delete the bound Secret: %w", err)
	}
	err := poll(ctx, "the token is not replaced", func(ctx context.Context) (bool, error) {
		err := w.api.Get(ctx, key, published)
		return err == nil && published.Annotations[generation] != before, client.IgnoreNotFound(err)
	})
	took := time.Since(began)
	return took, errors.Join(err, w.rest(ctx, edge))
}

// rest waits until an EdgeRegistry is Ready and stays as it is for a moment.
func (w *world) rest(ctx context.Context, name string) error {
	const moment = time.Second
	version, since := "", time.Now()
	return poll(ctx, "EdgeRegistry "+name+" does not come to rest", func(ctx context.Context) (bool, error) {
		edge := &edgev1.EdgeRegistry{}
		if err := w.api.Get(ctx, client.ObjectKey{Name: name}, edge); err != nil {
			return false, err
		}
		if edge.ResourceVersion != version || !isReady(edge) {
			version, since = edge.ResourceVersion, time.Now()
		}
		return time.Since(since) > moment, nil
	})
}
