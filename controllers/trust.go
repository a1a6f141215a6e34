// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	configv1 "github.com/openshift/api/config/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// +kubebuilder:rbac:groups="",namespace=openshift-config-managed,resources=configmaps,resourceNames=default-ingress-cert,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=edge-registry-system,resources=configmaps,verbs=get;watch
// +kubebuilder:rbac:groups=config.openshift.io,resources=proxies,resourceNames=cluster,verbs=get

// trustRoute finds the root certificate that verifies the route, among places that an admin of the
// cluster vouches for. What the route itself presents is only ever checked. When nothing verifies,
// the bundle that is published already stays, and the steps after this one carry on with it.
func (r *EdgeRegistryReconciler) trustRoute(ctx context.Context, s *scope) (done, error) {
	bundle, result, err := r.findBundle(ctx, s)
	if err == nil {
		if old := s.edge.Status.CA; old != nil && old.SHA256 != bundle.SHA256 {
			s.changing = true
			s.notes = append(s.notes, note{
				reason: edgev1.ReasonCAChanged, message: fmt.Sprintf("the root certificate is now %q from %s", bundle.Subject, bundle.Where),
			})
		}
		s.ca = bundle.PEM
		s.edge.Status.CA = &edgev1.CAStatus{
			Subject:  bundle.Subject,
			SHA256:   bundle.SHA256,
			NotAfter: metav1.NewTime(bundle.NotAfter),
			Source:   string(bundle.Source),
		}
		return result, nil
	}
	why := explainTrust(err)
	var b *blocked
	if last := s.lastGoodCA(); last != nil && errors.As(why, &b) {
		s.ca = last
		b.carryOn = true
		b.message += "; the Secrets keep the CA that they have"
	}
	return done{}, why
}

// findBundle asks the places in the order of the API's promise. The proxy's CA and the public CAs
// are read only when the nearer places do not verify.
func (r *EdgeRegistryReconciler) findBundle(ctx context.Context, s *scope) (trust.Bundle, done, error) {
	candidates, err := r.nearCandidates(ctx, s)
	if err != nil {
		return trust.Bundle{}, done{}, err
	}
	presented, dialErr := r.present(ctx, s.host)
	check := func(candidates []trust.Candidate) (trust.Bundle, error) {
		if dialErr != nil {
			return trust.VerifyOffline(s.host, candidates, s.now)
		}
		return trust.Verify(s.host, presented, candidates, s.now)
	}
	bundle, err := check(candidates)
	if err != nil && worthLookingFurther(err) {
		far, farErr := r.farCandidates(ctx)
		if farErr != nil {
			return trust.Bundle{}, done{}, farErr
		}
		bundle, err = check(append(candidates, far...))
	}
	switch {
	case err == nil && dialErr == nil:
		return bundle, doneBecause(edgev1.ReasonTrusted, "%s is verified by the root %q from %s", s.host, bundle.Subject, bundle.Where), nil
	case err == nil:
		return bundle, doneBecause(edgev1.ReasonTrustedOffline,
			"the certificate that %s publishes for %s is verified by its root %q; the route itself could not be asked: %s",
			bundle.Where, s.host, bundle.Subject, oneLine(dialErr)), nil
	case dialErr != nil:
		return bundle, done{}, dialErr
	default:
		return bundle, done{}, err
	}
}

func (r *EdgeRegistryReconciler) present(ctx context.Context, host string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, r.probeTimeout())
	defer cancel()
	return trust.Present(ctx, r.transport(nil), host)
}

// worthLookingFurther tells a chain whose root is elsewhere from one that no root can mend. An
// expired root may have a valid successor of the same key elsewhere.
func worthLookingFurther(err error) bool {
	var failure *trust.Error
	if !errors.As(err, &failure) {
		return false
	}
	return failure.Kind != trust.NameMismatch
}

func (r *EdgeRegistryReconciler) nearCandidates(ctx context.Context, s *scope) ([]trust.Candidate, error) {
	var candidates []trust.Candidate
	if ref := s.edge.Spec.Trust.CABundleRef; ref != nil {
		candidate, err := r.namedBundle(ctx, ref)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, candidate)
	}
	if tls := s.route.Spec.TLS; tls != nil && tls.CACertificate+tls.Certificate != "" {
		candidates = append(candidates, trust.Candidate{
			Source: trust.SourceRoute,
			Where:  "Route " + imageRegistryNamespace + "/" + s.route.Name,
			PEM:    []byte(tls.Certificate + "\n" + tls.CACertificate),
		})
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

// explainTrust gives the reason and the kind of wait for a failure to verify.
func explainTrust(err error) error {
	var failure *trust.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Kind {
	case trust.Unresolvable:
		return waiting(edgev1.ReasonRouteUnresolvable, "%s", failure.Error())
	case trust.Unreachable:
		return waiting(edgev1.ReasonRouteUnreachable, "%s", failure.Error())
	case trust.NotTLS:
		return waiting(edgev1.ReasonHandshakeFailed, "%s", failure.Error())
	case trust.NameMismatch:
		return needsPerson(edgev1.ReasonNameMismatch, failure)
	case trust.Expired:
		return needsPerson(edgev1.ReasonCertificateExpired, failure)
	case trust.NoRoot:
		return needsPerson(edgev1.ReasonRootMissing, failure)
	case trust.Untrusted, trust.NoCandidates:
		return needsPerson(edgev1.ReasonChainUntrusted, failure)
	}
	return err
}

// needsPerson is a stall that may end by a change of the router's certificate, of which no watch
// tells: it is looked at again as often as a wait.
func needsPerson(reason string, failure *trust.Error) *blocked {
	b := stalled(reason, "%s", failure.Error())
	b.retry = retryWaiting
	return b
}

// lastGoodCA is the bundle that the pull Secret carries, or nil.
func (s *scope) lastGoodCA() []byte {
	secret := s.live.secrets[s.puller.secret]
	if secret == nil {
		return nil
	}
	if _, err := trust.ParsePEM(secret.Data[handoff.KeyCA]); err != nil {
		return nil
	}
	return secret.Data[handoff.KeyCA]
}
