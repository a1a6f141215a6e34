// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the world of the simulation.

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// world is simulated time. The API server lives in real time, so each token that it issues is told
// to the operator with the same life moved to the simulated now, and the registry stand-in takes
// such a token for the real one until that life is over. The real one lives on as long as its
// bound Secret does: its real life is longer than the test. So expiry is simulated, while binding, rights,
// TLS and all requests are real.
type world struct {
	*EdgeRegistryReconciler
	clock *clocktesting.FakePassiveClock

	mu sync.Mutex
	// real holds the token of the API server for each that the operator got.
	real   map[string]realToken
	minted map[edgev1.TokenRole]int

	events []worldEvent
	// tokens and cas are what a consumer has read, and until when that must do.
	tokens, cas               []promise
	checkedTokens, checkedCAs int
	// heldTokens is how many tokens were used to their last day, by role.
	heldTokens map[edgev1.TokenRole]int

	// ca is the ca.crt of now, next the certificate that the router is to show.
	ca   []byte
	next tls.Certificate
}

type realToken struct {
	token  string
	expiry time.Time
}

// worldEvent is something that happens at a time.
type worldEvent struct {
	at time.Time
	do func(*testing.T)
}

// promise is what a consumer took from a Secret, when it last could, and how long it has to work from then on.
type promise struct {
	key      string
	lastRead time.Time
	lasts    time.Duration
	user     string
	token    credential.Token
	ca       []byte
	host     string
	project  string
	// held: it is a token that somebody took as soon as it was published and keeps to its last day: a node whose engine was
	// logged in by hand, or a pipeline, which pushes.
	held, pushes bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keepPlatform(t)
	keepCertificate(t)
	w := &world{
		clock:  clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)),
		real:   map[string]realToken{},
		minted: map[edgev1.TokenRole]int{}, heldTokens: map[edgev1.TokenRole]int{},
	}
	openShift.Registry.SetExchange(w.exchange)
	t.Cleanup(func() { openShift.Registry.SetExchange(nil) })
	w.EdgeRegistryReconciler = newDirect(t, w.clock, w.wrap)
	return w
}

// wrap moves the life of each token that is issued to the simulated now.
func (w *world) wrap(next http.RoundTripper) http.RoundTripper {
	return apiserver.RoundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || response.StatusCode != http.StatusCreated || !strings.HasSuffix(r.URL.Path, "/token") {
			return response, err
		}
		return w.move(response)
	})
}

func (w *world) move(response *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	object, _, err := tokenDecoder.Decode(body, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("read the answer to a TokenRequest: %w", err)
	}
	request := object.(*authenticationv1.TokenRequest)
	moved, claims, err := moveToken(request.Status.Token, w.clock.Now())
	if err != nil {
		return nil, err
	}
	role := edgev1.TokenPuller
	if strings.Contains(response.Request.URL.Path, "/edge-publisher/") {
		role = edgev1.TokenPublisher
	}
	w.mu.Lock()
	for token, known := range w.real {
		if !w.clock.Now().Before(known.expiry) {
			delete(w.real, token)
		}
	}
	w.real[moved] = realToken{request.Status.Token, claims}
	w.minted[role]++
	w.mu.Unlock()
	request.Status.Token = moved
	request.Status.ExpirationTimestamp.Time = claims
	var out bytes.Buffer
	if err := tokenDecoder.Encode(request, &out); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(&out)
	response.ContentLength = int64(out.Len())
	response.Header.Set("Content-Length", fmt.Sprint(out.Len()))
	return response, nil
}

// moveToken returns the token with its life begun at another time, and when that ends.
func moveToken(token string, to time.Time) (string, time.Time, error) {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", time.Time{}, err
	}
	claims := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return "", time.Time{}, err
	}
	number := func(key string) int64 { n, _ := claims[key].(json.Number).Int64(); return n }
	expiry := to.Add(time.Duration(number("exp")-number("iat")) * time.Second)
	claims["iat"], claims["nbf"], claims["exp"] = to.Unix(), to.Unix(), expiry.Unix()
	payload, err = json.Marshal(claims)
	if err != nil {
		return "", time.Time{}, err
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, "."), expiry, nil
}

