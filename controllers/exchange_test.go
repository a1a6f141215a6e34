// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about logins that are brought to an Open Horizon Exchange, from the spec to a node that pulls with them.

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

const (
	organization     = "plant"
	publishingUser   = organization + "/alice"
	exchangePassword = "alice-s-very-long-password"
)

// exchangeFor starts an Exchange, and has an EdgeRegistry name it, with a Secret that says who asks.
func exchangeFor(t *testing.T, edge *edgev1.EdgeRegistry) (*exchangetest.Exchange, *corev1.Secret) {
	t.Helper()
	return exchangeWith(t, edge, exchangetest.Options{})
}

// exchangeWith is exchangeFor with options.
func exchangeWith(t *testing.T, edge *edgev1.EdgeRegistry, options exchangetest.Options) (*exchangetest.Exchange, *corev1.Secret) {
	t.Helper()
	if edge.Name == "" {
		edge.Name, edge.GenerateName = edge.GenerateName+stamp()+fmt.Sprint("-", time.Now().UnixNano()%1e9), ""
	}
	x := exchangetest.Start(options)
	t.Cleanup(x.Close)
	// Nobody looks at it again once the test ends, and its metrics would stay among those of other tests.
	t.Cleanup(func() { unobserve(edge.Name) })
	x.AddUser(organization, "alice", exchangePassword, false)
	x.AddUser(organization, "bob", "bob-s-very-long-password", false)
	canary.know(credential.NewToken(exchangePassword))
	ca := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, GenerateName: "exchange-ca-"},
		Data:       map[string]string{caBundleKey: string(x.CA)},
	}
	NewWithT(t).Expect(admin.Create(t.Context(), ca)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), ca) })
	secret := supply(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.CredentialsNamespace, Name: edge.Name + "-exchange",
			Labels: map[string]string{objects.CredentialsLabel: "true"}, Annotations: map[string]string{edgev1.ForAnnotation: edge.Name},
		},
		StringData: map[string]string{
			exchange.KeyURL: x.URL, exchange.KeyOrg: organization, exchange.KeyAuth: "alice:" + exchangePassword,
		},
	})
	edge.Spec.Exchanges = []edgev1.ExchangeSpec{{
		CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: secret.Name},
		CABundleRef:          &edgev1.CABundleRef{Name: ca.Name, Key: caBundleKey},
	}}
	return x, secret
}

// imageOf is an image of an EdgeRegistry of the cluster's registry.
func imageOf(edge *edgev1.EdgeRegistry, name string) string {
	return openShift.Host() + "/" + openshift.ProjectName(edge) + "/" + name + "@sha256:0123"
}

// pulls is the token that nodes are to pull with.
func pulls(t *testing.T, edge *edgev1.EdgeRegistry) credential.Token {
	t.Helper()
	return tokenOf(secretOf(t, edge, pass.PullSecretName(edge)))
}

// only says that a service holds one login of a host: that user, with that token.
func only(t *testing.T, x *exchangetest.Exchange, service, user string, token credential.Token) {
	t.Helper()
	g := NewWithT(t)
	logins := x.Logins(service)
	g.Expect(logins).To(HaveLen(1), "logins of the service")
	g.Expect(logins[0].Username).To(Equal(user))
	g.Expect(credential.NewToken(logins[0].Token).Equal(token)).To(BeTrue(), "the token is the current one")
}

