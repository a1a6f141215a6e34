// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// A root of X.509 version 1, as old instructions make it, is one for crypto/x509 and OpenSSL, and with them for the clients of
// nodes: it cannot say that it is a CA's (apple/swift-certificates, pull request 53).
func TestARootOfVersionOneIsARoot(t *testing.T) {
	g := NewWithT(t)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl makes a certificate of version 1")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
	}
	g.Expect(os.WriteFile(filepath.Join(dir, "leaf.ext"), []byte("subjectAltName=DNS:*.apps.edge.test\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"), 0o600)).To(Succeed())
	run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "v1.key", "-out", "v1.csr", "-subj", "/CN=Plant V1 Root")
	run("x509", "-req", "-in", "v1.csr", "-signkey", "v1.key", "-days", "3650", "-sha256", "-out", "v1.crt")
	run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
	run("x509", "-req", "-in", "leaf.csr", "-CA", "v1.crt", "-CAkey", "v1.key", "-CAcreateserial", "-days", "300", "-sha256", "-extfile", "leaf.ext", "-out", "leaf.crt")
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, name))
		g.Expect(err).NotTo(HaveOccurred())
		return content
	}
	presented := Read(read("leaf.crt")).Certificates
	g.Expect(presented).To(HaveLen(1))
	at := time.Now().Add(time.Hour)

	found, err := Verify(host, presented, []Candidate{{Source: SourceCABundleRef, Where: "ConfigMap a/b", PEM: read("v1.crt")}}, at)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Root.Version).To(Equal(1))
	g.Expect(os.WriteFile(filepath.Join(dir, "ca.crt"), EncodePEM(found.Certificates), 0o600)).To(Succeed())
	run("verify", "-CAfile", "ca.crt", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-verify_hostname", host, "leaf.crt")
	_, err = presented[0].Verify(x509.VerifyOptions{DNSName: host, CurrentTime: at, Roots: newPool(found.Certificates)})
	g.Expect(err).NotTo(HaveOccurred())
}
