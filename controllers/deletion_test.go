// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// muchLater lets an operator live so much later that no project is new to it.
func muchLater(o *operator, _ *rest.Config) { o.clock.SetTime(time.Now().Add(2 * bindingDelay)) }

// liveTokens are the tokens of both Secrets, which work.
func liveTokens(t *testing.T, edge *edgev1.EdgeRegistry) []credential.Token {
	t.Helper()
	var tokens []credential.Token
	for _, role := range roles {
		secret, _ := published(t, edge, role)
		token := tokenOf(secret)
		NewWithT(t).Expect(works(t, token)).To(BeTrue())
		tokens = append(tokens, token)
	}
	return tokens
}

// bindingNamed is a RoleBinding in the project of an EdgeRegistry.
func bindingNamed(edge *edgev1.EdgeRegistry, name string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: openshift.ProjectName(edge), Name: name}}
}

// removed deletes objects as their admin and waits until they are gone.
func removed(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		NewWithT(t).Expect(client.IgnoreNotFound(admin.Delete(t.Context(), object))).To(Succeed())
		gone(t, object)
	}
}

// departure is an EdgeRegistry that is deleted while no operator runs, after something else went.
type departure struct {
	name string
	spec func(*testing.T) func(*edgev1.EdgeRegistry)
	// before happens before the EdgeRegistry is deleted, and after when it waits for an operator.
	before, after func(*testing.T, *edgev1.EdgeRegistry)
	how           []client.DeleteOption
	// keeps lists Secrets of the project that stay.
	keeps []string
	// event is what the event TokensRevoked says; empty if it is not checked.
	event string

	edge   *edgev1.EdgeRegistry
	tokens []credential.Token
}

func unlabelled(t *testing.T, edge *edgev1.EdgeRegistry) {
	for _, object := range ownedObjects(t, edge) {
		edit(t, object, func(o client.Object) { o.SetLabels(nil) })
	}
}

// orphaned waits until the garbage collector has taken the owner off everything.
func orphaned(t *testing.T, edge *edgev1.EdgeRegistry) {
	NewWithT(t).Eventually(func(g Gomega) {
		for _, object := range ownedObjects(t, edge) {
			g.Expect(object.GetOwnerReferences()).To(BeEmpty())
		}
		g.Expect(reload(t, edge).Finalizers).To(Equal([]string{objects.CleanupFinalizer}))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func departures() []*departure {
	invited := func(t *testing.T) func(*edgev1.EdgeRegistry) {
		project := makeNamespace(t)
		invite(t, project.Name)
		return inProject(project.Name)
	}
	orphan := []client.DeleteOption{client.PropagationPolicy(metav1.DeletePropagationOrphan)}
	return []*departure{
		{name: "all is there", event: "are revoked"},
		{name: "in the foreground", how: []client.DeleteOption{client.PropagationPolicy(metav1.DeletePropagationForeground)}},
		{name: "the namespace is gone", before: func(t *testing.T, e *edgev1.EdgeRegistry) { removed(t, namespaceOf(t, e)) }},
		{name: "the namespace is going", before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(admin.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
				Namespace: openshift.ProjectName(e), Name: "held", Finalizers: []string{"edge.test/hold"}}})).To(Succeed())
			NewWithT(t).Expect(admin.Delete(t.Context(), namespaceOf(t, e))).To(Succeed())
			t.Cleanup(func() {
				_ = admin.Patch(context.Background(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: openshift.ProjectName(e), Name: "held"}},
					client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
			})
		}},
		{name: "the service accounts are gone", before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			removed(t, serviceAccountOf(t, e, "edge-publisher"), serviceAccountOf(t, e, "edge-puller"))
		}},
		{name: "the Secrets are gone", before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			removed(t, secretOf(t, e, pass.PublishSecretName(e)), secretOf(t, e, pass.PullSecretName(e)))
		}},
		{name: "the bound Secrets are gone", before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			removed(t, boundSecretOf(t, e, edgev1.TokenPublisher), boundSecretOf(t, e, edgev1.TokenPuller))
		}},
		{name: "the operator's right is gone", event: "the garbage collector deletes the Secrets", before: func(t *testing.T, e *edgev1.EdgeRegistry) { removed(t, bindingNamed(e, "admin")) }},
		{name: "the invitation was withdrawn", spec: invited, event: "the garbage collector deletes the Secrets",
			before: func(t *testing.T, e *edgev1.EdgeRegistry) { removed(t, bindingNamed(e, "edge-registry")) }},
		{name: "the labels are gone", before: unlabelled},
		{name: "what it had is orphaned", how: orphan, after: orphaned},
		{name: "a Secret is another's by now", keeps: []string{"publish"}, before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			secret := secretOf(t, e, pass.PublishSecretName(e))
			removed(t, secret)
			NewWithT(t).Expect(admin.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Namespace: secret.Namespace, Name: secret.Name, Labels: map[string]string{objects.EdgeLabel: e.Name, objects.ManagedByLabel: objects.FieldManager}}})).To(Succeed())
		}},
		{name: "somebody takes the finalizer off", after: func(_ *testing.T, e *edgev1.EdgeRegistry) { releaseNow(e) }},
		{name: "it is suspended", before: func(t *testing.T, e *edgev1.EdgeRegistry) {
			edit(t, e, func(e *edgev1.EdgeRegistry) { e.Spec.Suspend = true })
		}},
	}
}

