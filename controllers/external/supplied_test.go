// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"bytes"
	"crypto/x509"
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
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// suppliedCase is a supplied Secret that was changed: what is read of it, or the reason why it is not and what is said.
type suppliedCase struct {
	change       func(*corev1.Secret)
	reason, says string
}

func connectionTo(secret *corev1.Secret) Config {
	return Config{Connection: &apiserver.Connection{WithWatch: fake.NewClientBuilder().WithScheme(apiserver.NewScheme()).WithObjects(secret).Build()}}
}

func (c suppliedCase) expect(t *testing.T, err error) {
	t.Helper()
	g := NewWithT(t)
	if c.reason == "" {
		g.Expect(err).NotTo(HaveOccurred())
		return
	}
	g.Expect(pass.AsBlocked(err)).To(HaveValue(And(HaveField("Reason", c.reason), HaveField("Stalled", true))))
	g.Expect(err).To(MatchError(And(ContainSubstring("Secret edge-registry-credentials/"), ContainSubstring(c.says), Not(ContainSubstring("\n")))))
	g.Expect(strings.Contains(err.Error(), "a-secret")).To(BeFalse(), "a value shows")
}

func annotated(key, value string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { s.Annotations[key] = value }
}

func holding(key, value string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
}

func TestEachFieldOfASuppliedLogin(t *testing.T) {
	const key, unusable, notGranted = corev1.DockerConfigJsonKey, edgev1.ReasonCredentialUnusable, edgev1.ReasonCredentialNotGranted
	file := `{"auths":{"registry.example.com":` + auth("u:a-secret") + `}}`
	for name, test := range map[string]suppliedCase{
		"all":                 {func(*corev1.Secret) {}, "", ""},
		"immutable":           {func(s *corev1.Secret) { s.Immutable = ptr.To(true) }, "", ""},
		"keys of others":      {holding("config.json", "{}"), "", ""},
		"no type":             {func(s *corev1.Secret) { s.Type = "" }, unusable, "recreate it with the type kubernetes.io/dockerconfigjson"},
		"the older type":      {func(s *corev1.Secret) { s.Type = corev1.SecretTypeDockercfg }, unusable, "is of the type kubernetes.io/dockercfg"},
		"no key":              {func(s *corev1.Secret) { s.Data = nil }, unusable, "under the key .dockerconfigjson"},
		"an empty key":        {holding(key, ""), unusable, "under the key .dockerconfigjson"},
		"another key":         {func(s *corev1.Secret) { s.Data = map[string][]byte{"config.json": []byte(file)} }, unusable, "under the key .dockerconfigjson"},
		"base64 of the file":  {holding(key, "eyJhdXRocyI6e319"), unusable, "has no JSON of the form"},
		"a list":              {holding(key, "["+file+"]"), unusable, "has no JSON of the form"},
		"null":                {holding(key, "null"), edgev1.ReasonCredentialMissing, "has no entry for the registry"},
		"auths absent":        {holding(key, "{}"), edgev1.ReasonCredentialMissing, "add one under the key HOST in auths"},
		"auths null":          {holding(key, `{"auths":null}`), edgev1.ReasonCredentialMissing, "has no entry"},
		"auths in other case": {holding(key, strings.Replace(file, "auths", "Auths", 1)), "", ""},
		"the older file":      {holding(key, `{"registry.example.com":`+auth("u:a-secret")+`}`), edgev1.ReasonCredentialMissing, "in auths"},
		"an empty ca.crt":     {holding("ca.crt", ""), "", ""},

		"no label":                        {func(s *corev1.Secret) { s.Labels = nil }, notGranted, "run 'kubectl label secret pull -n edge-registry-credentials --overwrite edge.open-horizon.io/credentials=true'"},
		"True for true":                   {func(s *corev1.Secret) { s.Labels[objects.CredentialsLabel] = "True" }, notGranted, "--overwrite"},
		"for nobody":                      {annotated(edgev1.ForAnnotation, ""), notGranted, `does not say that EdgeRegistry "plant" may use it`},
		"for it twice":                    {annotated(edgev1.ForAnnotation, "plant,plant"), "", ""},
		"for it, by line ends of Windows": {annotated(edgev1.ForAnnotation, "other\r\nplant\r\n"), "", ""},
		"for it in capitals":              {annotated(edgev1.ForAnnotation, "Plant"), notGranted, `"plant"`},
		"for it, the annotation in capitals": {func(s *corev1.Secret) {
			delete(s.Annotations, edgev1.ForAnnotation)
			s.Annotations["edge.open-horizon.io/For"] = "plant"
		}, notGranted, edgev1.ForAnnotation},
		"nowhere to publish":        {annotated(objects.PublishToAnnotation, ""), notGranted, `namespace "plant": add that to its annotation ` + objects.PublishToAnnotation},
		"no token hosts":            {annotated(tokenHostsAnnotation, ""), "", ""},
		"a token host in capitals":  {annotated(tokenHostsAnnotation, "Tokens.Example.COM:443"), "", ""},
		"a token host twice":        {annotated(tokenHostsAnnotation, "a.example,a.example"), "", ""},
		"a token host with a slash": {annotated(tokenHostsAnnotation, "a.example/"), notGranted, "names \"a.example/\" as a host of tokens"},
		"a token host with port 0":  {annotated(tokenHostsAnnotation, "a.example:0"), notGranted, "as a host of tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			secret := granted()
			secret.Data = map[string][]byte{key: []byte(file)}
			test.change(secret)
			s := begun()
			s.Provider = New(connectionTo(secret))
			found, err := s.readSupplied(t.Context(), &s.Puller)
			test.expect(t, err)
			g := NewWithT(t)
			g.Expect(found.user != "").To(Equal(test.reason == ""), "half of it is used")
		})
	}
}

