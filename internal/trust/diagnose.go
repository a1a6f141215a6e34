// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// maxChecks bounds how many signatures are checked to explain one failure: a
// hostile host may present certificates with very many paths between them.
const maxChecks = 100

// diagnose says why no chain leads from the presented leaf to the candidate.
func (a anchors) diagnose(host string, presented []*x509.Certificate, now time.Time, cause error) *Error {
	path := a.path(presented)
	top := path[len(path)-1]
	switch {
	case a.isAnchor(top):
		if err := expired(host, a.candidate, path, now); err != nil {
			return err
		}
		return invalid(host, a.candidate, cause)
	case a.signedWeakly(top, presented):
		return weakly(host, a.candidate, top)
	case slices.ContainsFunc(path, func(cert *x509.Certificate) bool { return holds(a.certs, cert) }):
		return noRoot(host, a.candidate, top)
	case breaksRule(cause):
		return invalid(host, a.candidate, cause)
	default:
		return untrusted(host, a.candidate, cause)
	}
}

// signedWeakly reports a certificate whose known issuer signed it with an algorithm that is no longer accepted. crypto/x509 reports
// such a certificate as one of an unknown issuer.
func (a anchors) signedWeakly(cert *x509.Certificate, presented []*x509.Certificate) bool {
	return slices.ContainsFunc(slices.Concat(a.certs, presented[1:]), func(issuer *x509.Certificate) bool {
		var weak x509.InsecureAlgorithmError
		return bytes.Equal(issuer.RawSubject, cert.RawIssuer) && !cert.Equal(issuer) && errors.As(cert.CheckSignatureFrom(issuer), &weak)
	})
}

// breaksRule reports whether the chain leads to a root and then fails on
// something other than dates, such as its key usage or a name constraint.
func breaksRule(cause error) bool {
	var rule x509.CertificateInvalidError
	return errors.As(cause, &rule) && rule.Reason != x509.Expired
}

// path follows the issuers of the presented leaf, whatever the dates say, to a
// root of the candidate if there is one, and as far as it goes otherwise. It
// explains a failure and never establishes trust.
func (a anchors) path(presented []*x509.Certificate) []*x509.Certificate {
	if a.candidate.Source == SourceSystem {
		// The roots cannot be listed, so verify as of the time when the leaf was issued.
		if chains, err := a.chains(presented, presented[0].NotBefore); err == nil {
			// Any chain is good enough for an explanation.
			return chains[0]
		}
	}
	c := climber{pool: slices.Concat(a.certs, presented[1:]), done: a.isAnchor, checks: maxChecks}
	return c.climb(presented[:1:1])
}

// isAnchor reports whether the certificate is a root that the candidate holds.
func (a anchors) isAnchor(cert *x509.Certificate) bool {
	if a.candidate.Source == SourceSystem {
		_, err := cert.Verify(x509.VerifyOptions{
			Roots: a.roots, CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		return err == nil && isRoot(cert)
	}
	return holds(a.certs, cert) && isRoot(cert)
}

// climber follows issuers from a certificate up to one that is done.
type climber struct {
	pool   []*x509.Certificate
	done   func(*x509.Certificate) bool
	checks int
}

// climb extends the path upwards. It returns the first path whose top is done, or
// else the longest.
func (c *climber) climb(path []*x509.Certificate) []*x509.Certificate {
	top := path[len(path)-1]
	if c.done(top) {
		return path
	}
	longest := path
	for _, parent := range c.pool {
		if holds(path, parent) || !c.issued(parent, top) {
			continue
		}
		found := c.climb(append(slices.Clone(path), parent))
		if c.done(found[len(found)-1]) {
			return found
		}
		if len(found) > len(longest) {
			longest = found
		}
	}
	return longest
}

func (c *climber) issued(parent, child *x509.Certificate) bool {
	if !bytes.Equal(parent.RawSubject, child.RawIssuer) || c.checks == 0 {
		return false
	}
	c.checks--
	return child.CheckSignatureFrom(parent) == nil
}
