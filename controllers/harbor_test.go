// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about robots of Harbor, which the operator makes itself.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
)

const oneDay = 24 * time.Hour

// makers are the rights of a robot that makes robots.
var makers = []string{
	"project:read", "robot:create", "robot:read", "robot:update", "robot:list", "robot:delete", "repository:pull", "repository:push",
}

// plantHarbor is a Harbor with the project plant, a robot that makes robots, and robots of others.
type plantHarbor struct {
	*harbor.Harbor
	user, secret string
	others       []harbor.Robot
}

func startHarbor(t *testing.T, now clock.PassiveClock) *plantHarbor {
	t.Helper()
	h, err := harbor.New(t.Context(), harbor.Options{Clock: now})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(h.Close)
	h.AddProject("plant")
	h.AddProject("other")
	h.Repositories("plant/edge/probe", "other/edge/probe")
	p := &plantHarbor{Harbor: h}
	p.user, p.secret = h.AddRobot("plant", "maker", "makes robots", makers...)
	h.AddRobot("plant", "edge-00000000-puller-1", "EdgeRegistry UID of another", "repository:pull")
	h.AddRobot("plant", "ci", "of others", "repository:pull")
	h.AddRobot("other", "ci", "of others", "repository:pull")
	p.others = h.Robots()
	canary.know(credential.NewToken(p.secret))
	return p
}

// edge is an EdgeRegistry of the project, in a namespace of its own.
func (p *plantHarbor) edge(t *testing.T, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
	t.Helper()
	name := fmt.Sprintf("harbor-%s-%d", stamp(), time.Now().UnixNano())
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name}}
	month := metav1.Duration{Duration: 30 * oneDay}
	edge.Spec.External = &edgev1.ExternalSpec{Host: p.Host, RepositoryPrefix: "plant/edge", Harbor: &edgev1.HarborSpec{
		Project: "plant", CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: name},
		Publisher: edgev1.RobotSpec{Lifetime: month}, Puller: edgev1.RobotSpec{Lifetime: month},
	}}
	edge.Spec.Secrets.Namespace = makeNamespace(t).Name
	edge.Spec.Verification.Repository = "probe"
	for _, mod := range mods {
		mod(edge)
	}
	return edge
}

// account is the Secret of the account that makes robots.
func (p *plantHarbor) account(edge *edgev1.EdgeRegistry) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.CredentialsNamespace, Name: edge.Name,
			Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
			Annotations: map[string]string{
				edgev1.ForAnnotation: edge.Name, "edge.open-horizon.io/hosts": p.Host, "edge.open-horizon.io/harbor-projects": "plant",
				"edge.open-horizon.io/publish-to": edge.Spec.Secrets.Namespace,
			},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte(p.user), "password": []byte(p.secret), "ca.crt": p.CA.PEM()},
	}
}

// install applies an EdgeRegistry with all that people supply for it.
func (p *plantHarbor) install(t *testing.T, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
	t.Helper()
	edge := p.edge(t, mods...)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	supply(t, p.account(edge))
	return apply(t, edge)
}

// of are the robots of an EdgeRegistry and a role.
func (p *plantHarbor) of(edge *edgev1.EdgeRegistry, role string) []harbor.Robot {
	return slices.DeleteFunc(p.Robots(), func(r harbor.Robot) bool {
		return !strings.HasPrefix(r.Name, fmt.Sprintf("edge-%.8s-%s-", edge.UID, role))
	})
}

// expectOthers checks that what is others' is as it was.
func (p *plantHarbor) expectOthers(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(p.Robots()).To(ContainElements(p.others), "what is others' stays as it is")
}

// login is what a published Secret carries.
type login struct{ user, secret string }

func publishedLogin(t *testing.T, edge *edgev1.EdgeRegistry, suffix string) login {
	t.Helper()
	secret := publishedTo(t, edge, suffix)
	token := tokenOf(secret)
	canary.know(token)
	return login{string(secret.Data[handoff.KeyUser]), token.Reveal()}
}

