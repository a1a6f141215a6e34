// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what copies cost: the requests for each, in which order, and what is still true without those that are
// not sent.

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// askedAbout are the operator's requests about each namespace from a place in the API server's log on, in their order, and the
// versions from which its copies were watched.
func askedAbout(t *testing.T, offset int64, namespaces []string) (requests map[string][]string, since map[string][]string) {
	t.Helper()
	requests, since = map[string][]string{}, map[string][]string{}
	for _, event := range auditSince(t, offset, operatorUser) {
		ref := event.ObjectRef
		if ref == nil {
			continue
		}
		namespace := ref.Namespace
		if ref.Resource == "namespaces" {
			namespace = ref.Name
		}
		if !slices.Contains(namespaces, namespace) || (event.Verb == "watch" && event.Stage != auditv1.StageResponseStarted) {
			continue
		}
		requests[namespace] = append(requests[namespace], event.Verb+" "+ref.Resource)
		if event.Verb == "watch" {
			asked, err := url.Parse(event.RequestURI)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			since[namespace] = append(since[namespace], asked.Query().Get("resourceVersion"))
		}
	}
	return requests, since
}

func TestEachCopyCostsItsConsentOneWriteAndOneWatchFromWhereItWasLeft(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	var targets []string
	for range 20 {
		targets = append(targets, makeTarget(t))
	}
	slices.Sort(targets)
	offset := auditEnd(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(targets...))))
	name := pass.PublishSecretName(edge)
	for _, target := range targets {
		g.Eventually(func() []string {
			requests, since := askedAbout(t, offset, []string{target})
			if len(since[target]) == 1 {
				g.Expect(since[target]).To(Equal([]string{copyIn(t, target, name).ResourceVersion}), "that of the creation's own answer")
			}
			return requests[target]
		}).WithTimeout(soon).WithPolling(often).Should(Equal([]string{"list rolebindings", "get namespaces", "create secrets", "watch secrets"}), target)
	}

	// What is changed is known, and the invitation shows that the namespace is the same as before.
	offset = auditEnd(t)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	awaitReady(t, edge)
	g.Eventually(func() string {
		return secretOf(t, edge, name).Annotations[objects.GenerationAnnotation] + reload(t, edge).Status.LastHandledRotation
	}).WithTimeout(soon).WithPolling(often).Should(Equal("2now"))
	requests, _ := askedAbout(t, offset, targets)
	for _, target := range targets {
		g.Expect(requests[target]).To(Equal([]string{"list rolebindings", "patch secrets"}), target)
		expectCopy(t, edge, target, name)
	}
	offset = auditEnd(t)
	o.pass(t, edge)
	requests, _ = askedAbout(t, offset, targets)
	g.Expect(requests).To(BeEmpty())

	// A restart reads each once, watches it from the version of a list, and writes nothing.
	o.stop(t)
	offset = auditEnd(t)
	o = startOperator(t)
	o.pass(t, edge)
	g.Expect(o.wire.writes()).To(BeEmpty())
	requests, since := askedAbout(t, offset, targets)
	for _, target := range targets {
		g.Expect(requests[target]).To(Equal([]string{"watch secrets", "get secrets"}), target)
		g.Expect(since[target]).To(Equal(since[targets[0]]), "the version of the list in the project")
		g.Expect(since[target]).NotTo(ContainElement(""))
	}
}

