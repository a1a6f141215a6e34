// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// readLogin reads the login to the Exchange and its address. Both are in the Secret, which also says which EdgeRegistries may use it.
// So an author of EdgeRegistries cannot have the login sent elsewhere.
func (r *run) readLogin(ctx context.Context) (exchange.Login, error) {
	name := r.spec.CredentialsSecretRef.Name
	where := "Secret " + objects.CredentialsNamespace + "/" + name + ", the login to the Exchange,"
	secret, err := objects.ReadSupplied(ctx, r, name, pass.Stalled(edgev1.ReasonCredentialMissing, "%s does not exist: make it with the keys %s, %s and %s",
		where, exchange.KeyURL, exchange.KeyOrg, exchange.KeyAuth))
	if err == nil {
		err = objects.CheckFor(r.Edge.Name, secret, where)
	}
	if err != nil {
		return exchange.Login{}, err
	}
	values := map[string]string{}
	for name, value := range secret.Data {
		values[name] = string(value)
	}
	login, problems := exchange.ParseLogin(values)
	if len(problems) > 0 {
		return exchange.Login{}, pass.Stalled(edgev1.ReasonCredentialUnusable, "%s cannot be used: %s", where, strings.Join(problems, "; "))
	}
	return login, nil
}

// readRoots reads the CAs that verify the Exchange; nil for the public ones.
func (r *run) readRoots(ctx context.Context) (string, *x509.CertPool, error) {
	ref := r.spec.CABundleRef
	if ref == nil {
		return "", nil, nil
	}
	bundle, certificates, err := objects.Bundle{
		Where: fmt.Sprintf("ConfigMap %s/%s, key %s, of spec.exchanges[0].caBundleRef,", r.Namespace, ref.Name, ref.Key),
		CA:    "CA of the Exchange", Field: "caBundleRef",
	}.Read(ctx, r, r.Namespace, ref)
	if err != nil {
		return "", nil, err
	}
	roots := x509.NewCertPool()
	for _, certificate := range certificates {
		roots.AddCert(certificate)
	}
	return bundle, roots, nil
}
