// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registries has the probe judged by a registry that we did not write: distribution, with logins by htpasswd and by
// tokens. It is a module of its own, for what that registry requires.
package registries

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	. "github.com/onsi/gomega"
	"golang.org/x/crypto/bcrypt"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
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

	mu       sync.Mutex
	requests []string
}

// start serves the registry that a configuration is for. The handler, if any, answers under /auth.
func start(t *testing.T, auth func(host, dir string) configuration.Auth, tokens http.Handler) *judge {
	t.Helper()
	j := &judge{storage: t.TempDir()}
	var app http.Handler
	j.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		j.requests = append(j.requests, r.Method+" "+r.URL.Path)
		j.mu.Unlock()
		if tokens != nil && r.URL.Path == "/auth" {
			tokens.ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	}))
	j.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	j.server.StartTLS()
	t.Cleanup(j.server.Close)
	j.host = "registry.example.com:" + j.server.URL[strings.LastIndex(j.server.URL, ":")+1:]
	config := &configuration.Configuration{
		Version: "0.1",
		Storage: configuration.Storage{"filesystem": configuration.Parameters{"rootdirectory": j.storage}, "maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}}},
		Auth:    auth(j.host, t.TempDir()),
	}
	config.HTTP.Secret = "of no use"
	config.Log.Level = "panic"
	config.Log.AccessLog.Disabled = true
	app = handlers.NewApp(context.Background(), config)
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
		var lines []string
		for _, user := range []string{pusher, puller} {
			hash, err := bcrypt.GenerateFromPassword([]byte(password(user)), bcrypt.MinCost)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			lines = append(lines, user+":"+string(hash))
		}
		file := filepath.Join(dir, "htpasswd")
		NewWithT(t).Expect(os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600)).To(Succeed())
		return configuration.Auth{"htpasswd": configuration.Parameters{"realm": "basic-realm", "path": file}}
	}, nil)
}

// tokenServer gives each user a token for the part of what it asks that it may have, and everybody one for nothing.
type tokenServer struct{ key *ecdsa.PrivateKey }

const issuer, service, keyID = "plant-issuer", "plant", "k1"

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, secret, shown := r.BasicAuth()
	if shown && (rights[user] == nil || secret != password(user)) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
		return
	}
	token, err := s.token(user, r.URL.Query()["scope"])
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

func (s *tokenServer) token(user string, scopes []string) (string, error) {
	type access struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	granted := []access{}
	for _, scope := range scopes {
		if parts := strings.SplitN(scope, ":", 3); len(parts) == 3 {
			actions := slices.DeleteFunc(strings.Split(parts[2], ","), func(action string) bool { return !slices.Contains(rights[user], action) })
			granted = append(granted, access{parts[0], parts[1], actions})
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: keyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(map[string]any{
		"iss": issuer, "sub": user, "aud": service, "exp": now.Add(time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(),
		"jti": fmt.Sprint(now.UnixNano()), "access": granted,
	}).Serialize()
}

func byTokens(t *testing.T) (*judge, *tokenServer) {
	t.Helper()
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	s := &tokenServer{key}
	return start(t, func(host, dir string) configuration.Auth {
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}}})
		g.Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(dir, "jwks.json")
		g.Expect(os.WriteFile(file, keys, 0o600)).To(Succeed())
		return configuration.Auth{"token": configuration.Parameters{
			"realm": "https://" + host + "/auth", "issuer": issuer, "service": service, "jwks": file, "signingalgorithms": []any{"ES256"},
		}}
	}, s), s
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

	token, err := s.token(pusher, []string{"repository:" + image + ":pull,push"})
	g.Expect(err).NotTo(HaveOccurred())
	j.push(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	before = j.files(t)
	for user, want := range map[string]registry.Access{pusher: {Pull: true, Push: true}, puller: {Pull: true}} {
		access, err := j.probe(t, image, user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(want), user)
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
	tokens, _ := byTokens(t)
	for name, j := range map[string]*judge{"htpasswd": byHtpasswd(t), "tokens": tokens} {
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