// A copy that is known is changed without a look at its namespace, as long as nothing happened to that and the invitation is
// unchanged.
func TestATargetIsReadAgainWhereItMayBeAnother(t *testing.T) {
	for what, happen := range map[string]func(t *testing.T, o *operator, edge *edgev1.EdgeRegistry, target string){
		"something happened to it": func(t *testing.T, o *operator, edge *edgev1.EdgeRegistry, target string) {
			looks := func() int {
				return len(o.wire.matching(func(request string) bool { return request == "GET /api/v1/namespaces/"+openshift.ProjectName(edge) }))
			}
			before := looks()
			edit(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: target}}, func(n *corev1.Namespace) { n.Labels["example.test/note"] = "one" })
			NewWithT(t).Eventually(looks).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", before))
		},
		"its owner invites again": func(t *testing.T, _ *operator, _ *edgev1.EdgeRegistry, target string) {
			old := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: "edge-registry-secrets"}}
			NewWithT(t).Expect(admin.Delete(t.Context(), old)).To(Succeed())
			inviteCopies(t, target)
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			target := makeTarget(t)
			edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target))))
			o.pass(t, edge)
			happen(t, o, edge, target)
			offset := auditEnd(t)
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("now"))
			awaitReady(t, edge)
			requests, _ := askedAbout(t, offset, []string{target})
			g.Expect(requests[target]).To(Equal([]string{"list rolebindings", "get namespaces", "patch secrets"}))
			expectCopy(t, edge, target, pass.PublishSecretName(edge))
		})
	}
}

// A key, a label or an annotation that is wanted no more goes from each copy, and what others added stays.
func TestWhatIsWantedNoMoreGoesFromEachCopy(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(a, b), func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels = map[string]edgev1.LabelValue{"team": "a"}
		e.Spec.Secrets.Publish.Annotations = map[string]edgev1.AnnotationValue{"example.test/note": "one"}
	})))
	name := pass.PublishSecretName(edge)
	edit(t, copyIn(t, a, name), func(s *corev1.Secret) { s.Annotations["theirs"] = "stays" })
	o.pass(t, edge)
	edit(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels, e.Spec.Secrets.Publish.Annotations = nil, nil
	})
	awaitReady(t, edge)
	expectCopy(t, edge, b, name)
	changed := copyIn(t, a, name)
	g.Expect(changed.Labels).NotTo(HaveKey("team"))
	g.Expect(changed.Annotations).To(And(HaveKeyWithValue("theirs", "stays"), Not(HaveKey("example.test/note"))))
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty())
}

// A change of a copy that somebody altered since the last event: it is read once, and repaired by its state.
func TestACopyThatIsNotAsItWasKnownIsReadAndMended(t *testing.T) {
	for what, alter := range map[string]func(t *testing.T, copied *corev1.Secret){
		"altered": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere") })
		},
		"deleted": func(t *testing.T, copied *corev1.Secret) {
			NewWithT(t).Expect(admin.Delete(t.Context(), copied)).To(Succeed())
		},
		"sealed": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Immutable = ptr.To(true) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			target := makeTarget(t)
			edge := awaitReady(t, apply(t, newEdge(copyPublishTo(target))))
			name := pass.PublishSecretName(edge)
			o.pass(t, edge)
			var once sync.Once
			var since, refused atomic.Int64
			o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
				first := false
				if a.is(http.MethodPatch, target+"/secrets/"+name) {
					once.Do(func() {
						first = true
						since.Store(int64(len(o.inTarget(target))))
						alter(t, copyIn(t, target, name))
					})
				}
				response, err := on()
				if first && err == nil {
					refused.Store(int64(response.StatusCode))
				}
				return response, err
			})
			annotate(t, edge, edgev1.RotateAnnotation, "now")
			g.Eventually(func() string { return reload(t, edge).Status.LastHandledRotation }).WithTimeout(soon).WithPolling(often).Should(Equal("now"))
			awaitReady(t, edge)
			expectCopy(t, edge, target, name)
			g.Expect(refused.Load()).To(Or(BeEquivalentTo(http.StatusConflict), BeEquivalentTo(http.StatusNotFound)), "what is not known is not changed")
			after := o.inTarget(target)[since.Load():]
			g.Expect(after[0]).To(Equal("GET /api/v1/namespaces/"+target+"/secrets/"+name), "%v", after)
			g.Expect(o.mints(edge)).To(Equal(4))
		})
	}
}

