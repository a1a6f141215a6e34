// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
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
	o.awaitAPass(t, edge)
	awaitReady(t, edge)
}

// basisScope is a pass that has come to the verification.
func basisScope() *scope {
	edge := newEdge()
	edge.Name, edge.UID = "basis", "edge"
	s := newScope(edge, time.Unix(0, 0))
	s.host, s.ca = "registry.example.com", []byte("ca")
	s.config = &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{UID: "config", Generation: 1}}
	s.config.Spec.ManagementState = operatorv1.Managed
	s.config.Status.Conditions = []operatorv1.OperatorCondition{
		{Type: operatorv1.OperatorStatusTypeAvailable, Status: operatorv1.ConditionTrue, Message: "one"}}
	for _, l := range s.logins() {
		l.token.Token, l.token.claims.AnchorUID = credential.NewToken("token of "+l.account), types.UID(l.account)
	}
	return s
}

func TestWhatASuccessRestsOn(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*scope)
		kept   bool
	}{
		"nothing changed":              {func(*scope) {}, true},
		"words about the registry":     {func(s *scope) { s.config.Status.Conditions[0].Message = "two" }, true},
		"another EdgeRegistry":         {func(s *scope) { s.edge.UID = "other" }, false},
		"another host":                 {func(s *scope) { s.host = "other.example.com" }, false},
		"another CA":                   {func(s *scope) { s.ca = []byte("other") }, false},
		"another push token":           {func(s *scope) { s.publisher.token.Token = credential.NewToken("other") }, false},
		"another pull token":           {func(s *scope) { s.puller.token.Token = credential.NewToken("other") }, false},
		"another Secret for the push":  {func(s *scope) { s.publisher.token.claims.AnchorUID = "other" }, false},
		"another Secret for the pull":  {func(s *scope) { s.puller.token.claims.AnchorUID = "other" }, false},
		"another Config":               {func(s *scope) { s.config.UID = "other" }, false},
		"a setting in the Config":      {func(s *scope) { s.config.Generation++; s.config.Spec.ReadOnly = true }, true},
		"a Config that is not Managed": {func(s *scope) { s.config.Spec.ManagementState = operatorv1.Unmanaged }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := &EdgeRegistryReconciler{}
			g.Expect(r.restsOn(basisScope())).To(BeTrue(), "after a restart the status is believed")
			changed := basisScope()
			test.change(changed)
			g.Expect(r.restsOn(changed)).To(Equal(test.kept))
			r.dropBasis(changed.edge)
			g.Expect(r.restsOn(basisScope())).To(BeFalse(), "what was gone is asked again")
		})
	}
}
