// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestEachFieldOfASuppliedKey(t *testing.T) {
	const key, notGranted = "a-secret-key_0123456789", edgev1.ReasonCredentialNotGranted
	holding := func(value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[keyEntry] = []byte(value) }
	}
	annotated := func(annotation, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Annotations[annotation] = value }
	}
	for name, test := range map[string]struct {
		change func(*corev1.Secret)
		// reason is empty where the key is read.
		reason, says string
	}{
		"all":                        {func(*corev1.Secret) {}, "", ""},
		"immutable, of another type": {func(s *corev1.Secret) { s.Type, s.Immutable = "example.com/ibm", ptr.To(true) }, "", ""},
		"a line break behind it":     {holding(key + "\r\n"), "", ""},
		"no data":                    {func(s *corev1.Secret) { s.Data = nil }, edgev1.ReasonCredentialUnusable, "has no API key under the key apikey"},
		"an empty key":               {holding(" \n"), edgev1.ReasonCredentialUnusable, "under the key apikey"},
		"the key in capitals":        {func(s *corev1.Secret) { s.Data = map[string][]byte{"APIKEY": []byte(key)} }, edgev1.ReasonCredentialUnusable, "under the key apikey"},
		"in quotes":                  {holding(`"` + key + `"`), edgev1.ReasonCredentialUnusable, "without quotes"},
		"the file of ibmcloud":       {holding(`{"name":"x","apikey":"` + key + `"}`), edgev1.ReasonCredentialUnusable, "put the key alone there"},
		"a byte order mark":          {holding("\ufeff" + key), edgev1.ReasonCredentialUnusable, "under the key apikey"},
		"two lines":                  {holding(key + "\n" + key), edgev1.ReasonCredentialUnusable, "under the key apikey"},

		"nobody's":                        {annotated(edgev1.ForAnnotation, ""), notGranted, `EdgeRegistry "plant" may use it`},
		"one of several, in lines":        {annotated(namespacesAnnotation, "other\r\nplant-images"), "", ""},
		"another registry namespace":      {annotated(namespacesAnnotation, "plant"), notGranted, "--overwrite edge.open-horizon.io/registry-namespaces=plant,plant-images"},
		"no annotation of namespaces":     {func(s *corev1.Secret) { delete(s.Annotations, namespacesAnnotation) }, notGranted, "registry-namespaces=plant-images'"},
		"nowhere to publish":              {annotated(objects.PublishToAnnotation, " "), notGranted, "may have keys published in namespace"},
		"service IDs that nobody asks of": {annotated(serviceIDsAnnotation, "ServiceId-1,ServiceId-1"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Name: "ibm", Namespace: credentialsNamespace, Labels: map[string]string{objects.CredentialsLabel: "true"},
				Annotations: map[string]string{edgev1.ForAnnotation: "plant", objects.PublishToAnnotation: "plant", namespacesAnnotation: "plant-images"},
			}, Data: map[string][]byte{keyEntry: []byte(key)}}
			test.change(secret)
			edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "plant"}}
			edge.Spec.Secrets.Namespace = "plant"
			edge.Spec.IBMCloud = &edgev1.IBMCloudSpec{
				Region: "us-south", CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: "ibm"}, RegistryNamespace: edgev1.RegistryNamespaceSpec{Name: "plant-images"},
			}
			cluster := fake.NewClientBuilder().WithScheme(apiserver.NewScheme()).WithObjects(secret).Build()
			s := New(Config{Connection: &apiserver.Connection{WithWatch: cluster}}).begin(pass.NewScope(edge, time.Now(), &pass.Memory{}))
			found, err := s.readSupplied(t.Context())
			if test.reason == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(found.Reveal() == key).To(BeTrue())
				return
			}
			g.Expect(pass.AsBlocked(err)).To(HaveValue(And(HaveField("Reason", test.reason), HaveField("Stalled", true))))
			g.Expect(err).To(MatchError(And(ContainSubstring("Secret edge-registry-credentials/ibm"), ContainSubstring(test.says))))
			g.Expect(strings.Contains(err.Error(), key)).To(BeFalse(), "the value shows")
		})
	}
}
