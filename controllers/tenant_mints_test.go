// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about mint_budget.go: what a holder of edit in the project can do by altering and deleting.

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
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
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// tenant is somebody who may edit a project, as the holder of the publisher's token may: the operator knows of him by what
// the API server notes on the objects.
type tenant struct {
	client.Client
	t    *testing.T
	edge *edgev1.EdgeRegistry
	// now is the operator's time.
	now func() time.Time
}

const mallory = "mallory"

func newTenant(t *testing.T, o *operator, edge *edgev1.EdgeRegistry) *tenant {
	// A copy, since others read the EdgeRegistry into theirs meanwhile.
	return &tenant{client.WithFieldOwner(admin, mallory), t, edge.DeepCopy(), o.clock.Now}
}

// alter changes a Secret, if it is there.
func (m *tenant) alter(name string, change func(*corev1.Secret)) {
	m.t.Helper()
	secret := &corev1.Secret{}
	err := m.Get(m.t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(m.edge), Name: name}, secret)
	if err == nil {
		before := secret.DeepCopy()
		change(secret)
		err = m.Patch(m.t.Context(), secret, client.MergeFrom(before))
	}
	NewWithT(m.t).Expect(client.IgnoreNotFound(err)).To(Succeed())
}

// drop deletes an object, if it is there.
func (m *tenant) drop(object client.Object, name string) {
	m.t.Helper()
	object.SetNamespace(openshift.ProjectName(m.edge))
	object.SetName(name)
	NewWithT(m.t).Expect(client.IgnoreNotFound(m.Delete(m.t.Context(), object))).To(Succeed())
}

// boundSecretName is the name of the bound Secret of the token that is published, if one is.
func (m *tenant) boundSecretName(role edgev1.TokenRole) string {
	m.t.Helper()
	name := pass.PullSecretName(m.edge)
	if role == edgev1.TokenPublisher {
		name = pass.PublishSecretName(m.edge)
	}
	secret := &corev1.Secret{}
	err := m.Get(m.t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(m.edge), Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return name + "-none"
	}
	NewWithT(m.t).Expect(err).NotTo(HaveOccurred())
	return name + "-" + secret.Annotations[objects.GenerationAnnotation]
}

// forgeDue puts a token into the pull Secret that says of itself that it was due long ago.
func (m *tenant) forgeDue() {
	m.t.Helper()
	pull := secretOf(m.t, m.edge, pass.PullSecretName(m.edge))
	iat, exp := m.now().Add(-2*time.Second).Unix(), m.now().Add(-time.Second).Unix()
	forged := forge(m.t, tokenOf(pull), func(claims map[string]any) { claims["iat"], claims["exp"] = iat, exp })
	data := m.dataWith(forged, pull)
	m.alter(pull.Name, func(s *corev1.Secret) {
		s.Data = data
		s.Annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(time.Unix(exp, 0))
	})
}

// dataWith is what a published Secret would hold with another token.
func (m *tenant) dataWith(token credential.Token, secret *corev1.Secret) map[string][]byte {
	m.t.Helper()
	input := handoff.Input{
		Provider: "openshift", Host: m.edge.Status.Host, Project: m.edge.Name, CA: secret.Data[handoff.KeyCA],
		Publisher: handoff.Login{User: "edge-publisher." + m.edge.Name, Token: token}, Puller: handoff.Login{User: "edge-puller." + m.edge.Name, Token: token},
	}
	data, err := handoff.PullData(input)
	if secret.Name == pass.PublishSecretName(m.edge) {
		data, err = handoff.PublishData(input)
	}
	NewWithT(m.t).Expect(err).NotTo(HaveOccurred())
	return data
}

