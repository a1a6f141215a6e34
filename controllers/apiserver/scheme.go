// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"

	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// NewScheme returns a scheme with the types that the operator works with.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme,
		edgev1.AddToScheme,
		configv1.Install,
		imageregistryv1.Install,
		projectv1.Install,
		routev1.Install,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// RESTMapper returns a mapper for the kinds that the operator works with. It is fixed and needs no discovery: if an API is absent,
// or down while OpenShift rolls its API servers, the request itself fails with an error that a step can explain.
func RESTMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		edgev1.GroupVersion.WithKind("EdgeRegistry"),
		imageregistryv1.GroupVersion.WithKind("Config"),
		projectv1.GroupVersion.WithKind("ProjectRequest"),
		projectv1.GroupVersion.WithKind("Project"),
		corev1.SchemeGroupVersion.WithKind("Namespace"),
		authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"),
		authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview"),
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