func TestDeletionEndsWhateverIsGoneAlreadyAndLeavesNoLiveToken(t *testing.T) {
	all := departures()
	first := startOperator(t)
	for _, d := range all {
		mods := []func(*edgev1.EdgeRegistry){}
		if d.spec != nil {
			mods = append(mods, d.spec(t))
		}
		d.edge = apply(t, newEdge(mods...))
	}
	for _, d := range all {
		awaitReady(t, d.edge)
		d.tokens = liveTokens(t, d.edge)
	}
	first.stop(t)
	for _, d := range all {
		for _, prepare := range []func(*testing.T, *edgev1.EdgeRegistry){d.before, func(t *testing.T, e *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(admin.Delete(t.Context(), e, d.how...)).To(Succeed())
		}, d.after} {
			if prepare != nil {
				prepare(t, d.edge)
			}
		}
	}
	second := startOperator(t, muchLater)
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			g := NewWithT(t)
			gone(t, d.edge.DeepCopy())
			for _, token := range d.tokens {
				expectDead(t, token)
			}
			if d.event != "" {
				expectEvent(t, d.edge, edgev1.ReasonTokensRevoked, d.event, openshift.ProjectName(d.edge))
			}
			g.Eventually(func(g Gomega) {
				left := &corev1.SecretList{}
				g.Expect(admin.List(t.Context(), left, client.InNamespace(openshift.ProjectName(d.edge)))).To(Succeed())
				g.Expect(left.Items).To(HaveLen(len(d.keeps)))
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			for _, request := range second.touched(openshift.ProjectName(d.edge)) {
				g.Expect(request).NotTo(HavePrefix("POST "), "nothing is made for what goes")
			}
		})
	}
}

// The tokens do not wait for garbage collection, and an event reports them.
func TestDeletionRevokesTheTokensItself(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, muchLater)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(target))))
	g.Expect(edge.Finalizers).To(Equal([]string{objects.CleanupFinalizer}))
	writes := o.wire.writes()
	g.Expect(writes[:2]).To(Equal([]string{
		"POST /api/v1/namespaces/" + operatorNamespace + "/secrets", "PATCH /apis/edge.open-horizon.io/v1alpha1/edgeregistries/" + edge.Name,
	}), "it has a record and is held before anything is done for it")
	tokens := liveTokens(t, edge)
	g.Expect(admin.Delete(t.Context(), edge.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
	gone(t, edge.DeepCopy())
	for _, token := range tokens {
		expectDead(t, token)
	}
	expectEvent(t, edge, edgev1.ReasonTokensRevoked, "edge-publisher and edge-puller", edge.Name)
	g.Expect(noCopyIn(t, target, pass.PullSecretName(edge))).To(BeTrue(), "a copy is a token too")
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: edge.Name, Name: "edge-puller"}, &corev1.ServiceAccount{})).
		To(Succeed(), "what carries no token stays, as --cascade=orphan asks")
}

