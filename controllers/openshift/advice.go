// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"crypto/x509"
	"strings"

	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// advice is what to do if OpenShift's image registry cannot be used.
var advice = pass.Advice{
	Trust: map[trust.Kind]string{
		trust.Unresolvable: checkDNS,
		trust.Unreachable:  checkWay,
		trust.NameMismatch: "no CA can repair that, give its IngressController (spec.defaultCertificate) or the Route a certificate that names the host; the cluster's default one does not cover an appsDomain",
	},
	Probe: map[registry.Kind]string{
		registry.Unresolvable: checkDNS,
		registry.Unreachable:  checkWay,
		registry.Untrusted:    "the certificate of the route and the published CA do not match; wait for the next check of the route or set spec.trust.caBundleRef",
		registry.Unavailable:  `check the pods and conditions of registry Config "cluster"`,
		registry.Unexpected:   "check that the route leads to the image registry of OpenShift",
	},
	ReadOnly: `spec.readOnly of registry Config "cluster" is not set`,
}

const (
	checkDNS = "check the wildcard DNS record of the apps domain"
	checkWay = "check the router, network policies and the cluster proxy"
)

// dialect is how OpenShift's image registry differs from others. Without a login it issues a token for the user "anonymous"
// (openshift/image-registry, pkg/dockerregistry/server/token.go). A request about a repository does not create it.
var dialect = registry.Dialect{Anonymous: "anonymous", AnyRepository: true}

// Places where OpenShift publishes CAs.
const (
	// sourceRoute is the certificate in the Route itself.
	sourceRoute trust.Source = "Route"
	// sourceDefaultIngressCert is the chain of the default router, which cluster-ingress-operator publishes.
	sourceDefaultIngressCert trust.Source = "DefaultIngressCert"
	// sourceProxy is the trusted CA of the cluster proxy.
	sourceProxy trust.Source = "Proxy"
)

// ingressOperatorCA begins the common name of the CA that OpenShift's ingress operator makes for
// its default certificates. It lasts two years and is never renewed
// (openshift/cluster-ingress-operator, pkg/operator/controller/certificate).
const ingressOperatorCA = "ingress-operator@"

// caRemedy says what to do about the CA of the ingress operator, which is never renewed.
func caRemedy(source trust.Source, root *x509.Certificate) string {
	if source != sourceDefaultIngressCert || !strings.HasPrefix(root.Subject.CommonName, ingressOperatorCA) {
		return ""
	}
	return "the ingress operator does not renew it. Either name the root of a CA of your own in spec.trust.caBundleRef, and have the IngressController use that CA once consumers have both" +
		"; or delete the Secrets openshift-ingress-operator/router-ca and openshift-ingress/router-certs-default for a new CA, which every consumer has to take at once"
}
