// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what must not come of what tenants do. What each owner named is read from what owners alone write, the
// specs of EdgeRegistries and the invitations; what the operator does is seen on its wire.

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// mostRequests is how many requests a pass may send, and mostForCopy how many more for each copy.
const mostRequests, mostForCopy = 60, 8

// ledger is what is known of an estate without asking the operator.
type ledger struct {
	mu sync.Mutex
	// edges are the EdgeRegistries as their authors wrote them, of the one whose pass it is, and books what is kept of each.
	edges []edgev1.EdgeRegistry
	of    *edgev1.EdgeRegistry
	books map[types.UID]*book
	// places are the namespaces, bindings the role bindings in them, and marks the UIDs of the EdgeRegistries that objects
	// say to be of, by namespace, resource and name.
	places   map[string]types.UID
	bindings map[string]map[string]*rbacv1.RoleBinding
	marks    map[string][]types.UID
	// minted are the tokens that were issued to the operator, with the EdgeRegistry whose pass it was.
	minted map[string]types.UID
	// sent is how many requests the pass has sent, most how many the longest did, and all how many all did in their passes.
	sent, most, all, passes int
	// settled: the EdgeRegistries that nobody reaches have all that they need.
	settled bool
	wrongs  []string
}

// book is what is known of one EdgeRegistry.
type book struct {
	begun time.Time
	// requested are the projects that were made for it, accepted the namespaces that its author accepted, and pinned those in
	// which it was first served.
	requested map[types.UID]bool
	accepted  map[string]bool
	pinned    map[string]types.UID
	// mints are by account, and wishes how often the author asked for something else.
	mints      map[string]int
	wishes     int
	wish, plea string
	// pauses are those of absent namespaces, and restarts how often the operator had started before.
	pauses   map[string]*absence
	restarts int
}

// absence is when an absent namespace may be asked about again.
type absence struct {
	until time.Time
	pause time.Duration
}

// namespaces are those of the estate that are there.
func (e *estate) namespaces(ctx context.Context) []corev1.Namespace {
	list := &corev1.NamespaceList{}
	_ = admin.List(ctx, list)
	return slices.DeleteFunc(list.Items, func(n corev1.Namespace) bool { return !strings.HasPrefix(n.Name, e.prefix) })
}

// anyEdge is an EdgeRegistry as its author wrote it.
func (e *estate) anyEdge() *edgev1.EdgeRegistry { return &e.edges[e.random.IntN(len(e.edges))] }

// look reads what owners wrote, and what there is.
func (e *estate) look(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	edges, bindings := &edgev1.EdgeRegistryList{}, &rbacv1.RoleBindingList{}
	g.Expect(admin.List(t.Context(), edges)).To(Succeed())
	g.Expect(admin.List(t.Context(), bindings)).To(Succeed())
	e.edges = slices.DeleteFunc(edges.Items, func(edge edgev1.EdgeRegistry) bool { return !strings.HasPrefix(edge.Name, e.prefix) })
	e.places, e.bindings, e.marks = map[string]types.UID{}, map[string]map[string]*rbacv1.RoleBinding{}, map[string][]types.UID{}
	for _, namespace := range e.namespaces(t.Context()) {
		e.places[namespace.Name], e.bindings[namespace.Name] = namespace.UID, map[string]*rbacv1.RoleBinding{}
	}
	for i := range bindings.Items {
		if of, known := e.bindings[bindings.Items[i].Namespace]; known {
			of[bindings.Items[i].Name] = &bindings.Items[i]
		}
	}
	for resource, kind := range map[string]string{"secrets": "SecretList", "serviceaccounts": "ServiceAccountList"} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		g.Expect(admin.List(t.Context(), list)).To(Succeed())
		for i := range list.Items {
			e.mark(resource, &list.Items[i])
		}
	}
	for i := range bindings.Items {
		e.mark("rolebindings", &bindings.Items[i])
	}
	for i := range e.edges {
		e.open(&e.edges[i])
	}
	e.awaitPushers(t)
}

func (e *estate) mark(resource string, object metav1.Object) {
	if !strings.HasPrefix(object.GetNamespace(), e.prefix) {
		return
	}
	marks := []types.UID{types.UID(object.GetLabels()[objects.UIDLabel])}
	for _, owner := range object.GetOwnerReferences() {
		marks = append(marks, owner.UID)
	}
	e.marks[object.GetNamespace()+"/"+resource+"/"+object.GetName()] = marks
}

// open notes in its book what the author of an EdgeRegistry asks for.
func (e *estate) open(edge *edgev1.EdgeRegistry) {
	b := e.books[edge.UID]
	if b == nil {
		b = &book{
			begun: e.o.clock.Now(), requested: map[types.UID]bool{}, accepted: map[string]bool{}, pinned: map[string]types.UID{},
			mints: map[string]int{}, pauses: map[string]*absence{}, restarts: e.restarts,
		}
		e.books[edge.UID] = b
	}
	for entry := range strings.SplitSeq(edge.Annotations[edgev1.AcceptAnnotation], ",") {
		b.accepted[strings.TrimSpace(entry)] = true
	}
	if wish := fmt.Sprint(edge.Generation, edge.Annotations[edgev1.RotateAnnotation]); wish != b.wish {
		b.wish = wish
		b.wishes++
	}
	plea := fmt.Sprint(edge.Generation, edge.Annotations[edgev1.ReconcileAnnotation], edge.Annotations[edgev1.AcceptAnnotation], e.restarts)
	if plea != b.plea {
		b.plea = plea
		clear(b.pauses)
	}
}

