// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

func TestCARemedy_isForTheCAThatNobodyRenews(t *testing.T) {
	g := NewWithT(t)
	named := func(cn string) *x509.Certificate { return &x509.Certificate{Subject: pkix.Name{CommonName: cn}} }
	remedy := caRemedy(sourceDefaultIngressCert, named("ingress-operator@1700000000"))
	for _, part := range []string{"does not renew it", "openshift-ingress-operator/router-ca", "openshift-ingress/router-certs-default", "spec.trust.caBundleRef"} {
		g.Expect(remedy).To(ContainSubstring(part))
	}
	g.Expect(caRemedy(sourceDefaultIngressCert, named("company"))).To(BeEmpty())
	g.Expect(caRemedy(trust.SourceCABundleRef, named("ingress-operator@1700000000"))).To(BeEmpty())
}
