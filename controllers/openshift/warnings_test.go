// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Short names for the table below.
type (
	registrySpec = imageregistryv1.ImageRegistrySpec
	storageSpec  = imageregistryv1.ImageRegistryConfigStorage
	s3Spec       = imageregistryv1.ImageRegistryConfigStorageS3
	azureSpec    = imageregistryv1.ImageRegistryConfigStorageAzure
	ossSpec      = imageregistryv1.ImageRegistryConfigStorageAlibabaOSS
)

func registryAt(endpoint string) registrySpec {
	return registrySpec{Storage: storageSpec{S3: &s3Spec{RegionEndpoint: endpoint}}}
}

func TestWarningsOfTheRegistrysConfig(t *testing.T) {
	const redirect = `set spec.disableRedirect: true of registry Config "cluster" if nodes cannot reach or trust that`
	azure := func(access imageregistryv1.AzureNetworkAccessType, cloud string) registrySpec {
		return registrySpec{Storage: storageSpec{Azure: &azureSpec{CloudName: cloud, NetworkAccess: &imageregistryv1.AzureNetworkAccess{Type: access}}}}
	}
	oss := func(access imageregistryv1.EndpointAccessibility) registrySpec {
		return registrySpec{Storage: storageSpec{OSS: &ossSpec{EndpointAccessibility: access}}}
	}
	cdn := registryAt("https://s3.example.com")
	cdn.Storage.S3.CloudFront = &imageregistryv1.ImageRegistryConfigStorageS3CloudFront{BaseURL: "https://cdn.example.com"}
	direct := registryAt("https://s3.openshift-storage.svc")
	direct.DisableRedirect = true
	available := func(status operatorv1.ConditionStatus) []operatorv1.OperatorCondition {
		return []operatorv1.OperatorCondition{{Type: "Available", Status: status, Reason: "SomeReason", Message: "as it\nsays"}}
	}
	for _, tt := range []struct {
		name       string
		spec       registrySpec
		conditions []operatorv1.OperatorCondition
		// want are parts of the warnings, in their order.
		want [][]string
	}{
		{"nothing set", registrySpec{}, nil, nil},
		{"read-only", registrySpec{ReadOnly: true}, nil, [][]string{{`registry Config "cluster" refuses pushes`, "set spec.readOnly: false"}}},

		{"a volume", registrySpec{Storage: storageSpec{PVC: &imageregistryv1.ImageRegistryConfigStoragePVC{}}}, nil, nil},
		{"a folder of the pod", registrySpec{Storage: storageSpec{EmptyDir: &imageregistryv1.ImageRegistryConfigStorageEmptyDir{}}}, nil, nil},
		{"Amazon", registrySpec{Storage: storageSpec{S3: &s3Spec{Region: "eu-central-1"}}}, nil, nil},
		{"Amazon by name", registryAt("https://s3.eu-central-1.amazonaws.com"), nil, nil},
		{"Amazon in China", registryAt("https://s3.cn-north-1.amazonaws.com.cn/"), nil, nil},
		{"Amazon behind a private endpoint", registryAt("https://bucket.vpce-1a2b-3c.s3.eu-central-1.vpce.amazonaws.com"), nil,
			[][]string{{"bucket.vpce-1a2b-3c.s3.eu-central-1.vpce.amazonaws.com (spec.storage.s3.regionEndpoint)", redirect}}},
		{"a host that only looks like Amazon's", registryAt("https://amazonaws.com.example.com"), nil, [][]string{{"from amazonaws.com.example.com (", redirect}}},
		{"Amazon's CDN", cdn, nil, nil},
		{"storage in the cluster", registryAt("https://s3.openshift-storage.svc:443"), nil,
			[][]string{{"image layers are fetched from s3.openshift-storage.svc (spec.storage.s3.regionEndpoint)", redirect}}},
		{"an endpoint without a scheme", registryAt("minio.example.com:9000"), nil, [][]string{{"from minio.example.com (", redirect}}},
		{"Amazon without a scheme", registryAt("s3.eu-central-1.amazonaws.com:443"), nil, nil},
		{"Amazon in capitals", registryAt("https://S3.EU-Central-1.AmazonAWS.com/"), nil, nil},
		{"an endpoint that is no address", registryAt("://"), nil, [][]string{{"from :// (", redirect}}},
		{"redirects switched off", direct, nil, nil},
		{"Google", registrySpec{Storage: storageSpec{GCS: &imageregistryv1.ImageRegistryConfigStorageGCS{}}}, nil, nil},
		{"IBM", registrySpec{Storage: storageSpec{IBMCOS: &imageregistryv1.ImageRegistryConfigStorageIBMCOS{}}}, nil, nil},
		{"Swift", registrySpec{Storage: storageSpec{Swift: &imageregistryv1.ImageRegistryConfigStorageSwift{}}}, nil,
			[][]string{{"OpenStack Swift (spec.storage.swift)", redirect}}},
		{"Azure", azure(imageregistryv1.AzureNetworkAccessTypeExternal, "AzurePublicCloud"), nil, nil},
		{"Azure, as it is by default", registrySpec{Storage: storageSpec{Azure: &azureSpec{}}}, nil, nil},
		{"Azure in a private network", azure(imageregistryv1.AzureNetworkAccessTypeInternal, "AzurePublicCloud"), nil,
			[][]string{{"a private endpoint of Azure (spec.storage.azure.networkAccess)", redirect}}},
		{"Azure at home", azure("", "AzureStackCloud"), nil, [][]string{{"Azure Stack Hub (spec.storage.azure.cloudName)", redirect}}},
		{"Azure at home, in capitals", azure("", "AZURESTACKCLOUD"), nil, [][]string{{"Azure Stack Hub", redirect}}},
		{"Alibaba", oss(imageregistryv1.PublicEndpoint), nil, nil},
		{"Alibaba in a private network", oss(imageregistryv1.InternalEndpoint), nil, [][]string{{"(spec.storage.oss.endpointAccessibility)", redirect}}},
		{"Alibaba, as it is by default", oss(""), nil, [][]string{{"the internal endpoint of Alibaba OSS", redirect}}},

		{"pods are ready", registrySpec{}, available(operatorv1.ConditionTrue), nil},
		{"nobody knows of pods", registrySpec{}, available(operatorv1.ConditionUnknown), nil},
		{"a condition without a status", registrySpec{}, available(""), nil},
		{"no pods, and no word of why", registrySpec{}, []operatorv1.OperatorCondition{{Type: "Available", Status: operatorv1.ConditionFalse}},
			[][]string{{"says Available=False: it gives no reason: check the pods"}}},
		{"no pods, and trouble", registrySpec{}, append(available(operatorv1.ConditionFalse), operatorv1.OperatorCondition{Type: "Degraded", Status: operatorv1.ConditionTrue, Reason: "Other"}),
			[][]string{{"Available=False: SomeReason: as it says; Degraded=True: Other: check"}}},
		{"no pods", registrySpec{}, available(operatorv1.ConditionFalse),
			[][]string{{`registry Config "cluster" says Available=False: SomeReason: as it says: check the pods in openshift-image-registry`}}},
		{"all at once", registrySpec{ReadOnly: true, Storage: registryAt("https://x.example.com").Storage}, available(operatorv1.ConditionFalse),
			[][]string{{"spec.readOnly"}, {"spec.disableRedirect"}, {"Available=False"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}, Spec: tt.spec}
			config.Status.Conditions = tt.conditions
			g := NewWithT(t)
			found := registryWarnings(config)
			g.Expect(found).To(HaveLen(len(tt.want)))
			for i, parts := range tt.want {
				for _, part := range parts {
					g.Expect(found[i]).To(ContainSubstring(part))
				}
			}
		})
	}
}
