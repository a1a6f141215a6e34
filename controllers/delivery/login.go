// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// readLogin reads who asks the Exchange, and where. The Secret says that itself, and for which EdgeRegistries: whoever writes
// an EdgeRegistry decides neither.
func (r *run) readLogin(ctx context.Context) (exchange.Login, error) {
	key := client.ObjectKey{Namespace: objects.CredentialsNamespace, Name: r.spec.CredentialsSecretRef.Name}
	where := "Secret " + key.String() + ", the login to the Exchange,"
	secret := &corev1.Secret{}
	err := r.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return exchange.Login{}, pass.Stalled(edgev1.ReasonCredentialMissing, "%s does not exist: make it with the keys %s, %s and %s",
			where, exchange.KeyURL, exchange.KeyOrg, exchange.KeyAuth)
	case apierrors.IsForbidden(err):
		return exchange.Login{}, pass.Stalled(edgev1.ReasonRequestFailed,
			"the operator may not read the Secrets in namespace %q, for which it is installed with a role: apply its manifests again; refused was: %s", key.Namespace, text.Of(err))
	case err != nil:
		return exchange.Login{}, fmt.Errorf("read Secret %s: %w", key, err)
	case secret.Labels[objects.CredentialsLabel] != "true":
		return exchange.Login{}, pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s is not labelled as one for the operator: run 'kubectl label secret %s -n %s %s=true'",
			where, key.Name, key.Namespace, objects.CredentialsLabel)
	case !slices.Contains(objects.Listed(secret, edgev1.ForAnnotation), r.Edge.Name):
		return exchange.Login{}, pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s does not say that EdgeRegistry %q may use it: add that name to its annotation %s",
			where, r.Edge.Name, edgev1.ForAnnotation)
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

// readRoots reads what verifies the Exchange; without a name the public CAs do.
func (r *run) readRoots(ctx context.Context) (string, *x509.CertPool, error) {
	ref := r.spec.CABundleRef
	if ref == nil {
		return "", nil, nil
	}
	where := fmt.Sprintf("ConfigMap %s/%s, key %s, of spec.exchanges[0].caBundleRef,", r.Namespace, ref.Name, ref.Key)
	configMap := &corev1.ConfigMap{}
	err := r.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: ref.Name}, configMap)
	if client.IgnoreNotFound(err) != nil {
		return "", nil, fmt.Errorf("read %s: %w", where, err)
	}
	bundle := configMap.Data[ref.Key]
	if bundle == "" {
		return "", nil, pass.Stalled(edgev1.ReasonCABundleMissing, "%s is absent or empty: put the CA of the Exchange there in PEM, or leave caBundleRef out", where)
	}
	certificates, err := trust.ParsePEM([]byte(bundle))
	if err != nil {
		return "", nil, pass.Stalled(edgev1.ReasonCABundleMissing, "%s holds %s: put the CA of the Exchange there in PEM", where, text.Of(err))
	}
	roots := x509.NewCertPool()
	for _, certificate := range certificates {
		roots.AddCert(certificate)
	}
	return bundle, roots, nil
}
