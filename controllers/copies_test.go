// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestCopiesHoldTheOneTokenEverywhere(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(b, a), copyPullTo(b), func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels = map[string]edgev1.LabelValue{"team": "a", "stays": "yes"}
		e.Spec.Secrets.Publish.Annotations = map[string]edgev1.AnnotationValue{"example.test/note": "one"}
	})))
	publish, pull := pass.PublishSecretName(edge), pass.PullSecretName(edge)
	expectCopy(t, edge, a, publish)
	expectCopy(t, edge, b, pull)
	copied := expectCopy(t, edge, b, publish)
	g.Expect(copied.Labels).To(And(HaveKeyWithValue("team", "a"), HaveKeyWithValue(objects.KindLabel, "publish-copy")))
	g.Expect(copied.Annotations).To(And(HaveKeyWithValue("example.test/note", "one"), HaveKeyWithValue(objects.GenerationAnnotation, "1")))
	g.Expect(noCopyIn(t, a, pull)).To(BeTrue(), "it was not asked for")
	g.Expect(o.mints(edge)).To(Equal(2), "one token each, not one for each copy")
	g.Expect(recorded(t, edge, publish)).To(Equal(sortedNames(a, b)))
	g.Expect(recorded(t, edge, pull)).To(Equal(b))
	g.Expect(copiesOf(t, edge, edgev1.SecretPublish)).To(Equal(edgev1.CopiesStatus{Total: 2, Synced: 2}))
	g.Expect(copiesOf(t, edge, edgev1.SecretPull)).To(Equal(edgev1.CopiesStatus{Total: 1, Synced: 1}))
	g.Expect(edge.Status.Secrets).To(HaveEach(HaveField("Generation", int64(1))))
	g.Expect(condition(t, edge, edgev1.SecretsPublished)).To(And(
		HaveField("Reason", edgev1.ReasonPublished), HaveField("Message", ContainSubstring("and 3 copies are up to date"))))
	for _, path := range []string{"/secrets", "/secrets/" + publish} {
		writes := 0
		for _, request := range o.touched(openshift.ProjectName(edge)) {
			if strings.HasSuffix(request, path) && (path != "/secrets" || strings.HasPrefix(request, "PATCH")) {
				writes++
			}
		}
		g.Expect(writes).To(BeZero(), "the list of copies is written with the Secret, not after it: %s", path)
	}

	edit(t, edge, func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Labels, e.Spec.Secrets.Publish.Annotations = map[string]edgev1.LabelValue{"stays": "changed"}, nil
	})
	awaitReady(t, edge)
	for _, namespace := range []string{a, b} {
		copied := expectCopy(t, edge, namespace, publish)
		g.Expect(copied.Labels).To(And(HaveKeyWithValue("stays", "changed"), Not(HaveKey("team"))))
		g.Expect(copied.Annotations).NotTo(HaveKey("example.test/note"))
	}
	g.Expect(o.mints(edge)).To(Equal(2))
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty(), "neither a first copy nor a new spec is a repair")
}

func TestCopiesLeaveAForeignSecretOfTheirNameAlone(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b := makeTarget(t), makeTarget(t)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: a, Name: "shared"}, StringData: map[string]string{"mine": "data"},
	}
	g.Expect(admin.Create(t.Context(), foreign)).To(Succeed())
	edge := apply(t, newEdge(copyPublishTo(a, b), func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.Name = "shared" }))
	awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	g.Expect(failures(copiesOf(t, edge, edgev1.SecretPublish))).To(Equal(map[string]string{a: edgev1.ReasonConflict}))
	g.Expect(condition(t, edge, edgev1.SecretsPublished).Message).To(And(
		ContainSubstring("1 of 2 copies of shared are up to date"), ContainSubstring(a), ContainSubstring("does not belong to this EdgeRegistry")))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(condition(t, edge, edgev1.RegistryVerified).Status).To(Equal(metav1.ConditionTrue), "the steps after it go on")
	expectCopy(t, edge, b, "shared")

	// Taken off the list, it is not the operator's to clean.
	edit(t, edge, copyPublishTo(b))
	awaitReady(t, edge)
	g.Expect(copyIn(t, a, "shared").ResourceVersion).To(Equal(foreign.ResourceVersion))
	g.Expect(recorded(t, edge, "shared")).To(Equal(b))
	for _, request := range o.touched(a) {
		g.Expect(request).To(HavePrefix("POST "), "nothing but the attempt to create")
	}

	edit(t, edge, copyPublishTo(a, b))
	awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	g.Expect(admin.Delete(t.Context(), foreign)).To(Succeed())
	heals(t, edge)
	expectCopy(t, edge, a, "shared")
}

