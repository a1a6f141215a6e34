// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// +kubebuilder:rbac:groups="",namespace=edge-registry-system,resources=configmaps,verbs=get;watch

// nearSources are the places that speak of this very registry: what the admin names, and what the provider knows.
func (p *run) nearSources(ctx context.Context) ([]trust.Candidate, error) {
	var named []trust.Candidate
	if ref := p.Edge.Spec.Trust.CABundleRef; ref != nil {
		candidate, err := p.namedBundle(ctx, ref)
		if err != nil {
			return nil, err
		}
		named = append(named, candidate)
	}
	near, err := p.session.CASources(ctx, false)
	return append(named, near...), err
}

func (p *run) namedBundle(ctx context.Context, ref *edgev1.CABundleRef) (trust.Candidate, error) {
	where := fmt.Sprintf("ConfigMap %s/%s, key %s", p.Namespace, ref.Name, ref.Key)
	configMap := &corev1.ConfigMap{}
	err := p.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: ref.Name}, configMap)
	if apierrors.IsNotFound(err) || (err == nil && configMap.Data[ref.Key] == "") {
		return trust.Candidate{}, pass.Stalled(edgev1.ReasonCABundleMissing,
			"%s is absent or empty: put the root CA there in PEM, or leave spec.trust.caBundleRef out", where)
	}
	if err != nil {
		return trust.Candidate{}, fmt.Errorf("read %s: %w", where, err)
	}
	if _, err := trust.ParsePEM([]byte(configMap.Data[ref.Key])); err != nil {
		return trust.Candidate{}, pass.Stalled(edgev1.ReasonCABundleMissing, "%s holds %s: put the root CA there in PEM", where, text.Of(err))
	}
	return trust.Candidate{Source: trust.SourceCABundleRef, Where: where, PEM: []byte(configMap.Data[ref.Key])}, nil
}