// expectOneRobotEach checks that each role has one robot, which is the one that is published, and that it works.
func (p *plantHarbor) expectOneRobotEach(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	for role, suffix := range map[string]string{"publisher": "-publish", "puller": "-pull"} {
		robots, carried := p.of(edge, role), publishedLogin(t, edge, suffix)
		g.Expect(robots).To(HaveLen(1), role)
		g.Expect(carried.user).To(Equal("robot$plant+"+robots[0].Name), role)
		g.Expect(p.Works(carried.user, carried.secret)).To(BeTrue(), role)
	}
}

// harborOperator makes passes by hand, and reaches hosts as they resolve.
func harborOperator(t *testing.T) *operator {
	t.Helper()
	o := directOperator(t)
	o.DialContext = nil
	return o
}

// restarted is another process, which remembers nothing.
func (o *operator) restarted(t *testing.T) *operator {
	t.Helper()
	next := directAt(t, o.clock)
	next.DialContext = nil
	return next
}

func TestHarborFromNothingToReady(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, anyHost)
	p := startHarbor(t, o.clock)
	edge := p.edge(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	apply(t, edge)
	awaitReason(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCredentialMissing)
	g.Expect(p.Matching(harbor.API)).To(BeEmpty())
	supply(t, p.account(edge))
	awaitReady(t, edge)

	p.expectOneRobotEach(t, edge)
	push, pull := p.of(edge, "publisher")[0], p.of(edge, "puller")[0]
	g.Expect(pull.Name).To(Equal(fmt.Sprintf("edge-%.8s-puller-1", edge.UID)))
	g.Expect(pull.Description).To(ContainSubstring(string(edge.UID)))
	g.Expect(push.Expires.Sub(push.Created)).To(Equal(40*oneDay), "its lifetime, and renewBefore")
	verified := condition(t, edge, edgev1.RegistryVerified)
	g.Expect(verified.Reason).To(Equal(edgev1.ReasonVerified), verified.Message)
	g.Expect(verified.Message).To(And(ContainSubstring("-publisher can pull"), ContainSubstring("is not refused a push"), ContainSubstring("is refused a push")))
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "minted robot edge-", "-puller-1, which works until", "none was published")
	g.Expect(edge.Status.Credentials).To(HaveLen(2))
	g.Expect(edge.Status.Credentials[1].Robot).To(Equal("robot$plant+" + pull.Name))
	g.Expect(edge.Status.ExpiresAt.Sub(pull.Created)).To(BeNumerically("~", 30*oneDay, time.Second))
	p.expectOthers(t)

	// At rest nothing is written, here or there.
	poke(t, edge)
	awaitReady(t, edge)
	before := contents(t, edge.Spec.Secrets.Namespace)
	p.Forget()
	poke(t, edge)
	g.Consistently(func() int { return p.Count(harbor.Writes) }).WithTimeout(time.Second).WithPolling(often).Should(BeZero())
	g.Expect(contents(t, edge.Spec.Secrets.Namespace)).To(Equal(before))
}

