// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// CredentialsNamespace is where people supply logins. The operator only reads there.
const CredentialsNamespace = "edge-registry-credentials"

// CredentialsLabel marks, with the value true, each Secret there that the operator may read.
const CredentialsLabel = "edge.open-horizon.io/credentials"

// PublishToAnnotation lists the namespaces in which the login of a supplied Secret may be published.
const PublishToAnnotation = "edge.open-horizon.io/publish-to"

// Listed splits the value of an annotation at commas, blanks and line breaks of any kind.
func Listed(object metav1.Object, annotation string) []string {
	return strings.FieldsFunc(object.GetAnnotations()[annotation], func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// ReadSupplied reads a supplied Secret. missing is the message if there is none.
func ReadSupplied(ctx context.Context, reader client.Reader, name string, missing *pass.Blocked) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: CredentialsNamespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, missing
	case apierrors.IsForbidden(err):
		return nil, pass.Stalled(edgev1.ReasonRequestFailed,
			"the operator may not read the Secrets in namespace %q, for which it is installed with a role: apply its manifests again; refused was: %s", CredentialsNamespace, text.Of(err))
	case err != nil:
		return nil, fmt.Errorf("read Secret %s/%s: %w", CredentialsNamespace, name, err)
	}
	return secret, nil
}

// CheckFor returns an error if a Secret does not allow its use for an EdgeRegistry. what names the Secret in messages.
func CheckFor(edge string, secret *corev1.Secret, what string) error {
	switch {
	case secret.Labels[CredentialsLabel] != "true":
		return pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s is not labelled as one for the operator: run 'kubectl label secret %s -n %s --overwrite %s=true'",
			what, secret.Name, secret.Namespace, CredentialsLabel)
	case !slices.Contains(Listed(secret, edgev1.ForAnnotation), edge):
		return pass.Stalled(edgev1.ReasonCredentialNotGranted, "%s does not say that EdgeRegistry %q may use it: add that name to its annotation %s",
			what, edge, edgev1.ForAnnotation)
	}
	return nil
}

// EnqueueUsers enqueues the EdgeRegistries that use a supplied Secret; with an empty name, all that use any.
func EnqueueUsers(ctx context.Context, edges client.Reader, secret string, uses func(*edgev1.EdgeRegistry) []string, enqueue func(edge string)) {
	list := &edgev1.EdgeRegistryList{}
	if err := edges.List(ctx, list); err != nil {
		logf.FromContext(ctx).V(1).Info("The users of a supplied Secret could not be listed", "cause", err.Error())
		return
	}
	for i := range list.Items {
		if names := uses(&list.Items[i]); slices.Contains(names, secret) || (secret == "" && len(names) > 0) {
			enqueue(list.Items[i].Name)
		}
	}
}

// TextOf returns the value of a key of a ConfigMap, from data or binaryData. A value that is not UTF-8 is in the second, for
// example a PEM file with a name in Latin-1 between its blocks.
func TextOf(configMap *corev1.ConfigMap, key string) string {
	return cmp.Or(configMap.Data[key], string(configMap.BinaryData[key]))
}

// Bundle is a CA bundle that the spec names, with words for messages.
type Bundle struct {
	// Where is its place, CA what must be in it, and Field the field of the spec to leave out without one.
	Where, CA, Field string
}

// Read reads the bundle from the operator's own namespace, and returns the PEM and its certificates.
func (b Bundle) Read(ctx context.Context, reader client.Reader, namespace string, ref *edgev1.CABundleRef) (string, []*x509.Certificate, error) {
	configMap := &corev1.ConfigMap{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, configMap)
	if client.IgnoreNotFound(err) != nil {
		return "", nil, fmt.Errorf("read %s: %w", b.Where, err)
	}
	bundle := TextOf(configMap, ref.Key)
	if bundle == "" {
		return "", nil, pass.Stalled(edgev1.ReasonCABundleMissing, "%s is absent or empty: put the %s there in PEM, or leave %s out", b.Where, b.CA, b.Field)
	}
	certificates, err := trust.ParsePEM([]byte(bundle))
	if err != nil {
		return "", nil, pass.Stalled(edgev1.ReasonCABundleMissing, "%s holds %s: put the %s there in PEM", b.Where, text.Of(err), b.CA)
	}
	return bundle, certificates, nil
}
