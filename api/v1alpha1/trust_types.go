// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TrustSpec says where the CA of the route is looked for.
type TrustSpec struct {
	// caBundleRef is a ConfigMap with the root CA (PEM) of the route's certificate. It is tried first. Without it the operator looks in the Route, in the default router's published certificate, in the cluster's proxy CA and among the public CAs, in this order.
	// +optional
	CABundleRef *CABundleRef `json:"caBundleRef,omitempty"`

	// overlap is how long an outgoing CA stays in ca.crt beside its successor, as a duration such as 720h: the time that consumers have to take the new one. 0s drops it at once, at most 87600h.
	// +optional
	// +kubebuilder:default="720h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:XValidation:rule="self != '' && self.matches('^([0-9]{1,6}([.][0-9]+)?h)?([0-9]{1,7}([.][0-9]+)?m)?([0-9]{1,9}([.][0-9]+)?s)?$') && duration(self) <= duration('87600h')",message="must be a duration of at most 87600h (ten years), in hours, minutes and seconds, such as 720h: there is no unit for days"
	Overlap *metav1.Duration `json:"overlap,omitempty"`
}

// CABundleRef names a key of a ConfigMap in the operator's own namespace.
type CABundleRef struct {
	// name of the ConfigMap, in the namespace that the operator runs in.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// key in the ConfigMap that holds the certificates.
	// +optional
	// +kubebuilder:default=ca-bundle.crt
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}