func TestCopiesOfTwoEdgeRegistriesDoNotCollide(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	target := makeTarget(t)
	named := func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.Name = "shared" }
	first := awaitReady(t, apply(t, newEdge(named, copyPublishTo(target))))
	second := apply(t, newEdge(named, copyPublishTo(target)))
	before := copyIn(t, target, "shared")
	awaitReason(t, second, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	g.Expect(failures(copiesOf(t, second, edgev1.SecretPublish))).To(Equal(map[string]string{target: edgev1.ReasonConflict}))
	g.Expect(copyIn(t, target, "shared").ResourceVersion).To(Equal(before.ResourceVersion), "the later one writes nothing")
	g.Expect(condition(t, first, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))

	edit(t, first, copyPublishTo())
	awaitReady(t, first)
	heals(t, second)
	expectCopy(t, second, target, "shared")
}

func TestCopiesThatCannotBeMadeHoldUpNoOther(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	good, uninvited := makeTarget(t), makeNamespace(t).Name
	absent := "absent-" + stamp()
	edge := apply(t, newEdge(copyPublishTo(absent, good, operatorNamespace, uninvited)))
	awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	publish := pass.PublishSecretName(edge)
	expectCopy(t, edge, good, publish)
	copies := copiesOf(t, edge, edgev1.SecretPublish)
	g.Expect(copies.Total).To(Equal(int32(4)))
	g.Expect(copies.Synced).To(Equal(int32(1)))
	g.Expect(failures(copies)).To(Equal(map[string]string{
		absent: edgev1.ReasonNamespaceAbsent, uninvited: edgev1.ReasonNotInvited, operatorNamespace: edgev1.ReasonReserved,
	}))
	for _, failure := range copies.Failed {
		g.Expect(failure.Message).To(ContainSubstring(failure.Namespace))
		if failure.Namespace == uninvited {
			g.Expect(failure.Message).To(ContainSubstring("kubectl create rolebinding edge-registry-secrets -n " + uninvited +
				" --clusterrole=edge-registry-secrets --serviceaccount=edge-registry-system:edge-registry-controller-manager" +
				" && kubectl annotate rolebinding edge-registry-secrets -n " + uninvited + " edge.open-horizon.io/for=" + edge.Name))
		}
	}
	g.Expect(condition(t, edge, edgev1.SecretsPublished).Message).To(HavePrefix("1 of 4 copies of " + publish + " are up to date; "))
	g.Expect(isStalled(t, edge)).To(BeTrue())
	g.Expect(recorded(t, edge, publish)).To(Equal(good), "where the operator is not let in there is no copy")

	edit(t, edge, copyPublishTo(absent, good, uninvited))
	awaitFailures(t, edge, map[string]string{absent: edgev1.ReasonNamespaceAbsent, uninvited: edgev1.ReasonNotInvited})
	inviteCopies(t, uninvited, edge.Name)
	asksUntil(t, edge, func(g Gomega) {
		g.Expect(failures(copiesOf(t, edge, edgev1.SecretPublish))).To(Equal(map[string]string{absent: edgev1.ReasonNamespaceAbsent}))
	})
	expectCopy(t, edge, uninvited, publish)
	expectHeldUp(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesPending, false, "2 of 3 copies", absent, "does not exist")

	// A watch shows that the namespace appears, but not that its owner invites the operator.
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: absent}}
	g.Expect(admin.Create(t.Context(), created)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), created) })
	awaitFailures(t, edge, map[string]string{absent: edgev1.ReasonNotInvited})
	inviteCopies(t, absent)
	heals(t, edge)
	expectCopy(t, edge, absent, publish)
	g.Expect(recorded(t, edge, publish)).To(Equal(sortedNames(absent, good, uninvited)))
	g.Expect(eventNotes(t, edge, edgev1.ReasonRepaired)).To(BeEmpty())
}

