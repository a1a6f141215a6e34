// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	host      = "registry.apps.example.test"
	project   = "factory"
	pushToken = "push-token-text"
	pullToken = "pull-token-text"
)

// authority is a CA that serves the registry's certificate.
type authority struct {
	pem    []byte
	server tls.Certificate
}

// Making keys is slow, so all tests share two authorities: one that the registry
// uses, and one that it does not.
var (
	registryCA = sync.OnceValue(func() authority { return newAuthority("registry") })
	foreignCA  = sync.OnceValue(func() authority { return newAuthority("foreign") })
)

func newAuthority(name string) authority {
	caKey, caCertificate := signed(&x509.Certificate{
		Subject:               pkix.Name{CommonName: name + " CA"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, nil, nil)
	leafKey, leaf := signed(&x509.Certificate{
		Subject:     pkix.Name{CommonName: host},
		DNSNames:    []string{host},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, caCertificate, caKey)
	return authority{
		pem:    pemBlock("CERTIFICATE", caCertificate.Raw),
		server: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey},
	}
}

// signed makes a certificate that is valid for an hour around now, by parent or by itself.
func signed(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	if parent == nil {
		parent, parentKey = template, key
	}
	template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100)))
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(time.Hour)
	return key, must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey))))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func pemBlock(blockType string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: content})
}

func login(user, token string) handoff.Login {
	return handoff.Login{User: user, Token: credential.NewToken(token)}
}

func validInput() handoff.Input {
	return handoff.Input{
		Host:      host,
		Provider:  "openshift",
		Project:   project,
		Publisher: login("edge-publisher.factory", pushToken),
		Puller:    login("edge-puller.factory", pullToken),
		CA:        registryCA().pem,
	}
}
