// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// maxNamed is how many roots an admin may name for one host in advance. A file
// with more is a general trust store.
const maxNamed = 8

// Successors returns what may verify the host next, in the order of the
// candidates, whatever the host presents now. These are the roots that an admin
// names for the host, unless there are too many, and the chains that the host is
// about to serve, as VerifyOffline finds them. A bundle with the given root, which
// verifies the host already, is no successor.
func Successors(host string, candidates []Candidate, root *x509.Certificate, now time.Time) []Bundle {
	var found []Bundle
	for _, c := range candidates {
		vouched := namedRoots(c, now)
		if bundle, err := VerifyOffline(host, []Candidate{c}, now); err == nil {
			vouched = append(vouched, bundle)
		}
		found = append(found, slices.DeleteFunc(vouched, func(b Bundle) bool { return b.Root.Equal(root) })...)
	}
	return found
}

// namedRoots returns the roots that an admin named for the host and that are valid now.
func namedRoots(c Candidate, now time.Time) []Bundle {
	if c.Source != SourceCABundleRef {
		return nil
	}
	certs, err := ParsePEM(c.PEM)
	if err != nil {
		return nil
	}
	var bundles []Bundle
	for _, cert := range unique(certs) {
		if isRoot(cert) && !now.Before(cert.NotBefore) && !now.After(cert.NotAfter) {
			bundles = append(bundles, newBundle(c, []*x509.Certificate{cert}))
		}
	}
	if len(bundles) > maxNamed {
		return nil
	}
	return bundles
}

// unique returns each certificate once, sorted by their bytes.
func unique(certs []*x509.Certificate) []*x509.Certificate {
	sorted := slices.SortedFunc(slices.Values(certs), func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	return slices.CompactFunc(sorted, (*x509.Certificate).Equal)
}
