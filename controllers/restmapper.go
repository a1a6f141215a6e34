// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"

	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// restMapper maps the kinds that the operator works with. It is fixed, so that the operator asks
// for no discovery: an API that is absent, or down while OpenShift rolls its API servers, answers
// the request itself with an error that a step can explain.
func restMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		edgev1.GroupVersion.WithKind("EdgeRegistry"),
		imageregistryv1.GroupVersion.WithKind("Config"),
		projectv1.GroupVersion.WithKind("ProjectRequest"),
		projectv1.GroupVersion.WithKind("Project"),
		corev1.SchemeGroupVersion.WithKind("Namespace"),
		authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"),
	} {
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	mapper.AddSpecific(configv1.GroupVersion.WithKind("Proxy"),
		configv1.GroupVersion.WithResource("proxies"), configv1.GroupVersion.WithResource("proxy"), meta.RESTScopeRoot)
	for _, kind := range []schema.GroupVersionKind{
		routev1.GroupVersion.WithKind("Route"),
		rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	return mapper, nil
}
