// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package trust decides which certificates a client needs to trust the host of a
// registry. It takes candidates, which are certificates that did not come over the
// connection, and returns a bundle that verifies what the host presents.
//
// What the host presents is only checked. What is published comes from the
// candidates.
package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"
)

// Source is the kind of place from which a CA was taken.
type Source string

// Sources that every registry has, in the order in which a caller should offer them. Sources that only some registries have come
// between the two.
const (
	// SourceCABundleRef is the ConfigMap that the spec names.
	SourceCABundleRef Source = "CABundleRef"
	// SourceSystem is the set of roots of the machine that the operator runs on.
	SourceSystem Source = "System"
)

// Candidate is a set of certificates that may hold the root CA of a host.
type Candidate struct {
	Source Source
	// Where names the place in messages, such as `ConfigMap some-namespace/some-name`.
	Where string
	// PEM holds certificates. It is ignored for SourceSystem.
	PEM []byte
	// Roots is for SourceSystem only: a pool whose certificates cannot be listed.
	Roots *x509.CertPool
}

// place is what messages call the candidate.
func (c Candidate) place() string {
	switch {
	case c.Where != "":
		return c.Where
	case c.Source == SourceSystem:
		return "the system roots"
	default:
		return string(c.Source)
	}
}

// Bundle is what clients need to trust a host.
type Bundle struct {
	// Certificates are the root, followed by those intermediates that the host
	// omits, from the root downwards.
	Certificates []*x509.Certificate
	// Source and Where are those of the candidate that verified.
	Source Source
	Where  string
	// Root is a self-signed CA certificate.
	Root *x509.Certificate
	// Subject and SHA256 describe the root; SHA256 is its Fingerprint.
	Subject string
	SHA256  string
	// NotAfter is when the first of the published certificates expires.
	NotAfter time.Time
}

// published returns what to publish of a verified chain: its root and, from there
// downwards, the intermediates that the host does not present.
func published(chain, presented []*x509.Certificate) []*x509.Certificate {
	certs := []*x509.Certificate{chain[len(chain)-1]}
	for i := len(chain) - 2; i > 0; i-- {
		if !holds(presented, chain[i]) {
			certs = append(certs, chain[i])
		}
	}
	return certs
}

// byPreference orders what could be published for one host. There is a choice when
// roots are cross-signed or were renewed with the same key. The fewest certificates
// come first, then those that expire last. The comparison of their bytes makes the
// choice independent of their order in a candidate.
func byPreference(a, b []*x509.Certificate) int {
	return cmp.Or(
		cmp.Compare(len(a), len(b)),
		firstExpiry(b).Compare(firstExpiry(a)),
		slices.CompareFunc(a, b, func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) }),
	)
}

// newBundle makes a bundle of certificates, the root first.
func newBundle(c Candidate, certs []*x509.Certificate) Bundle {
	root := certs[0]
	return Bundle{
		Certificates: certs,
		Source:       c.Source,
		Where:        c.place(),
		Root:         root,
		Subject:      root.Subject.String(),
		SHA256:       Fingerprint(root),
		NotAfter:     firstExpiry(certs),
	}
}

// Fingerprint is the SHA-256 of the DER form of a certificate, in lower-case hex
// without colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

func firstExpiry(certs []*x509.Certificate) time.Time {
	first := certs[0].NotAfter
	for _, cert := range certs[1:] {
		if cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first
}

func holds(certs []*x509.Certificate, cert *x509.Certificate) bool {
	return slices.ContainsFunc(certs, cert.Equal)
}