// pushes reports that a puller's account is bound to more than the right to pull.
func (e *estate) pushes(edge *edgev1.EdgeRegistry) bool {
	puller := edge.Spec.OpenShift.Puller
	project := openshift.ProjectName(edge)
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: project, Name: puller.ServiceAccountName}
	for _, binding := range e.bindings[project] {
		if slices.Contains([]string{"admin", "edit", "system:image-builder"}, binding.RoleRef.Name) && slices.Contains(binding.Subjects, account) {
			return true
		}
	}
	return slices.Contains([]string{"edit", "system:image-builder"}, puller.ClusterRole)
}

// awaitPushers waits until the API server goes by the role bindings of pullers that may push.
func (e *estate) awaitPushers(t *testing.T) {
	t.Helper()
	for i := range e.edges {
		edge := &e.edges[i]
		project, role := openshift.ProjectName(edge), edge.Spec.OpenShift.Puller.ClusterRole
		if role != "system:image-puller" || !e.pushes(edge) {
			continue
		}
		NewWithT(t).Eventually(func(g Gomega) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: apiserver.ServiceAccountPrefix + project + ":" + edge.Spec.OpenShift.Puller.ServiceAccountName,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: project, Verb: "update", Group: "image.openshift.io", Resource: "imagestreams", Subresource: "layers",
				},
			}}
			g.Expect(admin.Create(t.Context(), review)).To(Succeed())
			g.Expect(review.Status.Allowed).To(BeTrue())
		}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	}
}

// named says why an EdgeRegistry has no business in a namespace; nothing if its author and the owner of the namespace named
// each other, and the namespace is the same as before.
func (e *estate) named(edge *edgev1.EdgeRegistry, namespace string) string {
	b, uid := e.books[edge.UID], e.places[namespace]
	accepted := b.accepted[namespace+"/"+string(uid)]
	role := consent.Secrets.ClusterRole
	switch {
	case namespace == openshift.ProjectName(edge):
		if edge.Spec.OpenShift.Project.Policy == edgev1.ProjectRequest {
			if b.requested[uid] || (accepted && len(b.requested) > 0) {
				return ""
			}
			return "was not requested for it"
		}
		role = consent.Project.ClusterRole
	case !slices.Contains(slices.Concat(edge.Spec.Secrets.Publish.CopyTo, edge.Spec.Secrets.Pull.CopyTo), namespace):
		return "is not in its spec"
	}
	operator := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}
	invited := false
	for _, binding := range e.bindings[namespace] {
		names := strings.Split(strings.ReplaceAll(binding.Annotations[edgev1.ForAnnotation], " ", ""), ",")
		invited = invited || (binding.RoleRef.Name == role && slices.Contains(binding.Subjects, operator) && slices.Contains(names, edge.Name))
	}
	if !invited {
		return "has no invitation for it"
	}
	if pinned := b.pinned[namespace]; pinned != "" && pinned != uid && !accepted {
		return fmt.Sprintf("was another when it was first served (%s then, %s now)", pinned, uid)
	}
	return ""
}

// inNamespace takes a path apart: namespace, resource, name and subresource.
var inNamespace = regexp.MustCompile(`/namespaces/([^/]+)(?:/([^/]+)(?:/([^/]+)(?:/([^/]+))?)?)?$`)

// placeOf is the namespace, resource, name and subresource of a request, from the second on; empty where there is none.
func placeOf(a ask) []string {
	found := inNamespace.FindStringSubmatch(a.URL.Path)
	if found == nil {
		found = make([]string, 5)
	}
	if found[3] == "" && a.Method == http.MethodPost {
		found[3] = a.object.GetName()
	}
	return found
}

// hear judges each request of the operator.
func (e *estate) hear(a ask, on func() (*http.Response, error)) (*http.Response, error) {
	body := ""
	if a.Method != http.MethodGet {
		body = string(requestBody(a.Request))
	}
	response, err := on()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent++
	if err != nil || e.of == nil {
		return response, err
	}
	found := placeOf(a)
	switch {
	case a.Method == http.MethodGet:
		e.judgeRead(found[1], found[2], found[3])
	case response.StatusCode >= http.StatusMultipleChoices || a.URL.Query().Get("dryRun") != "" || strings.HasSuffix(a.URL.Path, "reviews"):
	case found[4] == "token":
		e.judgeMint(tokenIn(response).Reveal(), found[1], found[3])
	case found[1] == "":
		e.judgeElsewhere(a.Method, a.URL.Path, a.object.GetName())
	case found[1] != operatorNamespace && found[1] != "default":
		e.judgeWrite(a.Method, found[1], found[2], found[3], body)
	}
	return response, nil
}

