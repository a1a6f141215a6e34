// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about copies.go and watches/copies.go over time: what is taken off, lost, restarted and deleted.

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

func TestCopiesHealByThemselves(t *testing.T) {
	startOperator(t)
	target, other := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target, other))))
	name := pass.PublishSecretName(edge)
	for what, harm := range map[string]func(t *testing.T, copied *corev1.Secret){
		"deleted": func(t *testing.T, copied *corev1.Secret) {
			NewWithT(t).Expect(admin.Delete(t.Context(), copied)).To(Succeed())
		},
		"edited": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere") })
		},
		"without labels": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Labels = nil })
		},
		"edited and sealed": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Data[handoff.KeyHost], s.Immutable = []byte("elsewhere"), ptr.To(true) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			repairs := len(eventNotes(t, edge, edgev1.ReasonRepaired))
			harm(t, copyIn(t, target, name))
			// No pass is asked for: the watch starts one.
			g.Eventually(func(g Gomega) {
				copied := &corev1.Secret{}
				g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: target, Name: name}, copied)).To(Succeed())
				g.Expect(mendable(copied) == mendable(copyIn(t, other, name))).To(BeTrue())
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			expectCopy(t, edge, target, name)
			g.Eventually(func() int { return len(eventNotes(t, edge, edgev1.ReasonRepaired)) }).WithTimeout(soon).WithPolling(often).
				Should(BeNumerically(">=", max(repairs, 1)))
			expectEvent(t, edge, edgev1.ReasonRepaired, name, `in namespace "`+target+`"`)
		})
	}
}

func TestCopiesCostNothingOnceTheyAreSettled(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(a, b), copyPullTo(a))))
	name := pass.PublishSecretName(edge)
	o.pass(t, edge)
	g.Expect(o.inTarget(a)).To(ConsistOf(
		ContainSubstring("GET "), "POST /api/v1/namespaces/"+a+"/secrets", "POST /api/v1/namespaces/"+a+"/secrets"),
		"one watch, one write for each copy, no read")
	atA, atB, writes := len(o.inTarget(a)), len(o.inTarget(b)), len(o.wire.writes())
	o.pass(t, edge)
	o.pass(t, edge)
	g.Expect(o.inTarget(a)[atA:]).To(BeEmpty())
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())

	// What happens to one copy is no reason to look at another.
	edit(t, copyIn(t, a, name), func(s *corev1.Secret) { metav1.SetMetaDataLabel(&s.ObjectMeta, "theirs", "label") })
	g.Eventually(func() []string { return o.inTarget(a)[atA:] }).WithTimeout(soon).WithPolling(often).
		Should(Equal([]string{"GET /api/v1/namespaces/" + a + "/secrets/" + name}))
	o.pass(t, edge)
	g.Expect(o.inTarget(a)[atA:]).To(HaveLen(1))
	g.Expect(o.inTarget(b)[atB:]).To(BeEmpty())
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty(), "a label of theirs stays")
	g.Expect(copyIn(t, a, name).Labels).To(HaveKeyWithValue("theirs", "label"))

	o.stop(t)
	o = startOperator(t)
	o.pass(t, edge)
	o.pass(t, edge)
	g.Expect(o.wire.writes()).To(BeEmpty(), "a restart")
	g.Expect(o.inTarget(a)).To(ConsistOf("GET /api/v1/namespaces/"+a+"/secrets",
		"GET /api/v1/namespaces/"+a+"/secrets/"+name, "GET /api/v1/namespaces/"+a+"/secrets/"+pass.PullSecretName(edge)), "one watch, each copy once")
}