func TestWhatAnAccountOfHarborDoesNotSayIsRefused(t *testing.T) {
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	for name, test := range map[string]struct {
		change         func(*corev1.Secret)
		reason, remedy string
	}{
		"no label":              {func(s *corev1.Secret) { s.Labels = nil }, edgev1.ReasonCredentialNotGranted, "kubectl label secret"},
		"for another":           {func(s *corev1.Secret) { s.Annotations[edgev1.ForAnnotation] = "other" }, edgev1.ReasonCredentialNotGranted, "add that name to its annotation"},
		"for another host":      {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/hosts"] = p.Host + ".example.com" }, edgev1.ReasonCredentialNotGranted, "edge.open-horizon.io/hosts=" + p.Host},
		"for another project":   {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/harbor-projects"] = "plant2, plan" }, edgev1.ReasonCredentialNotGranted, "edge.open-horizon.io/harbor-projects=plant'"},
		"for another namespace": {func(s *corev1.Secret) { s.Annotations["edge.open-horizon.io/publish-to"] = "other" }, edgev1.ReasonCredentialNotGranted, "edge.open-horizon.io/publish-to="},
		"a line break":          {func(s *corev1.Secret) { s.Data["password"] = append(s.Data["password"], '\n') }, edgev1.ReasonCredentialUnusable, "its key password has a space, a line break"},
		"no password":           {func(s *corev1.Secret) { s.Data["password"] = nil }, edgev1.ReasonCredentialUnusable, "its key password is missing or empty"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := p.edge(t, trusting(t, p))
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			account := p.account(edge)
			test.change(account)
			supply(t, account)
			apply(t, edge)
			p.Forget()
			o.comesTo(t, edge, edgev1.CredentialsIssued, test.reason)
			refused := condition(t, edge, edgev1.CredentialsIssued)
			g.Expect(refused.Message).To(And(ContainSubstring(edge.Name), ContainSubstring(test.remedy)))
			g.Expect(p.Matching(harbor.API)).To(BeEmpty(), "the account goes nowhere")
		})
	}
}

// trusting has an EdgeRegistry trust the Harbor by a bundle, so that it comes as far as to its account.
func trusting(t *testing.T, p *plantHarbor) func(*edgev1.EdgeRegistry) {
	t.Helper()
	bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: fmt.Sprintf("harbor-%d", time.Now().UnixNano())}}
	bundle.Data = map[string]string{"ca-bundle.crt": string(p.CA.PEM())}
	NewWithT(t).Expect(admin.Create(t.Context(), bundle)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), bundle) })
	return func(e *edgev1.EdgeRegistry) {
		e.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: bundle.Name, Key: "ca-bundle.crt"}
	}
}

func TestRobotsThatSomebodyTouched(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	first := p.of(edge, "puller")[0]

	p.Edit(first.ID, func(r *harbor.Robot) { r.Disabled = true })
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.comesTo(t, edge, edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
	issued := condition(t, edge, edgev1.CredentialsIssued)
	g.Expect(issued.Message).To(ContainSubstring("was disabled by somebody"))
	for range 3 {
		o.pass(t, edge)
	}
	g.Expect(p.of(edge, "puller")).To(HaveLen(1), "what somebody disabled is not replaced unasked")
	g.Expect(p.of(edge, "puller")[0].Disabled).To(BeTrue())

	p.Edit(first.ID, func(r *harbor.Robot) { r.Disabled = false })
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.settles(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).NotTo(ContainSubstring("disabled"))

	p.Edit(first.ID, func(r *harbor.Robot) { r.Description = "mine now" })
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.settles(t, edge)
	g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring("has another description now"))

	p.Edit(first.ID, func(r *harbor.Robot) { r.Description = first.Description })
	p.Remove(first.ID)
	o.clock.SetTime(o.clock.Now().Add(time.Hour))
	o.settles(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"), "one that was deleted is recreated")
	p.expectOneRobotEach(t, edge)
}

func TestALoginThatATenantWroteIsNeverTakenForARobots(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			p := startHarbor(t, o.clock)
			edge := o.settles(t, p.install(t))
			theirs, secret := p.AddRobot("plant", fmt.Sprintf("edge-%.8s-puller-7", edge.UID), "a look-alike", "repository:pull")
			g.Expect(theirs).NotTo(BeEmpty())
			data, err := handoff.PullData(handoff.Input{
				Host: p.Host, Provider: edgev1.ProviderExternal, Project: "plant/edge", CA: p.CA.PEM(), PullOnly: true,
				Puller: handoff.Login{User: theirs, Token: credential.NewToken(secret)},
			})
			g.Expect(err).NotTo(HaveOccurred())
			edit(t, publishedTo(t, edge, "-pull"), func(s *corev1.Secret) { s.Data = data })
			if restart {
				o = o.restarted(t)
			}
			o.settles(t, edge)
			g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"))
			g.Expect(p.Works(theirs, secret)).To(BeTrue(), "what is not ours stays")
		})
	}
}