func TestDeletionOfWhatIsStalled(t *testing.T) {
	o := startOperator(t, muchLater)
	for _, tt := range []struct {
		name, condition, reason string
		stall                   func(*testing.T) func(*edgev1.EdgeRegistry)
	}{
		{"the registry is Removed", edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved, func(t *testing.T) func(*edgev1.EdgeRegistry) {
			keepPlatform(t)
			setManagement(operatorv1.Removed)(t)
			return func(*edgev1.EdgeRegistry) {}
		}},
		{"there is no registry", edgev1.RegistryExposed, edgev1.ReasonRegistryAbsent, func(t *testing.T) func(*edgev1.EdgeRegistry) {
			keepPlatform(t)
			deleteConfig(t)
			return func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Exposure = edgev1.ExposureRestore }
		}},
		{"nobody invited the operator", edgev1.ProjectReady, edgev1.ReasonNotInvited, func(t *testing.T) func(*edgev1.EdgeRegistry) {
			return inProject(makeNamespace(t).Name)
		}},
		{"the project is the operator's own", edgev1.ProjectReady, edgev1.ReasonProjectReserved, func(*testing.T) func(*edgev1.EdgeRegistry) {
			return inProject(operatorNamespace)
		}},
		{"no CA verifies the route", edgev1.RegistryTrusted, edgev1.ReasonChainUntrusted, func(t *testing.T) func(*edgev1.EdgeRegistry) {
			openShift.Router.SetPublished(platform.NewCA("another").PEM())
			t.Cleanup(openShift.Router.RenewLeaf)
			return func(*edgev1.EdgeRegistry) {}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			mod := tt.stall(t)
			edge := apply(t, newEdge(mod, func(e *edgev1.EdgeRegistry) { e.Spec.DeletionPolicy = edgev1.DeletionDelete }))
			awaitReason(t, edge, tt.condition, tt.reason)
			before := len(o.wire.matching(isConfigPatch))
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			gone(t, edge.DeepCopy())
			g.Expect(o.wire.matching(isConfigPatch)).To(HaveLen(before))
			if tt.condition == edgev1.ProjectReady {
				g.Expect(namespaceOf(t, edge).DeletionTimestamp).To(BeNil(), "the project is not the EdgeRegistry's")
				g.Expect(o.touched(openshift.ProjectName(edge))).To(BeEmpty())
			}
		})
	}
}

