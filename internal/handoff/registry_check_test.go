// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	registryURL   = "https://" + host + "/v2/"
	checkedByCurl = "checked " + registryURL + " by curl: this CA verifies it, no login was tried"
)

func TestScriptAsksTheRegistryByCurl(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		for name, test := range map[string]struct {
			curl   string
			code   int
			stdout string
			stderr string
		}{
			"a registry that wants a login":   {`printf '\n401\n'`, 0, checkedByCurl, ""},
			"a registry open to all":          {`printf '\n200\n'`, 0, checkedByCurl, ""},
			"a router without a registry":     {`printf '\n503\n'`, 1, "", "answers 503"},
			"a name that does not resolve":    {`echo 'curl: (6) no such host' >&2; printf '\n000\n'; exit 6`, 1, "", "DNS"},
			"a certificate of another CA":     {`echo 'curl: (60) untrusted' >&2; printf '\n000\n'; exit 60`, 1, "", "this CA does not verify"},
			"a registry that does not answer": {`echo 'curl: (7) refused' >&2; printf '\n000\n'; exit 7`, 1, "", "(7) refused"},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				checked := m.another(t)
				checked.shim("curl", `printf '%s\n' "$@" >"`+checked.home+`/arguments"; `+test.curl)
				result := checked.run("--root", checked.root, "--check")
				g.Expect(result.code).To(Equal(test.code))
				g.Expect(result.stdout).To(ContainSubstring(test.stdout))
				if test.code == 0 {
					g.Expect(result.stderr).To(BeEmpty())
				} else {
					g.Expect(result.stdout).NotTo(ContainSubstring("checked"))
					g.Expect(result.stderr).To(And(HavePrefix("node-bootstrap.sh: "), ContainSubstring(test.stderr)))
					g.Expect(strings.Count(result.stderr, "\n")).To(Equal(1), "one line says it all")
				}
				arguments := strings.Split(string(must(os.ReadFile(checked.home+"/arguments"))), "\n")
				g.Expect(arguments[0]).To(Equal("--disable"), "curl heeds it in the first place only")
				g.Expect(arguments).To(ContainElements("--cacert", checked.root+dockerFile, registryURL))
			})
		}
	})
}

func TestScriptChecksOnlyWhenItShould(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("curl", `while [ "$1" != --cacert ]; do shift; done; cat "$2" >"`+m.home+`/ca"; printf '\n401\n'`)
		for _, args := range [][]string{{"--root", m.root}, {"--dry-run"}, {"--root", m.root, "--check", "--no-check"}} {
			g.Expect(m.run(args...).stdout).NotTo(ContainSubstring("checked"), "%v", args)
			g.Expect(m.home + "/ca").NotTo(BeAnExistingFile())
		}
		m.root = t.TempDir()
		g.Expect(m.run("--root", m.root, "--dry-run", "--check").stdout).To(HaveSuffix("\n" + checkedByCurl + "\n"))
		g.Expect(os.ReadFile(m.home+"/ca")).To(BeEquivalentTo(writtenCA(registryCA().pem)), "the CA is lent to curl")
		g.Expect(os.ReadDir(m.root)).To(BeEmpty())
		g.Expect(must(os.ReadDir(m.home))).To(HaveLen(1), "and taken away again")
	})
}

func TestScriptChecksByDefaultOnMacOS(t *testing.T) {
	forEachShell(t, func(t *testing.T, m *machine) {
		g := NewWithT(t)
		m.shim("uname", "echo Darwin")
		m.shim("id", "echo 501")
		g.Expect(m.run().stdout).To(HaveSuffix("\nnot checked " + registryURL + ": curl is not installed\n"))
		m.shim("curl", `printf '\n401\n'`)
		g.Expect(m.run().stdout).To(HaveSuffix("\n" + checkedByCurl + "\n"))
	})
}

// The real curl finds the registry by a proxy that leads every name to one server.
func TestScriptVerifiesARealServer(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	for name, test := range map[string]struct {
		serves   authority
		changing bool
		status   int
		code     int
		says     string
	}{
		"a registry that wants a login": {registryCA(), false, http.StatusUnauthorized, 0, checkedByCurl},
		"the old CA of two":             {foreignCA(), true, http.StatusUnauthorized, 0, checkedByCurl},
		"the new CA of two":             {registryCA(), true, http.StatusUnauthorized, 0, checkedByCurl},
		"a router without a registry":   {registryCA(), false, http.StatusServiceUnavailable, 1, "answers 503"},
		"a certificate of another CA":   {foreignCA(), false, http.StatusUnauthorized, 1, "this CA does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := proxyTo(t, serveRegistry(t, test.serves, test.status))
			forEachShell(t, func(t *testing.T, m *machine) {
				g := NewWithT(t)
				m.link("curl")
				m.env = []string{"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "NO_PROXY=", "no_proxy="}
				if test.changing {
					m.script = scriptOfBothCAs()
				}
				result := m.run("--root", m.root, "--check")
				g.Expect(result.code).To(Equal(test.code), result.stderr)
				g.Expect(result.stdout + result.stderr).To(ContainSubstring(test.says))
			})
		})
	}
}

func serveRegistry(t *testing.T, ca authority, status int) net.Addr {
	t.Helper()
	return serveTLS(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host || r.URL.Path != "/v2/" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
	})
}

// serveLogin starts a registry that lets one login in.
func serveLogin(t *testing.T, user, password string) net.Addr {
	t.Helper()
	return serveTLS(t, registryCA(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		if givenUser, given, _ := r.BasicAuth(); givenUser != user || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

func serveTLS(t *testing.T, ca authority, handler http.HandlerFunc) net.Addr {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.server}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // A client that refuses the certificate is expected.
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr()
}

// proxyTo starts an HTTP proxy whose CONNECT leads to one address.
func proxyTo(t *testing.T, address net.Addr) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upstream, err := net.Dial("tcp", address.String())
		if r.Method != http.MethodConnect || r.Host != host+":443" || err != nil {
			http.Error(w, "only CONNECT to the registry", http.StatusBadGateway)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			defer func() { _ = upstream.Close() }()
			_, _ = io.Copy(upstream, client)
		}()
		defer func() { _ = client.Close() }()
		_, _ = io.Copy(client, upstream)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