// Two Secrets name one host in two ways, and it is one.
func TestATokenHostIsOneHoweverItIsWritten(t *testing.T) {
	s := begun()
	s.read[edgev1.TokenPublisher] = reading{given: given{grant: grant{tokenHosts: []string{"Tokens.example:443", "a.example"}}}}
	s.read[edgev1.TokenPuller] = reading{given: given{grant: grant{tokenHosts: []string{"tokens.example", "a.example:8443"}}}}
	NewWithT(t).Expect(s.tokenHosts()).To(Equal([]string{"Tokens.example:443"}))
}

func TestEachFieldOfAnAccountOfHarbor(t *testing.T) {
	const user, password, unusable = corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey, edgev1.ReasonCredentialUnusable
	for name, test := range map[string]suppliedCase{
		"all":                             {func(*corev1.Secret) {}, "", ""},
		"of the type for it":              {func(s *corev1.Secret) { s.Type = corev1.SecretTypeBasicAuth }, "", ""},
		"immutable":                       {func(s *corev1.Secret) { s.Immutable = ptr.To(true) }, "", ""},
		"no data":                         {func(s *corev1.Secret) { s.Data = nil }, unusable, "its key username is missing or empty"},
		"no password":                     {holding(password, ""), unusable, "its key password is missing or empty"},
		"keys in capitals":                {func(s *corev1.Secret) { s.Data["Password"] = s.Data[password]; delete(s.Data, password) }, unusable, "its key password is missing"},
		"a line break behind the user":    {holding(user, "robot$plant+maker\n"), unusable, "its key username has a space, a line break"},
		"a line break behind it":          {holding(password, "a-secret\r\n"), unusable, "its key password has a space, a line break"},
		"a byte order mark":               {holding(password, "\ufeffa-secret"), unusable, "its key password has"},
		"a password with colons":          {holding(password, "a-secret:b:c"), "", ""},
		"a user with a colon":             {holding(user, "ada:lovelace"), unusable, "its key username has a ':'"},
		"no host":                         {annotated(hostsAnnotation, ""), edgev1.ReasonCredentialNotGranted, "be sent to harbor.example.com"},
		"the host with its port":          {annotated(hostsAnnotation, "harbor.example.com:443"), "", ""},
		"the host in capitals":            {annotated(hostsAnnotation, "Harbor.Example.COM"), "", ""},
		"the host with a scheme":          {annotated(hostsAnnotation, "https://harbor.example.com"), edgev1.ReasonCredentialNotGranted, "add harbor.example.com to its annotation"},
		"another port":                    {annotated(hostsAnnotation, "harbor.example.com:8443"), edgev1.ReasonCredentialNotGranted, "be sent to harbor.example.com"},
		"the second of several":           {annotated(projectsAnnotation, "other,\r\nplant"), "", ""},
		"another project":                 {annotated(projectsAnnotation, "plants"), edgev1.ReasonCredentialNotGranted, "make robots in project plant"},
		"nowhere to publish what it made": {annotated(objects.PublishToAnnotation, ""), edgev1.ReasonCredentialNotGranted, `published in namespace "line"`},
	} {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Name: "harbor", Namespace: objects.CredentialsNamespace, Labels: map[string]string{objects.CredentialsLabel: "true"},
				Annotations: map[string]string{
					edgev1.ForAnnotation: "edge", objects.PublishToAnnotation: "line", hostsAnnotation: "harbor.example.com", projectsAnnotation: "plant",
				},
			}, Data: map[string][]byte{user: []byte("robot$plant+maker"), password: []byte("a-secret")}}
			test.change(secret)
			s := robotsOf(t)
			s.harbor.CredentialsSecretRef.Name, s.Home.Namespace = "harbor", "line"
			s.Provider = New(connectionTo(secret))
			found, err := s.readAccount(t.Context())
			test.expect(t, err)
			NewWithT(t).Expect(found.user != "").To(Equal(test.reason == ""), "half of it is used")
		})
	}
}

// At a deletion no step has found the CA, and the Secret's own is read as it was then: as people and programs write it.
func TestTheCAOfHarborIsReadAtADeletionAsBefore(t *testing.T) {
	one, two := platform.NewCA("one"), platform.NewCA("two")
	plain, want := append(bytes.Clone(one.PEM()), two.PEM()...), x509.NewCertPool()
	want.AddCert(one.Certificate())
	want.AddCert(two.Certificate())
	for name, content := range map[string][]byte{
		"two blocks": plain, "glued": bytes.ReplaceAll(plain, []byte("-----\n-----"), []byte("----------")),
		"a byte order mark": append([]byte("\ufeff"), plain...), "line ends of Windows": bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := robotsOf(t)
			s.Edge.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			pool, err := s.roots(t.Context(), account{ca: content})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(pool.Equal(want)).To(BeTrue(), "a certificate is missing")
		})
	}
	s := robotsOf(t)
	s.Edge.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	_, err := s.roots(t.Context(), account{ca: []byte("no certificate")})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("key ca.crt of Secret edge-registry-credentials/")))
}
