// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

// This file is about what makes a root: for this package, and for the programs that are given ca.crt.

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// shape is a file of CAs, and the chain of a host that it is for.
type shape struct {
	name string
	make func(t *testing.T, fresh change) (file []authority, chain []authority)
	// accepted is what is found: by this package, Go, OpenSSL, curl and GnuTLS.
	accepted [5]bool
}

var (
	everybody = [5]bool{true, true, true, true, true}
	nobody    = [5]bool{}
)

// shapes are the roots that people bring.
var shapes = []shape{
	{"a CA", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh)
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, everybody},
	{"a CA without key usages", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) { c.KeyUsage = 0 })
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, everybody},
	{"a CA whose key usages lack certSign", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, nobody},
	{"a certificate of a server that signed itself", func(t *testing.T, fresh change) ([]authority, []authority) {
		leaf := authority{}.leaf(t, fresh)
		return []authority{leaf}, []authority{leaf}
	}, [5]bool{false, true, true, true, true}},
	{"a CA's certificate that the server shows itself", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) {
			c.DNSNames, c.KeyUsage = []string{"*.apps.edge.test"}, c.KeyUsage|x509.KeyUsageDigitalSignature
		})
		return []authority{root}, []authority{root}
	}, everybody},
	{"the same, with key usages of a CA alone", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) { c.DNSNames = []string{"*.apps.edge.test"} })
		return []authority{root}, []authority{root}
	}, [5]bool{false, true, false, false, false}},
	{"an intermediate alone", func(t *testing.T, fresh change) ([]authority, []authority) {
		issuing := newRoot(t, "root", fresh).intermediate(t, "issuing", fresh)
		return []authority{issuing}, []authority{issuing.leaf(t, fresh)}
	}, [5]bool{false, true, false, true, true}},
	{"a root, and an intermediate that the host omits", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh)
		issuing := root.intermediate(t, "issuing", fresh)
		return []authority{root, issuing}, []authority{issuing.leaf(t, fresh)}
	}, everybody},
	{"a path length of 0 above an intermediate", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) { c.MaxPathLenZero = true })
		issuing := root.intermediate(t, "issuing", fresh)
		return []authority{root}, []authority{issuing.leaf(t, fresh), issuing}
	}, nobody},
	{"an expired root", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", valid(time.Now().Add(-year), time.Now().Add(-time.Hour)))
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, nobody},
	{"a root that permits other names", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
		})
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, nobody},
	{"a root that permits the host's name", func(t *testing.T, fresh change) ([]authority, []authority) {
		root := newRoot(t, "root", fresh, func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"edge.test"}
		})
		return []authority{root}, []authority{root.leaf(t, fresh)}
	}, everybody},
}

// readers are what judges a root, in the order of shape.accepted. The verdict is why a chain is not taken; false where the program
// is not installed. podman and skopeo are written in Go.
var readers = []struct {
	name  string
	judge func(t *testing.T, file, dir, address string, chain []*x509.Certificate) (asked bool, verdict error)
}{
	{"the operator", func(_ *testing.T, file, _, _ string, chain []*x509.Certificate) (bool, error) {
		content, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return true, err
		}
		_, err = Verify(host, chain, []Candidate{{Source: SourceCABundleRef, PEM: content}}, time.Now())
		return true, err
	}},
	{"Go", func(_ *testing.T, file, _, _ string, chain []*x509.Certificate) (bool, error) {
		content, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return true, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(content)
		_, err = chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: newPool(chain[1:])})
		return true, err
	}},
	{"OpenSSL", func(t *testing.T, file, dir, _ string, chain []*x509.Certificate) (bool, error) {
		leaf, rest := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "rest.pem")
		must(t, os.WriteFile(leaf, EncodePEM(chain[:1]), 0o600))
		must(t, os.WriteFile(rest, EncodePEM(chain), 0o600))
		return ask(t, "openssl", "verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile", file, "-untrusted", rest, leaf)
	}},
	{"curl", func(t *testing.T, file, dir, address string, _ []*x509.Certificate) (bool, error) {
		empty := filepath.Join(dir, "empty")
		must(t, os.MkdirAll(empty, 0o700))
		_, port, _ := net.SplitHostPort(address)
		return ask(t, "curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--cacert", file, "--capath", empty,
			"--resolve", host+":"+port+":127.0.0.1", "https://"+net.JoinHostPort(host, port)+"/")
	}},
	{"GnuTLS", func(t *testing.T, file, _, address string, _ []*x509.Certificate) (bool, error) {
		_, port, _ := net.SplitHostPort(address)
		return ask(t, "gnutls-cli", "--x509cafile", file, "--sni-hostname", host, "--verify-hostname", host, "--port", port, "127.0.0.1")
	}},
}

// ask runs a program that ends with 0 if it takes the chain.
func ask(t *testing.T, program string, args ...string) (bool, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return true, fmt.Errorf("%w: %s", err, out)
	}
	return true, nil
}

// What makes a root for the operator makes one for every program that is given ca.crt: none that it publishes is refused by one of them.
func TestWhatMakesARoot(t *testing.T) {
	page, err := os.ReadFile("../../docs/ca.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	fresh := valid(time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			g := NewWithT(t)
			file, chain := s.make(t, fresh)
			address := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), chain...)
			dir := t.TempDir()
			bundle := filepath.Join(dir, "ca.crt")
			must(t, os.WriteFile(bundle, encoded(file...), 0o600))
			row := "| " + s.name + " |"
			for i, reader := range readers {
				asked, verdict := reader.judge(t, bundle, dir, address, certs(chain...))
				if asked {
					g.Expect(verdict == nil).To(Equal(s.accepted[i]), "%s: %v", reader.name, verdict)
				} else {
					t.Log(reader.name + " is not installed: its verdict was not asked")
				}
				row += map[bool]string{true: " yes |", false: " no |"}[s.accepted[i]]
				if s.accepted[0] {
					g.Expect(s.accepted[i]).To(BeTrue(), "%s refuses what is published", reader.name)
				}
			}
			g.Expect(strings.Contains(string(page), row+"\n")).To(BeTrue(), "docs/ca.md lacks the row\n%s", row)
		})
	}
}
