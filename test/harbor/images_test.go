// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// withImages is a stand-in with distribution behind it, and two projects.
func withImages(t *testing.T) *Harbor {
	t.Helper()
	g := NewWithT(t)
	binary := filepath.Join(t.TempDir(), "registry")
	g.Expect(distribution.Build(t.Context(), binary)).To(Succeed())
	h, err := New(t.Context(), Options{Registry: binary, Images: t.TempDir()})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(h.Close)
	h.AddProject("plant")
	h.AddProject("other")
	return h
}

func (h *Harbor) client(user, secret string) platform.ImageClient {
	return platform.ImageClient{Roots: h.CA.PEM(), User: user, Token: credential.NewToken(secret)}
}

// Real clients of a real registry are refused and let through by the permissions that robots were made with.
func TestRightsFollowFromPermissions(t *testing.T) {
	g := NewWithT(t)
	h := withImages(t)
	pusher, pushSecret := h.AddRobot("plant", "push", "", "repository:pull", "repository:push")
	puller, pullSecret := h.AddRobot("plant", "pull", "", "repository:pull")
	image, elsewhere := h.Host+"/plant/edge/service:1", h.Host+"/other/edge/service:1"

	digest, err := h.client(pusher, pushSecret).Push(t.Context(), image)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.client(puller, pullSecret).Pull(t.Context(), image)).To(Equal(digest))
	for name, client := range map[string]platform.ImageClient{
		"the puller": h.client(puller, pullSecret), "a wrong password": h.client(pusher, "wrong-secret"), "nobody": h.client("", ""),
	} {
		_, err := client.Push(t.Context(), image)
		g.Expect(err).To(HaveOccurred(), name)
	}
	_, err = h.client(pusher, pushSecret).Push(t.Context(), elsewhere)
	g.Expect(err).To(HaveOccurred(), "another project")
	_, err = h.client(puller, pullSecret).Pull(t.Context(), elsewhere)
	g.Expect(err).To(HaveOccurred(), "another project")

	robots := h.Robots()
	h.Edit(robots[1].ID, func(r *Robot) { r.Disabled = true })
	_, err = h.client(puller, pullSecret).Pull(t.Context(), image)
	g.Expect(err).To(HaveOccurred(), "a robot that is disabled")

	t.Run("skopeo", func(t *testing.T) {
		if _, err := exec.LookPath("skopeo"); err != nil {
			t.Skip("skopeo is not installed")
		}
		g := NewWithT(t)
		certs := t.TempDir()
		g.Expect(os.WriteFile(filepath.Join(certs, "ca.crt"), h.CA.PEM(), 0o600)).To(Succeed())
		copyTo := func(user, secret, to string) ([]byte, error) {
			return exec.CommandContext(t.Context(), "skopeo", "copy", "--src-cert-dir", certs, "--dest-cert-dir", certs,
				"--src-creds", pusher+":"+pushSecret, "--dest-creds", user+":"+secret, "docker://"+image, "docker://"+to).CombinedOutput()
		}
		output, err := copyTo(pusher, pushSecret, h.Host+"/plant/edge/service:2")
		g.Expect(err).NotTo(HaveOccurred(), "%s", output)
		h.Edit(robots[1].ID, func(r *Robot) { r.Disabled = false })
		output, err = copyTo(puller, pullSecret, h.Host+"/plant/edge/service:3")
		g.Expect(err).To(HaveOccurred())
		g.Expect(string(output)).To(ContainSubstring("unauthorized to access repository: plant/edge/service, action: push"))
	})

	t.Run("crane", func(t *testing.T) {
		g := NewWithT(t)
		program := crane(t)
		ca, layer := filepath.Join(t.TempDir(), "ca.crt"), filepath.Join(t.TempDir(), "layer.tar")
		g.Expect(os.WriteFile(ca, h.CA.PEM(), 0o600)).To(Succeed())
		g.Expect(os.WriteFile(layer, make([]byte, 1024), 0o600)).To(Succeed())
		as := func(user, secret string, arguments ...string) (string, error) {
			home := t.TempDir()
			login := base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
			g.Expect(os.WriteFile(filepath.Join(home, "config.json"), []byte(`{"auths":{"`+h.Host+`":{"auth":"`+login+`"}}}`), 0o600)).To(Succeed())
			command := exec.CommandContext(t.Context(), program, arguments...)
			command.Env = append(os.Environ(), "DOCKER_CONFIG="+home, "SSL_CERT_FILE="+ca)
			output, err := command.CombinedOutput()
			return string(output), err
		}
		h.Edit(robots[1].ID, func(r *Robot) { r.Disabled = false })
		pushed := h.Host + "/plant/edge/by-crane:1"
		output, err := as(pusher, pushSecret, "append", "--new_tag", pushed, "--new_layer", layer)
		g.Expect(err).NotTo(HaveOccurred(), output)
		output, err = as(puller, pullSecret, "pull", pushed, filepath.Join(t.TempDir(), "pulled.tar"))
		g.Expect(err).NotTo(HaveOccurred(), output)
		for name, refused := range map[string]func() (string, error){
			"a push by the puller": func() (string, error) {
				return as(puller, pullSecret, "append", "--new_tag", h.Host+"/plant/edge/by-crane:2", "--new_layer", layer)
			},
			"a push to another project": func() (string, error) {
				return as(pusher, pushSecret, "append", "--new_tag", h.Host+"/other/edge/by-crane:1", "--new_layer", layer)
			},
			"a pull from another project": func() (string, error) {
				return as(puller, pullSecret, "digest", elsewhere)
			},
		} {
			output, err = refused()
			g.Expect(err).To(HaveOccurred(), name)
			g.Expect(output).To(MatchRegexp("(?i)unauthorized|denied"), name)
		}
	})
}

// crane is the path of that program, in the version of test/registries/clients. Go keeps what it has built.
func crane(t *testing.T) string {
	t.Helper()
	find := exec.CommandContext(t.Context(), "go", "tool", "-n", "crane")
	find.Dir = filepath.Join(env.RepoRoot(), "test/registries/clients")
	path, err := find.Output()
	if err != nil {
		t.Skipf("crane does not build here: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// Harbor's own client for Go finds what it expects.
func TestHarborsOwnClientIsServed(t *testing.T) {
	g := NewWithT(t)
	h, err := New(t.Context(), Options{})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(h.Close)
	h.AddProject("plant")
	h.AddAdmin("admin", "Admin-password-1", "plant")
	binary, ca := filepath.Join(t.TempDir(), "judge"), filepath.Join(t.TempDir(), "ca.crt")
	g.Expect(os.WriteFile(ca, h.CA.PEM(), 0o600)).To(Succeed())
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Dir = filepath.Join(env.RepoRoot(), "test/harbor/judge")
	output, err := build.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", output)
	run := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "https://"+h.Host+"/api/v2.0", ca, "admin")
	run.Env = []string{"HARBOR_PASSWORD=Admin-password-1"}
	output, err = run.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s", output)
	g.Expect(strings.Fields(string(output))).To(Equal(strings.Fields("may list may read may create may update may delete listed 1 1 read robot$plant+judged 7 project pull gone NOT_FOUND")))
	g.Expect(h.Robots()).To(BeEmpty())
}
