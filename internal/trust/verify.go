// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"time"
)

// Verify checks the chain that the host presented against each candidate in
// order, by the roots of that candidate only. It returns the bundle of the first
// that verifies. presented is leaf first, as from Present. An error is an *Error,
// of the candidate with the most specific failure.
func Verify(host string, presented []*x509.Certificate, candidates []Candidate, now time.Time) (Bundle, error) {
	if len(presented) == 0 {
		return Bundle{}, nothingPresented(host)
	}
	attempts := make([]attempt, 0, len(candidates))
	for _, c := range candidates {
		bundle, err := verify(host, presented, c, now)
		if err == nil {
			return bundle, nil
		}
		attempts = append(attempts, attempt{c, err})
	}
	return Bundle{}, mostTelling(host, presented, attempts)
}

// VerifyOffline checks without a connection: a candidate verifies if its own PEM
// holds a certificate that names the host and chains to a root in the same PEM.
// A chain that is published for the host to serve does so. It is not known what
// the host would send, so every intermediate is published. An error is an *Error.
func VerifyOffline(host string, candidates []Candidate, now time.Time) (Bundle, error) {
	var presented []*x509.Certificate
	var attempts []attempt
	for _, c := range candidates {
		for _, leaf := range leavesFor(host, c) {
			presented = []*x509.Certificate{leaf}
			bundle, err := verify(host, presented, c, now)
			if err == nil {
				return bundle, nil
			}
			attempts = append(attempts, attempt{c, err})
		}
	}
	if len(attempts) == 0 {
		return Bundle{}, noLeaf(host)
	}
	return Bundle{}, mostTelling(host, presented, attempts)
}

// nameOf is a host without its port: certificates name no ports.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// portOf is the port of a host, which is 443 if it names none.
func portOf(host string) string {
	if _, port, err := net.SplitHostPort(host); err == nil {
		return port
	}
	return "443"
}

// leavesFor returns the certificates of the candidate that name the host. There can be several: one that has expired, and its
// successor.
func leavesFor(host string, c Candidate) []*x509.Certificate {
	if c.Source == SourceSystem {
		return nil
	}
	const most = 5
	named := slices.DeleteFunc(Read(c.PEM).Certificates, func(cert *x509.Certificate) bool {
		return cert.VerifyHostname(nameOf(host)) != nil
	})
	return named[:min(most, len(named))]
}

// verify checks the presented chain against one candidate.
func verify(host string, presented []*x509.Certificate, c Candidate, now time.Time) (Bundle, *Error) {
	a, err := newAnchors(c)
	if err != nil {
		return Bundle{}, noCertificates(host, c, err)
	}
	chains, err := a.chains(presented, now)
	if err != nil {
		return Bundle{}, a.diagnose(host, presented, now, err)
	}
	if presented[0].VerifyHostname(nameOf(host)) != nil {
		return Bundle{}, nameMismatch(host, c, presented[0])
	}
	choices := make([][]*x509.Certificate, 0, len(chains))
	for _, chain := range chains {
		choices = append(choices, published(chain, presented))
	}
	return newBundle(c, slices.MinFunc(choices, byPreference)), nil
}

// anchors are the certificates of one candidate, ready to verify with.
type anchors struct {
	candidate Candidate
	// certs is empty for SourceSystem, whose pool cannot be listed.
	certs []*x509.Certificate
	roots *x509.CertPool
}

func newAnchors(c Candidate) (anchors, error) {
	if c.Source == SourceSystem {
		// Without roots, crypto/x509 would use those of the machine.
		if c.Roots == nil {
			return anchors{}, errors.New("no certificate pool")
		}
		return anchors{candidate: c, roots: c.Roots}, nil
	}
	certs, err := ParsePEM(c.PEM)
	if err != nil {
		return anchors{}, err
	}
	a := anchors{candidate: c, certs: certs, roots: x509.NewCertPool()}
	for _, cert := range certs {
		if looksLikeRoot(cert) {
			a.roots.AddCert(cert)
		}
	}
	return a, nil
}

// chains returns the chains from the presented leaf to a root of the candidate
// that are valid for a TLS server at that time, whatever host the leaf names.
func (a anchors) chains(presented []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	intermediates := newPool(presented[1:])
	for _, cert := range a.certs {
		if isCA(cert) {
			intermediates.AddCert(cert)
		}
	}
	chains, err := presented[0].Verify(x509.VerifyOptions{
		Roots:         a.roots,
		Intermediates: intermediates,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, err
	}
	if !servesByKeyUsage(presented[0]) {
		return nil, errors.New("its key usages are none of a server")
	}
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		return !isRoot(chain[len(chain)-1])
	})
	if len(chains) == 0 {
		return nil, errors.New("the chain ends in a certificate that is not self-signed")
	}
	return chains, nil
}

// servesByKeyUsage reports whether the key usages of a certificate, if it has any, let it serve TLS. crypto/x509 does not check that.
// OpenSSL does, and curl with it (crypto/x509/v3_purp.c, KU_TLS).
func servesByKeyUsage(leaf *x509.Certificate) bool {
	const serving = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
	return leaf.KeyUsage == 0 || leaf.KeyUsage&serving != 0
}
