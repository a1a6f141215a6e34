// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about robots of Harbor, which the operator makes itself.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	next := &operator{clock: o.clock, wire: &wire{}, direct: true}
	next.EdgeRegistryReconciler = newDirect(t, o.clock, next.wire.wrap)
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
	g.Expect(p.Calls(harbor.API)).To(BeEmpty())
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
	expectEvent(t, edge, edgev1.ReasonTokenMinted, "-puller token 1", "no token was published")
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
	g.Consistently(func() int { return len(p.Calls(harbor.Writes)) }).WithTimeout(time.Second).WithPolling(often).Should(BeZero())
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
		"a line break":          {func(s *corev1.Secret) { s.Data["password"] = append(s.Data["password"], '\n') }, edgev1.ReasonCredentialUnusable, "without a line break"},
		"no password":           {func(s *corev1.Secret) { s.Data["password"] = nil }, edgev1.ReasonCredentialUnusable, "username and password"},
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
			g.Expect(p.Calls(harbor.API)).To(BeEmpty(), "the account goes nowhere")
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

func TestARightThatTheAccountLacksIsNamed(t *testing.T) {
	for _, missing := range []string{"project:read", "robot:list", "robot:create", "repository:push"} {
		t.Run(missing, func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			p := startHarbor(t, o.clock)
			p.user, p.secret = p.AddRobot("plant", "weak", "lacks a right", slices.DeleteFunc(slices.Clone(makers), func(right string) bool { return right == missing })...)
			edge := p.install(t)
			o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPermissionMissing)
			g.Expect(condition(t, edge, edgev1.CredentialsIssued).Message).To(ContainSubstring(missing))
			g.Expect(condition(t, edge, edgev1.Stalled).Status).To(Equal(metav1.ConditionTrue))
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		o := harborOperator(t)
		p := startHarbor(t, o.clock)
		p.secret = "wrong-secret-1A"
		edge := p.install(t)
		o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonAccountRefused)
		NewWithT(t).Expect(condition(t, edge, edgev1.CredentialsIssued).Message).NotTo(ContainSubstring(p.secret))
	})
}

func TestRobotsOverlap(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	first := publishedLogin(t, edge, "-pull")
	made := p.of(edge, "puller")[0].Created

	o.clock.SetTime(made.Add(20 * oneDay))
	o.settles(t, edge)
	second := publishedLogin(t, edge, "-pull")
	g.Expect(second.user).To(Equal(strings.TrimSuffix(first.user, "1") + "2"))
	g.Expect(p.of(edge, "puller")).To(HaveLen(2))

	o.clock.SetTime(made.Add(30*oneDay - time.Minute))
	o.settles(t, edge)
	g.Expect(p.Works(first.user, first.secret)).To(BeTrue(), "it was promised")

	o.clock.SetTime(made.Add(30*oneDay + time.Minute))
	o.settles(t, edge)
	o.look(t, edge)
	g.Expect(p.of(edge, "puller")[0].Disabled).To(BeTrue())
	g.Expect(p.of(edge, "puller")[1].Disabled).To(BeFalse())

	o.clock.SetTime(made.Add(31*oneDay + time.Minute))
	o.settles(t, edge)
	p.expectOneRobotEach(t, edge)
	p.expectOthers(t)
}

// faulty are ways in which a call goes wrong, of which the first two have done what was asked for.
var faulty = map[string]func(match func(harbor.Call) bool) *harbor.Fault{
	"its reply is lost": harbor.LostReply,
	"500 after it was done": func(match func(harbor.Call) bool) *harbor.Fault {
		return &harbor.Fault{Match: match, Commit: true, Status: http.StatusInternalServerError, Body: `{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`}
	},
	"it is not reached": func(match func(harbor.Call) bool) *harbor.Fault { return &harbor.Fault{Match: match} },
	"a page":            func(match func(harbor.Call) bool) *harbor.Fault { return harbor.HTML(match, http.StatusOK) },
}

