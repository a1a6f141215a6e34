// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/machine"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	pusher = "robot$plant+push"
	puller = "robot$plant+edge"
	image  = "plant/edge/service"
)

// rights are what each user may do, where the registry can tell users apart.
var rights = map[string][]string{pusher: {"pull", "push"}, puller: {"pull"}}

func password(user string) string { return user + ".secret" }

// judge is a real registry behind TLS, in a process of its own.
type judge struct {
	host    string
	ca      *platform.CA
	storage string
	// tellsApart: each login may do what its user may, and not all that anybody may.
	tellsApart bool
	// set makes a login with some rights, or gives it another password.
	set func(user, password string, rights ...string) error
}

// judges are the real registries, by what they are.
var judges = map[string]func(*testing.T) *judge{
	"distribution with htpasswd":           byHtpasswd,
	"distribution with tokens":             byTokens,
	"Debian's docker-registry by htpasswd": byDebian,
}

// eachJudge runs a test against each real registry.
func eachJudge(t *testing.T, test func(*testing.T, *judge)) {
	t.Helper()
	for name, start := range judges {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

func byHtpasswd(t *testing.T) *judge { return byDistribution(t, distribution.Htpasswd) }
func byTokens(t *testing.T) *judge   { return byDistribution(t, distribution.Tokens) }
func byNothing(t *testing.T) *judge  { return byDistribution(t, distribution.Nothing) }

func byDistribution(t *testing.T, auth string) *judge {
	t.Helper()
	g := NewWithT(t)
	r, err := distribution.Start(t.Context(), useCluster(t).registry, t.TempDir(), auth)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(r.Stop)
	j := &judge{host: r.Host, ca: r.CA, storage: r.Images, tellsApart: auth == distribution.Tokens}
	j.set = func(user, password string, rights ...string) error {
		return r.Login(user, credential.NewToken(password), rights...)
	}
	return j.setBoth(t)
}

const debianConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, maintenance: {uploadpurging: {enabled: false}}}
auth: {htpasswd: {realm: basic-realm, path: %q}}
http: {addr: %q, secret: of one process, tls: {certificate: %q, key: %q}}
`

// byDebian is the registry that Debian packages, distribution 2.8. The logins are those of the other one, which writes them
// as it reads them.
func byDebian(t *testing.T) *judge {
	t.Helper()
	machine.Program(t, "docker-registry", "Debian's package docker-registry")
	g := NewWithT(t)
	folder := t.TempDir()
	other, err := distribution.Start(t.Context(), useCluster(t).registry, folder, distribution.Htpasswd)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(other.Stop)
	j := &judge{ca: other.CA, storage: t.TempDir()}
	j.set = func(user, password string, _ ...string) error {
		return other.Login(user, credential.NewToken(password))
	}
	j.setBoth(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().(*net.TCPAddr)
	j.host = fmt.Sprintf("localhost:%d", address.Port)
	config := filepath.Join(folder, "config.yml")
	g.Expect(os.WriteFile(config, fmt.Appendf(nil, debianConfig, j.storage, folder+"/htpasswd", address, folder+"/tls.crt", folder+"/tls.key"), 0o600)).To(Succeed())
	g.Expect(listener.Close()).To(Succeed())
	command := exec.CommandContext(t.Context(), "docker-registry", "serve", config)
	command.Env = []string{"HOME=" + folder}
	g.Expect(command.Start()).To(Succeed())
	t.Cleanup(func() { _ = command.Wait() })
	roots := x509.NewCertPool()
	roots.AddCert(j.ca.Certificate())
	listens := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	g.Eventually(func() error {
		answer, err := listens.Get("https://" + j.host + "/v2/")
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return j
}

// setBoth makes the two logins.
func (j *judge) setBoth(t *testing.T) *judge {
	t.Helper()
	for user, may := range rights {
		NewWithT(t).Expect(j.set(user, password(user), may...)).To(Succeed())
	}
	return j
}

// push makes an image exist, as a pipeline would.
func (j *judge) push(t *testing.T) {
	t.Helper()
	client := platform.ImageClient{Roots: j.ca.PEM(), User: pusher, Token: credential.NewToken(password(pusher))}
	_, err := client.Push(t.Context(), j.host+"/"+image+":1")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// files are all that the registry has stored.
func (j *judge) files(t *testing.T) []string {
	t.Helper()
	var files []string
	NewWithT(t).Expect(filepath.WalkDir(j.storage, func(path string, _ os.DirEntry, err error) error {
		files = append(files, strings.TrimPrefix(path, j.storage))
		return err
	})).To(Succeed())
	return files
}