func TestCopiesOfATargetThatIsTakenOffAreRemoved(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b, c := makeTarget(t), makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(a, b, c), copyPullTo(b))))
	name := pass.PublishSecretName(edge)
	edit(t, edge, copyPublishTo(b, c))
	awaitReady(t, edge)
	g.Expect(noCopyIn(t, a, name)).To(BeTrue())
	expectEvent(t, edge, edgev1.ReasonCopyRemoved, name, a)
	g.Expect(recorded(t, edge, name)).To(Equal(sortedNames(b, c)))
	g.Expect(copiesOf(t, edge, edgev1.SecretPublish)).To(Equal(edgev1.CopiesStatus{Total: 2, Synced: 2}))

	o.stop(t)
	edit(t, edge, copyPublishTo())
	o = startOperator(t)
	awaitReady(t, edge)
	g.Expect(noCopyIn(t, b, name)).To(BeTrue(), "also when nobody looked")
	g.Expect(noCopyIn(t, c, name)).To(BeTrue())
	expectCopy(t, edge, b, pass.PullSecretName(edge))
	g.Expect(recordOf(t, edge).Copies).NotTo(HaveKey(edgev1.TokenPublisher))
	for _, secret := range reload(t, edge).Status.Secrets {
		g.Expect(secret.Copies == nil).To(Equal(secret.Role == edgev1.SecretPublish), "there are none any more")
	}
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty())
	writes := len(o.wire.writes())
	o.pass(t, edge)
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
}

// Before there was a record, the list of the copies was an annotation of the published Secret. Anyone who may edit that Secret may
// write any names there, and gains nothing by it.
func TestCopiesGoToNoNamespaceThatSomebodyWroteOnTheSecret(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	target, other := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target))))
	name := pass.PublishSecretName(edge)
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: name}}
	g.Expect(admin.Create(t.Context(), foreign)).To(Succeed())
	edit(t, secretOf(t, edge, name), func(s *corev1.Secret) {
		s.Annotations["edge.open-horizon.io/copied-to"] = strings.Join([]string{other, operatorNamespace, "kube-system", openshift.ProjectName(edge), "../x", ""}, ",")
	})
	o.pass(t, edge)
	g.Expect(recorded(t, edge, name)).To(Equal(target))
	awaitReady(t, edge)
	g.Expect(copyIn(t, other, name).ResourceVersion).To(Equal(foreign.ResourceVersion))
	g.Expect(o.inTarget(operatorNamespace)).To(HaveEach(Or(HaveSuffix("/secrets"), HaveSuffix("/"+recordName(edge.UID)))), "its record")
	g.Expect(o.inTarget("kube-system")).To(BeEmpty())
	g.Expect(o.touched(other)).To(BeEmpty())
	edit(t, secretOf(t, edge, name), func(s *corev1.Secret) { delete(s.Annotations, "edge.open-horizon.io/copied-to") })
	expectCopy(t, edge, target, name)
	g.Expect(secretOf(t, edge, name).Labels).To(HaveKeyWithValue(objects.KindLabel, objects.KindPublish))
}

// A finalizer of somebody else's may keep a copy that is to go. It is not forgotten before it is gone.
func TestCopiesThatAFinalizerHoldsAreNotForgotten(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target))))
	name := pass.PublishSecretName(edge)
	copied := copyIn(t, target, name)
	edit(t, copied, func(s *corev1.Secret) { s.Finalizers = []string{"example.test/hold"} })
	edit(t, edge, copyPublishTo())
	expectHeldUp(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesPending, false, target, "example.test/hold")
	g.Expect(recorded(t, edge, name)).To(Equal(target))
	edit(t, copied, func(s *corev1.Secret) { s.Finalizers = nil })
	heals(t, edge)
	g.Expect(noCopyIn(t, target, name)).To(BeTrue())
	g.Expect(recorded(t, edge, name)).To(BeEmpty())
}

