// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const rights = "rights.md"

func TestEveryRightOfTheOperatorIsTold(t *testing.T) {
	text := read(t, rights)
	rules := 0
	rendered, err := manifests.Render("../config/default")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	standing := []string{"edge-registry-manager-role", "edge-registry-leader-election", "edge-registry-metrics-auth"}
	for _, object := range rendered {
		if !strings.HasSuffix(object.GetKind(), "Role") || !slices.Contains(standing, object.GetName()) {
			continue
		}
		var role rbacv1.ClusterRole
		NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role)).To(Succeed())
		for _, rule := range role.Rules {
			rules++
			for _, resource := range rule.Resources {
				NewWithT(t).Expect(tells(text, resource, rule)).To(BeTrue(),
					"a row of %s tells of %v on %s, resourceNames %v", rights, rule.Verbs, resource, rule.ResourceNames)
			}
		}
	}
	NewWithT(t).Expect(rules).To(BeNumerically(">", 10))
}

func tells(text, resource string, rule rbacv1.PolicyRule) bool {
	words := append([]string{"`" + resource + "`"}, rule.Verbs...)
	for _, name := range rule.ResourceNames {
		words = append(words, "`"+name+"`")
	}
	for line := range strings.Lines(text) {
		named := func(word string) bool { return strings.Contains(line, word) }
		if strings.HasPrefix(line, "| ") && !slices.ContainsFunc(words, func(word string) bool { return !named(word) }) {
			return true
		}
	}
	return false
}
