// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about registries that are not the cluster's own, whose logins people supply.

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

const (
	pushUser = "robot$plant+push"
	pullUser = "robot$plant+edge"
)

// otherRegistry asks for a login as distribution does with htpasswd, and lets each user do what it may.
type otherRegistry struct {
	host string
	ca   *platform.CA

	mu sync.Mutex
	// passwords are by user.
	passwords map[string]string
	answer    func(http.ResponseWriter, *http.Request) bool
	requests  []string
	// users are those whose login the requests show.
	users []string
}

func startOtherRegistry(t *testing.T) *otherRegistry {
	t.Helper()
	r := &otherRegistry{ca: platform.NewCA("plant"), passwords: map[string]string{pushUser: "push-1-secret", pullUser: "pull-1-secret"}}
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{r.ca.Leaf("localhost")}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	r.host = "localhost:" + server.URL[strings.LastIndex(server.URL, ":")+1:]
	return r
}

func (r *otherRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	user, password, _ := req.BasicAuth()
	r.requests, r.users = append(r.requests, req.Method+" "+req.URL.Path), append(r.users, user)
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
	}
	switch {
	case r.answer != nil && r.answer(w, req):
	case r.passwords[user] == "" || r.passwords[user] != password:
		w.Header().Set("WWW-Authenticate", `Basic realm="basic-realm"`)
		fail(http.StatusUnauthorized, "UNAUTHORIZED")
	case req.Method == http.MethodPatch && user != pushUser:
		fail(http.StatusForbidden, "DENIED")
	case req.Method == http.MethodPatch:
		fail(http.StatusNotFound, "BLOB_UPLOAD_INVALID")
	case strings.HasSuffix(req.URL.Path, "/tags/list"):
		_, _ = io.WriteString(w, `{"tags":[]}`)
	}
}

func (r *otherRegistry) change(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// login is a supplied Secret for a user of the registry.
func (r *otherRegistry) login(name, user, password string, edge *edgev1.EdgeRegistry) *corev1.Secret {
	canary.know(credential.NewToken(password))
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.CredentialsNamespace, Name: name,
			Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{
				"edge.open-horizon.io/for":        edge.Name,
				"edge.open-horizon.io/publish-to": edge.Spec.Secrets.Namespace,
			},
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: r.config(user, password), "ca.crt": r.ca.PEM()},
	}
}

func (r *otherRegistry) config(user, password string) []byte {
	return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, r.host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// supply makes a Secret that goes when the test ends.
func supply(t *testing.T, secret *corev1.Secret) *corev1.Secret {
	t.Helper()
	NewWithT(t).Expect(admin.Create(t.Context(), secret)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), secret) })
	return secret
}

// external is an EdgeRegistry of the registry, in a namespace of its own.
func (r *otherRegistry) external(t *testing.T, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
	t.Helper()
	name := "plant-" + stamp() + "-" + fmt.Sprint(time.Now().UnixNano())
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}
	edge.Spec.External = &edgev1.ExternalSpec{
		Host: r.host, RepositoryPrefix: "plant/edge",
		Publisher: &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name + "-push"}},
		Puller:    &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name + "-pull"}},
	}
	edge.Spec.Secrets.Namespace = makeNamespace(t).Name
	edge.Spec.Verification.Repository = "probe"
	for _, mod := range mods {
		mod(edge)
	}
	return edge
}

// supplyBoth makes both Secrets of an EdgeRegistry.
func (r *otherRegistry) supplyBoth(t *testing.T, edge *edgev1.EdgeRegistry) (push, pull *corev1.Secret) {
	t.Helper()
	return supply(t, r.login(edge.Name+"-push", pushUser, "push-1-secret", edge)), supply(t, r.login(edge.Name+"-pull", pullUser, "pull-1-secret", edge))
}

// readyElsewhere is an EdgeRegistry of another registry that is Ready, with the Secret of its puller.
func readyElsewhere(t *testing.T) (*otherRegistry, *edgev1.EdgeRegistry, *corev1.Secret) {
	t.Helper()
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	_, pull := r.supplyBoth(t, edge)
	return r, awaitReady(t, apply(t, edge)), pull
}

