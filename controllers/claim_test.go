// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/taken_names.go, on a control plane.

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// distinctNames gives an EdgeRegistry service accounts that no other has.
func distinctNames(prefix string) func(*edgev1.EdgeRegistry) {
	return func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.ServiceAccountName = prefix + "-publisher"
		e.Spec.OpenShift.Puller.ServiceAccountName = prefix + "-puller"
	}
}

// ownedState is what an EdgeRegistry has in its project, each object by its version.
func ownedState(t *testing.T, edge *edgev1.EdgeRegistry, prefix string) map[string]string {
	t.Helper()
	owned := map[string]string{}
	for name, version := range projectState(t, edge) {
		if strings.Contains(name, " "+prefix+"-") || strings.Contains(name, " "+edge.Name+"-") {
			owned[name] = version
		}
	}
	NewWithT(t).Expect(owned).To(HaveLen(8))
	return owned
}

func TestSharedProjectOfEdgeRegistriesWithDistinctNames(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, muchLater)
	project := makeNamespace(t)
	invite(t, project.Name)
	first := apply(t, newEdge(inProject(project.Name), distinctNames("one")))
	second := apply(t, newEdge(inProject(project.Name), distinctNames("two")))
	awaitReady(t, first)
	awaitReady(t, second)
	o.pass(t, first)
	o.pass(t, second)
	stood := ownedState(t, second, "two")
	tokens := liveTokens(t, second)
	writes := len(o.touched(project.Name))
	dead := liveTokens(t, first)

	g.Expect(admin.Delete(t.Context(), first)).To(Succeed())
	gone(t, first.DeepCopy())
	for _, token := range dead {
		expectDead(t, token)
	}
	g.Eventually(func(g Gomega) {
		g.Expect(contents(t, project.Name)).NotTo(HaveKey(ContainSubstring("one-")))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	o.pass(t, second)
	awaitReady(t, second)
	g.Expect(ownedState(t, second, "two")).To(Equal(stood))
	for _, token := range tokens {
		g.Expect(works(t, token)).To(BeTrue())
	}
	for _, request := range o.touched(project.Name)[writes:] {
		g.Expect(request).To(HavePrefix("DELETE "), "what is left of the other goes, and nothing else happens")
		g.Expect(request).NotTo(ContainSubstring("/" + second.Name))
	}
}

func TestSharedProjectWithTakenNamesIsNotWrittenByTheLaterOne(t *testing.T) {
	o := startOperator(t)
	project := makeNamespace(t)
	invite(t, project.Name)
	first := awaitReady(t, apply(t, newEdge(inProject(project.Name), distinctNames("taken"))))
	o.pass(t, first)
	for _, tt := range []struct {
		name  string
		spec  func(*edgev1.EdgeRegistry)
		parts []string
	}{
		{"both accounts", distinctNames("taken"), []string{`ServiceAccount "taken-publisher"`, "another spec.openshift.publisher.serviceAccountName"}},
		{"the account that is written later", func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ServiceAccountName = "taken-puller" },
			[]string{`ServiceAccount "taken-puller"`, "another spec.openshift.puller.serviceAccountName"}},
		{"the publish Secret", func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.Name = pass.PublishSecretName(first) },
			[]string{`Secret "` + pass.PublishSecretName(first) + `"`, "another spec.secrets.publish.name"}},
		{"the pull Secret", func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Pull.Name = pass.PullSecretName(first) },
			[]string{`Secret "` + pass.PullSecretName(first) + `"`, "another spec.secrets.pull.name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			second := prepare(t, newEdge(inProject(project.Name), tt.spec))
			before, writes := contents(t, project.Name), len(o.touched(project.Name))
			apply(t, second)
			expectHeldUp(t, second, edgev1.AccessGranted, edgev1.ReasonConflict, true, append(tt.parts, `to EdgeRegistry "`+first.Name+`"`, "nothing is written")...)
			o.pass(t, second)
			g.Expect(contents(t, project.Name)).To(Equal(before))
			g.Expect(o.touched(project.Name)[writes:]).To(BeEmpty())
			awaitReady(t, first)
			// The one that was refused leaves without a trace, too.
			g.Expect(admin.Delete(t.Context(), second)).To(Succeed())
			gone(t, second.DeepCopy())
			g.Expect(contents(t, project.Name)).To(Equal(before))
		})
	}
}

// A pass that finds all in place reads the two Secrets by name, and nothing else so.
func TestSharedProjectCostsTwoReadsByNameWhileAllIsInPlace(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	reads := func() int {
		return len(o.wire.matching(func(request string) bool {
			return strings.HasPrefix(request, "GET /api/v1/namespaces/"+edge.Name+"/serviceaccounts/") ||
				strings.HasPrefix(request, "GET /api/v1/namespaces/"+edge.Name+"/secrets/")
		}))
	}
	before := reads()
	o.pass(t, edge)
	g.Expect(reads()).To(Equal(before + 2))
}
