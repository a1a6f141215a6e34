// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about verify.go over time: when the registry is asked again.

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	operatorv1 "github.com/openshift/api/operator/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Whatever the registry was before it went says nothing of the one that came back, though the interval of the
// verification is not over.
func TestASuccessOfBeforeTheRegistryWasGoneDoesNotCount(t *testing.T) {
	keepPlatform(t)
	o := startOperator(t)
	for name, gone := range map[string]struct {
		cause, cure func(*testing.T)
		reason      string
	}{
		"its Config was Removed": {setManagement(operatorv1.Removed), setManagement(operatorv1.Managed), edgev1.ReasonRegistryRemoved},
		"its Route was not admitted": {
			func(*testing.T) { openShift.Router.NoIngress() }, func(*testing.T) { openShift.Router.Admit() }, edgev1.ReasonRouteNotAdmitted},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := awaitReady(t, apply(t, newEdge()))
			o.pass(t, edge)
			tried := probes(edge)
			gone.cause(t)
			awaitReason(t, edge, edgev1.RegistryExposed, gone.reason)
			openShift.Registry.Fail(http.StatusServiceUnavailable)
			gone.cure(t)
			expectHeldUp(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable, false, "503")
			openShift.Registry.Fail(0)
			awaitReadyAfter(t, o, edge)
			g.Expect(probes(edge)).To(BeNumerically(">", tried))
			tried = probes(edge)
			o.pass(t, edge)
			g.Expect(probes(edge)).To(Equal(tried), "and at rest it is not asked again")
		})
	}
}

// awaitReadyAfter waits for Ready once more, without waiting for the time of the next look.
func awaitReadyAfter(t *testing.T, o *operator, edge *edgev1.EdgeRegistry) {
	t.Helper()
	o.pass(t, edge)
	awaitReady(t, edge)
}
