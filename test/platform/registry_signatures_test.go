// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhoMayPullIsToldThatAnImageHasNoSignatures(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	project := newProject(t)
	token, _ := newAccount(t, project, "system:image-puller")
	path := "/extensions/v2/" + project + "/service/signatures/sha256:00"

	got, err := ask(t, request{path: path, bearer: token.Reveal()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.status).To(Equal(http.StatusOK))
	g.Expect(got.body).To(MatchJSON(`{"signatures": []}`))

	got, err = ask(t, request{path: path})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.status).To(Equal(http.StatusUnauthorized))
}
