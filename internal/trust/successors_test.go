// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func fromRef(authorities ...authority) Candidate {
	return Candidate{Source: SourceCABundleRef, Where: "ConfigMap a/b", PEM: encoded(authorities...)}
}

func TestSuccessorsAreWhatAnAdminVouchesForBeforeTheHostShowsIt(t *testing.T) {
	root, next, other := newRoot(t, "root"), newRoot(t, "next"), newRoot(t, "other")
	leaf, nextLeaf := root.leaf(t), next.leaf(t)
	inter := next.intermediate(t, "intermediate")
	old := newRoot(t, "old", valid(now.Add(-2*year), now.Add(-time.Second)))
	early := newRoot(t, "early", valid(now.Add(time.Second), now.Add(year)))
	elsewhere := next.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"x.test"} })
	var many []authority
	for i := range maxNamed {
		many = append(many, newRoot(t, fmt.Sprintf("many %d", i)))
	}
	for _, tt := range []struct {
		name       string
		candidates []Candidate
		roots      []authority
		published  int
	}{
		{"nothing while all say the same", []Candidate{fromRef(root), fromIngress(leaf, root)}, nil, 0},
		{"the chain that the router is about to serve", []Candidate{fromIngress(nextLeaf, next)}, []authority{next}, 1},
		{"its intermediates too", []Candidate{fromIngress(inter.leaf(t), inter, next)}, []authority{next}, 2},
		{"not a chain for another host", []Candidate{fromIngress(elsewhere, next)}, nil, 0},
		{"not a chain without its root", []Candidate{fromIngress(nextLeaf)}, nil, 0},
		{"the other roots that the admin names", []Candidate{fromRef(root, next)}, []authority{next}, 1},
		{"not one that has ended, nor one that is yet to begin", []Candidate{fromRef(root, old, early)}, nil, 0},
		{"not an intermediate or a certificate of a server", []Candidate{fromRef(root, inter, nextLeaf)}, nil, 0},
		{"one that is named twice once", []Candidate{fromRef(next, root, next)}, []authority{next}, 1},
		{"as many as an admin may name", []Candidate{fromRef(many...)}, many, maxNamed},
		{"nothing of a store of roots", []Candidate{fromRef(append(slices.Clone(many), root)...)}, nil, 0},
		{"no root of the proxy or of the world", []Candidate{fromProxy(next), fromSystem(other)}, nil, 0},
		{"no garbage", []Candidate{{Source: SourceCABundleRef, PEM: []byte("junk")}, {Source: "Route"}}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			found := Successors(host, tt.candidates, root.Certificate, now)
			var roots, want []string
			published := 0
			for _, b := range found {
				roots = append(roots, b.SHA256)
				published += len(b.Certificates)
				g.Expect(b.Source).To(Equal(tt.candidates[0].Source))
			}
			for _, a := range tt.roots {
				want = append(want, Fingerprint(a.Certificate))
			}
			g.Expect(roots).To(ConsistOf(want))
			g.Expect(published).To(Equal(tt.published))
		})
	}
}

func TestTheOrderOfNamedRootsDoesNotChangeTheSuccessors(t *testing.T) {
	g := NewWithT(t)
	a, b, c := newRoot(t, "a"), newRoot(t, "b"), newRoot(t, "c")
	g.Expect(Successors(host, []Candidate{fromRef(a, b, c)}, nil, now)).
		To(HaveExactElements(sameRoots(Successors(host, []Candidate{fromRef(c, a, b)}, nil, now))...))
}

func sameRoots(bundles []Bundle) []any {
	var matchers []any
	for _, b := range bundles {
		matchers = append(matchers, HaveField("SHA256", b.SHA256))
	}
	return matchers
}