func (e *estate) wrong(format string, args ...any) {
	e.wrongs = append(e.wrongs, "in the pass of "+e.of.Name+": "+fmt.Sprintf(format, args...))
}

// judgeRead: a Secret is read by the names of the spec alone, and an absent namespace after growing pauses.
func (e *estate) judgeRead(namespace, resource, name string) {
	if resource == "secrets" && name != "" && strings.HasPrefix(namespace, e.prefix) {
		for _, secret := range []string{pass.PublishSecretName(e.of), pass.PullSecretName(e.of)} {
			if name == secret || generationInName(name, secret) {
				return
			}
		}
		e.wrong("Secret %s/%s is read", namespace, name)
	}
	if resource != "" || !strings.HasPrefix(namespace, e.in("absent-")) {
		return
	}
	pauses, now := e.books[e.of.UID].pauses, e.o.clock.Now()
	if pauses[namespace] == nil {
		pauses[namespace] = &absence{pause: consent.FirstPause}
	}
	of := pauses[namespace]
	if now.Before(of.until) {
		e.wrong("namespace %s, which is absent, is asked about before %s", namespace, of.until)
	}
	of.until, of.pause = now.Add(of.pause), min(2*of.pause, consent.MostPause)
}

func generationInName(name, secret string) bool {
	number, found := strings.CutPrefix(name, secret+"-")
	return found && strings.Trim(number, "0123456789") == ""
}

// judgeMint: a token is issued in the project of an EdgeRegistry, and none for a puller that may push.
func (e *estate) judgeMint(token, namespace, account string) {
	b := e.books[e.of.UID]
	e.minted[token] = e.of.UID
	b.mints[account]++
	if namespace != openshift.ProjectName(e.of) {
		e.wrong("a token is issued in namespace %s", namespace)
	} else if why := e.named(e.of, namespace); why != "" {
		e.wrong("a token is issued in project %s, which %s", namespace, why)
	}
	if account == e.of.Spec.OpenShift.Puller.ServiceAccountName && e.pushes(e.of) {
		e.wrong("a token is issued for %s in %s, which may push", account, namespace)
	}
}

// judgeElsewhere: of what is in no namespace, an EdgeRegistry and a project are its own.
func (e *estate) judgeElsewhere(method, path, name string) {
	b := e.books[e.of.UID]
	if _, rest, found := strings.Cut(path, "/edgeregistries/"); found && strings.Split(rest, "/")[0] != e.of.Name {
		e.wrong("%s %s", method, path)
	}
	if strings.HasSuffix(path, "/projectrequests") {
		namespace := &corev1.Namespace{}
		if admin.Get(context.Background(), client.ObjectKey{Name: name}, namespace) == nil {
			e.places[name], b.requested[namespace.UID] = namespace.UID, true
			e.bindings[name] = map[string]*rbacv1.RoleBinding{}
		}
	}
	if _, project, found := strings.Cut(path, "/projects/"); found && method == http.MethodDelete && !b.requested[e.places[project]] {
		e.wrong("project %s is deleted, which was not requested for it", project)
	}
}

// judgeWrite: only what says to be an EdgeRegistry's is changed, and but for its deletion only where owners named each other.
// No token goes anywhere else.
func (e *estate) judgeWrite(method, namespace, resource, name, body string) {
	b, key := e.books[e.of.UID], namespace+"/"+resource+"/"+name
	if e.settled && e.of.Name == e.quiet.Name && e.of.DeletionTimestamp.IsZero() {
		e.wrong("%s %s, where all was settled", method, key)
	}
	marks, there := e.marks[key]
	releases := resource == "rolebindings" && e.isOwnRight(namespace, name)
	if there && !slices.Contains(marks, e.of.UID) && !releases {
		e.wrong("%s %s, which is another's", method, key)
	}
	if method == http.MethodDelete {
		if name == "" {
			e.wrong("%s all of %s", method, key)
		}
		delete(e.marks, key)
		return
	}
	if why := e.named(e.of, namespace); why != "" && !releases {
		e.wrong("%s %s, and the namespace %s", method, key, why)
	}
	if e.holdsOthers(body) {
		e.wrong("%s %s with a token of another EdgeRegistry", method, key)
	}
	b.pinned[namespace] = e.places[namespace]
	if !releases {
		e.marks[key] = []types.UID{e.of.UID}
	}
}

// isOwnRight reports a role binding by which the operator is admin of a project that was requested for the EdgeRegistry.
func (e *estate) isOwnRight(namespace, name string) bool {
	binding := e.bindings[namespace][name]
	return binding != nil && binding.RoleRef.Name == "admin" && e.books[e.of.UID].requested[e.places[namespace]]
}

// holdsOthers reports that a body holds a token of another EdgeRegistry.
func (e *estate) holdsOthers(body string) bool {
	for token, owner := range e.minted {
		if owner != e.of.UID && (strings.Contains(body, token) || strings.Contains(body, base64.StdEncoding.EncodeToString([]byte(token)))) {
			return true
		}
	}
	return false
}
