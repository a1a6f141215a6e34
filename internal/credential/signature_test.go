// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
)

// signing is a key with what it signs by.
type signing struct {
	key       crypto.Signer
	algorithm jose.SignatureAlgorithm
}

func (s signing) sign(t *testing.T, payload string) Token {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: s.key}, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	signed, err := signer.Sign([]byte(payload))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	text, err := signed.CompactSerialize()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return NewToken(text)
}

func keySet(t *testing.T, keys ...signing) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), Algorithm: string(k.algorithm), Use: "sig"})
	}
	content, err := json.Marshal(set)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return content
}

func TestATokenIsOfTheClusterWhoseKeySignedIt(t *testing.T) {
	g := NewWithT(t)
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	two, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	ours, later, stranger := signing{one, jose.RS256}, signing{two, jose.ES256}, signing{other, jose.RS256}
	set := keySet(t, ours, later)
	const payload = `{"exp":1}`
	swapped := func(a, b Token) Token {
		first, second := strings.Split(a.Reveal(), "."), strings.Split(b.Reveal(), ".")
		return NewToken(first[0] + "." + first[1] + "." + second[2])
	}
	for name, test := range map[string]struct {
		token  Token
		signed bool
	}{
		"by one key, long expired": {ours.sign(t, payload), true},
		"by another of its keys":   {later.sign(t, payload), true},
		"by a stranger's":          {stranger.sign(t, payload), false},
		"another's signature":      {swapped(ours.sign(t, payload), ours.sign(t, `{"exp":2}`)), false},
		"a password":               {NewToken("a-password.with.dots-in"), false},
		"nothing":                  {NewToken(""), false},
	} {
		signed, err := SignedBy(test.token, set)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(signed).To(Equal(test.signed), name)
	}
	_, err = SignedBy(ours.sign(t, payload), []byte("no keys"))
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring(ours.sign(t, payload).Reveal()))
}