// nth matches the call of a number.
func nth(n int) func(harbor.Call) bool {
	return func(c harbor.Call) bool {
		if harbor.API(c) {
			n--
		}
		return harbor.API(c) && n == 0
	}
}

func TestACallToHarborThatGoesWrongLeavesNoUnknownRobot(t *testing.T) {
	for name, fault := range faulty {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				o := harborOperator(t)
				p := startHarbor(t, o.clock)
				for call := 1; ; call++ {
					if met := p.survives(t, o, fault(nth(call)), restart); !met {
						NewWithT(t).Expect(call).To(BeNumerically(">", 4), "each call went wrong once")
						break
					}
				}
			})
		}
	}
}

// survives makes an EdgeRegistry Ready while a call goes wrong, and reports whether one did.
func (p *plantHarbor) survives(t *testing.T, o *operator, fault *harbor.Fault, restart bool) bool {
	t.Helper()
	g := NewWithT(t)
	p.Inject(fault)
	edge := p.install(t)
	for range 3 {
		o.look(t, edge)
	}
	if restart {
		o = o.restarted(t)
	}
	o.settles(t, edge)
	o.look(t, edge)
	p.expectOneRobotEach(t, edge)
	p.Heal()
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(append(p.of(edge, "publisher"), p.of(edge, "puller")...)).To(BeEmpty(), "nothing of ours is left")
	p.expectOthers(t)
	return p.Met(fault) > 0
}

// ends makes passes until an EdgeRegistry that is being deleted is gone.
func (o *operator) ends(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	NewWithT(t).Eventually(func() bool {
		_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), &edgev1.EdgeRegistry{}))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
}

// A process dies before or after each of its writes to the cluster, and another goes on.
func TestAnOperatorThatDiesAtAnyWriteLeavesNoUnknownRobot(t *testing.T) {
	died := errors.New("the process is gone")
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after it was done %t", after), func(t *testing.T) {
			for write := 1; ; write++ {
				o := harborOperator(t)
				p := startHarbor(t, o.clock)
				left, dead := write, false
				o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
					if dead {
						return nil, died
					}
					if r.Method == http.MethodGet || housekeeping.MatchString(r.URL.Path) {
						return next.RoundTrip(r)
					}
					if left--; left > 0 {
						return next.RoundTrip(r)
					}
					if dead = true; after {
						if response, err := next.RoundTrip(r); err == nil {
							_ = response.Body.Close()
						}
					}
					return nil, died
				})
				edge := p.install(t)
				for range 2 {
					_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
				}
				o = o.restarted(t)
				o.settles(t, edge)
				o.look(t, edge)
				p.expectOneRobotEach(t, edge)
				if !dead {
					break
				}
			}
		})
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
		o.look(t, edge)
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
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"), "one that was deleted is made anew")
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

func TestAHarborThatIsAwayHoldsADeletionForAnHour(t *testing.T) {
	for name, abandon := range map[string]bool{"an hour": false, "the annotation": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			notes := &notebook{}
			o.Recorder = notes
			p := startHarbor(t, o.clock)
			edge := o.settles(t, p.install(t))
			ids := []int64{p.of(edge, "publisher")[0].ID, p.of(edge, "puller")[0].ID}
			p.Inject(&harbor.Fault{Match: harbor.API, Always: true, Status: http.StatusServiceUnavailable})
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			_, err := makePass(t, o.EdgeRegistryReconciler, edge)
			g.Expect(err).NotTo(HaveOccurred())
			held := condition(t, edge, edgev1.Ready)
			g.Expect(held.Reason).To(Equal(edgev1.ReasonDeletionPending))
			g.Expect(held.Message).To(And(ContainSubstring("Harbor at "+p.Host), ContainSubstring(edgev1.AbandonAnnotation)))
			if abandon {
				annotate(t, edge, edgev1.AbandonAnnotation, "true")
			} else {
				o.clock.SetTime(o.clock.Now().Add(time.Hour + time.Minute))
			}
			o.ends(t, edge)
			for _, id := range ids {
				g.Expect(notes.all()).To(ContainElement(And(HavePrefix(edgev1.ReasonRobotsLeftBehind), MatchRegexp(`\b%d\b`, id))))
			}
		})
	}
}

