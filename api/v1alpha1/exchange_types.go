// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExchangeSpec is an organisation of an Open Horizon Exchange, whose services get the puller's current login.
type ExchangeSpec struct {
	// credentialsSecretRef names a Secret in the namespace edge-registry-credentials with the keys HZN_EXCHANGE_URL (https://.../v1), HZN_ORG_ID and HZN_EXCHANGE_USER_AUTH, as hzn reads them from its environment. The label edge.open-horizon.io/credentials: "true" and the annotation edge.open-horizon.io/for on it say for which EdgeRegistries it may be used.
	// +required
	CredentialsSecretRef CredentialsSecretRef `json:"credentialsSecretRef"`

	// caBundleRef is a ConfigMap with the root CA (PEM) of the certificate of the Exchange. Without it the public CAs do.
	// +optional
	CABundleRef *CABundleRef `json:"caBundleRef,omitempty"`

	// owner says whose services are looked at. Mine: those of the user in the Secret. Organization: those of all users, for which that user has to be an administrator of the organisation. Defaults to Mine.
	// +optional
	// +kubebuilder:default=Mine
	Owner ExchangeOwner `json:"owner,omitempty"`

	// publicServices says whether services that are public get the login, too. Every organisation of the Exchange can read what such a service holds. Defaults to Skip.
	// +optional
	// +kubebuilder:default=Skip
	PublicServices PublicServices `json:"publicServices,omitempty"`

	// policy says what it means that the login could not be written. Required: Ready is False. BestEffort: it is reported in the condition ExchangeUpdated, and Ready stays as it is. Defaults to Required.
	// +optional
	// +kubebuilder:default=Required
	Policy ExchangePolicy `json:"policy,omitempty"`

	// deletionPolicy says what becomes of the logins in the Exchange when the EdgeRegistry is deleted. Remove takes out those that are revoked then, and has nodes drop them; a login that people supply is not revoked, and stays. Retain leaves all. Defaults to Remove.
	// +optional
	// +kubebuilder:default=Remove
	DeletionPolicy ExchangeDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ExchangeOwner says whose services are looked at.
// +kubebuilder:validation:Enum=Mine;Organization
type ExchangeOwner string

const (
	// ExchangeMine are the services of the login's own user.
	ExchangeMine ExchangeOwner = "Mine"
	// ExchangeOrganization are the services of all users of the organisation.
	ExchangeOrganization ExchangeOwner = "Organization"
)

// PublicServices says whether services that every organisation can read get the login.
// +kubebuilder:validation:Enum=Skip;Include
type PublicServices string

const (
	// PublicSkip leaves public services alone.
	PublicSkip PublicServices = "Skip"
	// PublicInclude treats public services as all others.
	PublicInclude PublicServices = "Include"
)

// ExchangePolicy says what a failure means for Ready.
// +kubebuilder:validation:Enum=Required;BestEffort
type ExchangePolicy string

const (
	// ExchangeRequired makes Ready depend on the Exchange.
	ExchangeRequired ExchangePolicy = "Required"
	// ExchangeBestEffort reports a failure, and leaves Ready alone.
	ExchangeBestEffort ExchangePolicy = "BestEffort"
)

// ExchangeDeletionPolicy says what becomes of the logins in the Exchange.
// +kubebuilder:validation:Enum=Remove;Retain
type ExchangeDeletionPolicy string

const (
	// ExchangeRemove takes out the logins that are revoked.
	ExchangeRemove ExchangeDeletionPolicy = "Remove"
	// ExchangeRetain leaves the logins.
	ExchangeRetain ExchangeDeletionPolicy = "Retain"
)

// ExchangeStatus is what the Exchange holds.
type ExchangeStatus struct {
	// services with an image of this registry that are to hold the login.
	Services int32 `json:"services"`
	// synced are those of them that hold the current login, and were touched since, so that nodes read it.
	Synced int32 `json:"synced"`
	// failed are services that could not be given the login, at most 20.
	// +optional
	// +listType=map
	// +listMapKey=service
	Failed []FailedService `json:"failed,omitempty"`
	// nodes that run these services, as they were when they were last looked at. Absent before that.
	// +optional
	Nodes *ExchangeNodes `json:"nodes,omitempty"`
}

// ExchangeNodes counts the nodes that run services with the login. Each counts once, as it stands worst.
type ExchangeNodes struct {
	// total of the nodes that the user of the Exchange sees.
	Total int32 `json:"total"`
	// confirmed are those that have dropped the earlier logins, and read the current one at their next pull. It is zero where that user sees only a part of the nodes.
	Confirmed int32 `json:"confirmed"`
	// late are those that have not asked for changes since the login was written, or could not load an image since.
	Late int32 `json:"late"`
	// unknown are those of which that cannot be known.
	Unknown int32 `json:"unknown"`
	// formerMayEnd answers whether the logins before the current one may end, as far as these nodes go: Yes, No while some are late, or Unknown.
	// +optional
	FormerMayEnd Answer `json:"formerMayEnd,omitempty"`
	// lateNodes are the late ones by name, at most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	LateNodes []LateNode `json:"lateNodes,omitempty"`
}

// Answer is what is known of a question.
// +kubebuilder:validation:Enum=Yes;No;Unknown
type Answer string

const (
	// AnswerYes is a yes that is proven.
	AnswerYes Answer = "Yes"
	// AnswerNo is a no that is proven.
	AnswerNo Answer = "No"
	// AnswerUnknown: neither is proven.
	AnswerUnknown Answer = "Unknown"
)

// LateNode is a node that has not read the current login.
type LateNode struct {
	// node as the Exchange names it, ORGANISATION/NODE.
	Node string `json:"node"`
	// lastHeartbeat is when it last asked for changes, by the clock of the Exchange. Absent of one that never did.
	// +optional
	LastHeartbeat *metav1.Time `json:"lastHeartbeat,omitempty"`
}

// FailedService is a service that could not be given the login.
type FailedService struct {
	// service as the Exchange names it, ORGANISATION/URL_VERSION_ARCH.
	Service string `json:"service"`
	// message says why, and what to do.
	Message string `json:"message"`
}
