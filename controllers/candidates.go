// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	configv1 "github.com/openshift/api/config/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// +kubebuilder:rbac:groups="",namespace=openshift-config-managed,resources=configmaps,resourceNames=default-ingress-cert,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=edge-registry-system,resources=configmaps,verbs=get;watch
// +kubebuilder:rbac:groups=config.openshift.io,resources=proxies,resourceNames=cluster,verbs=get

// nearCandidates are the places that speak of this very route: what the admin names, the Route
// itself, and what the default router serves where a Route has no certificate of its own.
func (r *EdgeRegistryReconciler) nearCandidates(ctx context.Context, s *scope) ([]trust.Candidate, error) {
	var candidates []trust.Candidate
	if ref := s.edge.Spec.Trust.CABundleRef; ref != nil {
		candidate, err := r.namedBundle(ctx, ref)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, candidate)
	}
	tls := s.route.Spec.TLS
	if tls != nil && tls.CACertificate+tls.Certificate != "" {
		candidates = append(candidates, trust.Candidate{
			Source: trust.SourceRoute,
			Where:  "Route " + imageRegistryNamespace + "/" + s.route.Name,
			PEM:    []byte(tls.Certificate + "\n" + tls.CACertificate),
		})
	}
	if s.router != defaultRouter || (tls != nil && (tls.Certificate != "" || tls.ExternalCertificate != nil)) {
		return candidates, nil
	}
	published, err := r.ingressCert.get(ctx, configManagedNamespace, defaultIngressCert)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace, defaultIngressCert, err)
	}
	if err == nil {
		candidates = append(candidates, trust.Candidate{
			Source: trust.SourceDefaultIngressCert,
			Where:  "ConfigMap " + configManagedNamespace + "/" + defaultIngressCert,
			PEM:    []byte(published.Data[caBundleKey]),
		})
	}
	return candidates, nil
}

func (r *EdgeRegistryReconciler) namedBundle(ctx context.Context, ref *edgev1.CABundleRef) (trust.Candidate, error) {
	where := fmt.Sprintf("ConfigMap %s/%s, key %s", r.Namespace, ref.Name, ref.Key)
	configMap := &corev1.ConfigMap{}
	err := r.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: ref.Name}, configMap)
	if apierrors.IsNotFound(err) || (err == nil && configMap.Data[ref.Key] == "") {
		return trust.Candidate{}, stalled(edgev1.ReasonCABundleMissing,
			"%s is absent or empty: put the root CA there in PEM, or leave spec.trust.caBundleRef out", where)
	}
	if err != nil {
		return trust.Candidate{}, fmt.Errorf("read %s: %w", where, err)
	}
	if _, err := trust.ParsePEM([]byte(configMap.Data[ref.Key])); err != nil {
		return trust.Candidate{}, stalled(edgev1.ReasonCABundleMissing, "%s holds %s: put the root CA there in PEM", where, oneLine(err))
	}
	return trust.Candidate{Source: trust.SourceCABundleRef, Where: where, PEM: []byte(configMap.Data[ref.Key])}, nil
}

// farCandidates are the CAs that the cluster's proxy configuration adds, and the public CAs.
// OpenShift merges the two in one ConfigMap, so it counts as the proxy's only if there is one.
func (r *EdgeRegistryReconciler) farCandidates(ctx context.Context) ([]trust.Candidate, error) {
	system := trust.Candidate{Source: trust.SourceSystem, Where: "the public CAs", Roots: r.SystemRoots}
	proxy := &configv1.Proxy{}
	err := r.Get(ctx, client.ObjectKey{Name: clusterProxy}, proxy)
	if apierrors.IsNotFound(err) || (err == nil && proxy.Spec.TrustedCA.Name == "") {
		return []trust.Candidate{system}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's Proxy: %w", err)
	}
	injected := &corev1.ConfigMap{}
	err = r.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: trustedCAConfigMap}, injected)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", r.Namespace, trustedCAConfigMap, err)
	}
	return []trust.Candidate{{
		Source: trust.SourceProxy,
		Where:  "the cluster proxy's trusted CA (ConfigMap " + r.Namespace + "/" + trustedCAConfigMap + ")",
		PEM:    []byte(injected.Data[caBundleKey]),
	}, system}, nil
}
