// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// fieldManager owns the fields that the operator writes.
const fieldManager = "edge-registry-operator"

// Labels of every object that the operator makes.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	edgeLabel      = "edge.open-horizon.io/edgeregistry"
	uidLabel       = "edge.open-horizon.io/edgeregistry-uid"
	roleLabel      = "edge.open-horizon.io/role"
	kindLabel      = "edge.open-horizon.io/secret"
)

// Values of kindLabel. A copy has one of its own, so that who selects the originals does not meet it.
const (
	kindPublish = "publish"
	kindPull    = "pull"
	kindAnchor  = "anchor"
	kindCopy    = "-copy" // after the kind of its original
)

// Annotations of the Secrets that consumers read and of the anchors. Times are RFC 3339, in UTC.
const (
	generationAnnotation   = "edge.open-horizon.io/token-generation"
	anchorUIDAnnotation    = "edge.open-horizon.io/token-anchor-uid"
	credentialIDAnnotation = "edge.open-horizon.io/token-credential-id"
	accountUIDAnnotation   = "edge.open-horizon.io/token-serviceaccount-uid"
	issuedAtAnnotation     = "edge.open-horizon.io/token-issued-at"
	expiresAtAnnotation    = "edge.open-horizon.io/token-expires-at"
	lifetimeAnnotation     = "edge.open-horizon.io/token-lifetime"
	causeAnnotation        = "edge.open-horizon.io/token-cause"
	rotationAnnotation     = "edge.open-horizon.io/handled-rotation"
	copiedToAnnotation     = "edge.open-horizon.io/copied-to"
	tektonAnnotation       = "tekton.dev/docker-0"
)

// argoCDAnnotations are on every Secret that the operator makes. Argo CD tells its own objects by a
// label that whoever copies labels may copy too; these keep it from pruning ours, or from calling
// its application out of sync for them.
var argoCDAnnotations = map[string]string{
	"argocd.argoproj.io/compare-options": "IgnoreExtraneous",
	"argocd.argoproj.io/sync-options":    "Prune=false",
}

// Objects of the platform, by the names that OpenShift gives them.
const (
	imageRegistryNamespace = "openshift-image-registry"
	imageRegistryConfig    = "cluster"
	defaultRoute           = "default-route"
	defaultRouter          = "default"
	configManagedNamespace = "openshift-config-managed"
	defaultIngressCert     = "default-ingress-cert"
	caBundleKey            = "ca-bundle.crt"
	clusterProxy           = "cluster"
	descriptionAnnotation  = "openshift.io/description"
	requesterAnnotation    = "openshift.io/requester"
)

// trustedCAConfigMap is in the operator's namespace; OpenShift's network operator fills it with
// the trusted CAs of the cluster, by its label config.openshift.io/inject-trusted-cabundle.
const trustedCAConfigMap = "edge-registry-trusted-ca"

// invitationClusterRole is what the owner of a project binds to the operator to invite it.
const invitationClusterRole = "edge-registry-project"

// copyTargetClusterRole is what the owner of a namespace binds to the operator to receive copies.
const copyTargetClusterRole = "edge-registry-copy-target"

func projectName(edge *edgev1.EdgeRegistry) string {
	if openshift := edge.Spec.OpenShift; openshift != nil && openshift.Project.Name != "" {
		return openshift.Project.Name
	}
	return edge.Name
}

func publishSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Publish.Name; name != "" {
		return name
	}
	return edge.Name + "-publish"
}

func pullSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Pull.Name; name != "" {
		return name
	}
	return edge.Name + "-pull"
}

func bindingName(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) string {
	return edge.Name + "-" + roleValue(role)
}

func anchorName(secret string, generation int64) string {
	return fmt.Sprintf("%s-%d", secret, generation)
}

// roleValue is a role as a label value or as part of a name.
func roleValue(role edgev1.TokenRole) string {
	return strings.ToLower(string(role))
}

func ownLabels(edge *edgev1.EdgeRegistry) map[string]string {
	return map[string]string{
		managedByLabel: fieldManager,
		edgeLabel:      edge.Name,
		// An orphaning deletion takes the owner reference off, and leaves labels.
		uidLabel: string(edge.UID),
	}
}

// ownerMark is written into the description of a requested project: labels and annotations of a
// ProjectRequest do not survive it, its description does.
func ownerMark(name string, uid types.UID) string {
	return fmt.Sprintf("[EdgeRegistry %s %s]", name, uid)
}

// reservedProject reports a namespace that no EdgeRegistry may use. Admission refuses the
// platform's names already; an object stored before that rule still meets it here.
func reservedProject(name, operatorNamespace string) bool {
	switch name {
	case operatorNamespace, "default", "openshift", "kubernetes", "kube":
		return true
	}
	return strings.HasPrefix(name, "openshift-") || strings.HasPrefix(name, "kube-") || strings.HasPrefix(name, "kubernetes-")
}
