// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// validity is how long a certificate lives from its CA's clock: two years, as
// the ingress operator's own CA and leaf do.
const validity = 2 * 365 * 24 * time.Hour

// backdated is how long before its CA's clock a certificate begins to be valid, so
// that an operator whose clock stands still takes one that a test makes later.
const backdated = time.Hour

// CA is a certificate authority for tests: a root, or an intermediate of one.
type CA struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	parents []*x509.Certificate // from this CA's issuer up, the root left out
	root    *x509.Certificate
	now     func() time.Time
}

// NewCA makes a self-signed root, valid from now on.
func NewCA(cn string) *CA {
	return NewCAAt(cn, time.Now)
}

// NewCAAt is NewCA with a clock of the caller's: what the CA signs begins to be
// valid an hour before the clock's time, and ends two years after it.
func NewCAAt(cn string, now func() time.Time) *CA {
	c := &CA{now: now}
	template := c.template(cn)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	c.key = newKey()
	c.cert = sign(template, template, &c.key.PublicKey, c.key)
	c.root = c.cert
	return c
}

// At returns the same CA with another clock, for leaves that are expired or not
// valid yet below a root that is valid.
func (c *CA) At(now func() time.Time) *CA {
	other := *c
	other.now = now
	return &other
}

// Intermediate makes a CA that this one signed.
func (c *CA) Intermediate(cn string) *CA {
	child := &CA{now: c.now, root: c.root, key: newKey()}
	template := child.template(cn)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	child.cert = sign(template, c.cert, &child.key.PublicKey, c.key)
	child.parents = c.chain()
	return child
}

// Leaf makes a server certificate for the hosts, wildcards included. Its chain
// is the leaf and the intermediates, without the root.
func (c *CA) Leaf(hosts ...string) tls.Certificate {
	key := newKey()
	cn := ""
	if len(hosts) > 0 {
		cn = hosts[0]
	}
	template := c.template(cn)
	template.DNSNames = hosts
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf := sign(template, c.cert, &key.PublicKey, c.key)
	chain := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, cert := range c.chain() {
		chain.Certificate = append(chain.Certificate, cert.Raw)
	}
	return chain
}

// Certificate is the CA's own certificate.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// PEM is the CA's own certificate as PEM.
func (c *CA) PEM() []byte { return encodePEM(c.cert.Raw) }

// RootPEM is the root above the CA, or the CA itself when it is one, as PEM.
func (c *CA) RootPEM() []byte { return encodePEM(c.root.Raw) }

// chain is what a server has to send beside a leaf of this CA.
func (c *CA) chain() []*x509.Certificate {
	if c.cert == c.root {
		return nil
	}
	return append([]*x509.Certificate{c.cert}, c.parents...)
}

func (c *CA) template(cn string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	now := c.now()
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: cn},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(validity),
		BasicConstraintsValid: true,
	}
}

// WithRoot returns the chain with the CA's root at its end, as the default
// router sends it.
func WithRoot(chain tls.Certificate, c *CA) tls.Certificate {
	out := chain
	out.Certificate = append(append([][]byte(nil), chain.Certificate...), c.root.Raw)
	return out
}

// ChainPEM is the certificates of a chain as PEM, without its key.
func ChainPEM(chain tls.Certificate) []byte {
	return encodePEM(chain.Certificate...)
}

// KeyPEM is the private key of a chain that this package made, as PEM.
func KeyPEM(chain tls.Certificate) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(chain.PrivateKey)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func encodePEM(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

// must stops the test program: signing with a fresh key in memory fails only
// when this package asks for something impossible.
func must(err error) {
	if err != nil {
		panic(fmt.Errorf("make a test certificate: %w", err))
	}
}
