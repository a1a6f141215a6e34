// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EdgeRegistryStatus is what the operator found and did. It never holds a token, nor a part or a hash of one.
type EdgeRegistryStatus struct {
	// observedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: one for each step (RegistryExposed, ProjectReady, AccessGranted, RouteTrusted, TokensIssued, SecretsPublished, RegistryVerified), and Ready, which is the first of them that is not True. Reconciling and Stalled are present only while true; Stalled means that a person has to act.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// host of the registry's route, without a scheme or port.
	// +optional
	Host string `json:"host,omitempty"`

	// project that holds the images and the Secrets.
	// +optional
	Project string `json:"project,omitempty"`

	// imagePrefix is host/project: images are named imagePrefix/NAME:TAG.
	// +optional
	ImagePrefix string `json:"imagePrefix,omitempty"`

	// expiresAt is when the first of the current tokens expires, unless it is renewed before.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// secrets that consumers read.
	// +optional
	// +listType=map
	// +listMapKey=role
	Secrets []SecretStatus `json:"secrets,omitempty"`

	// tokens that work: the current one of each role, and those before it that have not expired.
	// +optional
	// +listType=map
	// +listMapKey=role
	// +listMapKey=generation
	Tokens []TokenStatus `json:"tokens,omitempty"`

	// ca is the root certificate that the Secrets carry in ca.crt.
	// +optional
	CA *CAStatus `json:"ca,omitempty"`

	// verifiedAt is when the tokens were last found to work against the registry.
	// +optional
	VerifiedAt *metav1.Time `json:"verifiedAt,omitempty"`

	// lastHandledRotation is the value of the annotation edge.open-horizon.io/rotate that both tokens were last minted for.
	// +optional
	LastHandledRotation string `json:"lastHandledRotation,omitempty"`
}

// SecretRole tells the two Secrets apart.
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
}

// TokenRole tells whose token it is.
// +kubebuilder:validation:Enum=Publisher;Puller
type TokenRole string

const (
	// TokenPublisher is the token that can push.
	TokenPublisher TokenRole = "Publisher"
	// TokenPuller is the token that can only pull.
	TokenPuller TokenRole = "Puller"
)

// TokenStatus describes one token that works.
type TokenStatus struct {
	// role says whose token it is: Publisher or Puller.
	Role TokenRole `json:"role"`
	// generation counts the tokens of this role. The Secret <secret>-<generation> in the project anchors the token: deleting that Secret revokes this token alone.
	Generation int64 `json:"generation"`
	// current is true for the token that the Secrets carry.
	// +optional
	Current bool `json:"current,omitempty"`
	// serviceAccount that the token speaks for.
	ServiceAccount string `json:"serviceAccount"`
	// credentialID is the token's id in the API server's audit log (authentication.kubernetes.io/credential-id, there with the prefix JTI=).
	// +optional
	CredentialID string `json:"credentialID,omitempty"`
	// issuedAt is when the token was issued.
	// +optional
	IssuedAt *metav1.Time `json:"issuedAt,omitempty"`
	// renewAt is when the next token is due. Absent for a token that is not current.
	// +optional
	RenewAt *metav1.Time `json:"renewAt,omitempty"`
	// expiresAt is when the token stops working.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// CAStatus describes the root certificate that the Secrets carry.
type CAStatus struct {
	// subject of the root certificate.
	Subject string `json:"subject"`
	// sha256 is the fingerprint of the root certificate: the SHA-256 of its DER form, in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// notAfter is when the first of the certificates in ca.crt ends.
	NotAfter metav1.Time `json:"notAfter"`
	// source says where the root was found: CABundleRef, Route, DefaultIngressCert, Proxy or System (a public CA).
	Source string `json:"source"`
}
