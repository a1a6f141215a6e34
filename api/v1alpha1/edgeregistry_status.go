// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EdgeRegistryStatus is what the operator found and did. It never holds a token, nor a part or a hash of one.
type EdgeRegistryStatus struct {
	// observedGeneration is the metadata.generation that this status speaks of; -1 before the operator has seen the EdgeRegistry.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: one for each step (with openshift RegistryExposed, ProjectReady and AccessGranted, with ibmCloud NamespaceReady, AccountReady, RegistryNamespaceReady and AccessGranted, with external NamespaceReady, and with each of them RegistryTrusted, CredentialsIssued, SecretsPublished, RegistryVerified and, with exchanges, ExchangeUpdated), and Ready, which is the first of them that is not True. Reconciling and Stalled are present only while true; Stalled means that a person has to act.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// provider of the registry: openshift, ibmCloud or external.
	// +optional
	Provider string `json:"provider,omitempty"`

	// host of the registry, without a scheme. It has a port where that is not the usual one of HTTPS.
	// +optional
	Host string `json:"host,omitempty"`

	// imagePrefix is what the name of every image begins with: imagePrefix/NAME:TAG.
	// +optional
	ImagePrefix string `json:"imagePrefix,omitempty"`

	// expiresAt is when the first of the current credentials expires, unless it is renewed before. Absent while none does.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// secrets that consumers read.
	// +optional
	// +listType=map
	// +listMapKey=role
	Secrets []SecretStatus `json:"secrets,omitempty"`

	// credentials that work: the current one of each role, and those before it that have not expired.
	// +optional
	// +listType=map
	// +listMapKey=role
	// +listMapKey=generation
	Credentials []CredentialStatus `json:"credentials,omitempty"`

	// ca is what the Secrets carry in ca.crt: the root certificate that verifies the registry. Absent where they have no ca.crt, since public CAs verify the host.
	// +optional
	CA *CAStatus `json:"ca,omitempty"`

	// verifiedAt is when the credentials were last found to work against the registry.
	// +optional
	VerifiedAt *metav1.Time `json:"verifiedAt,omitempty"`

	// exchange is what the Exchange of spec.exchanges holds. Absent without one.
	// +optional
	Exchange *ExchangeStatus `json:"exchange,omitempty"`

	// lastHandledRotation is the value of the annotation edge.open-horizon.io/rotate that the credentials were last minted for.
	// +optional
	LastHandledRotation string `json:"lastHandledRotation,omitempty"`

	// lastHandledRevocation is the value of the annotation edge.open-horizon.io/revoke that was answered, by the event TokenRevoked or NothingRevoked. Absent while it waits, and once the annotation is gone.
	// +optional
	LastHandledRevocation string `json:"lastHandledRevocation,omitempty"`

	// lastHandledVerification is the value of the annotation edge.open-horizon.io/verify that this status answers: what it says was found after that was set.
	// +optional
	LastHandledVerification string `json:"lastHandledVerification,omitempty"`
}

// Providers, by the name of the field in the spec.
const (
	// ProviderOpenShift is the provider of an EdgeRegistry with spec.openshift.
	ProviderOpenShift = "openshift"
	// ProviderIBMCloud is the provider of an EdgeRegistry with spec.ibmCloud.
	ProviderIBMCloud = "ibmCloud"
	// ProviderExternal is the provider of an EdgeRegistry with spec.external.
	ProviderExternal = "external"
)

// SecretRole distinguishes the two Secrets.
// +kubebuilder:validation:Enum=Publish;Pull
type SecretRole string

const (
	// SecretPublish is the Secret for pipelines.
	SecretPublish SecretRole = "Publish"
	// SecretPull is the Secret for edge nodes and workloads.
	SecretPull SecretRole = "Pull"
)

// SecretStatus is one Secret that consumers read.
type SecretStatus struct {
	// role of the Secret: Publish or Pull.
	Role SecretRole `json:"role"`
	// namespace of the Secret.
	Namespace string `json:"namespace"`
	// name of the Secret.
	Name string `json:"name"`
	// generation of the token that the Secret carries.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// copies of the Secret in the namespaces of copyTo. Absent when there are none.
	// +optional
	Copies *CopiesStatus `json:"copies,omitempty"`
}

// CopiesStatus counts the copies of a Secret.
type CopiesStatus struct {
	// total is how many copies there have to be.
	Total int32 `json:"total"`
	// synced is how many hold what the Secret holds. All copies are at the current token generation when it equals total.
	Synced int32 `json:"synced"`
	// failed lists namespaces whose copy is not as it should be, and those that were taken off copyTo and still hold one: the first twenty by name.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +kubebuilder:validation:MaxItems=20
	Failed []CopyFailure `json:"failed,omitempty"`
}

