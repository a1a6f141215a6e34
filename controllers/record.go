// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// record is what has to be known of an EdgeRegistry after a restart, and what nobody but the operator may have written. It is
// kept in the status, which is output everywhere else.
type record struct {
	// settled: both Secrets were published under this spec, if not all of their copies; and host is what they said.
	settled bool
	host    string
	// ca is what was last published in ca.crt; nil when nothing was.
	ca *edgev1.CAStatus
	// verifiedAt is when the logins were last found to work under this spec; zero when they were not, or when a pass since
	// did not come as far as to know.
	verifiedAt time.Time
}

func recordOf(edge *edgev1.EdgeRegistry) record {
	r := record{
		settled: len(edge.Status.Secrets) > 0 && edge.Status.ObservedGeneration == edge.Generation,
		host:    edge.Status.Host, ca: edge.Status.CA,
	}
	last := meta.FindStatusCondition(edge.Status.Conditions, edgev1.RegistryVerified)
	if last != nil && last.Status == metav1.ConditionTrue && last.ObservedGeneration == edge.Generation && edge.Status.VerifiedAt != nil {
		r.verifiedAt = edge.Status.VerifiedAt.Time
	}
	return r
}
