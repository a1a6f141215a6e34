// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// revocation is how long kube-apiserver may go on believing a token whose
// Secret is gone: its token cache holds for ten seconds.
const revocation = 15 * time.Second

func images(token credential.Token) platform.ImageClient {
	return openShift.ImageClient(openShift.Router.CA().PEM(), "anybody", token)
}

// refusal is the status and the first code of a registry's refusal.
func refusal(err error) (int, string) {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return 0, ""
	}
	code := ""
	if len(refused.Errors) > 0 {
		code = string(refused.Errors[0].Code)
	}
	return refused.StatusCode, code
}

func TestRolesPushAndPullAsOnOpenShift(t *testing.T) {
	expose(t)
	project := newProject(t)
	existing := openShift.Host() + "/" + project + "/existing:1"
	editor, _ := newAccount(t, project, "edit")
	_, err := images(editor).Push(t.Context(), existing)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	for _, c := range []struct {
		name, role string
		fresh      bool // a repository that does not exist yet
		status     int
		code       string
	}{
		{name: "edit pushes a new repository", role: "edit", fresh: true},
		{name: "image-builder pushes a new repository", role: "system:image-builder", fresh: true},
		{name: "image-pusher is refused at the manifest of a new repository", role: "system:image-pusher", fresh: true,
			status: http.StatusForbidden, code: "DENIED"},
		{name: "image-pusher pushes to a repository that exists", role: "system:image-pusher"},
		{name: "image-puller is refused at the first upload", role: "system:image-puller",
			status: http.StatusUnauthorized, code: "UNAUTHORIZED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			token, _ := newAccount(t, project, c.role)
			ref := existing
			if c.fresh {
				ref = openShift.Host() + "/" + project + "/" + strings.TrimPrefix(c.role, "system:") + ":1"
			}
			seen := len(openShift.Registry.Requests())
			_, err := images(token).Push(t.Context(), ref)
			if c.status == 0 {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			status, code := refusal(err)
			g.Expect(status).To(Equal(c.status))
			g.Expect(code).To(Equal(c.code))
			if c.fresh {
				requests := openShift.Registry.Requests()[seen:]
				last := requests[len(requests)-1]
				g.Expect(last.Method).To(Equal(http.MethodPut))
				g.Expect(last.Path).To(HaveSuffix("/manifests/1"))
			}
		})
	}

	t.Run("image-puller pulls what the editor pushed last", func(t *testing.T) {
		g := NewWithT(t)
		token, _ := newAccount(t, project, "system:image-puller")
		ref := openShift.Host() + "/" + project + "/pulled:1"
		pushed, err := images(editor).Push(t.Context(), ref)
		g.Expect(err).NotTo(HaveOccurred())
		pulled, err := images(token).Pull(t.Context(), ref)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pulled).To(Equal(pushed))
	})

	t.Run("a read-only registry takes no push", func(t *testing.T) {
		openShift.Registry.ReadOnly(true)
		defer openShift.Registry.ReadOnly(false)
		_, err := images(editor).Push(t.Context(), existing)
		status, _ := refusal(err)
		NewWithT(t).Expect(status).To(Equal(http.StatusMethodNotAllowed))
	})
}

func TestATokenDiesWithTheSecretItIsBoundTo(t *testing.T) {
	g := NewWithT(t)
	expose(t)
	token, bound := newAccount(t, newProject(t), "edit")
	login := func() (int, error) {
		got, err := ask(t, request{path: "/v2/", bearer: token.Reveal()})
		return got.status, err
	}
	g.Expect(login()).To(Equal(http.StatusOK))
	g.Expect(admin.Delete(t.Context(), bound)).To(Succeed())
	g.Eventually(login).WithTimeout(revocation).WithPolling(often).Should(Equal(http.StatusUnauthorized))
}
