// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IBMCloudSpec is a namespace of IBM Cloud Container Registry.
//
// +kubebuilder:validation:XValidation:rule="!has(self.publisher.serviceIDRef) || !has(self.puller.serviceIDRef) || self.publisher.serviceIDRef != self.puller.serviceIDRef",fieldPath=".puller.serviceIDRef",message="publisher and puller need different service IDs: nodes hold the puller's key, which must not be able to push"
type IBMCloudSpec struct {
	// region whose registry it is, such as us-south with the host us.icr.io; global is icr.io. It cannot be changed.
	// +required
	Region IBMCloudRegion `json:"region"`

	// visibility says by which host consumers reach the registry. Public is that of the region. Private puts "private." before it, which answers on IBM's private network alone. It cannot be changed, since images are named by the host. Defaults to Public.
	// +optional
	// +kubebuilder:default=Public
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the visibility cannot be changed, since images are named by the host: create another EdgeRegistry for the other host"
	Visibility IBMCloudNetwork `json:"visibility,omitempty"`

	// apiEndpoints says where the operator itself talks to IBM Cloud's IAM and to the management of the registry: on the internet with Public, or on IBM's private network with Private. Defaults to Public.
	// +optional
	// +kubebuilder:default=Public
	APIEndpoints IBMCloudNetwork `json:"apiEndpoints,omitempty"`

	// credentialsSecretRef names a Secret in the namespace edge-registry-credentials with an API key under the key apikey. The operator makes keys with it, and publishes it nowhere. Its label edge.open-horizon.io/credentials: "true" and its annotations edge.open-horizon.io/for, edge.open-horizon.io/publish-to, edge.open-horizon.io/registry-namespaces and edge.open-horizon.io/service-ids say for what it may be used.
	// +required
	CredentialsSecretRef CredentialsSecretRef `json:"credentialsSecretRef"`

	// accountID is the id of the account in which everything is to be. A key of another account is not used.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]+$')",message="must be the id of an account, letters and digits alone, as 'ibmcloud account show' prints it"
	AccountID string `json:"accountID,omitempty"`

	// registryNamespace is where the images live.
	// +required
	RegistryNamespace RegistryNamespaceSpec `json:"registryNamespace"`

	// publisher is the service ID that pipelines push with: Reader and Writer of the registry namespace.
	// +optional
	// +kubebuilder:default={}
	Publisher ServiceIDSpec `json:"publisher,omitzero"`

	// puller is the service ID that edge nodes pull with: Reader of the registry namespace. Its key is stored with every service in the Open Horizon Exchange, where all nodes of the organisation can read it.
	// +optional
	// +kubebuilder:default={}
	Puller ServiceIDSpec `json:"puller,omitzero"`
}

// IBMCloudRegion is a region of IBM Cloud that has a registry.
// +kubebuilder:validation:XValidation:rule="self in ['global', 'us-south', 'au-syd', 'br-sao', 'ca-mon', 'ca-tor', 'eu-de', 'eu-es', 'eu-gb', 'in-che', 'in-mum', 'jp-osa', 'jp-tok']",message="must be a region that has a registry: global (icr.io), us-south, au-syd, br-sao, ca-mon, ca-tor, eu-de, eu-es, eu-gb, in-che, in-mum, jp-osa or jp-tok; IBM's own tools take us-east for one or the other, so write global or us-south"
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the region cannot be changed, since images are named by its host: create another EdgeRegistry for the other region"
// +kubebuilder:validation:MaxLength=32
type IBMCloudRegion string

// IBMCloudNetwork is where a host of IBM Cloud answers.
// +kubebuilder:validation:Enum=Public;Private
type IBMCloudNetwork string

const (
	// IBMCloudPublic is the internet.
	IBMCloudPublic IBMCloudNetwork = "Public"
	// IBMCloudPrivate is IBM's private network, which needs virtual routing or a private endpoint.
	IBMCloudPrivate IBMCloudNetwork = "Private"
)

