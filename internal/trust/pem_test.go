// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
		{"blocks that are glued", glue(string(encoded(root))) + string(encoded(other)), []authority{root, other}, ""},
		{"three blocks that are glued", glue(string(encoded(root))) + glue(string(encoded(other))) + string(encoded(root)), []authority{root, other, root}, ""},
		{"text right before a block", "ca.crt: " + string(encoded(root)), []authority{root}, ""},
		{"a byte order mark", "\ufeff" + string(encoded(root)) + "\ufeff" + string(encoded(other)), []authority{root, other}, ""},
		{"line ends of Windows", strings.ReplaceAll(string(encoded(root, other)), "\n", "\r\n"), []authority{root, other}, ""},
		{"line ends of an old Mac", strings.ReplaceAll(string(encoded(root, other)), "\n", "\r"), []authority{root, other}, ""},
		{"lines that are indented", strings.ReplaceAll(string(encoded(root, other)), "\n", "\n    "), []authority{root, other}, ""},
		{"blanks at the ends of lines", strings.ReplaceAll(string(encoded(root, other)), "\n", " \t\n"), []authority{root, other}, ""},
		{"one line for all of the base64", oneLine(string(encoded(root))) + string(encoded(other)), []authority{root, other}, ""},
		{"no line end at the end", strings.TrimSpace(string(encoded(root))), []authority{root}, ""},
		{"the label of OpenSSL 0.9", strings.ReplaceAll(string(encoded(root)), " CERTIFICATE", " X509 CERTIFICATE"), []authority{root}, ""},
		{"the older label of RFC 7468", strings.ReplaceAll(string(encoded(root)), " CERTIFICATE", " X.509 CERTIFICATE"), []authority{root}, ""},
		{"a block that ends as another", strings.Replace(string(encoded(root)), "END CERTIFICATE", "END KEY", 1) + string(encoded(other)), []authority{other}, ""},
		{"a block without an end before another", string(encoded(root))[:200] + "\n" + string(encoded(other)), []authority{other}, ""},
		{"empty blocks", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----" + string(encoded(root)), []authority{root}, ""},
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

// glue is a file without the line end at its end, as an editor or a shell may leave it.
func glue(file string) string { return strings.TrimSuffix(file, "\n") }

// oneLine is a block without line ends inside.
func oneLine(block string) string {
	const begin, end = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
	inside := strings.TrimSuffix(strings.TrimPrefix(block, begin), end)
	return begin + strings.ReplaceAll(inside, "\n", "") + "\n" + end
}

// brainpool is a root on a curve that crypto/x509 does not know, "CN=Plant BP Root".
func brainpool(t *testing.T) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl makes a certificate that Go cannot")
	}
	file := filepath.Join(t.TempDir(), "bp.crt")
	out, err := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-nodes",
		"-keyout", os.DevNull, "-out", file, "-days", "3650", "-subj", "/CN=Plant BP Root").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}

// What is left out of a file is counted and named, so that nobody looks in vain for a certificate that is in it.
func TestWhatIsLeftOutOfAFileIsCountedAndNamed(t *testing.T) {
	root := newRoot(t, "root")
	for _, tt := range []struct {
		name, pem, want string
	}{
		{"nothing", string(encoded(root)), ""},
		{"a certificate that Go cannot read", brainpool(t) + string(encoded(root)),
			`1 of 2 blocks in the file are left out: block 1 "CN=Plant BP Root" cannot be used (x509: unsupported elliptic curve)`},
		{"a private key", string(encoded(root)) + privateKey, "1 of 2 blocks in the file are left out: block 2 is no certificate but PRIVATE KEY"},
		{"what OpenSSL alone reads", strings.ReplaceAll(string(encoded(root)), " CERTIFICATE", " TRUSTED CERTIFICATE"),
			"1 of 1 blocks in the file are left out: block 1 is no certificate but TRUSTED CERTIFICATE"},
		{"what is cut off", string(encoded(root))[:200], "1 of 1 blocks in the file are left out: block 1 has no end"},
		{"what is no base64", "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(root.Raw)[:41] + "\n-----END CERTIFICATE-----\n",
			"1 of 1 blocks in the file are left out: block 1 is not in base64"},
		{"many", strings.Repeat(privateKey, 5), "5 of 5 blocks in the file are left out: block 1 is no certificate but PRIVATE KEY, " +
			"block 2 is no certificate but PRIVATE KEY, block 3 is no certificate but PRIVATE KEY, and 2 more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			NewWithT(t).Expect(Read([]byte(tt.pem)).Missing("the file")).To(Equal(tt.want))
		})
	}
}
