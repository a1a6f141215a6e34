// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"testing"

	. "github.com/onsi/gomega"
)

const privateKey = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"

const malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

func TestParsePEM(t *testing.T) {
	root, other := newRoot(t, "root"), newRoot(t, "other")
	for _, tt := range []struct {
		name string
		pem  string
		want []authority
		err  string
	}{
		{"certificates in their order", string(encoded(root, other)), []authority{root, other}, ""},
		{"text between certificates", "# one\n" + string(encoded(root)) + "two\n" + string(encoded(other)), []authority{root, other}, ""},
		{"a block of another type", privateKey + string(encoded(root)), []authority{root}, ""},
		{"a malformed certificate among others", string(encoded(root)) + malformed + string(encoded(other)), []authority{root, other}, ""},
		{"a file that is cut off", string(encoded(root)) + string(encoded(other))[:200], []authority{root}, ""},
		{"nothing", "", nil, "no certificate in PEM form"},
		{"no PEM at all", string(root.Raw), nil, "no certificate in PEM form"},
		{"a private key only", privateKey, nil, "no certificate in PEM form"},
		{"a malformed certificate only", malformed, nil, "no readable certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := ParsePEM([]byte(tt.pem))
			pool, poolErr := Pool([]byte(tt.pem))
			if tt.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tt.err)))
				g.Expect(poolErr).To(MatchError(err.Error()))
				g.Expect(got).To(BeEmpty())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(HaveLen(len(tt.want)))
			for i, cert := range got {
				g.Expect(cert.Equal(tt.want[i].Certificate)).To(BeTrue())
			}
			g.Expect(poolErr).NotTo(HaveOccurred())
			g.Expect(pool.Equal(newPool(certs(tt.want...)))).To(BeTrue())
		})
	}
}