// Between the write of a copy and its watch, the status is written. Whatever happens to the copy then is an event of the watch.
func TestACopyThatChangesBeforeItIsWatchedIsHealed(t *testing.T) {
	for what, harm := range map[string]func(t *testing.T, copied *corev1.Secret){
		"deleted": func(t *testing.T, copied *corev1.Secret) {
			NewWithT(t).Expect(admin.Delete(t.Context(), copied)).To(Succeed())
		},
		"altered": func(t *testing.T, copied *corev1.Secret) {
			edit(t, copied, func(s *corev1.Secret) { s.Data[handoff.KeyHost] = []byte("elsewhere") })
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := NewWithT(t)
			target := makeTarget(t)
			edge := prepare(t, newEdge(copyPublishTo(target)))
			name := pass.PublishSecretName(edge)
			var once sync.Once
			harmed := make(chan struct{})
			o := startOperator(t)
			o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
				if a.URL.Query().Get("watch") == "true" && strings.HasSuffix(a.URL.Path, "/"+target+"/secrets") {
					once.Do(func() {
						ready := reload(t, edge.DeepCopy())
						g.Expect(copiesOf(t, ready, edgev1.SecretPublish).Synced).To(Equal(int32(1)), "the status comes first")
						harm(t, copyIn(t, target, name))
						close(harmed)
					})
				}
				return on()
			})
			apply(t, edge)
			g.Eventually(harmed).WithTimeout(soon).Should(BeClosed())
			g.Eventually(func(g Gomega) {
				copied := &corev1.Secret{}
				g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: target, Name: name}, copied)).To(Succeed())
				g.Expect(copied.Data).To(HaveKeyWithValue(handoff.KeyHost, []byte(openShift.Host())))
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			awaitReady(t, edge)
			expectCopy(t, edge, target, name)
		})
	}
}

// Nothing was made where the creation is refused, so that nothing has to be taken back from there.
func TestANamespaceThatRefusesItsCopyComesOffTheRecord(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	good, refused := makeTarget(t), makeTarget(t)
	name := ""
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if a.is(http.MethodPost, "/"+refused+"/secrets") {
			body := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"secrets is forbidden: User \"operator\" cannot create resource"}`
			return &http.Response{
				StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(body)), Request: a.Request,
			}, nil
		}
		return on()
	})
	edge := apply(t, newEdge(copyPublishTo(good, refused)))
	name = pass.PublishSecretName(edge)
	awaitFailures(t, edge, map[string]string{refused: edgev1.ReasonNotInvited})
	g.Eventually(func() string { return recorded(t, edge, name) }).WithTimeout(soon).WithPolling(often).Should(Equal(good))
	edit(t, edge, copyPublishTo(good))
	awaitReady(t, edge)
	for _, request := range o.inTarget(refused) {
		g.Expect(request).To(Equal("POST /api/v1/namespaces/" + refused + "/secrets"))
	}
}

// Anyone who had read a copy, and makes its namespace again, can put the same copy there, so that nothing has to be written, until
// there is a new token.
func TestACopyThatWasPutIntoANamespaceMadeAgainGetsNoNewToken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	target := makeNamespace(t).Name
	edge := prepare(t, newEdge(copyPublishTo(target)))
	createForTest(t, invitation(target, consent.Secrets, edge.Name))
	awaitReady(t, apply(t, edge))
	name := pass.PublishSecretName(edge)
	known := copyIn(t, target, name)
	o.stop(t)
	squatted := madeAgain(t, target, consent.Secrets, edge.Name)
	copied := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: target, Name: name, Labels: known.Labels, Annotations: known.Annotations, OwnerReferences: known.OwnerReferences,
		},
		Type: known.Type, Data: known.Data,
	}
	g.Expect(admin.Create(t.Context(), copied)).To(Succeed())
	o = startOperator(t)
	o.pass(t, edge)
	awaitReady(t, edge)
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	awaitFailures(t, edge, map[string]string{target: edgev1.ReasonNamespaceReplaced})
	g.Expect(copyIn(t, target, name).ResourceVersion).To(Equal(copied.ResourceVersion))

	annotate(t, edge, edgev1.AcceptAnnotation, target+"/"+string(squatted.UID))
	heals(t, edge)
	expectCopy(t, edge, target, name)
}
