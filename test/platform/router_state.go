// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"

	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	ingressCertName  = "default-ingress-cert"
	ingressCertKey   = "ca-bundle.crt"
	routerName       = "default"
	hostGeneratedKey = "openshift.io/host.generated"
)

// generatedHost is the host that openshift-apiserver gives a Route without one.
func generatedHost(name, namespace, domain string) string {
	return fmt.Sprintf("%s-%s.%s", name, namespace, domain)
}

// assignHost fills an empty host and marks it as generated.
func assignHost(route *routev1.Route, domain string) {
	if route.Spec.Host != "" {
		return
	}
	route.Spec.Host = generatedHost(route.Name, route.Namespace, domain)
	metav1.SetMetaDataAnnotation(&route.ObjectMeta, hostGeneratedKey, "true")
}

// pass brings Routes, serving table and published chain up to date.
func (r *Router) pass(ctx context.Context) error {
	list := &routev1.RouteList{}
	listed := r.api.List(ctx, list, client.InNamespace(RegistryNamespace))
	if listed != nil && !apierrors.IsNotFound(listed) {
		return errors.Join(fmt.Errorf("list routes: %w", listed), r.publish(ctx))
	}
	r.mu.Lock()
	admission := r.admission
	r.mu.Unlock()
	var failed error
	table := map[string]*tls.Certificate{}
	for i := range list.Items {
		route := &list.Items[i]
		if err := r.admit(ctx, route, admission); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if route.DeletionTimestamp == nil && admission.open() {
			table[route.Spec.Host] = ownCertificate(route)
		}
	}
	r.mu.Lock()
	r.routes = table
	r.mu.Unlock()
	return errors.Join(failed, r.publish(ctx))
}

// admit writes the Route's host, when it has none, and its status.
func (r *Router) admit(ctx context.Context, route *routev1.Route, a admission) error {
	if route.Spec.Host == "" {
		before := route.DeepCopy()
		assignHost(route, r.domain)
		if err := r.api.Patch(ctx, route, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("fill host of route %s: %w", route.Name, err)
		}
	}
	before := route.DeepCopy()
	route.Status.Ingress = r.ingress(route, a)
	if reflect.DeepEqual(before.Status.Ingress, route.Status.Ingress) {
		return nil
	}
	if err := r.api.Status().Patch(ctx, route, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status of route %s: %w", route.Name, err)
	}
	return nil
}

// ingress is the entries of the routers in a Route's status. A condition keeps its
// transition time while its status stays.
func (r *Router) ingress(route *routev1.Route, a admission) []routev1.RouteIngress {
	if a.ignored {
		return nil
	}
	r.mu.Lock()
	names := r.names
	r.mu.Unlock()
	var entries []routev1.RouteIngress
	for _, name := range names {
		entries = append(entries, r.entry(route, a, name))
	}
	return entries
}

func (r *Router) entry(route *routev1.Route, a admission, name string) routev1.RouteIngress {
	now := metav1.Now().Rfc3339Copy()
	condition := routev1.RouteIngressCondition{
		Type: routev1.RouteAdmitted, Status: corev1.ConditionTrue, LastTransitionTime: &now,
	}
	if name == a.claimedAt {
		a.reason, a.message = "HostAlreadyClaimed", "a route in another namespace holds the host"
	}
	if a.reason != "" {
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, a.reason, a.message
	}
	for _, entry := range route.Status.Ingress {
		for _, old := range entry.Conditions {
			if entry.RouterName == name && old.Type == condition.Type && old.Status == condition.Status && old.LastTransitionTime != nil {
				condition.LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	return routev1.RouteIngress{
		Host:                    route.Spec.Host,
		RouterName:              name,
		RouterCanonicalHostname: "router-" + name + "." + r.domain,
		WildcardPolicy:          routev1.WildcardPolicyNone,
		Conditions:              []routev1.RouteIngressCondition{condition},
	}
}

// ownCertificate is the certificate in a Route's spec followed by its
// caCertificate, or nil when the Route has none that can be served.
func ownCertificate(route *routev1.Route) *tls.Certificate {
	spec := route.Spec.TLS
	if spec == nil || spec.Certificate == "" || spec.Key == "" {
		return nil
	}
	chain, err := tls.X509KeyPair([]byte(spec.Certificate+"\n"+spec.CACertificate), []byte(spec.Key))
	if err != nil {
		return nil
	}
	return &chain
}

// publish mirrors the serving chain, or what SetPublished gave, to the ConfigMap.
func (r *Router) publish(ctx context.Context) error {
	r.mu.Lock()
	pem, remove := ChainPEM(r.serving), false
	if r.overridden {
		pem, remove = r.published, r.published == nil
	}
	r.mu.Unlock()
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: ManagedNamespace, Name: ingressCertName},
		Data:       map[string]string{ingressCertKey: string(pem)},
	}
	have := &corev1.ConfigMap{}
	err := r.api.Get(ctx, client.ObjectKeyFromObject(want), have)
	switch {
	case apierrors.IsNotFound(err) && remove:
		return nil
	case apierrors.IsNotFound(err):
		err = r.api.Create(ctx, want)
	case err != nil:
	case remove:
		err = client.IgnoreNotFound(r.api.Delete(ctx, have))
	case !reflect.DeepEqual(have.Data, want.Data):
		have.Data = want.Data
		err = r.api.Update(ctx, have)
	}
	if err != nil {
		return fmt.Errorf("publish the router's chain: %w", err)
	}
	return nil
}
