// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EdgeRegistry is a private image registry for Open Horizon edge services. From it the operator
// keeps two Secrets that a publish pipeline and the bootstrap of edge nodes use as they are: with
// login, current credentials and the checked CA of the registry. On OpenShift it exposes the
// registry of the cluster, requests a project for the images, gives one service account the right
// to push and another the right to pull, and renews their tokens. At IBM Cloud it does the same
// with a registry namespace, two service IDs and their API keys. For any other registry it
// publishes the logins that people supply.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=edgereg,categories=edge
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.status.provider`
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.status.host`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`,description="When the first of the current credentials expires, unless it is renewed."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Images",type=string,priority=1,JSONPath=`.status.imagePrefix`,description="What the name of every image begins with."
// +kubebuilder:printcolumn:name="Secrets",type=string,priority=1,JSONPath=`.status.secrets[?(@.role=="Pull")].namespace`,description="The namespace of the Secrets that consumers read."
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,description="What is wrong and what to do, or where images and Secrets are."
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",fieldPath=".metadata",message="metadata.name must be a DNS label of at most 63 characters (lower-case letters, digits and '-'): it labels every object that the operator makes; choose a shorter or simpler name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.openshift) || has(self.spec.openshift.project.name) || (self.metadata.name.size() >= 2 && !(self.metadata.name in ['default', 'openshift', 'kubernetes', 'kube']) && !self.metadata.name.startsWith('openshift-') && !self.metadata.name.startsWith('kube-') && !self.metadata.name.startsWith('kubernetes-'))",fieldPath=".spec.openshift.project.name",message="the project takes its name from metadata.name, and this name is too short (at least 2 characters) or reserved for the platform (default, openshift, kubernetes, kube, openshift-*, kube-*, kubernetes-*): set spec.openshift.project.name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.openshift) || !has(oldSelf.spec.openshift) || (has(self.spec.openshift.project.name) ? self.spec.openshift.project.name : self.metadata.name) == (has(oldSelf.spec.openshift.project.name) ? oldSelf.spec.openshift.project.name : oldSelf.metadata.name)",fieldPath=".spec.openshift.project.name",message="the project cannot be changed, since its images stay where they are: create another EdgeRegistry for the other project"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.secrets.publish.name) ? self.spec.secrets.publish.name : self.metadata.name + '-publish') == (has(oldSelf.spec.secrets.publish.name) ? oldSelf.spec.secrets.publish.name : oldSelf.metadata.name + '-publish') && (has(self.spec.secrets.pull.name) ? self.spec.secrets.pull.name : self.metadata.name + '-pull') == (has(oldSelf.spec.secrets.pull.name) ? oldSelf.spec.secrets.pull.name : oldSelf.metadata.name + '-pull')",fieldPath=".spec.secrets",message="the names of the Secrets cannot be changed, since consumers hold them: create another EdgeRegistry, move the consumers, then delete this one"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.secrets.publish.name) ? self.spec.secrets.publish.name : self.metadata.name + '-publish') != (has(self.spec.secrets.pull.name) ? self.spec.secrets.pull.name : self.metadata.name + '-pull')",fieldPath=".spec.secrets",message="the publish Secret and the pull Secret need different names: a node must never read the token that can push"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.openshift) || ((!has(self.spec.secrets.publish.copyTo) || !((has(self.spec.openshift.project.name) ? self.spec.openshift.project.name : self.metadata.name) in self.spec.secrets.publish.copyTo)) && (!has(self.spec.secrets.pull.copyTo) || !((has(self.spec.openshift.project.name) ? self.spec.openshift.project.name : self.metadata.name) in self.spec.secrets.pull.copyTo)))",fieldPath=".spec.secrets",message="copyTo names the project itself, where the Secrets are already: leave it out"
type EdgeRegistry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the registry that is wanted. {openshift: {}} is complete: every field has a default. Some are what the documented procedure does rather than the least: publisher.clusterRole and the lifetime of the tokens are the ones to look at.
	// +required
	Spec EdgeRegistrySpec `json:"spec"`

	// status is what the operator found and did. It never holds a token.
	// +optional
	// +kubebuilder:default={observedGeneration:-1, conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "waiting for the edge registry operator", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status EdgeRegistryStatus `json:"status,omitzero"`
}

// EdgeRegistryList is a list of EdgeRegistries.
//
// +kubebuilder:object:root=true
type EdgeRegistryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []EdgeRegistry `json:"items"`
}

// EdgeRegistrySpec is the registry that is wanted.
//
// +kubebuilder:validation:XValidation:rule="has(self.openshift) || has(self.ibmCloud) || has(self.external)",fieldPath=".openshift",message="a provider is required: set spec.openshift ({} takes every default), spec.ibmCloud for IBM Cloud Container Registry, or spec.external for another registry"
// +kubebuilder:validation:XValidation:rule="!has(self.openshift) || !has(self.external)",fieldPath=".external",message="an EdgeRegistry has one provider: leave out spec.openshift or spec.external, and create another EdgeRegistry for the other registry"
// +kubebuilder:validation:XValidation:rule="!has(self.ibmCloud) || (!has(self.openshift) && !has(self.external))",fieldPath=".ibmCloud",message="an EdgeRegistry has one provider: leave out spec.ibmCloud or the other one, and create another EdgeRegistry for the other registry"
// +kubebuilder:validation:XValidation:rule="has(self.openshift) == has(oldSelf.openshift) && has(self.ibmCloud) == has(oldSelf.ibmCloud) && has(self.external) == has(oldSelf.external)",fieldPath=".openshift",message="the provider cannot be changed: create another EdgeRegistry"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || has(self.secrets.__namespace__)",fieldPath=".secrets.namespace",message="a namespace for the Secrets is required with spec.external: name one whose owner invites the operator"
// +kubebuilder:validation:XValidation:rule="!has(self.ibmCloud) || has(self.secrets.__namespace__)",fieldPath=".secrets.namespace",message="a namespace for the Secrets is required with spec.ibmCloud: name one whose owner invites the operator"
// +kubebuilder:validation:XValidation:rule="!has(self.openshift) || !has(self.secrets.__namespace__)",fieldPath=".secrets.namespace",message="has no effect with spec.openshift, whose project is the place of the Secrets: leave it out, and set spec.openshift.project.name"
// +kubebuilder:validation:XValidation:rule="!has(self.secrets.__namespace__) || ((!has(self.secrets.publish.copyTo) || !(self.secrets.__namespace__ in self.secrets.publish.copyTo)) && (!has(self.secrets.pull.copyTo) || !(self.secrets.__namespace__ in self.secrets.pull.copyTo)))",fieldPath=".secrets",message="copyTo names the namespace of the Secrets itself, where they are already: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.openshift) || !has(self.verification.repository)",fieldPath=".verification.repository",message="has no effect with spec.openshift, whose registry is asked about a repository that need not exist: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.ibmCloud) || self.deletionPolicy == 'Retain' || self.ibmCloud.registryNamespace.policy == 'CreateOrAdopt'",fieldPath=".deletionPolicy",message="has no effect with ibmCloud.registryNamespace.policy Adopt, for only a namespace that the operator made is deleted: leave it out, or set that policy to CreateOrAdopt"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || self.deletionPolicy == 'Retain'",fieldPath=".deletionPolicy",message="has no effect with spec.external: nothing is deleted in a registry that is not the operator's, so leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || has(self.external.publisher) || has(self.external.harbor) || !(has(self.secrets.publish.name) || has(self.secrets.publish.copyTo) || has(self.secrets.publish.labels) || has(self.secrets.publish.annotations))",fieldPath=".secrets.publish",message="has no effect without spec.external.publisher, for then there is no publish Secret: leave it out, or name the login that pushes"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !has(self.exchanges) || self.exchanges.size() == 0 || (has(self.external.repositoryPrefix) && self.external.repositoryPrefix.size() > 0)",fieldPath=".external.repositoryPrefix",message="a prefix is required with spec.exchanges: without one every image of the host would count as one of this registry"
type EdgeRegistrySpec struct {
	// openshift makes the image registry of this OpenShift cluster the registry. Exactly one provider is set, and the choice cannot be changed.
	// +optional
	OpenShift *OpenShiftSpec `json:"openshift,omitempty"`

	// ibmCloud makes a namespace of IBM Cloud Container Registry the registry. One service ID can push there and another can only pull; their API keys are made and renewed with a key that is supplied.
	// +optional
	IBMCloud *IBMCloudSpec `json:"ibmCloud,omitempty"`

	// external makes any other private registry the registry: Harbor, Quay, GitLab, Artifactory, a distribution registry. The logins are supplied in Secrets, and published as they change.
	// +optional
	External *ExternalSpec `json:"external,omitempty"`

	// tokens has moved to openshift.publisher.token and openshift.puller.token, and is refused here: dropped without a word, it would leave a token with the defaults.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="spec.tokens has moved: set spec.openshift.publisher.token and spec.openshift.puller.token"
	Tokens MovedField `json:"tokens,omitempty"`

	// trust says where the CA of the registry's route is looked for.
	// +optional
	// +kubebuilder:default={}
	Trust TrustSpec `json:"trust,omitzero"`

	// secrets names the two Secrets that consumers read, and what they carry besides.
	// +optional
	// +kubebuilder:default={}
	Secrets SecretsSpec `json:"secrets,omitzero"`

	// verification is the live check of the tokens against the registry: login, the right to pull, the right to push, and that the puller has no right to push.
	// +optional
	// +kubebuilder:default={}
	Verification VerificationSpec `json:"verification,omitzero"`

	// exchanges are the organisations of Open Horizon Exchanges whose services get the puller's login whenever it is renewed, so that edge nodes go on pulling. At most one for now.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1
	Exchanges []ExchangeSpec `json:"exchanges,omitempty"`

	// deletionPolicy says what becomes of the project, or with ibmCloud of the registry namespace, and its images when the EdgeRegistry is deleted; with external it is Retain. Retain keeps both. Delete deletes it with everything in it, but only a project that was requested for this EdgeRegistry, or a registry namespace that was made for it. The tokens, the Secrets and their copies go in either case. Defaults to Retain.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// suspend stops all writes for this EdgeRegistry: nothing is repaired, no token is renewed, and Ready is Unknown. Deleting the EdgeRegistry still cleans up.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// MovedField is a field that is somewhere else now. Whatever it holds is refused, but what was stored before stays
// updatable: its fields have a schema, because the API server compares with what was there by that alone.
type MovedField map[string]map[string]string

// DeletionPolicy says what becomes of the project or registry namespace.
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

const (
	// DeletionRetain keeps it and its images.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDelete deletes it if it was made for this EdgeRegistry.
	DeletionDelete DeletionPolicy = "Delete"
)

// OpenShiftSpec is the image registry of an OpenShift cluster.
//
// +kubebuilder:validation:XValidation:rule="self.publisher.serviceAccountName != self.puller.serviceAccountName",fieldPath=".puller.serviceAccountName",message="publisher and puller need different service accounts: nodes hold the puller's token, which must not be able to push"
type OpenShiftSpec struct {
	// route names the Route in the namespace openshift-image-registry through which edge nodes reach the registry.
	// For default-route the operator sets spec.defaultRoute on the image registry's Config, and nothing else there.
	// Any other name must be one that spec.routes[] of that Config declares already: the operator only reads it. Defaults to default-route.
	// +optional
	// +kubebuilder:default=default-route
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Route: lower-case letters, digits and '-', at most 63 characters"
	Route string `json:"route,omitempty"`

	// exposure says what becomes of the default route when the last EdgeRegistry that uses it is deleted. Retain leaves it as it is. Restore switches it off again, but only if the operator itself switched it on and nobody else has claimed spec.defaultRoute of the registry's Config since. It has no effect for another route. Defaults to Retain.
	// +optional
	// +kubebuilder:default=Retain
	Exposure ExposurePolicy `json:"exposure,omitempty"`

	// project is where the images, the service accounts and the Secrets live.
	// +optional
	// +kubebuilder:default={}
	Project ProjectSpec `json:"project,omitzero"`

	// publisher is the service account that pipelines push with.
	// +optional
	// +kubebuilder:default={}
	Publisher PublisherSpec `json:"publisher,omitzero"`

	// puller is the service account that edge nodes pull with. Its token is stored with every service in the Open Horizon Exchange, where all nodes of the organisation can read it.
	// +optional
	// +kubebuilder:default={}
	Puller PullerSpec `json:"puller,omitzero"`
}

// ExposurePolicy says what becomes of the default route.
// +kubebuilder:validation:Enum=Retain;Restore
type ExposurePolicy string

const (
	// ExposureRetain leaves the default route as it is.
	ExposureRetain ExposurePolicy = "Retain"
	// ExposureRestore switches a default route off that the operator switched on.
	ExposureRestore ExposurePolicy = "Restore"
)

// ProjectSpec is the project of an EdgeRegistry.
type ProjectSpec struct {
	// name of the project. Defaults to the name of the EdgeRegistry. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be a DNS label of at most 63 characters: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	// +kubebuilder:validation:XValidation:rule="!(self in ['default', 'openshift', 'kubernetes', 'kube']) && !self.startsWith('openshift-') && !self.startsWith('kube-') && !self.startsWith('kubernetes-')",message="this name is reserved for the platform (default, openshift, kubernetes, kube, openshift-*, kube-*, kubernetes-*): choose another project"
	Name string `json:"name,omitempty"`

	// policy says where the project comes from. Request has the operator request it, so that the cluster's project template applies; one that is there already is not used, however inviting. Adopt uses one that is there, if its owner invites the operator by a RoleBinding to the ClusterRole edge-registry-project whose annotation edge.open-horizon.io/for names this EdgeRegistry. Defaults to Request.
	// +optional
	// +kubebuilder:default=Request
	Policy ProjectPolicy `json:"policy,omitempty"`

	// displayName is shown for the project in the console. It is written when the project is requested; later changes are made on the project.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.contains('\\n') && !self.contains('\\t')",message="must be one line without tabs, as OpenShift requires of a display name"
	DisplayName string `json:"displayName,omitempty"`

	// description is shown for the project in the console. It is written when the project is requested, followed by a mark that names the EdgeRegistry; later changes are made on the project.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.contains('[EdgeRegistry ')",message="must be without '[EdgeRegistry ', with which the mark begins that says for whom the project was requested"
	Description string `json:"description,omitempty"`
}

// ProjectPolicy says where a project comes from.
// +kubebuilder:validation:Enum=Request;Adopt
type ProjectPolicy string

const (
	// ProjectRequest has the operator request the project.
	ProjectRequest ProjectPolicy = "Request"
	// ProjectAdopt uses a project that is there, whose owner invites the operator.
	ProjectAdopt ProjectPolicy = "Adopt"
)

// ServiceAccountName is the name of a service account in the project.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be a DNS label of at most 63 characters: lower-case letters, digits and '-', beginning and ending with a letter or digit"
// +kubebuilder:validation:XValidation:rule="!(self in ['default', 'builder', 'deployer'])",message="default, builder and deployer belong to OpenShift in every project: choose another name"
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the service account cannot be changed, since deleting it kills the tokens in use: create another EdgeRegistry"
type ServiceAccountName = string

// ClusterRoleName is the name of a ClusterRole.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9:._@]*[A-Za-z0-9])?$')",message="must be the name of a ClusterRole: letters, digits, ':', '.', '_', '@' and '-', beginning and ending with a letter or digit"
type ClusterRoleName = string

// PublisherSpec is the service account that pushes. It differs from PullerSpec by its defaults alone.
type PublisherSpec struct {
	// serviceAccountName is the account in the project. The user name of its login is this and the project, joined by a dot. It cannot be changed. Defaults to edge-publisher.
	// +optional
	// +kubebuilder:default=edge-publisher
	ServiceAccountName ServiceAccountName `json:"serviceAccountName,omitempty"`

	// clusterRole is bound to the account in the project, and in no other place. edit, the default, is what the documented procedure binds: its token can also read the Secrets of the project and run pods there.
	// system:image-builder is the least that can push a new repository. system:image-pusher is refused at the first manifest of a new one.
	// +optional
	// +kubebuilder:default=edit
	ClusterRole ClusterRoleName `json:"clusterRole,omitempty"`

	// token is the token in the publish Secret, which can push: how long it lives and when it is renewed.
	// +optional
	// +kubebuilder:default={}
	Token TokenSpec `json:"token,omitzero"`
}

// PullerSpec is the service account that pulls.
type PullerSpec struct {
	// serviceAccountName is the account in the project. The user name of its login is this and the project, joined by a dot. It cannot be changed. Defaults to edge-puller.
	// +optional
	// +kubebuilder:default=edge-puller
	ServiceAccountName ServiceAccountName `json:"serviceAccountName,omitempty"`

	// clusterRole is bound to the account in the project, and in no other place. The verification fails if it lets the puller push. Defaults to system:image-puller.
	// +optional
	// +kubebuilder:default="system:image-puller"
	ClusterRole ClusterRoleName `json:"clusterRole,omitempty"`

	// token is the token in the pull Secret, which can only pull: how long it lives and when it is renewed.
	// +optional
	// +kubebuilder:default={}
	Token TokenSpec `json:"token,omitzero"`
}

// TokenSpec is the life of one token.
//
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || !self.lifetime.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || duration(self.renewBefore) < duration(self.lifetime)",fieldPath=".renewBefore",message="renewBefore must be shorter than lifetime: a token is renewed while it still works"
// +kubebuilder:validation:XValidation:rule="!has(self.renewBefore) || !self.renewBefore.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || !self.lifetime.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') || duration(self.renewBefore) >= duration(self.lifetime) || duration(self.renewBefore).getSeconds() * 10 <= duration(self.lifetime).getSeconds() * 9",fieldPath=".renewBefore",message="renewBefore must be at most nine tenths of lifetime: each renewal leaves a token that works until its own expiry, and they would pile up"
type TokenSpec struct {
	// type of the token. Bound expires after lifetime and is renewed before. LongLived is a service account token that the cluster keeps in a Secret and that never expires, for fleets that stay offline longer than any lifetime: it is replaced only on request, and each works until its Secret <secret>-<generation> is deleted.
	// A change mints a token of the other type; the one before it goes on working as its own type does. Defaults to Bound.
	// +optional
	// +kubebuilder:default=Bound
	Type TokenType `json:"type,omitempty"`

	// lifetime asked for each Bound token, as a duration such as 2160h. At least 10m, at most 87600h. The API server may grant less without an error: renewal then follows what was granted. Defaults to 2160h.
	// +optional
	// +kubebuilder:default="2160h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) >= duration('10m') && duration(self) <= duration('87600h')",message="must be a duration from 10m (the API server grants no shorter token) to 87600h (ten years), in hours, minutes and seconds, such as 2160h: there is no unit for days"
	Lifetime metav1.Duration `json:"lifetime,omitzero"`

	// renewBefore is how long before its expiry a token is followed by a new one, as a duration such as 1440h. The old one works until it expires, so this is the time that consumers have to take the new one.
	// Defaults to two thirds of lifetime. It shrinks in proportion when the API server grants less than lifetime.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) >= duration('1m')",message="must be a duration of at least 1m (a consumer needs time to take the new token), in hours, minutes and seconds, such as 1440h: there is no unit for days"
	RenewBefore *metav1.Duration `json:"renewBefore,omitempty"`
}

// TokenType says how long a token works.
// +kubebuilder:validation:Enum=Bound;LongLived
type TokenType string

const (
	// TokenBound is issued for a lifetime and dies with the Secret that it is bound to.
	TokenBound TokenType = "Bound"
	// TokenLongLived is kept by the cluster in a Secret of type kubernetes.io/service-account-token and works as long as that exists.
	TokenLongLived TokenType = "LongLived"
)

// SecretsSpec names the Secrets that consumers read.
type SecretsSpec struct {
	// namespace that the Secrets are written to. Required with ibmCloud and external, where its owner invites the operator, and refused with openshift, whose project is the place. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	// +kubebuilder:validation:XValidation:rule="!(self in ['default', 'openshift', 'kubernetes', 'kube', 'edge-registry-credentials']) && !self.startsWith('openshift-') && !self.startsWith('kube-') && !self.startsWith('kubernetes-')",message="this namespace is reserved for the platform or the operator (default, openshift, kubernetes, kube, openshift-*, kube-*, kubernetes-*, edge-registry-credentials): choose another"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the namespace of the Secrets cannot be changed, since consumers read them there: create another EdgeRegistry, move the consumers, then delete this one"
	Namespace string `json:"namespace,omitempty"`

	// publish is the Secret for pipelines: its login can push.
	// +optional
	// +kubebuilder:default={}
	Publish SecretSpec `json:"publish,omitzero"`

	// pull is the Secret for edge nodes and workloads: its login can only pull. It also carries node-bootstrap.sh.
	// +optional
	// +kubebuilder:default={}
	Pull SecretSpec `json:"pull,omitzero"`
}

// SecretSpec is one Secret in the project.
type SecretSpec struct {
	// name of the Secret. Defaults to the name of the EdgeRegistry with -publish or -pull. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be a DNS subdomain name: labels of lower-case letters, digits and '-', joined by '.'"
	Name string `json:"name,omitempty"`

	// copyTo lists namespaces that get a copy of the Secret, of the same name and with the same bytes, labels and annotations. Each is written only if the owner of the namespace invites the operator by a RoleBinding to the ClusterRole edge-registry-secrets. A namespace that is taken off the list loses its copy.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	// +kubebuilder:validation:items:XValidation:rule="!(self in ['default', 'openshift', 'kubernetes', 'kube']) && !self.startsWith('openshift-') && !self.startsWith('kube-') && !self.startsWith('kubernetes-')",message="this namespace is reserved for the platform (default, openshift, kubernetes, kube, openshift-*, kube-*, kubernetes-*): no copy is made there"
	CopyTo []string `json:"copyTo,omitempty"`

	// labels that the Secret carries besides the operator's own. Keys and values are those that Kubernetes takes.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('edge.open-horizon.io/') && k != 'app.kubernetes.io/managed-by')",message="labels under edge.open-horizon.io/ and app.kubernetes.io/managed-by are the operator's own: leave them out"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'))",messageExpression="'the key \\'' + self.filter(k, !(k.size() <= 317 && k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$')))[0] + '\\' is not one that Kubernetes takes: it must be a name of at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit, and before it, if anything, a DNS subdomain of at most 253 characters and a slash, as in team or example.com/team, the subdomain in lower case'",message="Kubernetes does not take one of the keys: it must be a name of at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit, and before it, if anything, a DNS subdomain of at most 253 characters and a slash, as in team or example.com/team, the subdomain in lower case"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations that the Secret carries besides the operator's own. Keys are those that Kubernetes takes, and a value has at most 4096 bytes, so that all of them and the operator's own stay within what Kubernetes allows an object.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('edge.open-horizon.io/') && k != 'tekton.dev/docker-0')",message="annotations under edge.open-horizon.io/ and tekton.dev/docker-0 are the operator's own: leave them out"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && k.indexOf('/') <= 253 && k.matches('^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'))",messageExpression="'the key \\'' + self.filter(k, !(k.size() <= 317 && k.indexOf('/') <= 253 && k.matches('^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$')))[0] + '\\' is not one that Kubernetes takes: it must be a name of at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit, and before it, if anything, a DNS subdomain of at most 253 characters and a slash, as in team or example.com/team'",message="Kubernetes does not take one of the keys: it must be a name of at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit, and before it, if anything, a DNS subdomain of at most 253 characters and a slash, as in team or example.com/team"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')",message="must be empty, or letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit: Kubernetes takes no other value of a label; what does not fit may be an annotation"
type LabelValue string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
// +kubebuilder:validation:XValidation:rule="bytes(self).size() <= 4096",message="must be at most 4096 bytes, of which a letter that is not ASCII takes two to four: Kubernetes limits what all annotations of an object take together"
type AnnotationValue string
