// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about names of the platform: what the tests share.

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// What the tests expect of OpenShift and of the provider for it, in words of their own.
const (
	imageRegistryNamespace = "openshift-image-registry"
	imageRegistryConfig    = "cluster"
	defaultRoute           = "default-route"
	configManagedNamespace = "openshift-config-managed"
	defaultIngressCert     = "default-ingress-cert"
	caBundleKey            = "ca-bundle.crt"
	clusterProxy           = "cluster"
	descriptionAnnotation  = "openshift.io/description"
	requesterAnnotation    = "openshift.io/requester"
	invalidSinceLabel      = "kubernetes.io/legacy-token-invalid-since"

	// contestWindow is how soon somebody has to switch the default route off again for a fight, and contestPause how long
	// the operator leaves it alone then.
	contestWindow, contestPause = 10 * time.Minute, time.Hour
	// bindingDelay is how long the admin binding of a new project may take to count.
	bindingDelay = time.Minute
	// conflictsUnreported is how many passes in a row may end in a conflict before it is reported.
	conflictsUnreported = 5
	// maxListed is how many credentials of a role the status lists.
	maxListed = 20
	// lastGeneration is the highest generation.
	lastGeneration = 999_999_999
)

// stepConditions are the conditions of the steps, in the order of the pass.
var stepConditions = []string{
	edgev1.RegistryExposed, edgev1.ProjectReady, edgev1.AccessGranted, edgev1.RegistryTrusted, edgev1.CredentialsIssued,
	edgev1.SecretsPublished, edgev1.RegistryVerified,
}

// watchedKinds are the kinds of the operator's objects in a project.
var watchedKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("ServiceAccountList"),
	rbacv1.SchemeGroupVersion.WithKind("RoleBindingList"),
	corev1.SchemeGroupVersion.WithKind("SecretList"),
}

func bindingName(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) string {
	return edge.Name + "-" + strings.ToLower(string(role))
}

func boundSecretName(secret string, generation int64) string {
	return fmt.Sprintf("%s-%d", secret, generation)
}

// keptToken is the token that the cluster keeps in a token Secret.
func keptToken(bound *corev1.Secret) credential.Token {
	return credential.NewToken(string(bound.Data[corev1.ServiceAccountTokenKey]))
}

// typeOf is the type of the token that a Secret is for.
func typeOf(bound *corev1.Secret) edgev1.TokenType {
	if bound.Type == corev1.SecretTypeServiceAccountToken {
		return edgev1.TokenLongLived
	}
	return edgev1.TokenBound
}

// generationOf is the generation of a bound Secret, by its name.
func generationOf(bound *corev1.Secret) (generation int64) {
	_, _ = fmt.Sscan(bound.Name[strings.LastIndex(bound.Name, "-")+1:], &generation)
	return generation
}
