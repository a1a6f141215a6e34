// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
)

func FuzzParsePEM(f *testing.F) {
	root := newRoot(f, "root")
	f.Add(encoded(root, root.leaf(f)))
	f.Add([]byte(privateKey + malformed))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParsePEM(data)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d certificates and error %v", len(list), err)
		}
		if _, poolErr := Pool(data); (poolErr == nil) != (err == nil) {
			t.Fatalf("pool fails with %v, list with %v", poolErr, err)
		}
	})
}

// FuzzVerify alters what the host presents and what the candidate holds: nothing
// may panic, and whatever is published comes from the candidate and verifies.
func FuzzVerify(f *testing.F) {
	root := newRoot(f, "root")
	inter := root.intermediate(f, "intermediate")
	leaf := inter.leaf(f)
	f.Add(encoded(leaf, inter), encoded(root), host)
	f.Add(encoded(leaf), encoded(inter, root), host)
	f.Add(encoded(leaf, root), encoded(leaf), "other")
	f.Add(encoded(inter, leaf), encoded(root, inter), "")
	f.Fuzz(func(t *testing.T, sent, known []byte, host string) {
		presented, _ := ParsePEM(sent)
		candidates := []Candidate{{Source: SourceCABundleRef, PEM: known}}
		for _, verify := range []func() (Bundle, error){
			func() (Bundle, error) { return Verify(host, presented, candidates, now) },
			func() (Bundle, error) { return VerifyOffline(host, candidates, now) },
		} {
			b, err := verify()
			if err != nil {
				if strings.ContainsAny(err.Error(), "\r\n") && !strings.ContainsAny(host, "\r\n") {
					t.Fatalf("more than one line: %q", err)
				}
				continue
			}
			expectFromCandidate(t, b, known)
		}
		if b, err := Verify(host, presented, candidates, now); err == nil {
			expectAccepted(t, b, presented, host)
		}
	})
}

func expectFromCandidate(t *testing.T, b Bundle, known []byte) {
	t.Helper()
	candidate, _ := ParsePEM(known)
	list, err := ParsePEM(EncodePEM(b.Certificates))
	must(t, err)
	for _, cert := range list {
		if !holds(candidate, cert) {
			t.Fatalf("%s was published and is not from the candidate", cert.Subject)
		}
	}
	if !isRoot(list[0]) || !bytes.Equal(list[0].Raw, b.Root.Raw) {
		t.Fatal("the first certificate is not the root")
	}
}

func expectAccepted(t *testing.T, b Bundle, presented []*x509.Certificate, host string) {
	t.Helper()
	pool, err := Pool(EncodePEM(b.Certificates))
	must(t, err)
	_, err = presented[0].Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: newPool(presented[1:]), CurrentTime: now,
	})
	must(t, err)
	must(t, presented[0].VerifyHostname(host))
}
