// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// written is what controller-gen writes.
const written = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: manager
rules:
- apiGroups: [config.openshift.io]
  resourceNames: [cluster]
  resources: [proxies]
  verbs: [get]
- apiGroups: [edge.open-horizon.io]
  resources: [edgeregistries]
  verbs: [get]
- apiGroups: [project.openshift.io]
  resources: [projectrequests]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: manager
  namespace: default
rules:
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: manager
  namespace: openshift-config-managed
rules:
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
`

// rolesOf reads the documents of a file.
func rolesOf(t *testing.T, content []byte) []rbacv1.ClusterRole {
	t.Helper()
	var roles []rbacv1.ClusterRole
	_, text, _ := strings.Cut(string(content), "---\n")
	for document := range strings.SplitSeq(text, "\n---\n") {
		var role rbacv1.ClusterRole
		NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(document), &role)).To(Succeed())
		roles = append(roles, role)
	}
	return roles
}

func TestWhatIsTakenOutAndAddedAgainIsWhatWasWritten(t *testing.T) {
	g := NewWithT(t)
	files, err := split([]byte(written))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(HaveLen(3))
	g.Expect(strings.ToLower(string(files[allRoles]))).NotTo(ContainSubstring("openshift"))

	roles := rolesOf(t, files[allRoles])
	g.Expect(roles[0].Rules).To(HaveLen(1))
	var additions []addition
	g.Expect(yaml.UnmarshalStrict(files[openShiftRules], &additions)).To(Succeed())
	g.Expect(additions).To(HaveLen(2))
	for _, a := range additions {
		g.Expect(a.Op).To(Equal("add"))
		at, err := strconv.Atoi(strings.TrimPrefix(a.Path, "/rules/"))
		g.Expect(err).NotTo(HaveOccurred())
		roles[0].Rules = slices.Insert(roles[0].Rules, at, a.Value)
	}
	g.Expect(append(roles, rolesOf(t, files[openShiftRoles])...)).To(Equal(rolesOf(t, []byte(written))))
}

func TestWhatCannotBeSplitIsRefused(t *testing.T) {
	files, err := split([]byte(written))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for name, tt := range map[string]struct{ roles, want string }{
		"a file that was split already":             {strings.TrimPrefix(string(files[allRoles]), generated), "controller-gen has to write it first"},
		"nothing":                                   {"", "controller-gen has to write it first"},
		"no YAML":                                   {"{", "decode"},
		"a rule for OpenShift and for others":       {strings.ReplaceAll(written, "[project.openshift.io]", `["", project.openshift.io]`), "a marker of their own"},
		"an API of OpenShift in another namespace":  {strings.ReplaceAll(written, "[events.k8s.io]", "[route.openshift.io]"), "only the ClusterRole can be split"},
		"a field that a role of these does not use": {strings.ReplaceAll(written, "resourceNames", "nonsense"), "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := split([]byte(tt.roles))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tt.want)))
		})
	}
}