// anyHost has an operator connect to hosts as they resolve.
func anyHost(o *operator, _ *rest.Config) { o.DialContext = nil }

func publishedTo(t *testing.T, edge *edgev1.EdgeRegistry, name string) *corev1.Secret {
	t.Helper()
	return copyIn(t, edge.Spec.Secrets.Namespace, edge.Name+name)
}

func TestAnotherRegistryFromNothingToReady(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	o := startOperator(t, anyHost)
	edge := r.external(t)
	apply(t, edge)
	awaitReason(t, edge, edgev1.NamespaceReady, edgev1.ReasonNotInvited)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	poke(t, edge)
	awaitReason(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCredentialMissing)
	g.Expect(o.wire.matching(func(request string) bool {
		return strings.Contains(request, "/secrets") && !strings.HasPrefix(request, "GET ") && !strings.Contains(request, recordName(edge.UID)) &&
			request != "POST /api/v1/namespaces/"+operatorNamespace+"/secrets"
	})).To(BeEmpty(), "but for its record")
	r.supplyBoth(t, edge)
	awaitReady(t, edge)

	push, pull := publishedTo(t, edge, "-publish"), publishedTo(t, edge, "-pull")
	g.Expect(string(push.Data[handoff.KeyUser])).To(Equal(pushUser))
	g.Expect(string(pull.Data[handoff.KeyUser])).To(Equal(pullUser))
	g.Expect(string(pull.Data[handoff.KeyImagePrefix])).To(Equal(r.host + "/plant/edge"))
	g.Expect(pull.Data[handoff.KeyCA]).To(Equal(r.ca.PEM()))
	g.Expect(pull.Data).NotTo(HaveKey(handoff.KeyRegistryAuth), "hzn would misread it")
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring("HZN_REGISTRY_AUTH is left out"))
	verified := condition(t, edge, edgev1.RegistryVerified)
	g.Expect(verified.Reason).To(Equal(edgev1.ReasonVerified), verified.Message)
	g.Expect(verified.Message).To(And(ContainSubstring(pushUser+" can pull"), ContainSubstring("is not refused a push"), ContainSubstring("is refused a push")))
	g.Expect(edge.Status.Provider).To(Equal(edgev1.ProviderExternal))
	g.Expect(edge.Status.Credentials).To(HaveLen(2))
	expectEvent(t, edge, edgev1.ReasonCredentialTaken, "took the login 1 of "+pushUser)
	expectEvent(t, edge, edgev1.ReasonCredentialTaken, "took the login 1 of "+pullUser)
	for _, request := range r.requests {
		g.Expect(request).To(Or(HavePrefix("GET "), HavePrefix("PATCH ")), "nothing is left in the registry")
	}

	before := contents(t, edge.Spec.Secrets.Namespace)
	poke(t, edge)
	g.Consistently(func() map[string]string { return contents(t, edge.Spec.Secrets.Namespace) }).WithTimeout(2 * time.Second).WithPolling(often).Should(Equal(before))
}

