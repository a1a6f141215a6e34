// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const ingressCert = "ConfigMap openshift-config-managed/default-ingress-cert"

func fromIngress(authorities ...authority) Candidate {
	return Candidate{Source: "DefaultIngressCert", Where: ingressCert, PEM: encoded(authorities...)}
}

func fromProxy(authorities ...authority) Candidate {
	return Candidate{Source: "Proxy", Where: "ConfigMap openshift-config/user-ca-bundle", PEM: encoded(authorities...)}
}

func fromSystem(authorities ...authority) Candidate {
	return Candidate{Source: SourceSystem, Roots: newPool(certs(authorities...))}
}

func TestVerifyPublishes(t *testing.T) {
	root := newRoot(t, "root")
	inter := root.intermediate(t, "intermediate")
	deep := inter.intermediate(t, "deep intermediate")
	other := newRoot(t, "other")
	crossed := other.crossSign(t, root)
	shortRoot := root.renew(t, valid(now.Add(-year), now.Add(year/2)))
	shortInter := root.intermediate(t, "intermediate", valid(now.Add(-year), now.Add(year/4)))
	serving := newRoot(t, "serving", func(c *x509.Certificate) {
		c.DNSNames = []string{host}
		c.KeyUsage |= x509.KeyUsageDigitalSignature
	})
	sha1 := newRoot(t, "sha1", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
	leaf, interLeaf, deepLeaf := root.leaf(t), inter.leaf(t), deep.leaf(t)
	shortLeaf, sha1Leaf := shortInter.leaf(t), sha1.leaf(t)

	for _, tt := range []struct {
		name       string
		presented  []authority
		candidates []Candidate
		source     Source
		published  []authority
	}{
		{"the default router, which sends its self-signed root", []authority{leaf, root},
			[]Candidate{fromIngress(leaf, root)}, "DefaultIngressCert", []authority{root}},
		{"a root that the server does not send", []authority{interLeaf, inter},
			[]Candidate{fromIngress(interLeaf, inter), fromProxy(other, root)}, "Proxy", []authority{root}},
		{"an intermediate that the server omits", []authority{interLeaf},
			[]Candidate{fromProxy(inter, root)}, "Proxy", []authority{root, inter}},
		{"two omitted intermediates, from the root downwards", []authority{deepLeaf},
			[]Candidate{fromProxy(deep, root, inter)}, "Proxy", []authority{root, inter, deep}},
		{"one of two intermediates omitted", []authority{deepLeaf, deep},
			[]Candidate{fromProxy(deep, root, inter)}, "Proxy", []authority{root, inter}},
		{"a public CA", []authority{interLeaf, inter},
			[]Candidate{fromIngress(interLeaf, inter), fromSystem(root, other)}, SourceSystem, []authority{root}},
		{"the first of two that verify", []authority{leaf, root},
			[]Candidate{fromProxy(root), fromIngress(leaf, root)}, "Proxy", []authority{root}},
		{"a cross-signed root by its self-signed form", []authority{interLeaf, inter, crossed},
			[]Candidate{fromProxy(root)}, "Proxy", []authority{root}},
		{"a cross-signed root by the root that crossed it", []authority{interLeaf, inter, crossed},
			[]Candidate{fromProxy(other)}, "Proxy", []authority{other}},
		{"the nearer of two roots when the way to the other needs more certificates", []authority{interLeaf, inter},
			[]Candidate{fromProxy(other, crossed, shortRoot)}, "Proxy", []authority{shortRoot}},
		{"the longer of two roots of one key", []authority{leaf},
			[]Candidate{fromProxy(shortRoot, root)}, "Proxy", []authority{root}},
		{"a root beside another whose name is the same", []authority{leaf},
			[]Candidate{fromProxy(newRoot(t, "root"), root)}, "Proxy", []authority{root}},
		{"an intermediate that expires before its root", []authority{shortLeaf},
			[]Candidate{fromProxy(root, shortInter)}, "Proxy", []authority{root, shortInter}},
		{"a CA that serves by itself", []authority{serving},
			[]Candidate{fromIngress(serving)}, "DefaultIngressCert", []authority{serving}},
		{"a root whose own signature is SHA-1", []authority{sha1Leaf},
			[]Candidate{fromProxy(sha1)}, "Proxy", []authority{sha1}},
		{"past candidates without certificates", []authority{leaf, root},
			[]Candidate{{Source: "Route"}, {Source: SourceCABundleRef, PEM: []byte("junk")}, {Source: SourceSystem}, fromProxy(root)},
			"Proxy", []authority{root}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			presented := certs(tt.presented...)
			b, err := Verify(host, presented, tt.candidates, now)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.Source).To(Equal(tt.source))
			g.Expect(string(EncodePEM(b.Certificates))).To(Equal(string(encoded(tt.published...))))
			g.Expect(b.Root.Equal(tt.published[0].Certificate)).To(BeTrue())
			first := b.Root.NotAfter
			for _, a := range tt.published {
				if a.NotAfter.Before(first) {
					first = a.NotAfter
				}
			}
			g.Expect(b.NotAfter).To(Equal(first))
			expectVerifiesAlone(t, b, presented)
		})
	}
}