// exchange gives the registry the real token for a simulated one that has not expired.
func (w *world) exchange(token string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.real[token]
	if !ok || !w.clock.Now().Before(known.expiry) {
		return "expired"
	}
	return known.token
}

// at plans something.
func (w *world) at(when time.Time, do func(*testing.T)) {
	w.events = append(w.events, worldEvent{when, do})
	slices.SortStableFunc(w.events, func(a, b worldEvent) int { return a.at.Compare(b.at) })
}

// pass makes one pass and returns when the operator wants the next.
func (w *world) pass(t *testing.T, edge *edgev1.EdgeRegistry) time.Duration {
	t.Helper()
	g := NewWithT(t)
	result, err := makePass(t, w.EdgeRegistryReconciler, edge)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(BeNumerically(">", 0), "something is always due")
	return result.RequeueAfter
}

// sleep lets the time pass until the next pass is due, or until something happens, of which a watch
// would tell the operator.
func (w *world) sleep(t *testing.T, wait time.Duration) {
	t.Helper()
	until := w.clock.Now().Add(wait)
	for len(w.events) > 0 && !w.events[0].at.After(until) {
		event := w.events[0]
		w.events = w.events[1:]
		w.clock.SetTime(event.at)
		event.do(t)
		until = event.at
	}
	for i := range w.tokens {
		if w.tokens[i].over(until) {
			w.clock.SetTime(w.tokens[i].lastRead.Add(w.tokens[i].lasts - time.Second))
			w.useToken(t, w.tokens[i])
		}
	}
	w.tokens = slices.DeleteFunc(w.tokens, func(p promise) bool { return p.over(until) })
	openShift.Registry.Forget()
	w.clock.SetTime(until)
	w.cas = slices.DeleteFunc(w.cas, func(p promise) bool { return p.over(until) })
	w.useCAs(t)
}

func (p promise) over(at time.Time) bool { return !at.Before(p.lastRead.Add(p.lasts)) }

// read notes what a consumer gets from both Secrets now.
func (w *world) read(t *testing.T, edge *edgev1.EdgeRegistry, run *simulation) {
	t.Helper()
	now := w.clock.Now()
	for _, name := range []string{pass.PublishSecretName(edge), pass.PullSecretName(edge)} {
		secret := &corev1.Secret{}
		if client.IgnoreNotFound(w.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: name}, secret)) != nil || secret.Data == nil {
			continue
		}
		took := promise{
			lastRead: now, host: string(secret.Data[handoff.KeyHost]), project: openshift.ProjectName(edge),
			user: string(secret.Data[handoff.KeyUser]), token: tokenOf(secret), ca: secret.Data[handoff.KeyCA],
		}
		// Two thirds of the lifetime are promised to who takes a token at the last moment.
		took.key, took.lasts = took.user+took.token.Reveal(), run.lifetime*2/3
		w.tokens = remember(w.tokens, took)
		w.tokens = remember(w.tokens, w.keeps(t, took, name == pass.PublishSecretName(edge)))
		w.ca = took.ca
		took.key, took.lasts = string(took.ca), run.overlap
		w.cas = remember(w.cas, took)
	}
}

// keeps is the promise to who takes a token once and keeps it: it works to its last day, whatever was issued since.
func (w *world) keeps(t *testing.T, took promise, pushes bool) promise {
	t.Helper()
	claims, err := credential.ReadClaims(took.token)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	took.key, took.held, took.pushes = "held "+took.key, true, pushes
	took.lasts = claims.Expiry.Sub(took.lastRead)
	return took
}

// remember notes a promise, or that it was made again.
func remember(promises []promise, p promise) []promise {
	for i := range promises {
		if promises[i].key == p.key {
			if !p.held {
				promises[i].lastRead = p.lastRead
			}
			return promises
		}
	}
	return append(promises, p)
}