func TestASuppliedLoginThatChangesIsPublishedOnceItWorks(t *testing.T) {
	g := NewWithT(t)
	r, edge, pull := readyElsewhere(t)
	supplied := func(password string) {
		edit(t, pull, func(s *corev1.Secret) { s.Data[corev1.DockerConfigJsonKey] = r.config(pullUser, password) })
	}

	canary.know(credential.NewToken("pull-wrong-secret"))
	supplied("pull-wrong-secret")
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonProofFailed)
	g.Expect(tokenOf(publishedTo(t, edge, "-pull")).Reveal() == "pull-1-secret").To(BeTrue(), "the one that works stays")

	canary.know(credential.NewToken("pull-2-secret"))
	r.change(func() { r.passwords[pullUser] = "pull-2-secret" })
	supplied("pull-2-secret")
	g.Eventually(func() bool { return tokenOf(publishedTo(t, edge, "-pull")).Reveal() == "pull-2-secret" }).WithTimeout(soon).WithPolling(often).Should(BeTrue())
	awaitReady(t, edge)
	g.Expect(publishedTo(t, edge, "-pull").Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "2"))
	issued := condition(t, edge, edgev1.CredentialsIssued)
	g.Expect(issued.Reason).To(Equal(edgev1.ReasonSupplied))
	g.Expect(issued.Message).To(ContainSubstring("leave the login before it working until "))
	expectEvent(t, edge, edgev1.ReasonCredentialTaken, "Secret edge-registry-credentials/"+pull.Name, "another was supplied")

	// It is no other for having been deleted.
	g.Expect(admin.Delete(t.Context(), publishedTo(t, edge, "-pull"))).To(Succeed())
	expectEvent(t, edge, edgev1.ReasonCredentialTaken, "took the login 2 of "+pullUser, "none was published")
	g.Expect(publishedTo(t, edge, "-pull").Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "2"))
	awaitReady(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(Equal(issued.Message))
}

func TestASuppliedSecretThatGoesTakesNothingAway(t *testing.T) {
	g := NewWithT(t)
	_, edge, pull := readyElsewhere(t)
	g.Expect(admin.Delete(t.Context(), pull)).To(Succeed())
	missing := awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonCredentialMissing)
	g.Expect(missing.Message).To(ContainSubstring("Secret edge-registry-credentials/" + pull.Name))
	g.Expect(tokenOf(publishedTo(t, edge, "-pull")).Reveal() == "pull-1-secret").To(BeTrue())
	g.Expect(condition(t, edge, edgev1.SecretsPublished).Status).To(Equal(metav1.ConditionTrue), "the steps after it go on")

	// To ask for more than was ever allowed uses it no further.
	target := makeTarget(t)
	edit(t, edge, copyPullTo(target))
	g.Eventually(func() metav1.ConditionStatus { return condition(t, edge, edgev1.SecretsPublished).Status }).WithTimeout(soon).WithPolling(often).Should(Equal(metav1.ConditionUnknown))
	g.Expect(noCopyIn(t, target, edge.Name+"-pull")).To(BeTrue())
}

func TestAWrongPasswordIsRefusedWithAndWithoutARepository(t *testing.T) {
	for name, repository := range map[string]string{"with": "probe", "without": ""} {
		t.Run(name, func(t *testing.T) {
			r := startOtherRegistry(t)
			startOperator(t, anyHost)
			edge := r.external(t, func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Repository = repository })
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			r.supplyBoth(t, edge)
			r.change(func() { r.passwords[pullUser] = "another-secret" })
			apply(t, edge)
			refused := awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
			NewWithT(t).Expect(refused.Message).To(ContainSubstring("Secret edge-registry-credentials/" + edge.Name + "-pull"))
		})
	}
}

func TestWithoutARepositoryNothingIsProvenAndWithoutAPublisherThereIsOneSecret(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	edge := r.external(t, func(e *edgev1.EdgeRegistry) {
		e.Spec.Verification.Repository, e.Spec.External.Publisher = "", nil
	})
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	supply(t, r.login(edge.Name+"-pull", pullUser, "pull-1-secret", edge))
	apply(t, edge)
	awaitReady(t, edge)
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonNotProven))
	g.Expect(noCopyIn(t, edge.Spec.Secrets.Namespace, edge.Name+"-publish")).To(BeTrue())
	g.Expect(edge.Status.Secrets).To(HaveLen(1))
	g.Expect(condition(t, edge, edgev1.Ready).Message).NotTo(ContainSubstring("push"))
}

