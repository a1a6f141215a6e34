// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/test/machine"
	"github.com/edge-registry/edge-registry-operator/test/platform"
	"github.com/edge-registry/edge-registry-operator/test/registries/distribution"
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
	host    string
	ca      *platform.CA
	storage string
	// tellsApart: each login may do what its user may, and not all that anybody may.
	tellsApart bool
	// set makes a login with some rights, or gives it another password.
	set func(user, password string, rights []string) error
}

// judges are the real registries, by what they are.
var judges = map[string]func(*testing.T) *judge{
	"distribution with htpasswd":         byHtpasswd,
	"distribution with tokens":           func(t *testing.T) *judge { j, _ := byTokens(t); return j },
	"Debian's docker-registry, htpasswd": byDebian,
}

// eachJudge runs a test against each real registry.
func eachJudge(t *testing.T, test func(*testing.T, *judge)) {
	t.Helper()
	for name, start := range judges {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// newJudge is a registry that is not served yet.
func newJudge(t *testing.T) *judge {
	t.Helper()
	return &judge{ca: platform.NewCA("the plant's CA"), storage: t.TempDir()}
}

// start serves the registry that a configuration is for. The handler, if any, answers under /auth.
func (j *judge) start(t *testing.T, auth func(host, folder string) configuration.Auth, tokens http.Handler) *judge {
	t.Helper()
	var app http.Handler
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tokens != nil && r.URL.Path == "/auth" {
			tokens.ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{j.ca.Leaf("localhost")}, MinVersion: tls.VersionTLS12}
	j.host = "localhost:" + server.Listener.Addr().String()[strings.LastIndex(server.Listener.Addr().String(), ":")+1:]
	app = distribution.Handler(context.Background(), j.storage, auth(j.host, t.TempDir()))
	server.StartTLS()
	t.Cleanup(server.Close)
	return j
}

func (j *judge) transport() *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(j.ca.Certificate())
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
}

func (j *judge) probe(t *testing.T, repository, user, secret string) (registry.Access, error) {
	t.Helper()
	return registry.New(j.host, j.transport(), registry.Dialect{}).Probe(t.Context(), repository, user, credential.NewToken(secret))
}

// push makes an image exist, as a pipeline would.
func (j *judge) push(t *testing.T) {
	t.Helper()
	_, err := j.client(pusher, password(pusher)).Push(t.Context(), j.host+"/"+image+":1")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

func (j *judge) client(user, secret string) platform.ImageClient {
	return platform.ImageClient{Roots: j.ca.PEM(), User: user, Token: credential.NewToken(secret)}
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

// setBoth makes the two logins.
func (j *judge) setBoth(t *testing.T) *judge {
	t.Helper()
	for user, may := range rights {
		NewWithT(t).Expect(j.set(user, password(user), may)).To(Succeed())
	}
	return j
}

func byHtpasswd(t *testing.T) *judge {
	t.Helper()
	j := newJudge(t)
	j.start(t, func(_, folder string) configuration.Auth {
		logins, err := distribution.NewLogins(folder)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		j.set = func(user, password string, _ []string) error { return logins.Set(user, password) }
		return logins.Auth()
	}, nil)
	return j.setBoth(t)
}

// open lets everybody do everything.
func open(t *testing.T) *judge {
	t.Helper()
	return newJudge(t).start(t, func(string, string) configuration.Auth { return nil }, nil)
}

func byTokens(t *testing.T) (*judge, *tokenServer) {
	t.Helper()
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	s := &tokenServer{key: key, users: map[string]tokenUser{}}
	j := newJudge(t)
	j.tellsApart, j.set = true, s.set
	j.start(t, func(host, folder string) configuration.Auth {
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}}})
		g.Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(folder, "jwks.json")
		g.Expect(os.WriteFile(file, keys, 0o600)).To(Succeed())
		return configuration.Auth{"token": configuration.Parameters{
			"realm": "https://" + host + "/auth", "issuer": issuer, "service": service, "jwks": file, "signingalgorithms": []any{"ES256"},
		}}
	}, s)
	return j.setBoth(t), s
}

const debianConfig = `version: 0.1
log: {level: panic, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, maintenance: {uploadpurging: {enabled: false}}}
auth: {htpasswd: {realm: basic-realm, path: %q}}
http: {addr: %q, secret: of one process, tls: {certificate: %q, key: %q}}
`

// byDebian is the registry that Debian packages, distribution 2.8 as a program of its own.
func byDebian(t *testing.T) *judge {
	t.Helper()
	machine.Program(t, "docker-registry", "Debian's package docker-registry")
	g := NewWithT(t)
	j, folder := newJudge(t), t.TempDir()
	logins, err := distribution.NewLogins(folder)
	g.Expect(err).NotTo(HaveOccurred())
	j.set = func(user, password string, _ []string) error { return logins.Set(user, password) }
	j.setBoth(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().String()
	j.host = "localhost:" + address[strings.LastIndex(address, ":")+1:]
	cert, key, config := folder+"/tls.crt", folder+"/tls.key", folder+"/config.yml"
	leaf := j.ca.Leaf("localhost")
	for file, content := range map[string][]byte{
		cert: platform.ChainPEM(leaf), key: platform.KeyPEM(leaf),
		config: fmt.Appendf(nil, debianConfig, j.storage, folder+"/htpasswd", address, cert, key),
	} {
		g.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
	}
	g.Expect(listener.Close()).To(Succeed())
	var output lockedBuffer
	command := exec.CommandContext(t.Context(), "docker-registry", "serve", config)
	command.Env, command.Stdout, command.Stderr = []string{"HOME=" + folder}, &output, &output
	g.Expect(command.Start()).To(Succeed())
	t.Cleanup(func() { _ = command.Wait() })
	g.Eventually(func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+j.host+"/v2/", nil)
		if err != nil {
			return err
		}
		answer, err := j.transport().RoundTrip(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}).WithTimeout(time.Minute).Should(Succeed(), "%s", &output)
	return j
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu      sync.Mutex
	content strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}
