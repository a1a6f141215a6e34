// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	defaultRouteName   = "default-route"
	routeOwnerKey      = "imageregistry.openshift.io"
	routeChecksumKey   = "imageregistry.operator.openshift.io/checksum"
	registryService    = "image-registry"
	storageNotPossible = "storage backend not configured"
)

// apply does what the operator does for Managed, in its order: verification,
// storage, the workload, then Routes, then Routes nobody asks for any more.
func (o *ImageRegistryOperator) apply(ctx context.Context, cfg *imageregistryv1.Config) error {
	names := map[string]bool{defaultRouteName: true}
	for _, route := range cfg.Spec.Routes {
		if names[route.Name] {
			return permanentError{"VerificationFailed",
				"unable to complete resource: duplication of names has been detected in the additional routes"}
		}
		names[route.Name] = true
	}
	o.mu.Lock()
	storage := o.storage
	o.mu.Unlock()
	if !storage || !hasBackend(cfg.Spec.Storage) {
		return permanentError{"StorageNotConfigured", storageNotPossible}
	}
	o.mu.Lock()
	o.deployed = true
	o.mu.Unlock()
	wanted, err := o.routes(ctx, cfg)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, route := range wanted {
		listed[route.Name] = true
		if err := o.applyRoute(ctx, route); err != nil {
			return err
		}
	}
	return o.removeObsolete(ctx, listed)
}

// hasBackend reports whether the storage names any backend.
func hasBackend(storage imageregistryv1.ImageRegistryConfigStorage) bool {
	storage.ManagementState = ""
	return storage != imageregistryv1.ImageRegistryConfigStorage{}
}

// remove does what the operator does for Removed. It deletes the Routes that
// the spec lists now, and no other: setting Removed and taking a Route out of
// the spec in one write leaves that Route behind.
func (o *ImageRegistryOperator) remove(ctx context.Context, cfg *imageregistryv1.Config) error {
	names := []string{}
	if cfg.Spec.DefaultRoute {
		names = append(names, defaultRouteName)
	}
	for _, route := range cfg.Spec.Routes {
		names = append(names, route.Name)
	}
	for _, name := range names {
		if err := o.deleteRoute(ctx, name); err != nil {
			return err
		}
	}
	o.mu.Lock()
	o.deployed = false
	o.mu.Unlock()
	return nil
}

func (o *ImageRegistryOperator) removeObsolete(ctx context.Context, listed map[string]bool) error {
	routes := &routev1.RouteList{}
	if err := o.api.List(ctx, routes, client.InNamespace(RegistryNamespace)); err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, route := range routes.Items {
		if route.Annotations[routeOwnerKey] != "true" || listed[route.Name] {
			continue
		}
		if err := o.deleteRoute(ctx, route.Name); err != nil {
			return err
		}
	}
	return nil
}

func (o *ImageRegistryOperator) deleteRoute(ctx context.Context, name string) error {
	route := &routev1.Route{ObjectMeta: metav1.ObjectMeta{Namespace: RegistryNamespace, Name: name}}
	err := o.api.Delete(ctx, route, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationForeground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete route %s: %w", name, err)
	}
	return nil
}

// routes are the Routes that the Config asks for.
func (o *ImageRegistryOperator) routes(ctx context.Context, cfg *imageregistryv1.Config) ([]*routev1.Route, error) {
	var out []*routev1.Route
	if cfg.Spec.DefaultRoute {
		out = append(out, newRoute(defaultRouteName, "", nil))
	}
	for _, spec := range cfg.Spec.Routes {
		var data map[string][]byte
		if spec.SecretName != "" {
			secret := &corev1.Secret{}
			key := client.ObjectKey{Namespace: RegistryNamespace, Name: spec.SecretName}
			if err := o.api.Get(ctx, key, secret); err != nil {
				return nil, fmt.Errorf("read secret of route %s: %w", spec.Name, err)
			}
			data = secret.Data
		}
		out = append(out, newRoute(spec.Name, spec.Hostname, data))
	}
	return out, nil
}

// newRoute is the Route as the operator expects it. It re-encrypts with the
// service CA, so the certificate fields stay empty unless a Secret fills them.
func newRoute(name, host string, secret map[string][]byte) *routev1.Route {
	return &routev1.Route{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: RegistryNamespace, Name: name, Annotations: map[string]string{routeOwnerKey: "true"},
		},
		Spec: routev1.RouteSpec{
			Host: host,
			To:   routev1.RouteTargetReference{Kind: "Service", Name: registryService, Weight: ptr.To[int32](100)},
			TLS: &routev1.TLSConfig{
				Termination:   routev1.TLSTerminationReencrypt,
				Certificate:   string(secret["tls.crt"]),
				Key:           string(secret["tls.key"]),
				CACertificate: string(secret["tls.cacrt"]),
			},
			WildcardPolicy: routev1.WildcardPolicyNone,
		},
	}
}

// applyRoute creates the Route, or replaces it when the operator expects
// another one than it last wrote. While the checksum matches it writes nothing,
// and what somebody edited by hand survives.
func (o *ImageRegistryOperator) applyRoute(ctx context.Context, want *routev1.Route) error {
	sum, err := checksum(want)
	if err != nil {
		return err
	}
	want.Annotations[routeChecksumKey] = sum
	have := &routev1.Route{}
	err = o.api.Get(ctx, client.ObjectKeyFromObject(want), have)
	switch {
	case apierrors.IsNotFound(err):
		assignHost(want, o.domain)
		err = o.api.Create(ctx, want)
	case err != nil, have.Annotations[routeChecksumKey] == sum:
	default:
		assignHost(want, o.domain)
		have.Annotations, have.Labels, have.Spec = want.Annotations, want.Labels, want.Spec
		err = o.api.Update(ctx, have)
	}
	if err != nil {
		return fmt.Errorf("apply route %s: %w", want.Name, err)
	}
	return nil
}

func checksum(route *routev1.Route) (string, error) {
	raw, err := json.Marshal(route)
	if err != nil {
		return "", fmt.Errorf("checksum of route %s: %w", route.Name, err)
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// rejectedRoute names the first Route of the operator that a router refused.
func rejectedRoute(routes []routev1.Route) string {
	for _, route := range routes {
		if route.Annotations[routeOwnerKey] != "true" {
			continue
		}
		for _, entry := range route.Status.Ingress {
			for _, c := range entry.Conditions {
				if c.Type == routev1.RouteAdmitted && c.Status == corev1.ConditionFalse {
					return fmt.Sprintf("route %s is not admitted by router %s: %s", route.Name, entry.RouterName, c.Reason)
				}
			}
		}
	}
	return ""
}