// RegistryNamespaceSpec is a namespace of IBM Cloud Container Registry.
//
// +kubebuilder:validation:XValidation:rule="!has(self.resourceGroupID) || self.policy == 'CreateOrAdopt'",fieldPath=".resourceGroupID",message="has no effect with policy Adopt, which makes no namespace: leave it out, or set policy to CreateOrAdopt"
type RegistryNamespaceSpec struct {
	// name of the registry namespace, which is one for all accounts of a region. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+[a-z0-9_-]+[a-z0-9]+$') && self.size() >= 4 && self.size() <= 30",message="must be a name that IBM Cloud Container Registry takes: 4 to 30 lower-case letters, digits, '-' and '_', beginning and ending with a letter or digit"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the registry namespace cannot be changed, since its images stay where they are: create another EdgeRegistry for the other namespace"
	Name string `json:"name"`

	// resourceGroupID is the id of the resource group in which a namespace is made; without it IBM Cloud takes the account's default one. A namespace stays in its group for ever.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$')",message="must be the id of a resource group, letters, digits and '-' alone, as 'ibmcloud resource groups' prints it"
	ResourceGroupID string `json:"resourceGroupID,omitempty"`

	// policy says where the namespace comes from. Adopt uses one that is in the account. CreateOrAdopt makes it where there is none, for which the supplied key needs the role Manager of the registry at the level of the account. Defaults to Adopt.
	// +optional
	// +kubebuilder:default=Adopt
	Policy RegistryNamespacePolicy `json:"policy,omitempty"`
}

// RegistryNamespacePolicy says where a registry namespace comes from.
// +kubebuilder:validation:Enum=Adopt;CreateOrAdopt
type RegistryNamespacePolicy string

const (
	// RegistryNamespaceAdopt uses a registry namespace that is there.
	RegistryNamespaceAdopt RegistryNamespacePolicy = "Adopt"
	// RegistryNamespaceCreateOrAdopt makes the registry namespace where there is none.
	RegistryNamespaceCreateOrAdopt RegistryNamespacePolicy = "CreateOrAdopt"
)

// ServiceIDSpec is the service ID of a login.
//
// +kubebuilder:validation:XValidation:rule="has(self.serviceIDRef) == has(oldSelf.serviceIDRef) && (!has(self.serviceIDRef) || self.serviceIDRef == oldSelf.serviceIDRef)",fieldPath=".serviceIDRef",message="the service ID cannot be changed, since the keys in use are keys of it: create another EdgeRegistry for the other service ID"
type ServiceIDSpec struct {
	// key is the API key in the Secret: how long it lives and when it is renewed.
	// +optional
	// +kubebuilder:default={}
	Key KeySpec `json:"key,omitzero"`

	// serviceIDRef is the id of a service ID that is there, ServiceId-..., for accounts where the operator may make none. Its policies have to let it do no more than the login needs in this registry namespace, and the supplied Secret has to name it in its annotation edge.open-horizon.io/service-ids. Without it the operator makes a service ID and grants it what it needs. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^ServiceId-[A-Za-z0-9-]+$')",message="must be the id of a service ID, ServiceId-..., as 'ibmcloud iam service-ids' prints it: not its name, and not its IAM id"
	ServiceIDRef string `json:"serviceIDRef,omitempty"`
}

// KeySpec is the life of one API key.
//
// +kubebuilder:validation:XValidation:rule="!has(self.lifetime) || !has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || !self.lifetime.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || duration(self.renewBefore) < duration(self.lifetime)",fieldPath=".renewBefore",message="renewBefore must be shorter than lifetime: a key is renewed while it still works"
// +kubebuilder:validation:XValidation:rule="!has(self.lifetime) || !has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || !self.lifetime.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || duration(self.renewBefore) >= duration(self.lifetime) || duration(self.renewBefore).getSeconds() * 4 <= duration(self.lifetime).getSeconds() * 3",fieldPath=".renewBefore",message="renewBefore must be at most three quarters of lifetime: each renewal leaves a key that works until its own end, and IBM Cloud has room for about twenty keys of one service ID"
type KeySpec struct {
	// lifetime of each key, as a duration such as 2160h: for so long after its issue a key that was published works. At least 1h, at most 43800h. Defaults to 2160h.
	// +optional
	// +kubebuilder:default="2160h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) >= duration('1h') && duration(self) <= duration('43800h')",message="must be a duration from 1h to 43800h (five years), in hours, minutes and seconds, such as 2160h: there is no unit for days"
	Lifetime metav1.Duration `json:"lifetime,omitzero"`

	// renewBefore is how long before the end of its lifetime a key is followed by a new one, as a duration such as 1440h: the time that consumers have to take the new one. A key that is still in use at the end of its lifetime is left for at most this time more, and then IBM Cloud itself ends it. Defaults to 1440h.
	// +optional
	// +kubebuilder:default="1440h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) >= duration('15m')",message="must be a duration of at least 15m (IBM Cloud takes up to ten minutes until a new key works everywhere), in hours, minutes and seconds, such as 1440h: there is no unit for days"
	RenewBefore metav1.Duration `json:"renewBefore,omitzero"`
}
