// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// A user who changes from client-side to server-side apply takes over the defaults as if they were applied,
// and gives them up with the next apply. Of a map that is left without any field then, the API server
// makes null (Kubernetes 1.36). The documentation says to write one field of spec.openshift.
func TestAChangeToServerSideApplyNeedsAFieldOfOpenShift(t *testing.T) {
	for name, test := range map[string]struct{ openshift, refused string }{
		"one-field": {openshift: "{route: default-route}"},
		"empty":     {openshift: "{}", refused: `spec.openshift: Invalid value: "null"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join(t.TempDir(), "edge.yaml")
			text := "apiVersion: edge.open-horizon.io/v1alpha1\nkind: EdgeRegistry\nmetadata: {name: change-" + name + "}\nspec: {openshift: " + test.openshift + "}\n"
			g.Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
			apply := func(flags ...string) error {
				_, err := control.Kubectl(t.Context(), append([]string{"apply", "-f", file}, flags...)...)
				return err
			}
			argoCD := []string{"--server-side", "--force-conflicts", "--field-manager=argocd-controller"}
			g.Expect(apply()).To(Succeed())
			g.Expect(apply(argoCD...)).To(Succeed())
			err := apply(argoCD...)
			if test.refused != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.refused)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(apply(argoCD...)).To(Succeed())
		})
	}
}
