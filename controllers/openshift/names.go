// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

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

// TrustedCAConfigMap is in the operator's namespace. OpenShift's network operator fills it with the trusted CAs of the cluster,
// because of its label config.openshift.io/inject-trusted-cabundle.
const TrustedCAConfigMap = "edge-registry-trusted-ca"

// ProjectName is the name of the project of an EdgeRegistry.
func ProjectName(edge *edgev1.EdgeRegistry) string {
	if openshift := edge.Spec.OpenShift; openshift != nil && openshift.Project.Name != "" {
		return openshift.Project.Name
	}
	return edge.Name
}

func bindingName(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) string {
	return edge.Name + "-" + objects.RoleValue(role)
}

func boundSecretName(secret string, generation int64) string {
	return fmt.Sprintf("%s-%d", secret, generation)
}

// ownerMark is written into the description of a requested project. Labels and annotations of a ProjectRequest are not kept; its
// description is.
func ownerMark(name string, uid types.UID) string {
	return fmt.Sprintf("[EdgeRegistry %s %s]", name, uid)
}
