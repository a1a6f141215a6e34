// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExternalSpec is a registry that is not the cluster's own. One host is pushed to and pulled from: a registry that has a host
// for each is two EdgeRegistries.
//
// +kubebuilder:validation:XValidation:rule="has(self.repositoryPrefix) && self.repositoryPrefix.size() > 0 ? has(oldSelf.repositoryPrefix) && self.repositoryPrefix == oldSelf.repositoryPrefix : !has(oldSelf.repositoryPrefix) || oldSelf.repositoryPrefix.size() == 0",fieldPath=".repositoryPrefix",message="the prefix cannot be changed, since images are named by it: create another EdgeRegistry for the other prefix"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.publisher) || has(self.publisher)",fieldPath=".publisher",message="the publisher cannot be taken away, since pipelines hold its Secret: create another EdgeRegistry without one, then delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.publisher) || !has(self.puller) || self.publisher.credentialsSecretRef.name != self.puller.credentialsSecretRef.name",fieldPath=".puller.credentialsSecretRef.name",message="publisher and puller need different Secrets: nodes hold the puller's login, which must not be able to push"
// +kubebuilder:validation:XValidation:rule="has(self.puller) || has(self.harbor)",fieldPath=".puller",message="a login to pull with is required: name the Secret that supplies it in puller, or set harbor and have Harbor make robots"
// +kubebuilder:validation:XValidation:rule="!has(self.harbor) || !has(self.puller)",fieldPath=".puller",message="has no effect with harbor, whose robots are the logins: leave it out, or leave harbor out and supply the logins"
// +kubebuilder:validation:XValidation:rule="!has(self.harbor) || !has(self.publisher)",fieldPath=".publisher",message="has no effect with harbor, whose robots are the logins: leave it out, or leave harbor out and supply the logins"
// +kubebuilder:validation:XValidation:rule="has(self.harbor) == has(oldSelf.harbor)",fieldPath=".harbor",message="who makes the logins cannot be changed, since robots would be left in Harbor: create another EdgeRegistry, move the consumers, then delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.harbor) || (has(self.repositoryPrefix) && (self.repositoryPrefix == self.harbor.project || self.repositoryPrefix.startsWith(self.harbor.project + '/')))",fieldPath=".repositoryPrefix",message="must be spec.external.harbor.project, or begin with it and a '/': robots of a project reach nothing outside of it"
type ExternalSpec struct {
	// host of the registry as image names have it, with a port where it is not 443: registry.example.com or registry.example.com:5000. It is reached over HTTPS alone. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the host cannot be changed, since images are named by it: create another EdgeRegistry for the other registry"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('http://')",message="must be a host that speaks TLS: plain http is not supported, and https:// is left out"
	// +kubebuilder:validation:XValidation:rule="!self.contains('://') || self.startsWith('http://')",message="must be a host without a scheme: leave https:// out, as image names do"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@')",message="must be a host without a user or password: those are supplied in the Secrets of credentialsSecretRef"
	// +kubebuilder:validation:XValidation:rule="self.contains('://') || !self.contains('/')",message="must be a host without a path: what comes before the names of images goes into repositoryPrefix"
	// +kubebuilder:validation:XValidation:rule="!(self in ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com', 'hub.docker.com'])",message="must be another registry than Docker Hub: its images are named by one host and served by another, which is not supported"
	// +kubebuilder:validation:XValidation:rule="!self.endsWith(':443')",message="must be a host without the usual port: leave out :443, since clients keep logins by the name as it is written"
	// +kubebuilder:validation:XValidation:rule="self.contains('/') || self.contains('@') || (self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*(:[1-9][0-9]{0,4})?$') && (self.contains('.') || self.contains(':')) && (!self.contains(':') || int(self.substring(self.indexOf(':') + 1)) <= 65535))",message="must be a DNS name or an IPv4 address with a dot in it, in lower case, and may end in a port from 1 to 65535, such as registry.example.com:5000: without dot or port clients take it for a repository of Docker Hub"
	Host string `json:"host"`

	// repositoryPrefix is what comes between the host and the name of each image, such as a project of Harbor, an organisation of Quay, a group and a project of GitLab. It may be empty. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*$')",message="must be a path as image names have it, without '/' at the ends: parts of lower-case letters and digits, joined inside by '.', '_', '__' or dashes, with a '/' between them"
	RepositoryPrefix string `json:"repositoryPrefix,omitempty"`

	// publisher is the login that pipelines push with. Without it there is a pull Secret only. It can be added later, and not be taken away.
	// +optional
	Publisher *SuppliedLogin `json:"publisher,omitempty"`

	// puller is the login that edge nodes pull with. It is stored with every service in the Open Horizon Exchange, where all nodes of the organisation can read it. It is required, unless harbor is set.
	// +optional
	Puller *SuppliedLogin `json:"puller,omitempty"`

	// harbor has the operator make the logins itself, in place of publisher and puller: robots of a project of Harbor, one that pushes and one that pulls, each followed by another before it expires. The choice cannot be changed.
	// +optional
	Harbor *HarborSpec `json:"harbor,omitempty"`
}