// The documented call stores the token that pushes. It is replaced, and when the puller's is renewed a node that runs pulls
// with the new one, without a pause and without anybody touching it.
func TestARenewedTokenReachesANodeThatRuns(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	recorder := &eventRecorder{}
	o.Recorder = recorder
	edge := newEdge()
	x, _ := exchangeFor(t, edge)
	o.settles(t, apply(t, edge))
	g.Expect(condition(t, edge, edgev1.ExchangeUpdated).Reason).To(Equal(edgev1.ReasonNoServices))

	camera := x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: imageOf(edge, "camera")})
	publish := secretOf(t, edge, pass.PublishSecretName(edge))
	x.AddLogin(camera, openShift.Host(), "token", tokenOf(publish).Reveal())
	x.AddNode(organization, "gateway", "node-secret", "alice", camera)
	node, err := x.NewAgent(t.Context(), organization, "gateway", "node-secret")
	g.Expect(err).NotTo(HaveOccurred())
	pull := func() exchangetest.Pulled {
		p, err := node.Pull(t.Context(), camera, openShift.Host(), func(_, token string) bool {
			return credential.NewToken(token).Equal(pulls(t, edge))
		})
		g.Expect(err).NotTo(HaveOccurred())
		return p
	}
	o.advance(11 * time.Minute)
	o.pass(t, edge)
	user := "edge-puller." + openshift.ProjectName(edge)
	only(t, x, camera, user, pulls(t, edge))
	g.Expect(recorder.all()).To(ContainElement(And(HavePrefix("Warning "+edgev1.ReasonPushLoginFound), ContainSubstring("may push"), ContainSubstring(camera))))
	g.Expect(node.Poll(t.Context())).To(Succeed())
	g.Expect(pull()).To(Equal(exchangetest.Pulled{OK: true, ID: 1}))

	before := pulls(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	g.Expect(pulls(t, edge).Equal(before)).To(BeFalse())
	only(t, x, camera, user, pulls(t, edge))
	g.Expect(node.Poll(t.Context())).To(Succeed())
	g.Expect(pull()).To(Equal(exchangetest.Pulled{OK: true, ID: 1}), "in its place, and so without trying another first")
	delivered := condition(t, edge, edgev1.ExchangeUpdated)
	g.Expect(delivered.Reason).To(Equal(edgev1.ReasonDelivered), delivered.Message)
	g.Expect([]int32{edge.Status.Exchange.Services, edge.Status.Exchange.Synced}).To(Equal([]int32{1, 1}))
	g.Expect(series(t, metricServices, map[string]string{labelOfEdge: edge.Name})).To(Equal(map[string]float64{"synced": 1, "behind": 0}))
	g.Expect(recorder.all()).To(ContainElement(HavePrefix("Normal " + edgev1.ReasonLoginDelivered + " brought login 2 of edge-puller to Exchange 127.0.0.1:")))
}

// A rotation takes four requests for each service, and one; at rest there is none but the list of every ten minutes; a restart
// reads and writes nothing.
func TestTheExchangeIsLeftAloneAtRest(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := newEdge()
	x, _ := exchangeFor(t, edge)
	o.settles(t, apply(t, edge))
	const services = 3
	for i := range services {
		x.Publish(publishingUser, exchangetest.Definition{URL: fmt.Sprintf("s%d", i), Image: imageOf(edge, "camera")})
	}
	o.advance(11 * time.Minute)
	o.pass(t, edge)
	for range 2 {
		// What is found just after a change is believed once a later list shows the same.
		o.advance(11 * time.Minute)
		o.pass(t, edge)
	}
	x.Forget()
	o.advance(time.Minute)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	g.Expect(x.Calls()).To(HaveLen(1+4*services), "a rotation")
	for range 3 {
		o.advance(11 * time.Minute)
		o.pass(t, edge)
	}
	x.Forget()
	o.pass(t, edge)
	g.Expect(x.Calls()).To(BeEmpty())
	o.advance(11 * time.Minute)
	o.pass(t, edge)
	g.Expect(x.Calls()).To(HaveLen(1), "one list")
	status := reload(t, edge).Status

	x.Forget()
	restarted := directOperator(t)
	restarted.clock.SetTime(o.clock.Now())
	restarted.pass(t, edge)
	g.Expect(x.Count(exchangetest.Writes)).To(BeZero())
	g.Expect(reload(t, edge).Status).To(Equal(status))
	g.Expect(restarted.writesFor(edge)).To(BeEmpty())
}

