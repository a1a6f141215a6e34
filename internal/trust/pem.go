// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"crypto/fips140"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParsePEM returns the certificates of a PEM file in their order, as Read does. A file without any readable certificate is an
// error.
func ParsePEM(data []byte) ([]*x509.Certificate, error) {
	found := Read(data)
	switch {
	case len(found.Certificates) > 0:
		return found.Certificates, nil
	case found.broken != nil:
		return nil, fmt.Errorf("no readable certificate: %w", found.broken)
	default:
		return nil, errors.New("no certificate in PEM form")
	}
}

// Pool returns the certificates of a PEM file as a pool to verify with. It is
// as tolerant as ParsePEM, and fails as it does.
func Pool(data []byte) (*x509.CertPool, error) {
	certs, err := ParsePEM(data)
	if err != nil {
		return nil, err
	}
	return newPool(certs), nil
}

// EncodePEM returns certificates in PEM form, one after the other, and nothing else.
func EncodePEM(certs []*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})...)
	}
	return out
}

func newPool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool
}

// isRoot reports whether the certificate is a self-signed CA. Go accepts any
// certificate of a pool as a trust anchor. OpenSSL, and with it curl, Python and
// many clients on edge nodes, accepts only these.
func isRoot(cert *x509.Certificate) bool {
	if !looksLikeRoot(cert) {
		return false
	}
	// CheckSignature accepts SHA-1, unlike CheckSignatureFrom. Old roots have such a
	// self-signature, which matters to no verification. Strict FIPS mode would panic.
	var err error
	fips140.WithoutEnforcement(func() {
		err = cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	})
	return err == nil
}

// looksLikeRoot is isRoot without the check of the signature, which is expensive.
func looksLikeRoot(cert *x509.Certificate) bool {
	maySign := cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0
	return isCA(cert) && maySign && bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// isCA reports whether the certificate is one of a CA. Before X.509 version 3 a certificate could not say so, and counts as one, as it
// does in crypto/x509 and OpenSSL among the roots.
func isCA(cert *x509.Certificate) bool {
	return cert.Version < 3 || (cert.BasicConstraintsValid && cert.IsCA)
}
