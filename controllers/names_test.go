// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestNamesComeFromTheSpecOrFromTheEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	edge := newEdge()
	edge.Name = "factory"
	g.Expect(projectName(edge)).To(Equal("factory"))
	g.Expect(publishSecretName(edge)).To(Equal("factory-publish"))
	g.Expect(pullSecretName(edge)).To(Equal("factory-pull"))
	g.Expect(bindingName(edge, edgev1.TokenPublisher)).To(Equal("factory-publisher"))
	g.Expect(bindingName(edge, edgev1.TokenPuller)).To(Equal("factory-puller"))
	g.Expect(anchorName("factory-pull", 12)).To(Equal("factory-pull-12"))
	edge.Spec.OpenShift.Project.Name, edge.Spec.Secrets.Publish.Name, edge.Spec.Secrets.Pull.Name = "images", "push.me", "pull.me"
	g.Expect(projectName(edge)).To(Equal("images"))
	g.Expect(publishSecretName(edge)).To(Equal("push.me"))
	g.Expect(pullSecretName(edge)).To(Equal("pull.me"))
}

// The longest that admission lets through still makes names and labels that the API server takes.
func TestTheLongestNamesAreValid(t *testing.T) {
	g := NewWithT(t)
	edge := newEdge()
	edge.Name = strings.Repeat("a", 63)
	for _, name := range []string{
		anchorName(publishSecretName(edge), 1<<62), bindingName(edge, edgev1.TokenPublisher), anchorName(strings.Repeat("a", 200), 1<<62),
	} {
		g.Expect(validation.IsDNS1123Subdomain(name)).To(BeEmpty(), name)
	}
	for key, value := range ownLabels(edge) {
		g.Expect(validation.IsQualifiedName(key)).To(BeEmpty(), key)
		g.Expect(validation.IsValidLabelValue(value)).To(BeEmpty(), value)
	}
}

func TestReservedProjects(t *testing.T) {
	for name, reserved := range map[string]bool{
		"default": true, "openshift": true, "kubernetes": true, "kube": true, "kube-system": true, "openshift-config": true,
		"kubernetes-dashboard": true, operatorNamespace: true,
		"factory": false, "my-openshift-images": false, "kubeless": false, "openshifter": false, "defaults": false,
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(reservedProject(name, operatorNamespace)).To(Equal(reserved))
		})
	}
}

// One mark must not be found in another's.
func TestAnOwnerMarkIsOfOneEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	mark := ownerMark("factory", "1234")
	g.Expect("Images " + mark).To(ContainSubstring(mark))
	g.Expect(ownerMark("factory", "12345")).NotTo(ContainSubstring(mark))
	g.Expect(ownerMark("my-factory", "1234")).NotTo(ContainSubstring(mark))
}