// Whatever somebody does in the project each time that the operator has answered it, he is answered ten times at once, and
// then every five minutes; and that is reported.
func TestATenantHasNoTokensMintedWithoutEnd(t *testing.T) {
	const hourly = 12
	for _, tt := range []struct {
		name string
		// act is what the tenant does each time.
		act func(*tenant)
		// accounts are those whose tokens it costs. What is on record costs none: the objects are repaired.
		accounts []string
		// names are what Ready has to name.
		names []string
	}{
		{"another host in the Secret", func(m *tenant) {
			m.alter(pass.PullSecretName(m.edge), func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere.test") })
		}, nil, []string{"-pull", mallory}},
		{"another host in both Secrets", func(m *tenant) {
			m.alter(pass.PullSecretName(m.edge), func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere.test") })
			m.alter(pass.PublishSecretName(m.edge), func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere.test") })
		}, nil, []string{"-pull", mallory}},
		{"another lifetime on the bound Secret", func(m *tenant) {
			m.alter(m.boundSecretName(edgev1.TokenPuller), func(s *corev1.Secret) { s.Annotations[objects.LifetimeAnnotation] = "1h0m0s" })
		}, nil, []string{"-pull-", mallory}},
		{"another handled rotation on the Secret", func(m *tenant) {
			m.alter(pass.PublishSecretName(m.edge), func(s *corev1.Secret) { s.Annotations[objects.RotationAnnotation] = "never" })
		}, nil, []string{"-publish", mallory}},
		{"the mark of the cluster's clean-up on the bound Secret", func(m *tenant) {
			m.alter(m.boundSecretName(edgev1.TokenPuller), func(s *corev1.Secret) { s.Labels[invalidSinceLabel] = "2026-01-01" })
		}, []string{"edge-puller"}, []string{"invalidated", "-pull-", mallory}},
		{"a forged token that is due", (*tenant).forgeDue, []string{"edge-puller"}, []string{"-pull was altered", mallory}},
		{"another token in the Secret", func(m *tenant) {
			m.alter(pass.PullSecretName(m.edge), func(s *corev1.Secret) { s.Data[handoff.KeyToken] = []byte("x.y.z") })
		}, []string{"edge-puller"}, []string{"emptied or altered", "-pull", mallory}},
		{"no Secret", func(m *tenant) { m.drop(&corev1.Secret{}, pass.PullSecretName(m.edge)) },
			[]string{"edge-puller"}, []string{"-pull was gone", "edge-puller"}},
		{"no bound Secret", func(m *tenant) { m.drop(&corev1.Secret{}, m.boundSecretName(edgev1.TokenPublisher)) },
			[]string{"edge-publisher"}, []string{"which the previous token was bound to, was deleted", "edge-publisher"}},
		{"no account", func(m *tenant) { m.drop(&corev1.ServiceAccount{}, "edge-puller") },
			[]string{"edge-puller"}, []string{"edge-puller"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			o := directOperator(t)
			edge := newEdge()
			edge.Annotations = map[string]string{edgev1.RotateAnnotation: "from the start"}
			o.settles(t, apply(t, edge))
			m := newTenant(t, o, edge)
			minted := func() map[string]int {
				counts := map[string]int{}
				for _, account := range []string{"edge-publisher", "edge-puller"} {
					counts[account] = o.mintsFor(edge, account) - 1
				}
				return counts
			}
			expectMints := func(most int, when string) {
				t.Helper()
				for account, count := range minted() {
					if !slices.Contains(tt.accounts, account) {
						g.Expect(count).To(BeZero(), "%s, of %s", when, account)
						continue
					}
					g.Expect(count).To(And(BeNumerically(">=", objects.RepairsAtOnce-1), BeNumerically("<=", most)), "%s, of %s", when, account)
				}
			}
			for range objects.RepairsAtOnce + 4 {
				tt.act(m)
				o.pass(t, edge)
			}
			expectMints(objects.RepairsAtOnce, "at one moment")
			ready := condition(t, edge, edgev1.Ready)
			g.Expect(ready.Status).To(Equal(metav1.ConditionFalse))
			g.Expect(ready.Reason).To(Equal(edgev1.ReasonContested), ready.Message)
			for _, name := range append(tt.names, fmt.Sprintf("%d times", objects.RepairsAtOnce)) {
				g.Expect(ready.Message).To(ContainSubstring(name))
			}
			for range 20 {
				o.advance(3 * time.Minute)
				tt.act(m)
				o.pass(t, edge)
			}
			expectMints(objects.RepairsAtOnce+hourly+1, "over an hour")
			for _, role := range roles {
				g.Expect(len(boundSecretsOf(t, edge, role))).To(BeNumerically("<=", objects.RepairsAtOnce+hourly+2))
			}

			o.advance(objects.RepairAgain)
			o.settles(t, edge)
			for _, token := range tokensOf(t, edge) {
				g.Expect(works(t, token)).To(BeTrue())
			}
		})
	}
}

// Nor does a new token of the one account lift the limit of the other: a pass that has something to change repairs nothing,
// and what it finds altered was still altered by somebody.
func TestANewTokenOfOneAccountLiftsNoLimitOfTheOther(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	m := newTenant(t, o, edge)
	spoil := func(name string) {
		m.alter(name, func(s *corev1.Secret) { s.Data[handoff.KeyToken] = []byte("x.y.z") })
	}
	for range objects.RepairsAtOnce + 1 {
		spoil(pass.PullSecretName(edge))
		o.pass(t, edge)
	}
	o.pass(t, edge)
	g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonContested))
	before := o.mintsFor(edge, "edge-puller")
	g.Expect(before).To(BeNumerically(">", objects.RepairsAtOnce-1))
	for range 5 {
		spoil(pass.PublishSecretName(edge))
		spoil(pass.PullSecretName(edge))
		o.pass(t, edge)
	}
	g.Expect(o.mintsFor(edge, "edge-puller")).To(Equal(before))
	o.advance(objects.RepairAgain)
	o.settles(t, edge)
}

// Nor is a person's own wish held up by what somebody did in the project, or counted with it.
func TestAPersonIsAnsweredAtOnceWhileATenantIsNot(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	edge := o.settles(t, apply(t, newEdge()))
	m := newTenant(t, o, edge)
	spoil := func() {
		m.alter(pass.PullSecretName(edge), func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere.test") })
		o.pass(t, edge)
	}
	for range objects.RepairsAtOnce + 1 {
		spoil()
	}
	g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonContested))
	before := o.mintsFor(edge, "edge-puller")

	annotate(t, edge, edgev1.RotateAnnotation, "now")
	o.pass(t, edge)
	o.settles(t, edge)
	g.Expect(edge.Status.LastHandledRotation).To(Equal("now"))
	g.Expect(o.mintsFor(edge, "edge-puller")).To(Equal(before + 1))
	spoil()
	g.Expect(condition(t, edge, edgev1.Ready).Reason).To(Equal(edgev1.ReasonContested))
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.Token.Lifetime.Duration = 100 * time.Hour })
	o.settles(t, edge)
	g.Expect(o.mintsFor(edge, "edge-puller")).To(Equal(before + 2))

	// And a dozen of a person's own changes leave the tenant's neighbours their repairs.
	for i := range objects.RepairsAtOnce + 2 {
		annotate(t, edge, edgev1.RotateAnnotation, fmt.Sprintf("again-%d", i))
		o.pass(t, edge)
	}
	o.settles(t, edge)
	g.Expect(edge.Status.LastHandledRotation).To(Equal(fmt.Sprintf("again-%d", objects.RepairsAtOnce+1)))
	m.drop(&corev1.Secret{}, pass.PublishSecretName(edge))
	o.pass(t, edge)
	o.settles(t, edge)
}