func TestCopiesWhereTheInvitationWasWithdrawn(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	kept, lost := makeTarget(t), makeNamespace(t).Name
	invitation := inviteCopies(t, lost)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(kept, lost))))
	name := pass.PublishSecretName(edge)
	g.Expect(admin.Delete(t.Context(), invitation)).To(Succeed())
	edit(t, edge, copyPublishTo(kept))
	awaitFailures(t, edge, map[string]string{lost: edgev1.ReasonNotInvited})
	expectHeldUp(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed, true, "1 of 1 copies", lost, "kubectl create rolebinding")
	g.Expect(recorded(t, edge, name)).To(Equal(sortedNames(kept, lost)), "it is not forgotten")
	g.Expect(noCopyIn(t, lost, name)).To(BeFalse())
	inviteCopies(t, lost, edge.Name)
	heals(t, edge)
	g.Expect(noCopyIn(t, lost, name)).To(BeTrue())
	g.Expect(recorded(t, edge, name)).To(Equal(kept))
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	gone(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kept, Name: name}})
}

func TestCopiesSurviveACrashBetweenThem(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b, c := makeTarget(t), makeTarget(t), makeTarget(t)
	edge := newEdge(copyPublishTo(a, b, c))
	// The first copy is made, its answer is lost, and so is all that the operator sends from then on.
	var once sync.Once
	var first, ahead string
	down := make(chan struct{})
	o.intercepting(func(r ask, on func() (*http.Response, error)) (*http.Response, error) {
		for _, namespace := range []string{a, b, c} {
			if !r.is("POST", "/"+namespace+"/secrets") {
				continue
			}
			mine := false
			once.Do(func() {
				mine, first, ahead = true, namespace, recorded(t, edge, pass.PublishSecretName(edge))
			})
			if !mine {
				return cut(nil, nil)
			}
			answer, err := on()
			close(down)
			return cut(answer, err)
		}
		select {
		case <-down:
			return cut(nil, nil)
		default:
			return on()
		}
	})
	apply(t, edge)
	g.Eventually(down).WithTimeout(soon).Should(BeClosed())
	g.Expect(ahead).To(Equal(sortedNames(a, b, c)), "the list is written ahead of the copies")
	o.stop(t)
	name := pass.PublishSecretName(edge)
	g.Expect(noCopyIn(t, first, name)).To(BeFalse())
	rest := strings.Split(strings.Trim(strings.ReplaceAll(","+sortedNames(a, b, c)+",", ","+first+",", ","), ","), ",")
	edit(t, edge, copyPublishTo(rest...))

	o = startOperator(t)
	awaitReady(t, edge)
	g.Expect(noCopyIn(t, first, name)).To(BeTrue(), "no orphan")
	for _, namespace := range rest {
		expectCopy(t, edge, namespace, name)
	}
	g.Expect(recorded(t, edge, name)).To(Equal(sortedNames(rest...)))

	// The same in the middle of a rotation.
	stopped := make(chan struct{})
	once = sync.Once{}
	o.intercepting(func(r ask, on func() (*http.Response, error)) (*http.Response, error) {
		if r.is("PATCH", "/"+rest[0]+"/secrets/"+name) {
			once.Do(func() { close(stopped) })
		}
		select {
		case <-stopped:
			return cut(nil, nil)
		default:
			return on()
		}
	})
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	g.Eventually(stopped).WithTimeout(soon).Should(BeClosed())
	o.stop(t)
	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	for _, namespace := range rest {
		g.Expect(expectCopy(t, edge, namespace, name).Annotations[objects.GenerationAnnotation]).To(Equal(secretOf(t, edge, name).Annotations[objects.GenerationAnnotation]))
	}
}