func TestAnEdgeRegistryThatNeverMadeARobotEndsAtOnce(t *testing.T) {
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := p.edge(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	apply(t, edge)
	o.comesTo(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCredentialMissing)
	NewWithT(t).Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
}

func TestAnOperatorThatWasAwayForLongMakesOtherRobots(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	before := publishedLogin(t, edge, "-pull")
	o.clock.SetTime(o.clock.Now().Add(42 * oneDay))
	g.Expect(p.Works(before.user, before.secret)).To(BeFalse(), "Harbor ends it")
	o = o.restarted(t)
	o.settles(t, edge)
	o.look(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"))
	p.expectOneRobotEach(t, edge)
}

func TestALostRecordHasOtherRobotsMadeAndEndsNone(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	before := publishedLogin(t, edge, "-pull")
	g.Expect(admin.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: recordName(edge.UID)}})).To(Succeed())
	o = o.restarted(t)
	o.comesTo(t, edge, edgev1.NamespaceReady, edgev1.ReasonNamespaceReplaced)
	home := &corev1.Namespace{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: edge.Spec.Secrets.Namespace}, home)).To(Succeed())
	annotate(t, edge, edgev1.AcceptAnnotation, home.Name+"/"+string(home.UID))
	o.settles(t, edge)
	o.look(t, edge)
	g.Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"))
	g.Expect(p.Works(before.user, before.secret)).To(BeTrue(), "somebody may hold it")
	g.Expect(p.of(edge, "puller")).To(HaveLen(2))
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	g.Expect(p.of(edge, "puller")).To(BeEmpty())
	p.expectOthers(t)
}

func TestAYearOfRobots(t *testing.T) {
	g := NewWithT(t)
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := o.settles(t, p.install(t))
	promised := map[login]time.Time{}
	for range 365 {
		for _, suffix := range []string{"-publish", "-pull"} {
			if carried := publishedLogin(t, edge, suffix); promised[carried].IsZero() {
				promised[carried] = promisedUntil(t, edge, suffix)
			}
		}
		for carried, until := range promised {
			if o.clock.Now().Before(until) {
				g.Expect(p.Works(carried.user, carried.secret)).To(BeTrue(), "%s was promised to work until %s", carried.user, until)
			}
		}
		for _, role := range []string{"publisher", "puller"} {
			g.Expect(len(p.of(edge, role))).To(BeNumerically("<=", 3), role)
		}
		o.clock.SetTime(o.clock.Now().Add(oneDay))
		o.look(t, edge)
		g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue), condition(t, edge, edgev1.Ready).Message)
	}
	g.Expect(len(promised)).To(BeNumerically(">", 30), "they were renewed")

	// Nothing works for ever once nobody is there.
	o.clock.SetTime(o.clock.Now().Add(40 * oneDay))
	for carried := range promised {
		g.Expect(p.Works(carried.user, carried.secret)).To(BeFalse(), carried.user)
	}
}

// promisedUntil is until when a Secret promises its login.
func promisedUntil(t *testing.T, edge *edgev1.EdgeRegistry, suffix string) time.Time {
	t.Helper()
	until, err := time.Parse(time.RFC3339, publishedTo(t, edge, suffix).Annotations[objects.ExpiresAtAnnotation])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return until
}

// notebook is a recorder that keeps what it is told, as REASON: TEXT.
type notebook struct {
	mu    sync.Mutex
	notes []string
}

// Eventf implements events.EventRecorder.
func (n *notebook) Eventf(_, _ runtime.Object, _, reason, _, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, reason+": "+fmt.Sprintf(format, args...))
}

func (n *notebook) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.notes)
}
