// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"

	configv1 "github.com/openshift/api/config/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// +kubebuilder:rbac:groups="",namespace=openshift-config-managed,resources=configmaps,resourceNames=default-ingress-cert,verbs=get;list;watch
// +kubebuilder:rbac:groups=config.openshift.io,resources=proxies,resourceNames=cluster,verbs=get

// CASources implements pass.Session. The near sources concern this route alone: the Route itself, and the certificate that the
// default router serves for a Route without its own. The far one is the trusted CA of the cluster's proxy configuration.
func (s *session) CASources(ctx context.Context, far bool) ([]trust.Candidate, error) {
	if far {
		return s.proxyCA(ctx)
	}
	var candidates []trust.Candidate
	tls := s.route.Spec.TLS
	if tls != nil && tls.CACertificate+tls.Certificate != "" {
		candidates = append(candidates, trust.Candidate{
			Source: sourceRoute,
			Where:  "Route " + imageRegistryNamespace + "/" + s.route.Name,
			PEM:    []byte(tls.Certificate + "\n" + tls.CACertificate),
		})
	}
	if s.router != defaultRouter || (tls != nil && (tls.Certificate != "" || tls.ExternalCertificate != nil)) {
		return candidates, nil
	}
	published, err := s.ingressCert.Get(ctx, configManagedNamespace, defaultIngressCert)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", configManagedNamespace, defaultIngressCert, err)
	}
	if err == nil {
		candidates = append(candidates, trust.Candidate{
			Source: sourceDefaultIngressCert,
			Where:  "ConfigMap " + configManagedNamespace + "/" + defaultIngressCert,
			PEM:    []byte(objects.TextOf(published, caBundleKey)),
		})
	}
	return candidates, nil
}

// proxyCA is the CA that the cluster's proxy configuration adds. OpenShift merges it with the public CAs into one ConfigMap, which
// exists without a proxy too. So the ConfigMap counts only if the Proxy names a CA.
func (s *session) proxyCA(ctx context.Context) ([]trust.Candidate, error) {
	proxy := &configv1.Proxy{}
	err := s.Get(ctx, client.ObjectKey{Name: clusterProxy}, proxy)
	if apierrors.IsNotFound(err) || (err == nil && proxy.Spec.TrustedCA.Name == "") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's Proxy: %w", err)
	}
	injected := &corev1.ConfigMap{}
	err = s.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: TrustedCAConfigMap}, injected)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", s.Namespace, TrustedCAConfigMap, err)
	}
	return []trust.Candidate{{
		Source: sourceProxy,
		Where:  "the cluster proxy's trusted CA (ConfigMap " + s.Namespace + "/" + TrustedCAConfigMap + ")",
		PEM:    []byte(objects.TextOf(injected, caBundleKey)),
	}}, nil
}
