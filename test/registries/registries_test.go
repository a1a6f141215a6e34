// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registries has the probe judged by a registry that we did not write: distribution, with logins by htpasswd and by
// tokens. It is a module of its own, for what that registry requires.
package registries

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/test/registries/distribution"
	"github.com/edge-registry/edge-registry-operator/test/registries/tokens"
)

const (
	pusher = "robot$plant+push"
	puller = "robot$plant+edge"
	image  = "plant/edge/service"
)

// rights are what each user may do, where the registry can tell users apart.
var rights = map[string][]string{pusher: {"pull", "push"}, puller: {"pull"}}

func password(user string) string { return user + ":secret" }

// judge is a real registry behind TLS.
type judge struct {
	server  *httptest.Server
	host    string
	storage string
}

// start serves the registry that a configuration is for. The handler, if any, answers under /auth.
func start(t *testing.T, auth func(host, dir string) configuration.Auth, answer http.Handler) *judge {
	t.Helper()
	j := &judge{storage: t.TempDir()}
	var app http.Handler
	j.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer != nil && r.URL.Path == "/auth" {
			answer.ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	}))
	j.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	j.server.StartTLS()
	t.Cleanup(j.server.Close)
	j.host = "registry.example.com:" + j.server.URL[strings.LastIndex(j.server.URL, ":")+1:]
	app = distribution.Handler(context.Background(), j.storage, auth(j.host, t.TempDir()))
	return j
}

func (j *judge) transport() *http.Transport {
	t := j.server.Client().Transport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, j.server.Listener.Addr().String())
	}
	return t
}

func (j *judge) probe(t *testing.T, repository, user, secret string) (registry.Access, error) {
	t.Helper()
	return registry.New(j.host, j.transport(), registry.Dialect{}).Probe(t.Context(), repository, user, credential.NewToken(secret))
}

// push makes the image exist, as a client would, with a right that the test has for itself.
func (j *judge) push(t *testing.T, authorize func(*http.Request)) {
	t.Helper()
	g := NewWithT(t)
	send := func(method, target, kind, body string) *http.Response {
		if !strings.HasPrefix(target, "https://") {
			target = "https://" + j.host + target
		}
		r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		g.Expect(err).NotTo(HaveOccurred())
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		authorize(r)
		answer, err := j.transport().RoundTrip(r)
		g.Expect(err).NotTo(HaveOccurred())
		text, _ := io.ReadAll(answer.Body)
		g.Expect(answer.Body.Close()).To(Succeed())
		g.Expect(answer.StatusCode).To(BeNumerically("<", 300), "%s %s: %s", method, target, text)
		return answer
	}
	const empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	begun := send(http.MethodPost, "/v2/"+image+"/blobs/uploads/", "", "")
	send(http.MethodPut, begun.Header.Get("Location")+"&digest="+empty, "application/octet-stream", "{}")
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` + empty + `","size":2},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` + empty + `","size":2}]}`
	send(http.MethodPut, "/v2/"+image+"/manifests/1", "application/vnd.oci.image.manifest.v1+json", manifest)
}

// files are all that the registry has stored.
func (j *judge) files(t *testing.T) []string {
	t.Helper()
	var files []string
	NewWithT(t).Expect(filepath.WalkDir(j.storage, func(path string, _ os.DirEntry, err error) error {
		files = append(files, path)
		return err
	})).To(Succeed())
	return files
}

func byHtpasswd(t *testing.T) *judge {
	t.Helper()
	return start(t, func(_, dir string) configuration.Auth {
		logins, err := distribution.NewLogins(dir)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for user := range rights {
			NewWithT(t).Expect(logins.Set(user, password(user))).To(Succeed())
		}
		return logins.Auth()
	}, nil)
}

func byTokens(t *testing.T) (*judge, *tokens.Server) {
	t.Helper()
	s, err := tokens.New(t.TempDir())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for user, may := range rights {
		NewWithT(t).Expect(s.Set(user, password(user), may)).To(Succeed())
	}
	return start(t, func(host, _ string) configuration.Auth { return s.Auth("https://" + host + "/auth") }, s), s
}

func TestDistributionWithTokens(t *testing.T) {
	g := NewWithT(t)
	j, s := byTokens(t)
	before := j.files(t)
	for _, user := range []string{pusher, puller} {
		access, err := j.probe(t, image, user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Pull: true, Unproven: registry.RepositoryAbsent}), user)
		access, err = j.probe(t, "", user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Unproven: registry.NoRepository}), user)
	}
	g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

	token, err := s.Token(pusher, []string{"repository:" + image + ":pull,push"})
	g.Expect(err).NotTo(HaveOccurred())
	j.push(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	before = j.files(t)
	for user, want := range map[string]registry.Access{pusher: {Pull: true, Push: true}, puller: {Pull: true}} {
		access, err := j.probe(t, image, user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(want), user)
	}
	// One client asks for both rights at once for the second login, in whatever order.
	for _, users := range [][]string{{pusher, puller}, {puller, pusher}} {
		client := registry.New(j.host, j.transport(), registry.Dialect{})
		for _, user := range users {
			access, err := client.Probe(t.Context(), image, user, credential.NewToken(password(user)))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(access).To(Equal(registry.Access{Pull: true, Push: user == pusher}), user)
		}
		_, err := client.Probe(t.Context(), image, puller, credential.NewToken("wrong"))
		g.Expect(err).To(HaveField("Kind", registry.Refused))
	}
	g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")
}

func TestDistributionWithHtpasswd(t *testing.T) {
	g := NewWithT(t)
	j := byHtpasswd(t)
	before := j.files(t)
	access, err := j.probe(t, image, pusher, password(pusher))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(access).To(Equal(registry.Access{Pull: true, Push: true}))
	g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

	j.push(t, func(r *http.Request) { r.SetBasicAuth(pusher, password(pusher)) })
	access, err = j.probe(t, image, puller, password(puller))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(access).To(Equal(registry.Access{Pull: true, Push: true}), "it cannot tell users apart, and that is found")
}

func TestAWrongPasswordAtDistribution(t *testing.T) {
	withTokens, _ := byTokens(t)
	for name, j := range map[string]*judge{"htpasswd": byHtpasswd(t), "tokens": withTokens} {
		for _, repository := range []string{"", image} {
			t.Run(name+" "+repository, func(t *testing.T) {
				access, err := j.probe(t, repository, puller, "wrong")
				g := NewWithT(t)
				g.Expect(access).To(BeZero())
				g.Expect(err).To(HaveField("Kind", registry.Refused))
			})
		}
	}
}
