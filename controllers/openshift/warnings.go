// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"fmt"
	"net/url"
	"strings"

	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
)

// registryWarnings are settings of the registry's Config that can make pushes or pulls fail although logins and rights are right.
// Each names the field to change. None is a failure of the EdgeRegistry: the operator does not know from where nodes pull, and the
// settings are the admin's choice.
func registryWarnings(config *imageregistryv1.Config) []string {
	var found []string
	if config.Spec.ReadOnly {
		found = append(found, fmt.Sprintf("registry Config %q refuses pushes: set spec.readOnly: false there once they are wanted again", config.Name))
	}
	if storage := redirectsTo(&config.Spec); storage != "" {
		found = append(found, fmt.Sprintf("image layers are fetched from %s: set spec.disableRedirect: true of registry Config %q if nodes cannot reach or trust that",
			storage, config.Name))
	}
	if available := registryCondition(config, operatorv1.OperatorStatusTypeAvailable); available != nil && available.Status == operatorv1.ConditionFalse {
		found = append(found, fmt.Sprintf("%s: check the pods in %s", registryState(config), imageRegistryNamespace))
	}
	return found
}

// redirectsTo is the storage to which the registry redirects downloads of layers, if a node outside of the cluster's network may not
// reach it or trust its certificate; empty otherwise. S3, GCS, Azure, Swift, IBM COS and OSS redirect unless that is switched off;
// volumes cannot (REGISTRY_STORAGE_REDIRECT_DISABLE in openshift/cluster-image-registry-operator, pkg/resource). The public
// endpoints of public clouds count as reachable and trusted from everywhere.
func redirectsTo(spec *imageregistryv1.ImageRegistrySpec) string {
	storage := &spec.Storage
	switch {
	case spec.DisableRedirect:
		return ""
	case storage.S3 != nil:
		return ownS3(storage.S3)
	case storage.Swift != nil:
		return "OpenStack Swift (spec.storage.swift)"
	case storage.Azure != nil:
		return privateAzure(storage.Azure)
	case storage.OSS != nil && storage.OSS.EndpointAccessibility != imageregistryv1.PublicEndpoint:
		// An empty value means Internal too.
		return "the internal endpoint of Alibaba OSS (spec.storage.oss.endpointAccessibility)"
	default:
		return ""
	}
}

// ownS3 is the endpoint of S3 storage that is not Amazon's, such as that of OpenShift Data Foundation, or that is an Amazon endpoint
// in a private network (.vpce.); empty for others.
func ownS3(s3 *imageregistryv1.ImageRegistryConfigStorageS3) string {
	if s3.CloudFront != nil || s3.RegionEndpoint == "" {
		return ""
	}
	host := s3.RegionEndpoint
	if _, _, found := strings.Cut(host, "://"); !found {
		// The registry also accepts an address without a scheme.
		host = "https://" + host
	}
	if endpoint, err := url.Parse(host); err == nil && endpoint.Host != "" {
		host = strings.ToLower(endpoint.Hostname())
	}
	amazon := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
	if amazon && !strings.Contains(host, ".vpce.") {
		return ""
	}
	return host + " (spec.storage.s3.regionEndpoint)"
}

func privateAzure(azure *imageregistryv1.ImageRegistryConfigStorageAzure) string {
	if access := azure.NetworkAccess; access != nil && access.Type == imageregistryv1.AzureNetworkAccessTypeInternal {
		return "a private endpoint of Azure (spec.storage.azure.networkAccess)"
	}
	// The registry's library takes the name in any case (Azure/go-autorest, autorest/azure/environments.go).
	if strings.EqualFold(azure.CloudName, string(configv1.AzureStackCloud)) {
		return "Azure Stack Hub (spec.storage.azure.cloudName)"
	}
	return ""
}

// registryState is what the registry's own operator reports of its pods. Its conditions can say why something fails. Whether the
// registry works is decided by the probe alone.
func registryState(config *imageregistryv1.Config) string {
	var says []string
	for _, name := range []string{operatorv1.OperatorStatusTypeAvailable, operatorv1.OperatorStatusTypeDegraded} {
		condition := registryCondition(config, name)
		if condition == nil || (name == operatorv1.OperatorStatusTypeDegraded && condition.Status != operatorv1.ConditionTrue) {
			continue
		}
		says = append(says, fmt.Sprintf("%s=%s: %s", name, condition.Status, conditionText(condition.Reason, condition.Message)))
	}
	if says == nil {
		return fmt.Sprintf("registry Config %q says nothing of its pods yet", config.Name)
	}
	return fmt.Sprintf("registry Config %q says %s", config.Name, strings.Join(says, "; "))
}

// registryCondition is the condition of a type; nil if there is none. The API allows one of each type (listMapKey).
func registryCondition(config *imageregistryv1.Config, name string) *operatorv1.OperatorCondition {
	for i := range config.Status.Conditions {
		if config.Status.Conditions[i].Type == name {
			return &config.Status.Conditions[i]
		}
	}
	return nil
}