func TestWhatIsWrongWithTheSecretOfTheExchange(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Secret)
		reason string
		says   string
	}{
		"no label":              {func(s *corev1.Secret) { s.Labels = nil }, edgev1.ReasonCredentialNotGranted, "kubectl label secret"},
		"for another":           {func(s *corev1.Secret) { s.Annotations[edgev1.ForAnnotation] = "another" }, edgev1.ReasonCredentialNotGranted, edgev1.ForAnnotation},
		"no organisation":       {func(s *corev1.Secret) { delete(s.Data, exchange.KeyOrg) }, edgev1.ReasonCredentialUnusable, exchange.KeyOrg},
		"http":                  {func(s *corev1.Secret) { s.Data[exchange.KeyURL] = []byte("http://exchange.example.com/v1") }, edgev1.ReasonCredentialUnusable, "https://"},
		"a password of before":  {func(s *corev1.Secret) { s.Data[exchange.KeyAuth] = []byte("alice:of-before-and-long") }, edgev1.ReasonExchangeLoginRefused, "the login is refused"},
		"an address of nothing": {func(s *corev1.Secret) { s.Data[exchange.KeyURL] = []byte("https://127.0.0.1:1/v1") }, edgev1.ReasonExchangeUnreachable, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			edge := newEdge()
			x, secret := exchangeFor(t, edge)
			right := secret.DeepCopy()
			edit(t, secret, test.change)
			o.comesTo(t, apply(t, edge), edgev1.ExchangeUpdated, test.reason)
			stalled := test.reason != edgev1.ReasonExchangeUnreachable
			expectHeldUp(t, edge, edgev1.ExchangeUpdated, test.reason, stalled, test.says)
			g.Expect(condition(t, edge, edgev1.RegistryVerified).Status).To(Equal(metav1.ConditionTrue))
			g.Expect(x.Calls()).To(Or(BeEmpty(), HaveEach(HaveField("Status", 401))))
			wrong := secret.DeepCopy()
			edit(t, secret, func(s *corev1.Secret) { s.Labels, s.Annotations, s.Data = right.Labels, right.Annotations, right.Data })
			o.pass(t, edge)
			g.Expect(condition(t, edge, edgev1.ExchangeUpdated).Status).To(Equal(metav1.ConditionTrue), "the change of the Secret makes a pass, and it turns")
			edit(t, secret, func(s *corev1.Secret) { s.Labels, s.Annotations, s.Data = wrong.Labels, wrong.Annotations, wrong.Data })
			o.pass(t, edge)

			edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Exchanges[0].Policy = edgev1.ExchangeBestEffort })
			o.settles(t, edge)
			g.Expect(condition(t, edge, edgev1.ExchangeUpdated).Reason).To(Equal(test.reason))
			edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.Exchanges = nil })
			o.settles(t, edge)
			g.Expect(condition(t, edge, edgev1.ExchangeUpdated)).To(Equal(metav1.Condition{}))
			g.Expect(edge.Status.Exchange).To(BeNil())
		})
	}
	t.Run("it is absent", func(t *testing.T) {
		o := directOperator(t)
		edge := newEdge()
		_, secret := exchangeFor(t, edge)
		NewWithT(t).Expect(admin.Delete(t.Context(), secret)).To(Succeed())
		o.comesTo(t, apply(t, edge), edgev1.ExchangeUpdated, edgev1.ReasonCredentialMissing)
		expectHeldUp(t, edge, edgev1.ExchangeUpdated, edgev1.ReasonCredentialMissing, true, "does not exist", secret.Name)
	})
}