func TestBundleDescribesItsRoot(t *testing.T) {
	g := NewWithT(t)
	root := newRoot(t, "ingress-operator@1700000000")
	leaf := root.leaf(t)
	b, err := Verify(host, certs(leaf), []Candidate{fromIngress(leaf, root)}, now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.Subject).To(Equal("CN=ingress-operator@1700000000"))
	g.Expect(b.SHA256).To(MatchRegexp("^[0-9a-f]{64}$"))
	g.Expect(b.Where).To(Equal(ingressCert))
	g.Expect(b.NotAfter).To(Equal(now.Add(year)))
}

func TestVerifyFails(t *testing.T) {
	root, mitm := newRoot(t, "root", valid(now.Add(-3*year), now.Add(year))), newRoot(t, "interceptor")
	inter := root.intermediate(t, "intermediate")
	leaf, interLeaf := root.leaf(t), inter.leaf(t)
	past, future := valid(now.Add(-2*year), now.Add(-year)), valid(now.Add(year), now.Add(2*year))
	oldRoot := root.renew(t, past)
	oldInter := root.intermediate(t, "old intermediate", past)
	oldInterLeaf := oldInter.leaf(t)
	expiredLeaf, futureLeaf := root.leaf(t, past), root.leaf(t, future)
	wrongName := root.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.apps.other.test", "x.test"} })
	manyNames := root.leaf(t, func(c *x509.Certificate) { c.DNSNames = strings.Split("a b c d e f g", " ") })
	noName := root.leaf(t, func(c *x509.Certificate) { c.DNSNames = nil })
	nameless := root.leaf(t, func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{} })
	sha1 := root.leaf(t, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
	ofBrainpool, brainpoolBundle := leafOfBrainpool(t)
	client := root.leaf(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	selfSigned := newRoot(t, "self-signed", func(c *x509.Certificate) { c.IsCA, c.DNSNames = false, []string{host} })
	forger := newRoot(t, "root")
	rolled := newRoot(t, "root").crossSign(t, root)
	forged := forger.leaf(t)
	mitmLeaf := mitm.leaf(t)
	nasty := newRoot(t, "evil\nReady=True").leaf(t)

	for _, tt := range []struct {
		name       string
		presented  []authority
		candidates []Candidate
		kind       Kind
		text       []string
	}{
		{"a certificate for another host", []authority{wrongName, root}, []Candidate{fromIngress(wrongName, root)},
			NameMismatch, []string{host, "*.apps.other.test, x.test", "no CA can repair that", "give the registry a certificate that names the host", "names the host"}},
		{"a certificate of many names lists a few", []authority{manyNames}, []Candidate{fromIngress(root)},
			NameMismatch, []string{"a, b, c, d, e and 2 more"}},
		{"a certificate without names", []authority{noName}, []Candidate{fromIngress(root)},
			NameMismatch, []string{"no host, since it has no subjectAltName, and clients do not read \"leaf\" in its common name"}},
		{"a certificate without any name", []authority{nameless}, []Candidate{fromIngress(root)}, NameMismatch, []string{"no host at all"}},
		{"a wrong name tells more than a candidate that does not know the chain", []authority{wrongName},
			[]Candidate{fromProxy(mitm), fromSystem(root), fromProxy(mitm)}, NameMismatch, []string{"*.apps.other.test"}},
		{"an expired certificate", []authority{expiredLeaf, root}, []Candidate{fromIngress(root)},
			Expired, []string{`the certificate "CN=leaf"`, "expired at 2025-06-01T12:00:00Z", "renew it"}},
		{"an expired certificate of a public CA", []authority{expiredLeaf}, []Candidate{fromSystem(root)},
			Expired, []string{`the certificate "CN=leaf"`, "expired at 2025-06-01T12:00:00Z"}},
		{"an expired root", []authority{leaf}, []Candidate{fromIngress(oldRoot)},
			Expired, []string{`the root "CN=root"`, "expired at 2025-06-01T12:00:00Z", "in " + ingressCert}},
		{"an expired intermediate", []authority{oldInterLeaf, oldInter}, []Candidate{fromIngress(root)},
			Expired, []string{`the intermediate "CN=old intermediate"`, "expired at 2025-06-01T12:00:00Z"}},
		{"a certificate of the future", []authority{futureLeaf, root}, []Candidate{fromIngress(root)},
			Expired, []string{"is not valid before 2027-06-01T12:00:00Z", "check the clocks"}},
		{"a candidate with the certificate itself only, as on HyperShift", []authority{leaf}, []Candidate{fromIngress(leaf)},
			NoRoot, []string{ingressCert, "not its root", `"CN=root"`, "spec.trust.caBundleRef"}},
		{"a candidate with an intermediate only", []authority{interLeaf, inter}, []Candidate{fromIngress(interLeaf, inter)},
			NoRoot, []string{ingressCert, `"CN=root"`, "spec.trust.caBundleRef"}},
		{"a self-signed certificate that is no CA", []authority{selfSigned}, []Candidate{fromIngress(selfSigned)},
			NoRoot, []string{`"CN=self-signed"`}},
		{"a candidate with the certificate of a key change only, which is issued by its own name", []authority{leaf},
			[]Candidate{fromIngress(rolled)}, NoRoot, []string{ingressCert, `"CN=root"`}},
		{"a missing root tells more than an unknown issuer", []authority{interLeaf, inter},
			[]Candidate{fromProxy(mitm), fromIngress(inter), fromSystem(mitm)}, NoRoot, []string{ingressCert}},
		{"a signature with SHA-1 of a root that is known", []authority{sha1}, []Candidate{fromIngress(root)},
			Untrusted, []string{`"CN=leaf"`, "ECDSA-SHA1, which clients refuse", "signed with SHA-256"}},
		{"an intermediate that the host does not send, of a root that is known", []authority{interLeaf}, []Candidate{fromIngress(root)},
			Untrusted, []string{`issuer "CN=intermediate"`, "have the host send the certificate of that CA after its own", "put its root in a ConfigMap and name it in spec.trust.caBundleRef"}},
		{"a root that is there, and that cannot be used", []authority{ofBrainpool},
			[]Candidate{{Source: SourceCABundleRef, Where: "ConfigMap a/b", PEM: append(brainpoolBundle, encoded(root)...)}},
			Untrusted, []string{`issuer "CN=Plant BP Root"`, `it is in ConfigMap a/b, where block 1 "CN=Plant BP Root" cannot be used (x509: unsupported elliptic curve)`, "have a CA of another kind"}},
		{"an interceptor", []authority{mitmLeaf, mitm}, []Candidate{fromIngress(leaf, root), fromSystem(root)},
			Untrusted, []string{`issuer "CN=interceptor"`, ingressCert + ", the system roots", "spec.trust.caBundleRef"}},
		{"the topmost issuer is named", []authority{interLeaf, inter}, []Candidate{fromProxy(mitm)},
			Untrusted, []string{`issuer "CN=root"`}},
		{"a forged chain with the name of a known root", []authority{forged, forger}, []Candidate{fromIngress(root)},
			Untrusted, []string{`issuer "CN=root"`}},
		{"an expired certificate of an unknown issuer", []authority{expiredLeaf}, []Candidate{fromProxy(mitm), fromSystem(mitm)},
			Untrusted, []string{`issuer "CN=root"`}},
		{"a certificate that is not for servers", []authority{client}, []Candidate{fromProxy(mitm), fromIngress(root)},
			Untrusted, []string{ingressCert, "is not one for a server", "incompatible key usage"}},
		{"a certificate that is not for servers, of a public CA", []authority{client}, []Candidate{fromSystem(root)},
			Untrusted, []string{"the system roots", "is not one for a server"}},
		{"an empty candidate is shown as such", []authority{leaf},
			[]Candidate{{Source: SourceCABundleRef, Where: "ConfigMap a/b", PEM: []byte("-----BEGIN\n")}, fromProxy(mitm)},
			Untrusted, []string{"ConfigMap a/b (no certificate in it)"}},
		{"a name that breaks lines", []authority{nasty}, []Candidate{fromProxy(mitm)},
			Untrusted, []string{`"CN=evil Ready=True"`}},
		{"no candidates", []authority{leaf}, nil, NoCandidates, []string{"spec.trust.caBundleRef"}},
		{"nothing but garbage", []authority{leaf}, []Candidate{{Source: "Route", PEM: []byte("junk")}, {Source: SourceSystem}},
			NoCandidates, []string{"Route", "no certificate in PEM form"}},
		{"a host that presents nothing", nil, []Candidate{fromProxy(root)}, Untrusted, []string{"presented no certificate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Verify(host, certs(tt.presented...), tt.candidates, now)
			NewWithT(t).Expect(b).To(BeZero())
			expectError(t, err, tt.kind, tt.text...)
		})
	}
}

// leafOfBrainpool is a leaf of a root that crypto/x509 cannot read, and that root in PEM.
func leafOfBrainpool(t *testing.T) (authority, []byte) {
	t.Helper()
	bundle := brainpool(t)
	name := authority{named("Plant BP Root"), newKey(t)}
	return name.leaf(t), []byte(bundle)
}

// expectError checks the kind, and that the text is one line with all parts.
func expectError(t *testing.T, err error, kind Kind, parts ...string) {
	t.Helper()
	g := NewWithT(t)
	var failure *Error
	g.Expect(errors.As(err, &failure)).To(BeTrue(), "%v", err)
	g.Expect(failure.Kind).To(Equal(kind), failure.Error())
	g.Expect(failure.Host).To(Equal(host))
	g.Expect(failure.Error()).To(MatchRegexp(`^[^\n\r]+$`))
	g.Expect(len(failure.Error())).To(BeNumerically("<", 600))
	for _, part := range parts {
		g.Expect(failure.Error()).To(ContainSubstring(part))
	}
}

func TestVerifyOfflinePublishes(t *testing.T) {
	root := newRoot(t, "root")
	inter := root.intermediate(t, "intermediate")
	leaf, interLeaf := root.leaf(t), inter.leaf(t)
	for _, tt := range []struct {
		name       string
		candidates []Candidate
		published  []authority
	}{
		{"the default router's chain", []Candidate{fromProxy(root), fromSystem(root), fromIngress(leaf, root)}, []authority{root}},
		{"intermediates too, since what the host sends is unknown", []Candidate{fromIngress(interLeaf, inter, root)}, []authority{root, inter}},
		{"past a candidate that does not verify", []Candidate{fromProxy(interLeaf, inter), fromIngress(leaf, root)}, []authority{root}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			b, err := VerifyOffline(host, tt.candidates, now)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(EncodePEM(b.Certificates))).To(Equal(string(encoded(tt.published...))))
			g.Expect(b.Source).To(BeEquivalentTo("DefaultIngressCert"))
		})
	}
}