// A token that waits for its publication is bound to a Secret that somebody can delete.
func TestATokenThatWaitsIsNotMintedAgainWithoutEnd(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	refusing := &atomic.Bool{}
	refusing.Store(true)
	refusedPublications[0].install(o, refusing)
	edge := apply(t, newEdge())
	m := newTenant(t, o, edge)
	g.Eventually(func() int { o.pass(t, edge); return o.mints(edge) }).WithTimeout(soon).WithPolling(often).Should(Equal(2))
	act := func() {
		for _, bound := range boundSecretsOf(t, edge, edgev1.TokenPuller) {
			m.drop(&corev1.Secret{}, bound.Name)
		}
		o.pass(t, edge)
	}
	for range objects.RepairsAtOnce + 4 {
		act()
	}
	g.Expect(o.mintsFor(edge, "edge-puller")).To(And(BeNumerically(">=", objects.RepairsAtOnce), BeNumerically("<=", objects.RepairsAtOnce+1)))
	ready := condition(t, edge, edgev1.Ready)
	g.Expect(ready.Reason).To(Equal(edgev1.ReasonContested), ready.Message)
	g.Expect(ready.Message).To(ContainSubstring("edge-puller"))
	for range 20 {
		o.advance(3 * time.Minute)
		act()
	}
	g.Expect(o.mintsFor(edge, "edge-puller")).To(BeNumerically("<=", objects.RepairsAtOnce+12+2))
	g.Expect(o.mintsFor(edge, "edge-publisher")).To(BeNumerically("<=", 2))

	refusing.Store(false)
	o.advance(objects.RepairAgain)
	o.settles(t, edge)
}

// Nor a LongLived token whose Secret somebody deletes before the cluster has filled it.
func TestALastingTokenIsNotRecreatedWithoutEnd(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge(longLived))
	m := newTenant(t, o, edge)
	dropping, dropped := &atomic.Bool{}, &atomic.Int64{}
	dropping.Store(true)
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		name := a.object.GetName()
		if dropping.Load() && a.is(http.MethodPost, "/secrets") && strings.HasPrefix(name, pass.PullSecretName(edge)+"-") && err == nil {
			m.drop(&corev1.Secret{}, name)
			dropped.Add(1)
		}
		return response, err
	})
	for range objects.RepairsAtOnce + 4 {
		o.pass(t, edge)
	}
	g.Expect(dropped.Load()).To(And(BeNumerically(">=", objects.RepairsAtOnce), BeNumerically("<=", objects.RepairsAtOnce+1)))
	ready := condition(t, edge, edgev1.Ready)
	g.Expect(ready.Reason).To(Equal(edgev1.ReasonContested))
	g.Expect(ready.Message).To(ContainSubstring("edge-puller"), "the publisher's waits in its token Secret, and costs nothing")
	dropping.Store(false)
	o.advance(objects.RepairAgain)
	heals(t, edge)
}