// The right to write entries decides nothing about others' entries: what is not signed by this cluster, or not for these accounts, is
// another's, whatever it says of itself; what is signed and not on record is a clone's.
func TestWhoseAnEntryIsTheTokenTells(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge, neighbour := newEdge(), newEdge()
	o.settles(t, apply(t, neighbour))
	x, _ := exchangeFor(t, edge)
	o.settles(t, apply(t, edge))
	current := pulls(t, edge)
	parts := strings.Split(current.Reveal(), ".")
	forged := parts[0] + "." + parts[1] + "." + strings.Split(pulls(t, neighbour).Reveal(), ".")[2]
	user := "edge-puller." + openshift.ProjectName(edge)

	camera := x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: imageOf(edge, "camera")})
	for _, entry := range [][2]string{
		{user, "somebody-s-own-password"},
		{user, forged},
		{user, pulls(t, neighbour).Reveal()},
	} {
		x.AddLogin(camera, openShift.Host(), entry[0], entry[1])
	}
	others := x.Logins(camera)
	elsewhere := x.Publish(publishingUser, exchangetest.Definition{URL: "elsewhere", Image: openShift.Host() + "/" + openshift.ProjectName(edge) + "2/camera"})
	x.AddLogin(elsewhere, openShift.Host(), user, current.Reveal())
	bobs := x.Publish(organization+"/bob", exchangetest.Definition{URL: "bobs", Image: imageOf(edge, "camera")})
	kept := x.State()[elsewhere]
	o.advance(11 * time.Minute)
	o.pass(t, edge)

	g.Expect(x.Logins(camera)).To(HaveLen(len(others) + 1))
	g.Expect(fmt.Sprint(x.Logins(camera)[:len(others)]) == fmt.Sprint(others)).To(BeTrue(), "nothing of others changed")
	g.Expect(x.State()[elsewhere] == kept).To(BeTrue(), "edge2 is not edge")
	g.Expect(x.Logins(bobs)).To(BeEmpty())
	warned := condition(t, edge, edgev1.ExchangeUpdated)
	g.Expect(warned.Reason).To(Equal(edgev1.ReasonDeliveredWithWarnings))
	g.Expect(warned.Message).To(And(ContainSubstring("try the logins 1 2 3 of others"), ContainSubstring("removeauth "+camera)))

	// The same cluster, restored from a copy that does not know of the token in use.
	editRecord(t, edge, func(r *pass.Record) { r.Issued = nil })
	restored := directOperator(t)
	restored.clock.SetTime(o.clock.Now().Add(time.Minute))
	restored.settles(t, edge)
	g.Expect(pulls(t, edge).Equal(current)).To(BeFalse(), "what is not on record is not believed")
	contested := condition(t, edge, edgev1.ExchangeUpdated)
	g.Expect(contested.Message).To(ContainSubstring("not issued by this operator"))
	g.Expect(x.Logins(camera)).To(HaveLen(len(others) + 2))
}

// What is in use is brought to nodes also while the registry is away, and never when it refuses the login.
func TestTheRegistryIsNotNeededForADelivery(t *testing.T) {
	for name, test := range map[string]struct {
		reason    string
		delivered bool
	}{
		"away":    {edgev1.ReasonRegistryUnavailable, true},
		"refuses": {edgev1.ReasonCredentialRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := startOtherRegistry(t)
			o := directOperator(t)
			o.DialContext = nil
			edge := r.external(t)
			x, _ := exchangeFor(t, edge)
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			r.supplyBoth(t, edge)
			camera := x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: r.host + "/plant/edge/camera"})
			r.change(func() {
				if !test.delivered {
					r.passwords = map[string]string{}
					return
				}
				r.answer = func(w http.ResponseWriter, _ *http.Request) bool {
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
			})
			o.comesTo(t, apply(t, edge), edgev1.RegistryVerified, test.reason)
			if test.delivered {
				g.Expect(condition(t, edge, edgev1.ExchangeUpdated).Reason).To(Equal(edgev1.ReasonDelivered))
				only(t, x, camera, pullUser, credential.NewToken("pull-1-secret"))
				return
			}
			g.Expect(condition(t, edge, edgev1.ExchangeUpdated)).To(Equal(metav1.Condition{}), "it waits")
			g.Expect(x.Logins(camera)).To(BeEmpty())
		})
	}
}

// A login that people supply is known by its user, also by an earlier one; it is not revoked, and so it stays.
func TestASuppliedLoginReachesTheExchangeAndStays(t *testing.T) {
	g := NewWithT(t)
	r := startOtherRegistry(t)
	o := directOperator(t)
	o.DialContext = nil
	edge := r.external(t)
	x, _ := exchangeFor(t, edge)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	_, pull := r.supplyBoth(t, edge)
	camera := x.Publish(publishingUser, exchangetest.Definition{URL: "camera", Image: r.host + "/plant/edge/camera"})
	o.settles(t, apply(t, edge))
	only(t, x, camera, pullUser, credential.NewToken("pull-1-secret"))

	const next = "robot$plant+edge2"
	canary.know(credential.NewToken("pull-2-secret"))
	r.change(func() { r.passwords[next] = "pull-2-secret" })
	edit(t, pull, func(s *corev1.Secret) { s.Data[corev1.DockerConfigJsonKey] = r.config(next, "pull-2-secret") })
	o.pass(t, edge)
	o.settles(t, edge)
	only(t, x, camera, next, credential.NewToken("pull-2-secret"))

	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.pass(t, edge)
	g.Expect(apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), edge))).To(BeTrue())
	only(t, x, camera, next, credential.NewToken("pull-2-secret"))
}