func TestCopiesInANamespaceThatIsDeletedAndMadeAgain(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	good, doomed := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(good, doomed))))
	publish := pass.PublishSecretName(edge)
	holder := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: doomed, Name: "holder", Finalizers: []string{"example.test/hold"}}}
	g.Expect(admin.Create(t.Context(), holder)).To(Succeed())
	t.Cleanup(func() {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		_ = admin.Patch(context.Background(), holder, patch)
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: doomed}}
	g.Expect(admin.Delete(t.Context(), namespace)).To(Succeed())
	// No pass is asked for.
	awaitFailures(t, edge, map[string]string{doomed: edgev1.ReasonNamespaceTerminating})
	expectHeldUp(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesPending, false, "1 of 2 copies", doomed, "is being deleted")
	expectCopy(t, edge, good, publish)

	edit(t, holder, func(c *corev1.ConfigMap) { c.Finalizers = nil })
	gone(t, namespace)
	awaitFailures(t, edge, map[string]string{doomed: edgev1.ReasonNamespaceAbsent})
	again := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: doomed}}
	g.Expect(admin.Create(t.Context(), again)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), again) })
	inviteCopies(t, doomed, edge.Name)
	// Whether the one who made it is the same as before is for a person to say.
	annotate(t, edge, edgev1.AcceptAnnotation, doomed+"/"+string(again.UID))
	heals(t, edge)
	expectCopy(t, edge, doomed, publish)
}

func TestCopiesThatFailAreCountedExactlyAndListedInPart(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	var absent []string
	for i := range 30 {
		absent = append(absent, fmt.Sprintf("absent-%s-%02d", stamp(), i))
	}
	edge := apply(t, newEdge(copyPublishTo(absent...)))
	awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesPending)
	copies := copiesOf(t, edge, edgev1.SecretPublish)
	g.Expect(copies.Total).To(Equal(int32(30)))
	g.Expect(copies.Synced).To(BeZero())
	g.Expect(copies.Failed).To(HaveLen(20))
	listed := strings.Split(sortedNames(absent...), ",")[:20]
	for i, failure := range copies.Failed {
		g.Expect(failure.Namespace).To(Equal(listed[i]))
	}
}

func TestCopiesAreAllCurrentBeforeTheStatusSaysSo(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	a, b := makeTarget(t), makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPublishTo(a, b), copyPullTo(a, b))))
	old := tokenOf(secretOf(t, edge, pass.PublishSecretName(edge)))
	var mu sync.Mutex
	reported := map[int64]int{}
	failing := true
	o.intercepting(func(r ask, on func() (*http.Response, error)) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.is("PATCH", b+"/secrets/"+pass.PublishSecretName(edge)) && failing {
			return cut(nil, nil)
		}
		if strings.Contains(r.URL.Path, a+"/secrets/") && r.Method == "PATCH" {
			reported[reload(t, edge.DeepCopy()).Status.Secrets[0].Generation]++
		}
		return on()
	})
	annotate(t, edge, edgev1.RotateAnnotation, "now")
	awaitFailures(t, edge, map[string]string{b: edgev1.ReasonRequestFailed})
	copies := copiesOf(t, edge, edgev1.SecretPublish)
	g.Expect(edge.Status.Secrets[0].Generation).To(Equal(int64(2)))
	g.Expect(copies.Synced).To(Equal(int32(1)), "one is at the generation before")
	g.Expect(copyIn(t, b, pass.PublishSecretName(edge)).Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "1"))
	expectCopy(t, edge, a, pass.PublishSecretName(edge))
	mu.Lock()
	g.Expect(reported).To(Equal(map[int64]int{1: 2}), "while the copies were written, the status named the generation before")
	failing = false
	mu.Unlock()
	heals(t, edge)
	for _, namespace := range []string{a, b} {
		for _, name := range []string{pass.PublishSecretName(edge), pass.PullSecretName(edge)} {
			copied := expectCopy(t, edge, namespace, name)
			g.Expect(copied.Annotations).To(HaveKeyWithValue(objects.GenerationAnnotation, "2"))
		}
	}
	g.Expect(works(t, old)).To(BeTrue(), "who read a copy before can work on")
	g.Expect(o.mints(edge)).To(Equal(4))
}
