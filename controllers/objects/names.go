// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// FieldManager owns the fields that the operator writes.
const FieldManager = "edge-registry-operator"

// Labels of every object that the operator makes.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	EdgeLabel      = "edge.open-horizon.io/edgeregistry"
	UIDLabel       = "edge.open-horizon.io/edgeregistry-uid"
	RoleLabel      = "edge.open-horizon.io/role"
	KindLabel      = "edge.open-horizon.io/secret"
)

// Values of KindLabel. A copy has one of its own, so that a selector for the originals does not match it. A bound Secret is
// called by the word of the first version, which is on every one that there is.
const (
	KindPublish = "publish"
	KindPull    = "pull"
	KindBound   = "anchor"
	KindCopy    = "-copy" // after the kind of its original
)

// Annotations of the Secrets that consumers read and of the bound Secrets. Times are RFC 3339, in UTC.
const (
	GenerationAnnotation   = "edge.open-horizon.io/token-generation"
	BoundUIDAnnotation     = "edge.open-horizon.io/token-anchor-uid"
	CredentialIDAnnotation = "edge.open-horizon.io/token-credential-id"
	AccountUIDAnnotation   = "edge.open-horizon.io/token-serviceaccount-uid"
	IssuedAtAnnotation     = "edge.open-horizon.io/token-issued-at"
	ExpiresAtAnnotation    = "edge.open-horizon.io/token-expires-at"
	LifetimeAnnotation     = "edge.open-horizon.io/token-lifetime"
	CauseAnnotation        = "edge.open-horizon.io/token-cause"
	RotationAnnotation     = "edge.open-horizon.io/handled-rotation"
	CopiedToAnnotation     = "edge.open-horizon.io/copied-to"
	TektonAnnotation       = "tekton.dev/docker-0"
)

// argoCDAnnotations are on every Secret that the operator makes. Argo CD recognises its own objects by a label, which may be
// copied together with others; these annotations keep it from pruning our Secrets, or from reporting drift for them.
var argoCDAnnotations = map[string]string{
	"argocd.argoproj.io/compare-options": "IgnoreExtraneous",
	"argocd.argoproj.io/sync-options":    "Prune=false",
}

// RoleValue formats a role for a label value or a part of a name.
func RoleValue(role edgev1.TokenRole) string {
	return strings.ToLower(string(role))
}

// OwnLabels are the labels by which the operator knows what it made for an EdgeRegistry.
func OwnLabels(edge *edgev1.EdgeRegistry) map[string]string {
	return map[string]string{
		ManagedByLabel: FieldManager,
		EdgeLabel:      edge.Name,
		// An orphaning deletion removes the owner reference, and leaves labels.
		UIDLabel: string(edge.UID),
	}
}

// IsReserved reports whether no EdgeRegistry may use a namespace. Admission refuses the platform's names too; this also covers
// objects that were stored before that rule.
func IsReserved(name, operatorNamespace string) bool {
	switch name {
	case operatorNamespace, CredentialsNamespace, "default", "openshift", "kubernetes", "kube":
		return true
	}
	return strings.HasPrefix(name, "openshift-") || strings.HasPrefix(name, "kube-") || strings.HasPrefix(name, "kubernetes-")
}

// SecretKind is the kind of the published Secret of a role, in its label and in the spec.
func SecretKind(role edgev1.TokenRole) string {
	if role == edgev1.TokenPublisher {
		return KindPublish
	}
	return KindPull
}
