// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VerificationPolicy says what a failed verification means.
// +kubebuilder:validation:Enum=Required;BestEffort;Disabled
type VerificationPolicy string

const (
	// VerificationRequired makes Ready depend on the verification.
	VerificationRequired VerificationPolicy = "Required"
	// VerificationBestEffort reports a failed verification, and leaves Ready alone: for clusters whose pods cannot reach their own routes.
	VerificationBestEffort VerificationPolicy = "BestEffort"
	// VerificationDisabled sends nothing to the registry.
	VerificationDisabled VerificationPolicy = "Disabled"
)

// VerificationSpec is the live check of the tokens.
type VerificationSpec struct {
	// policy says what a failed verification means. Required: Ready is False. BestEffort: it is reported in the condition RegistryVerified and Ready stays as it is. Disabled: nothing is sent to the registry, and that condition is absent. A failure never withdraws a token or a Secret. Defaults to Required.
	// +optional
	// +kubebuilder:default=Required
	Policy VerificationPolicy `json:"policy,omitempty"`

	// interval between two verifications while nothing changes, as a duration such as 30m. At least 1m. A new token, host or CA is verified at once. Defaults to 30m.
	// +optional
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) >= duration('1m')",message="must be a duration of at least 1m, in hours, minutes and seconds, such as 30m: there is no unit for days"
	Interval metav1.Duration `json:"interval,omitzero"`

	// repository below external.repositoryPrefix, or in the registry namespace of ibmCloud, that the rights to pull and to push are tried on, without a trace: nothing is uploaded. Without it the logins are tried, and the rights are not, since on some registries merely to ask makes a repository. It is refused with openshift.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*$')",message="must be the path of a repository without host and tag: parts of lower-case letters and digits, joined inside by '.', '_', '__' or dashes, with a '/' between them"
	Repository string `json:"repository,omitempty"`
}
