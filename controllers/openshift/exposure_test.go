// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func ingressSaying(router, host string, status corev1.ConditionStatus, reason, message string) routev1.RouteIngress {
	return routev1.RouteIngress{Host: host, RouterName: router, Conditions: []routev1.RouteIngressCondition{
		{Type: routev1.RouteAdmitted, Status: status, Reason: reason, Message: message},
	}}
}

func expectBlocked(g *WithT, err error, reason string, stalled bool) {
	g.Expect(err).To(HaveOccurred())
	b := pass.AsBlocked(err)
	g.Expect(b.Reason).To(Equal(reason))
	g.Expect(b.Stalled).To(Equal(stalled))
}

func TestTheHostIsTheOneThatARouterAdmitted(t *testing.T) {
	refused := ingressSaying("default", "a.example.com", corev1.ConditionFalse, "HostAlreadyClaimed", "taken")
	admitted := ingressSaying("shard", "b.example.com", corev1.ConditionTrue, "", "")
	other := admitted
	other.Conditions = []routev1.RouteIngressCondition{{Type: "Extended", Status: corev1.ConditionTrue}}
	for _, tt := range []struct {
		name    string
		ingress []routev1.RouteIngress
		host    string
		err     string
	}{
		{"the entry of a router that is gone comes first", []routev1.RouteIngress{
			ingressSaying("old-shard", "registry.apps.old.example.com", corev1.ConditionTrue, "", ""), ingressSaying("default", "b.example.com", corev1.ConditionTrue, "", ""),
		}, "b.example.com", ""},
		{"there is only the entry of a router that is gone", []routev1.RouteIngress{
			ingressSaying("old-shard", "registry.apps.old.example.com", corev1.ConditionTrue, "", ""),
		}, "", `router "old-shard" admitted it at registry.apps.old.example.com, and its host is b.example.com by now`},
		{"the host is written in another case", []routev1.RouteIngress{ingressSaying("shard", "B.example.com", corev1.ConditionTrue, "", "")}, "B.example.com", ""},
		{"one router admits it", []routev1.RouteIngress{admitted}, "b.example.com", ""},
		{"one of two routers admits it", []routev1.RouteIngress{refused, admitted}, "b.example.com", ""},
		{"one router knows the host as another's, and a second admits it", []routev1.RouteIngress{
			ingressSaying("default", "b.example.com", corev1.ConditionFalse, "HostAlreadyClaimed", "taken"), admitted,
		}, "", "may lead to another's Route"},
		{"a second admits it, and one knows the host as another's", []routev1.RouteIngress{
			admitted, ingressSaying("default", "b.example.com", corev1.ConditionFalse, "HostAlreadyClaimed", "taken"),
		}, "", `router "default" refuses it: HostAlreadyClaimed: taken`},
		{"one router selects other routes, and a second admits it", []routev1.RouteIngress{
			ingressSaying("default", "b.example.com", corev1.ConditionFalse, "RouteNotAdmitted", "not selected"), admitted,
		}, "b.example.com", ""},
		{"no router has seen it", nil, "", "no router has picked it up"},
		{"a router refuses it", []routev1.RouteIngress{refused}, "", `router "default" refuses it: HostAlreadyClaimed: taken`},
		{"a router says something else of it", []routev1.RouteIngress{other}, "", "no router has picked it up"},
		{"a router has not decided", []routev1.RouteIngress{ingressSaying("default", "b.example.com", corev1.ConditionUnknown, "", "")}, "", `router "default" has not decided about it`},
		{"a condition without a status", []routev1.RouteIngress{ingressSaying("default", "b.example.com", "", "", "")}, "", `router "default" has not decided about it`},
		{"an entry without conditions", []routev1.RouteIngress{{RouterName: "default", Host: "b.example.com"}}, "", "no router has picked it up"},
		{"a router without a name", []routev1.RouteIngress{ingressSaying("", "b.example.com", corev1.ConditionTrue, "", "")}, "b.example.com", ""},
		{"the same entry twice", []routev1.RouteIngress{admitted, admitted}, "b.example.com", ""},
		{"a condition twice, of which one admits", []routev1.RouteIngress{{RouterName: "default", Host: "b.example.com", Conditions: []routev1.RouteIngressCondition{
			{Type: routev1.RouteAdmitted, Status: corev1.ConditionFalse, Reason: "HostAlreadyClaimed"}, {Type: routev1.RouteAdmitted, Status: corev1.ConditionTrue},
		}}}, "", `router "default" refuses it: HostAlreadyClaimed`},
		{"a refusal without words", []routev1.RouteIngress{ingressSaying("default", "b.example.com", corev1.ConditionFalse, "", "")}, "", `router "default" refuses it: it gives no reason`},
		{"another knows the host as another's, in another case", []routev1.RouteIngress{
			admitted, ingressSaying("default", "B.example.com", corev1.ConditionFalse, "HostAlreadyClaimed", "taken"),
		}, "", "may lead to another's Route"},
		{"a router admits it without a host", []routev1.RouteIngress{ingressSaying("default", "", corev1.ConditionTrue, "", "")}, "", `router "default"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			route := &routev1.Route{ObjectMeta: metav1.ObjectMeta{Name: "r"}}
			// A wish, which does not count by itself.
			route.Spec.Host = "b.example.com"
			route.Status.Ingress = tt.ingress
			host, _, err := admittedHost(route)
			g.Expect(host).To(Equal(tt.host))
			if tt.err == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tt.err)))
			expectBlocked(g, err, edgev1.ReasonRouteNotAdmitted, false)
		})
	}
}

// The default router's CA is published, so that it is the one to go by wherever it admits the Route too.
func TestTheDefaultRouterCountsWhereverItAdmitsTheRoute(t *testing.T) {
	g := NewWithT(t)
	shard, standard := ingressSaying("shard", "b.example.com", corev1.ConditionTrue, "", ""), ingressSaying("default", "b.example.com", corev1.ConditionTrue, "", "")
	for _, wished := range []string{"b.example.com", ""} {
		for _, ingress := range [][]routev1.RouteIngress{{shard, standard}, {standard, shard}} {
			route := &routev1.Route{Spec: routev1.RouteSpec{Host: wished}, Status: routev1.RouteStatus{Ingress: ingress}}
			host, router, err := admittedHost(route)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect([]string{host, router}).To(Equal([]string{"b.example.com", "default"}))
		}
	}
}

func TestWhyThereIsNoRoute(t *testing.T) {
	condition := func(kind string, status operatorv1.ConditionStatus, reason, message string) operatorv1.OperatorCondition {
		return operatorv1.OperatorCondition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	for _, tt := range []struct {
		name       string
		conditions []operatorv1.OperatorCondition
		reason     string
		stalled    bool
		message    string
	}{
		{"its operator has not come to it", nil, edgev1.ReasonRouteNotFound, false, `Route "r" is not there yet: the image registry operator makes it`},
		{"its operator is well", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionFalse, "", "")},
			edgev1.ReasonRouteNotFound, false, "is not there yet: the image registry operator makes it"},
		{"its operator is in trouble", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionTrue, "VerificationFailed", "two of a name")},
			edgev1.ReasonRouteNotFound, false, `registry Config "cluster" is Degraded: VerificationFailed: two of a name`},
		{"its operator is in trouble without a word", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionTrue, "", "")},
			edgev1.ReasonRouteNotFound, false, `is Degraded: it gives no reason`},
		{"its operator is in trouble, in lines", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionTrue, "", "one\ntwo\n")},
			edgev1.ReasonRouteNotFound, false, `is Degraded: one two`},
		{"nobody knows of trouble", []operatorv1.OperatorCondition{condition("Degraded", operatorv1.ConditionUnknown, "", "")},
			edgev1.ReasonRouteNotFound, false, `the image registry operator makes it`},
		{"there is no storage, said behind others", []operatorv1.OperatorCondition{condition("Available", operatorv1.ConditionFalse, "NoReplicasAvailable", ""),
			condition("Degraded", operatorv1.ConditionTrue, "StorageNotConfigured", "")},
			edgev1.ReasonStorageNotConfigured, true, "set spec.storage"},
		{"there is no storage", []operatorv1.OperatorCondition{condition("Available", operatorv1.ConditionFalse, "StorageNotConfigured", "x")},
			edgev1.ReasonStorageNotConfigured, true, "set spec.storage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
			config.Status.Conditions = tt.conditions
			err := routeAbsent(config, "r")
			g.Expect(err).To(MatchError(ContainSubstring(tt.message)))
			expectBlocked(g, err, tt.reason, tt.stalled)
		})
	}
}

// The fields of the registry's Config that decide whether there will be a Route. Its API takes other spellings of none.
func TestEachFieldOfTheRegistrysConfigThatARouteNeeds(t *testing.T) {
	for name, tt := range map[string]struct {
		state operatorv1.ManagementState
		// reason is empty where all is well.
		reason, says string
	}{
		"Managed":                   {operatorv1.Managed, "", ""},
		"Unmanaged":                 {operatorv1.Unmanaged, edgev1.ReasonRegistryUnmanaged, "is Unmanaged"},
		"Removed":                   {operatorv1.Removed, edgev1.ReasonRegistryRemoved, "is Removed"},
		"absent":                    {"", edgev1.ReasonRegistryUnmanaged, `has the spec.managementState "", on which its operator does nothing: set it to Managed`},
		"Force":                     {operatorv1.Force, edgev1.ReasonRegistryUnmanaged, `"Force"`},
		"one that is not known yet": {"Paused", edgev1.ReasonRegistryUnmanaged, `"Paused"`},
	} {
		t.Run("managementState "+name, func(t *testing.T) {
			g := NewWithT(t)
			config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
			config.Spec.ManagementState = tt.state
			err := checkManaged(config)
			if tt.reason == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			expectBlocked(g, err, tt.reason, true)
			g.Expect(err).To(MatchError(And(ContainSubstring(tt.says), ContainSubstring("to Managed"))))
		})
	}
	for name, tt := range map[string]struct {
		routes   []imageregistryv1.ImageRegistryConfigRoute
		declared bool
	}{
		"absent":                 {nil, false},
		"empty":                  {[]imageregistryv1.ImageRegistryConfigRoute{}, false},
		"without a name":         {[]imageregistryv1.ImageRegistryConfigRoute{{Hostname: "r"}}, false},
		"the second":             {[]imageregistryv1.ImageRegistryConfigRoute{{Name: "other"}, {Name: "r"}}, true},
		"twice":                  {[]imageregistryv1.ImageRegistryConfigRoute{{Name: "r", Hostname: "a"}, {Name: "r", Hostname: "b"}}, true},
		"in capitals, another's": {[]imageregistryv1.ImageRegistryConfigRoute{{Name: "R"}}, false},
	} {
		t.Run("routes "+name, func(t *testing.T) {
			g := NewWithT(t)
			edge := &edgev1.EdgeRegistry{}
			edge.Spec.OpenShift = &edgev1.OpenShiftSpec{Route: "r"}
			s := (&Provider{}).begin(pass.NewScope(edge, time.Now(), &pass.Memory{}))
			s.config = &imageregistryv1.Config{Spec: imageregistryv1.ImageRegistrySpec{Routes: tt.routes}}
			if err := s.declareRoute(t.Context()); tt.declared {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				expectBlocked(g, err, edgev1.ReasonRouteNotDeclared, true)
			}
		})
	}
}