func TestWhatASuppliedSecretDoesNotSayIsRefused(t *testing.T) {
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	for name, test := range map[string]struct {
		change         func(*corev1.Secret)
		reason, remedy string
	}{
		"no label":               {func(s *corev1.Secret) { s.Labels = nil }, edgev1.ReasonCredentialNotGranted, "kubectl label secret"},
		"for another":            {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/for"] = "other" }, edgev1.ReasonCredentialNotGranted, "add that name to its annotation"},
		"for another namespace":  {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/publish-to"] = "other" }, edgev1.ReasonCredentialNotGranted, "add that to its annotation"},
		"a token host with http": {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/token-hosts"] = "http://a.example" }, edgev1.ReasonCredentialNotGranted, "without a scheme"},
		"an entry for a look-alike": {func(s *corev1.Secret) {
			s.Data[corev1.DockerConfigJsonKey] = []byte(strings.ReplaceAll(string(s.Data[corev1.DockerConfigJsonKey]), "localhost", "localhost.example"))
		}, edgev1.ReasonCredentialMissing, "add one under the key HOST"},
		"another type": {func(s *corev1.Secret) { s.Type, s.Data = corev1.SecretTypeOpaque, nil }, edgev1.ReasonCredentialUnusable, "recreate it with the type"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := r.external(t)
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			supply(t, r.login(edge.Name+"-push", pushUser, "push-1-secret", edge))
			right := r.login(edge.Name+"-pull", pullUser, "pull-1-secret", edge)
			wrong := right.DeepCopy()
			test.change(wrong)
			supply(t, wrong)
			apply(t, edge)
			refused := awaitReason(t, edge, edgev1.CredentialsIssued, test.reason)
			g.Expect(refused.Message).To(And(ContainSubstring(wrong.Name), ContainSubstring(test.remedy)))
			secrets := &corev1.SecretList{}
			g.Expect(admin.List(t.Context(), secrets, client.InNamespace(edge.Spec.Secrets.Namespace))).To(Succeed())
			g.Expect(secrets.Items).To(BeEmpty(), "nothing is published")
			g.Expect(admin.Delete(t.Context(), wrong)).To(Succeed())
			supply(t, right)
			turns(t, edge, edgev1.CredentialsIssued)
		})
	}
}

func TestNothingIsSentToAHostThatTheAdminDoesNotAllow(t *testing.T) {
	r := startOtherRegistry(t)
	startOperator(t, anyHost, func(o *operator, _ *rest.Config) { o.ExternalHosts = []string{"*.example.com"} })
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	apply(t, edge)
	awaitReason(t, edge, edgev1.RegistryTrusted, edgev1.ReasonHostNotAllowed)
	NewWithT(t).Expect(r.requests).To(BeEmpty())
}

func TestWhatEverybodyMayPullProvesNothing(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	r.answer = func(w http.ResponseWriter, req *http.Request) bool {
		open := strings.HasSuffix(req.URL.Path, "/tags/list") && req.Header.Get("Authorization") == ""
		if open {
			_, _ = io.WriteString(w, `{"tags":[]}`)
		}
		return open
	}
	startOperator(t, anyHost)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	awaitReady(t, apply(t, edge))
	verified := condition(t, edge, edgev1.RegistryVerified)
	g.Expect(verified.Reason).To(Equal(edgev1.ReasonAnonymousPull))
	g.Expect(verified.Message).To(ContainSubstring("the pull proves nothing of a login"))
}

func TestABusyRegistryKeepsTheLastVerdict(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	o := startOperator(t, anyHost)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	apply(t, edge)
	awaitReady(t, edge)
	r.change(func() {
		r.requests = nil
		r.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
	})
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	poke(t, edge)
	g.Eventually(func() string { return condition(t, edge, edgev1.RegistryVerified).Message }).WithTimeout(soon).WithPolling(often).Should(ContainSubstring("too busy"))
	g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))
	poke(t, edge)
	o.clock.SetTime(o.clock.Now().Add(time.Minute))
	poke(t, edge)
	g.Consistently(func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.requests)
	}).WithTimeout(2*time.Second).WithPolling(often).Should(Equal(1), "it is left alone for as long as it says")

	o.advance(2 * time.Hour)
	poke(t, edge)
	reported := awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonRegistryUnavailable)
	g.Expect(reported.Status).To(Equal(metav1.ConditionFalse), "a verdict of three intervals ago is believed no more")
}