// CopyFailure says why a namespace has not the copy that it should have.
type CopyFailure struct {
	// namespace of the copy.
	Namespace string `json:"namespace"`
	// reason in one word: NamespaceAbsent, NamespaceTerminating, NotInvited, Conflict, Reserved or RequestFailed.
	Reason string `json:"reason"`
	// message says what to do.
	Message string `json:"message"`
}

// TokenRole says whose token it is.
// +kubebuilder:validation:Enum=Publisher;Puller
type TokenRole string

const (
	// TokenPublisher is the token that can push.
	TokenPublisher TokenRole = "Publisher"
	// TokenPuller is the token that can only pull.
	TokenPuller TokenRole = "Puller"
)

// CredentialStatus describes one credential that works.
type CredentialStatus struct {
	// role says whose token it is: Publisher or Puller.
	Role TokenRole `json:"role"`
	// type of the token: Bound or LongLived. Absent of an API key and of a login that people supply.
	// +optional
	Type TokenType `json:"type,omitempty"`
	// generation counts the credentials of this role. With openshift the token is bound to the Secret <secret>-<generation> in the project: deleting that Secret revokes this token alone.
	Generation int64 `json:"generation"`
	// current is true for the token that the Secrets carry.
	// +optional
	Current bool `json:"current,omitempty"`
	// serviceAccount that the token speaks for. Absent of an API key and of a login that people supply.
	// +optional
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// serviceID of IBM Cloud that the API key is one of, ServiceId-.... Absent of all others.
	// +optional
	ServiceID string `json:"serviceID,omitempty"`
	// suppliedBy is the Secret in the namespace edge-registry-credentials that the login was taken from. Absent of a token that the operator had issued.
	// +optional
	SuppliedBy string `json:"suppliedBy,omitempty"`
	// robot is the login of a robot of Harbor, such as robot$plant+edge-0a1b2c3d-puller-1. Absent of any other.
	// +optional
	Robot string `json:"robot,omitempty"`
	// credentialID is, of a robot of Harbor, its number, and of a key at IBM Cloud its id, ApiKey-.... Of a token of OpenShift it is the token's id in the API server's audit log (authentication.kubernetes.io/credential-id, there with the prefix JTI=). It is absent of a token that does not expire, and where the API server gives tokens no id: Kubernetes before 1.30, which is OpenShift 4.15 and 4.16.
	// +optional
	CredentialID string `json:"credentialID,omitempty"`
	// issuedAt is when the token was issued, or the supplied login was taken.
	// +optional
	IssuedAt *metav1.Time `json:"issuedAt,omitempty"`
	// renewAt is when the next token is due. Absent for a token that is not current.
	// +optional
	RenewAt *metav1.Time `json:"renewAt,omitempty"`
	// expiresAt is when the token stops working. An API key that is still in use then may be left for a while. Absent for a LongLived one, which works until its Secret is deleted.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// CAStatus describes the certificates that the Secrets carry in ca.crt.
type CAStatus struct {
	// subject of the root certificate.
	Subject string `json:"subject"`
	// sha256 is the fingerprint of the root certificate: the SHA-256 of its DER form, in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// notAfter is when the first of the certificates that verify the registry ends.
	NotAfter metav1.Time `json:"notAfter"`
	// source says where the root was found: CABundleRef, Route, DefaultIngressCert, Proxy, SuppliedSecret or System (a public CA).
	Source string `json:"source"`
	// certificates are the fingerprints of all certificates in ca.crt, in their order: the root and intermediates that verify the registry, those that are about to follow them, and those that are on their way out. A certificate that is not among them was not put there by the operator.
	// +optional
	// +listType=set
	Certificates []string `json:"certificates,omitempty"`
	// previous are the certificates that are on their way out.
	// +optional
	// +listType=map
	// +listMapKey=sha256
	Previous []PreviousCA `json:"previous,omitempty"`
}

// PreviousCA is a certificate that stays in ca.crt beside its successor.
type PreviousCA struct {
	// subject of the certificate.
	Subject string `json:"subject"`
	// sha256 is its fingerprint.
	SHA256 string `json:"sha256"`
	// notAfter is when it ends.
	NotAfter metav1.Time `json:"notAfter"`
	// until is when it leaves ca.crt: spec.trust.overlap after it was succeeded.
	Until metav1.Time `json:"until"`
}