// The first certificate of a list is not the list: an expired one may stand before its successor.
func TestVerifyOfflineTriesEachCertificateThatNamesTheHost(t *testing.T) {
	g := NewWithT(t)
	root := newRoot(t, "root", valid(now.Add(-3*year), now.Add(year)))
	old, current := root.leaf(t, valid(now.Add(-2*year), now.Add(-year))), root.leaf(t)
	for _, order := range [][]authority{{old, current, root}, {root, current, old}} {
		found, err := VerifyOffline(host, []Candidate{fromIngress(order...)}, now)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.Root.Equal(root.Certificate)).To(BeTrue())
	}
}

func TestVerifyOfflineFails(t *testing.T) {
	root, other := newRoot(t, "root"), newRoot(t, "other")
	leaf := root.leaf(t)
	expiredLeaf := root.leaf(t, valid(now.Add(-2*year), now.Add(-year)))
	wrongName := root.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"x.test"} })
	for _, tt := range []struct {
		name       string
		candidates []Candidate
		kind       Kind
		text       string
	}{
		{"no candidates", nil, NoCandidates, "only be checked over a connection"},
		{"roots only", []Candidate{fromProxy(root), fromSystem(root)}, NoCandidates, "only be checked over a connection"},
		{"a certificate for another host", []Candidate{fromIngress(wrongName, root)}, NoCandidates, "no known certificate names " + host},
		{"a certificate without its root", []Candidate{fromIngress(leaf)}, NoRoot, `"CN=root"`},
		{"a root of another candidate", []Candidate{fromIngress(leaf), fromProxy(root)}, NoRoot, ingressCert},
		{"an expired certificate", []Candidate{fromIngress(expiredLeaf, root)}, Expired, "2025-06-01"},
		{"the root of somebody else", []Candidate{fromIngress(leaf, other)}, NoRoot, `"CN=root"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := VerifyOffline(host, tt.candidates, now)
			NewWithT(t).Expect(b).To(BeZero())
			expectError(t, err, tt.kind, tt.text)
		})
	}
}

// bigBundle is the size of the merged bundle that OpenShift injects: a good
// hundred public roots, with the one that matters in the middle.
func bigBundle(t testing.TB, anchor authority) []byte {
	t.Helper()
	padding := strings.Repeat("x", 900)
	var all []authority
	for i := range 140 {
		all = append(all, newRoot(t, fmt.Sprintf("public %d", i), func(c *x509.Certificate) {
			c.Subject.Organization = []string{padding}
		}))
	}
	all[70] = anchor
	return encoded(all...)
}

func TestABigBundlePublishesTheAnchorOnly(t *testing.T) {
	g := NewWithT(t)
	root := newRoot(t, "corporate root")
	inter := root.intermediate(t, "intermediate")
	presented := certs(inter.leaf(t), inter)
	big := bigBundle(t, root)
	g.Expect(len(big)).To(BeNumerically(">", 200<<10))
	b, err := Verify(host, presented, []Candidate{{Source: "Proxy", PEM: big}}, now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(EncodePEM(b.Certificates))).To(Equal(string(encoded(root))))
}

func TestTheOrderOfCertificatesDoesNotChangeTheBundle(t *testing.T) {
	g := NewWithT(t)
	root, other := newRoot(t, "root"), newRoot(t, "other")
	again, inter := root.renew(t), root.intermediate(t, "intermediate")
	interAgain := root.crossSign(t, inter)
	presented := certs(inter.leaf(t))
	all := []authority{root, again, other, inter, interAgain, other.crossSign(t, root), root}
	var first []byte
	for range 50 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		c := fromProxy(all...)
		c.PEM = append([]byte("# a comment\n"), c.PEM...)
		b, err := Verify(host, presented, []Candidate{c}, now)
		g.Expect(err).NotTo(HaveOccurred())
		if first == nil {
			first = EncodePEM(b.Certificates)
		}
		g.Expect(string(EncodePEM(b.Certificates))).To(Equal(string(first)))
	}
	g.Expect(string(first)).NotTo(ContainSubstring("#"))
}

// A host may present a mesh of certificates that sign each other, to keep
// whoever looks for a path busy.
func TestAMeshOfCertificatesEndsSoon(t *testing.T) {
	const size = 20
	mesh := make([]authority, size)
	for i := range mesh {
		mesh[i] = newRoot(t, "mesh")
	}
	presented := certs(mesh[0].leaf(t))
	for i := range mesh {
		for j := range mesh {
			presented = append(presented, mesh[i].crossSign(t, mesh[j]).Certificate)
		}
	}
	_, err := Verify(host, presented, []Candidate{fromProxy(newRoot(t, "root")), fromSystem(newRoot(t, "root"))}, now)
	expectError(t, err, Untrusted, `"CN=mesh"`)
}

func BenchmarkVerify(b *testing.B) {
	root := newRoot(b, "corporate root")
	inter := root.intermediate(b, "intermediate")
	leaf := inter.leaf(b)
	presented := certs(leaf, inter)
	for name, candidates := range map[string][]Candidate{
		"default router":    {fromIngress(leaf, inter, root)},
		"big proxy bundle":  {fromIngress(leaf, inter), {Source: "Proxy", PEM: bigBundle(b, root)}},
		"nothing that fits": {fromIngress(newRoot(b, "x")), {Source: "Proxy", PEM: bigBundle(b, newRoot(b, "y"))}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = Verify(host, presented, candidates, now)
			}
		})
	}
}