// HarborSpec is a project of Harbor in which the operator makes robots.
type HarborSpec struct {
	// project of Harbor that the images are in: the first part of repositoryPrefix. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+([._-][a-z0-9]+)*$')",message="must be the name of a project of Harbor: parts of lower-case letters and digits, joined by '.', '_' or '-'"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the project cannot be changed, since images and robots stay where they are: create another EdgeRegistry for the other project"
	Project string `json:"project"`

	// credentialsSecretRef names a Secret in the namespace edge-registry-credentials with the account that makes the robots, in the keys username and password: a robot of Harbor that may create robots and whose own rights cover theirs, or an admin of the project. Its label and its annotations say for which EdgeRegistries, host, projects and namespaces it may be used.
	// +required
	CredentialsSecretRef CredentialsSecretRef `json:"credentialsSecretRef"`

	// publisher is the robot that pipelines push with. It may pull too.
	// +optional
	// +kubebuilder:default={}
	Publisher RobotSpec `json:"publisher,omitzero"`

	// puller is the robot that edge nodes pull with, and that can only pull.
	// +optional
	// +kubebuilder:default={}
	Puller RobotSpec `json:"puller,omitzero"`
}

// RobotSpec is the life of one robot. Harbor counts the lives of robots in days.
//
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') || !self.lifetime.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') || duration(self.renewBefore) < duration(self.lifetime)",fieldPath=".renewBefore",message="renewBefore must be shorter than lifetime: a robot is followed by another while it still works"
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') || !self.lifetime.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') || duration(self.renewBefore) >= duration(self.lifetime) || duration(self.renewBefore).getSeconds() * 10 <= duration(self.lifetime).getSeconds() * 9",fieldPath=".renewBefore",message="renewBefore must be at most nine tenths of lifetime: each renewal leaves a robot that works until its own end, and they would pile up"
type RobotSpec struct {
	// lifetime of each robot from its making, as a duration of whole days such as 2160h. It works for that long, whatever follows it. Harbor itself ends it renewBefore later, so that nothing works for ever should the operator be gone. Defaults to 2160h.
	// +optional
	// +kubebuilder:default="2160h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('24h') && duration(self) <= duration('43800h') && duration(self).getSeconds() % 86400 == 0",message="must be whole days from 24h to 43800h (five years), such as 2160h for 90 days: Harbor counts the lives of robots in days"
	Lifetime metav1.Duration `json:"lifetime,omitzero"`

	// renewBefore is how long before the end of its lifetime a robot is followed by another, as a duration of whole days such as 720h. It is the time that consumers have to take the new one.
	// Defaults to a third of lifetime, in whole days.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('24h') && duration(self).getSeconds() % 86400 == 0",message="must be whole days of at least 24h, such as 720h for 30 days: Harbor counts the lives of robots in days"
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`
}

// SuppliedLogin is a login that people supply.
type SuppliedLogin struct {
	// credentialsSecretRef names a Secret in the namespace edge-registry-credentials, of the type kubernetes.io/dockerconfigjson, with an entry for the host. The label edge.open-horizon.io/credentials: "true" and the annotations edge.open-horizon.io/for and edge.open-horizon.io/publish-to on it say for which EdgeRegistries, and in which namespaces, it may be used.
	// +required
	CredentialsSecretRef CredentialsSecretRef `json:"credentialsSecretRef"`
}

// CredentialsSecretRef names a Secret in the namespace edge-registry-credentials.
type CredentialsSecretRef struct {
	// name of the Secret, in the namespace edge-registry-credentials.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be the name of a Secret: labels of lower-case letters, digits and '-', joined by '.'"
	Name string `json:"name"`
}