// An operator that was replaced in the middle of a pass does not know that its EdgeRegistry is gone.
func TestDeletionIsNotUndoneByAnOperatorThatWasReplaced(t *testing.T) {
	g := NewWithT(t)
	project := makeNamespace(t)
	invite(t, project.Name) // so that the old operator keeps its right
	old := startOperator(t, muchLater)
	edge := awaitReady(t, apply(t, newEdge(inProject(project.Name))))
	old.pass(t, edge)
	tokens := liveTokens(t, edge)
	held, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	old.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		if a.is(http.MethodGet, "/namespaces/"+project.Name+"/secrets") && !a.URL.Query().Has("watch") {
			once.Do(func() {
				close(held)
				<-goOn
			})
		}
		return response, err
	})
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	<-held
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	startOperator(t, muchLater)
	gone(t, edge.DeepCopy())
	wrote := len(old.wire.writes())
	reads := func() int {
		return len(old.wire.matching(func(r string) bool { return r == "GET /apis/edge.open-horizon.io/v1alpha1/edgeregistries/"+edge.Name }))
	}
	read := reads()
	release()
	g.Eventually(reads).WithTimeout(soon).WithPolling(often).Should(BeNumerically(">", read), "it asks before it mints")
	g.Eventually(func() []string { return old.wire.writes()[wrote:] }).WithTimeout(soon).WithPolling(often).
		Should(ContainElement(HaveSuffix("/secrets/"+recordName(edge.UID))), "the pass has ended")
	for _, request := range old.wire.writes()[wrote:] {
		g.Expect(request).NotTo(HavePrefix("POST "), "nothing is made for an EdgeRegistry that is gone")
	}
	for _, token := range tokens {
		expectDead(t, token)
	}
	g.Eventually(func(g Gomega) {
		left := &corev1.SecretList{}
		g.Expect(admin.List(t.Context(), left, client.InNamespace(project.Name))).To(Succeed())
		g.Expect(left.Items).To(BeEmpty())
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func TestDeletionThatIsHeldUpSaysByWhatAndEndsWhenThatGoes(t *testing.T) {
	o := startOperator(t, muchLater)
	for _, tt := range []struct {
		name, message string
		blocks        func(a ask) bool
		// alone: nobody asks for another look.
		alone bool
	}{
		{name: "the Secrets cannot be listed", message: "cannot revoke the tokens", alone: true,
			blocks: func(a ask) bool { return a.is(http.MethodGet, "/secrets") }},
		{name: "a Secret cannot be deleted", message: "delete Secret",
			blocks: func(a ask) bool { return a.Method == http.MethodDelete && strings.Contains(a.URL.Path, "/secrets/") }},
		{name: "the Config of the registry cannot be read", message: "cannot restore the default route",
			blocks: func(a ask) bool { return a.is(http.MethodGet, configPath) }},
		{name: "the project cannot be deleted", message: "cannot leave the project",
			blocks: func(a ask) bool { return a.Method == http.MethodDelete && strings.Contains(a.URL.Path, "/projects/") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			keepPlatform(t)
			changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = true })
			edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
				e.Spec.DeletionPolicy, e.Spec.OpenShift.Exposure = edgev1.DeletionDelete, edgev1.ExposureRestore
			})))
			o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
				if tt.blocks(a) {
					return unavailableAnswer(a.Request), nil
				}
				return on()
			})
			t.Cleanup(func() { o.wire.setIntercept(nil) })
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			g.Eventually(func(g Gomega) {
				c := condition(t, edge, edgev1.Ready)
				g.Expect(c.Reason).To(Equal(edgev1.ReasonDeletionPending))
				g.Expect(c.Status).To(Equal(metav1.ConditionFalse))
				g.Expect(c.Message).To(And(ContainSubstring("the deletion is held up"), ContainSubstring(tt.message), Not(ContainSubstring("\n"))))
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			g.Expect(isStalled(t, edge)).To(BeFalse())
			g.Expect(edge.Finalizers).To(ContainElement(objects.CleanupFinalizer))
			expectEvent(t, edge, edgev1.ReasonDeletionPending, tt.message)
			o.wire.setIntercept(nil)
			if !tt.alone {
				poke(t, edge)
			}
			gone(t, edge.DeepCopy())
			gone(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: edge.Name}})
		})
	}
}

// Whoever deletes with cascade=foreground keeps the EdgeRegistry for a while, and a finalizer of another's may keep it for ever.
func TestAnEdgeRegistryThatOthersKeepIsNotReadyAndListsNoDeadToken(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	edit(t, edge, func(e *edgev1.EdgeRegistry) { e.Finalizers = append(e.Finalizers, "example.com/keep") })
	t.Cleanup(func() {
		_ = admin.Patch(context.Background(), edge, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
	})
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	g.Eventually(func(g Gomega) {
		c := condition(t, edge, edgev1.Ready)
		g.Expect(edge.Finalizers).To(Equal([]string{"example.com/keep"}))
		g.Expect(c.Status).To(Equal(metav1.ConditionFalse))
		g.Expect(c.Message).To(ContainSubstring("see who takes off the finalizers example.com/keep"))
		g.Expect(edge.Status.Credentials).To(BeEmpty())
		g.Expect(series(t, metricReady, map[string]string{labelOfEdge: edge.Name})).To(Equal(map[string]float64{"": 0}))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

func unavailableAnswer(r *http.Request) *http.Response {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}, Request: r}
}

func TestDeletionWhereAnAPIIsGone(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t, muchLater)
	edge := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.DeletionPolicy, e.Spec.OpenShift.Exposure = edgev1.DeletionDelete, edgev1.ExposureRestore
	})))
	// What an API server answers to a path that it does not serve.
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		if slices.ContainsFunc([]string{"imageregistry.operator.openshift.io", "route.openshift.io", "project.openshift.io"},
			func(group string) bool { return strings.Contains(a.URL.Path, "/"+group+"/") }) {
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Header: http.Header{}, Request: a.Request}, nil
		}
		return on()
	})
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	gone(t, edge.DeepCopy())
	expectEvent(t, edge, edgev1.ReasonProjectRetained, "does not serve projects", "oc delete project "+edge.Name)
	g.Expect(namespaceOf(t, edge).DeletionTimestamp).To(BeNil())
}
