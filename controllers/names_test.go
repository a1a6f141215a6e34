// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the names of what the operator makes.

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestNamesComeFromTheSpecOrFromTheEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	edge := newEdge()
	edge.Name = "factory"
	g.Expect(openshift.ProjectName(edge)).To(Equal("factory"))
	g.Expect(pass.PublishSecretName(edge)).To(Equal("factory-publish"))
	g.Expect(pass.PullSecretName(edge)).To(Equal("factory-pull"))
	g.Expect(bindingName(edge, edgev1.TokenPublisher)).To(Equal("factory-publisher"))
	g.Expect(bindingName(edge, edgev1.TokenPuller)).To(Equal("factory-puller"))
	g.Expect(boundSecretName("factory-pull", 12)).To(Equal("factory-pull-12"))
	edge.Spec.OpenShift.Project.Name, edge.Spec.Secrets.Publish.Name, edge.Spec.Secrets.Pull.Name = "images", "push.me", "pull.me"
	g.Expect(openshift.ProjectName(edge)).To(Equal("images"))
	g.Expect(pass.PublishSecretName(edge)).To(Equal("push.me"))
	g.Expect(pass.PullSecretName(edge)).To(Equal("pull.me"))
}

// The longest that admission lets through still makes names and labels that the API server takes.
func TestTheLongestNamesAreValid(t *testing.T) {
	g := NewWithT(t)
	edge := newEdge()
	edge.Name = strings.Repeat("a", 63)
	for _, name := range []string{
		boundSecretName(pass.PublishSecretName(edge), 1<<62), bindingName(edge, edgev1.TokenPublisher), boundSecretName(strings.Repeat("a", 200), 1<<62),
	} {
		g.Expect(validation.IsDNS1123Subdomain(name)).To(BeEmpty(), name)
	}
	for key, value := range objects.OwnLabels(edge) {
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
			NewWithT(t).Expect(objects.IsReserved(name, operatorNamespace)).To(Equal(reserved))
		})
	}
}