// useToken pulls, as a consumer would at the last moment that it was promised. A token that works
// then has worked all the time, since nothing revives one.
func (w *world) useToken(t *testing.T, p promise) {
	t.Helper()
	g := NewWithT(t)
	roots, err := trust.Pool(w.ca)
	g.Expect(err).NotTo(HaveOccurred())
	transport := w.transport(roots, pass.Reached{})
	defer transport.CloseIdleConnections()
	access, err := registry.New(p.host, transport, registry.Dialect{Anonymous: "anonymous", AnyRepository: true}).Probe(t.Context(), p.project, p.user, p.token)
	g.Expect(err).NotTo(HaveOccurred(), "%s at %s, %s after it could last be read", p.user, w.clock.Now(), p.lasts)
	g.Expect(access.Pull).To(BeTrue())
	if p.held {
		g.Expect(access.Push).To(Equal(p.pushes))
		w.heldTokens[map[bool]edgev1.TokenRole{true: edgev1.TokenPublisher, false: edgev1.TokenPuller}[p.pushes]]++
	}
	// The API server remembers a good token for ten seconds of its own, which are days here: what the
	// token is bound to has to be there.
	claims, err := credential.ReadClaims(p.token)
	g.Expect(err).NotTo(HaveOccurred())
	bound := &corev1.Secret{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: p.project, Name: claims.SecretName}, bound)).To(Succeed(),
		"the bound Secret of a token of %s at %s, %s after it could last be read", p.user, w.clock.Now(), p.lasts)
	g.Expect(bound.UID).To(Equal(claims.SecretUID))
	w.checkedTokens++
}

// useCAs verifies the route with every ca.crt that a consumer may still hold.
func (w *world) useCAs(t *testing.T) {
	t.Helper()
	for _, p := range w.cas {
		if err := handshakeAt(t.Context(), w.clock.Now, p.host, p.ca); err != nil {
			t.Fatalf("at %s a consumer that could last read its ca.crt at %s cannot verify the route: %v", w.clock.Now(), p.lastRead, err)
		}
	}
	w.checkedCAs = max(w.checkedCAs, len(w.cas))
}

// settle uses every token that still has to work, to the end of what was promised.
func (w *world) settle(t *testing.T) {
	t.Helper()
	slices.SortFunc(w.tokens, func(a, b promise) int { return a.lastRead.Add(a.lasts).Compare(b.lastRead.Add(b.lasts)) })
	for _, p := range w.tokens {
		w.clock.SetTime(p.lastRead.Add(p.lasts - time.Second))
		w.useToken(t, p)
	}
}

// announceCA publishes the chain of the router's next CA while the router shows the last one.
func (w *world) announceCA(t *testing.T) {
	t.Helper()
	ca := platform.NewCAAt("ingress-operator@next", w.clock.Now)
	w.next = platform.WithRoot(ca.Leaf("*."+appsDomain()), ca)
	openShift.Router.SetPublished(platform.ChainPEM(w.next))
	awaitPublished(t, platform.ChainPEM(w.next))
}

// changeCA lets the router show its new certificate.
func (w *world) changeCA(t *testing.T) {
	t.Helper()
	openShift.Router.SetServing(w.next)
	awaitPublished(t, platform.ChainPEM(w.next))
}

func appsDomain() string {
	_, domain, _ := strings.Cut(openShift.Host(), ".")
	return domain
}

func awaitPublished(t *testing.T, chain []byte) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		published := &corev1.ConfigMap{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: configManagedNamespace, Name: defaultIngressCert}, published)).To(Succeed())
		g.Expect(published.Data[caBundleKey]).To(Equal(string(chain)))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func (w *world) secrets(t *testing.T, edge *edgev1.EdgeRegistry) int {
	t.Helper()
	list := &corev1.SecretList{}
	if err := admin.List(t.Context(), list, client.InNamespace(openshift.ProjectName(edge)), client.MatchingLabels{objects.EdgeLabel: edge.Name}); err != nil {
		return 0
	}
	return len(list.Items)
}

// window is the time between two mints of a role.
func (w *world) window(t *testing.T, edge *edgev1.EdgeRegistry, role edgev1.TokenRole) time.Duration {
	t.Helper()
	for _, token := range reload(t, edge).Status.Credentials {
		if token.Role == role && token.Current {
			return token.RenewAt.Sub(token.IssuedAt.Time)
		}
	}
	t.Fatalf("no current token of %s", role)
	return 0
}
