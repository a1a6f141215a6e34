// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const host = "default-route-openshift-image-registry.apps.edge.test"

// now is when the tests take place; certificates last a year to either side.
var now = time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

// authority is a certificate that may issue others, with its key.
type authority struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

type change func(*x509.Certificate)

func valid(from, to time.Time) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

func named(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn}}
}

func newRoot(t testing.TB, cn string, changes ...change) authority {
	return issue(t, authority{}, caTemplate(cn), newKey(t), changes)
}

func (a authority) intermediate(t testing.TB, cn string, changes ...change) authority {
	return issue(t, a, caTemplate(cn), newKey(t), changes)
}

// crossSign issues a certificate for the key and name of another authority.
func (a authority) crossSign(t testing.TB, other authority, changes ...change) authority {
	return issue(t, a, caTemplate(other.Subject.CommonName), other.key, changes)
}

// renew issues a root again, with the key that it has.
func (a authority) renew(t testing.TB, changes ...change) authority {
	return issue(t, authority{}, caTemplate(a.Subject.CommonName), a.key, changes)
}

func (a authority) leaf(t testing.TB, changes ...change) authority {
	template := named("leaf")
	template.DNSNames = []string{"*.apps.edge.test"}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.BasicConstraintsValid = true
	return issue(t, a, template, newKey(t), changes)
}

func caTemplate(cn string) *x509.Certificate {
	template := named(cn)
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return template
}

// issue signs a template; by itself when there is no parent.
func issue(t testing.TB, parent authority, template *x509.Certificate, key *ecdsa.PrivateKey, changes []change) authority {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-year), now.Add(year)
	for _, c := range changes {
		c(template)
	}
	if parent.Certificate == nil {
		parent = authority{template, key}
	}
	var der []byte
	// A root may carry an old signature that this process would not make in FIPS mode, and has to accept.
	fips140.WithoutEnforcement(func() {
		der, err = x509.CreateCertificate(rand.Reader, template, parent.Certificate, key.Public(), parent.key)
	})
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return authority{cert, key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func certs(authorities ...authority) []*x509.Certificate {
	list := make([]*x509.Certificate, 0, len(authorities))
	for _, a := range authorities {
		list = append(list, a.Certificate)
	}
	return list
}

func encoded(authorities ...authority) []byte {
	var out bytes.Buffer
	for _, a := range authorities {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})
	}
	return out.Bytes()
}

// expectVerifiesAlone checks that a client which trusts the bundle and nothing
// else accepts what the host presents: as Go does it, as a strict client does
// it, and as OpenSSL does it where it is installed.
func expectVerifiesAlone(t *testing.T, b Bundle, presented []*x509.Certificate) {
	t.Helper()
	g := NewWithT(t)
	pool, err := Pool(EncodePEM(b.Certificates))
	g.Expect(err).NotTo(HaveOccurred())
	options := x509.VerifyOptions{
		DNSName: host, CurrentTime: now, Roots: pool, Intermediates: newPool(presented[1:]),
	}
	_, err = presented[0].Verify(options)
	g.Expect(err).NotTo(HaveOccurred(), "with the bundle as Go's roots")

	list, err := ParsePEM(EncodePEM(b.Certificates))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list[0].Equal(b.Root)).To(BeTrue(), "the root comes first")
	options.Roots = newPool(list[:1])
	options.Intermediates = newPool(append(list[1:], presented[1:]...))
	_, err = presented[0].Verify(options)
	g.Expect(err).NotTo(HaveOccurred(), "with the root alone as anchor")
	for _, cert := range list[1:] {
		g.Expect(isRoot(cert)).To(BeFalse(), "one root only is published")
	}
	expectOpenSSLVerifies(t, EncodePEM(b.Certificates), presented)
}

func expectOpenSSLVerifies(t *testing.T, bundle []byte, presented []*x509.Certificate) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed: its verdict was not asked")
		return
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, content, 0o600))
		return path
	}
	args := []string{
		"verify", "-no-CApath", "-no-CAstore", "-x509_strict", "-purpose", "sslserver",
		"-verify_hostname", host, "-attime", fmt.Sprint(now.Unix()), "-CAfile", file("ca.crt", bundle),
	}
	var rest []byte
	for _, cert := range presented[1:] {
		rest = append(rest, encoded(authority{Certificate: cert})...)
	}
	if rest != nil {
		args = append(args, "-untrusted", file("untrusted.crt", rest))
	}
	args = append(args, file("leaf.crt", encoded(authority{Certificate: presented[0]})))
	out, err := exec.Command(openssl, args...).CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(out))
}