func TestRemoveCopiesTakesAllThatItMay(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b, shut := makeTarget(t), makeTarget(t), makeNamespace(t).Name
	invitation := inviteCopies(t, shut)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(a, b, shut), copyPullTo(a))))
	o.stop(t)
	name := pass.PublishSecretName(edge)
	g.Expect(admin.Delete(t.Context(), invitation)).To(Succeed())
	edge.Spec.Secrets.Publish.CopyTo = []string{b, "absent-" + stamp(), operatorNamespace}
	scope := pass.NewScope(edge, time.Now(), &pass.Memory{})
	g.Expect(o.openRecord(t.Context(), scope)).To(Succeed())
	s := o.begin(scope)
	g.Expect(s.removeCopies(t.Context())).To(Succeed())
	for _, gone := range [][2]string{{a, name}, {b, name}, {a, pass.PullSecretName(edge)}} {
		g.Expect(noCopyIn(t, gone[0], gone[1])).To(BeTrue(), "%v", gone)
	}
	g.Expect(noCopyIn(t, shut, name)).To(BeFalse(), "garbage collection takes what it may not")
	g.Expect(o.inTarget(operatorNamespace)).To(HaveEach(Or(HaveSuffix("/secrets"), HaveSuffix("/"+recordName(edge.UID)))), "its record")
	g.Expect(s.removeCopies(t.Context())).To(Succeed(), "nothing is left to do")
}

// Argo CD takes whatever carries its label for its own, prunes what it does not find in Git, and
// calls the application out of sync meanwhile.
func TestArgoCDNeitherPrunesNorReportsTheSecrets(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target), func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels = map[string]edgev1.LabelValue{"app.kubernetes.io/instance": "an-application"}
		e.Spec.Secrets.Pull.Annotations = map[string]edgev1.AnnotationValue{"argocd.argoproj.io/sync-options": "Delete=false"}
	})))
	publish, pull := pass.PublishSecretName(edge), pass.PullSecretName(edge)
	left := And(HaveKeyWithValue("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
		HaveKeyWithValue("argocd.argoproj.io/sync-options", "Prune=false"))
	for _, secret := range []*corev1.Secret{
		secretOf(t, edge, publish), copyIn(t, target, publish),
		secretOf(t, edge, boundSecretName(publish, 1)), secretOf(t, edge, boundSecretName(pull, 1)),
	} {
		g.Expect(secret.Annotations).To(left, "%s in %s", secret.Name, secret.Namespace)
	}
	g.Expect(secretOf(t, edge, pull).Annotations).To(HaveKeyWithValue("argocd.argoproj.io/sync-options", "Delete=false"), "the spec wins")

	// Argo CD marks what it takes for its own. That is left alone.
	writes := len(o.wire.writes())
	for _, secret := range []*corev1.Secret{secretOf(t, edge, publish), copyIn(t, target, publish)} {
		edit(t, secret, func(s *corev1.Secret) {
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, "argocd.argoproj.io/tracking-id", "an-application:/Secret:x")
			metav1.SetMetaDataLabel(&s.ObjectMeta, "argocd.argoproj.io/instance", "an-application")
		})
	}
	o.pass(t, edge)
	g.Expect(o.wire.writes()[writes:]).To(BeEmpty())
	g.Expect(copyIn(t, target, publish).Annotations).To(HaveKey("argocd.argoproj.io/tracking-id"))
}

// The sample works as it stands, for who has the namespace ci.
func TestTheSampleOfCopiesWorks(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	content, err := os.ReadFile(filepath.Join(env.RepoRoot(), "config", "samples", "copies.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	documents := strings.Split(string(content), "\n---\n")
	g.Expect(documents).To(HaveLen(2))
	edge, invitation := &edgev1.EdgeRegistry{}, &rbacv1.RoleBinding{}
	g.Expect(yaml.UnmarshalStrict([]byte(documents[0]), edge)).To(Succeed())
	g.Expect(yaml.UnmarshalStrict([]byte(documents[1]), invitation)).To(Succeed())
	ci := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: invitation.Namespace}}
	g.Expect(admin.Create(t.Context(), ci)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), ci) })
	g.Expect(admin.Create(t.Context(), invitation)).To(Succeed())
	awaitReady(t, apply(t, edge))
	g.Expect(edge.Spec.Secrets.Publish.CopyTo).To(ConsistOf(ci.Name))
	expectCopy(t, edge, ci.Name, pass.PublishSecretName(edge))
}
