// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file crosses project.go, copies*.go and package consent: what a tenant, or an author of EdgeRegistries, may write
// does not make the operator act for them. Each attack is made from an account with the rights that it takes and no others.

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// tenantUser is a user with the roles of an author of EdgeRegistries, or with one role in a namespace.
func tenantUser(t *testing.T, name string, author bool, namespaceRoles map[string]string) client.Client {
	t.Helper()
	g := NewWithT(t)
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}
	if author {
		createForTest(t, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "author-" + name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-editor"},
		})
	}
	for namespace, role := range namespaceRoles {
		createForTest(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tenant-" + name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		})
	}
	cfg := rest.CopyConfig(control.Admin)
	cfg.Impersonate.UserName = name
	user, err := client.New(cfg, client.Options{Scheme: control.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	return user
}

// does has a user create an object, once the rights count.
func does(t *testing.T, user client.Client, object client.Object) {
	t.Helper()
	NewWithT(t).Eventually(func() error { return user.Create(t.Context(), object) }).WithTimeout(soon).WithPolling(often).Should(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
	if edge, is := object.(*edgev1.EdgeRegistry); is {
		t.Cleanup(func() { releaseNow(edge) })
	}
}

// invitation is what an owner writes who invites the operator for some EdgeRegistries, or for none.
func invitation(namespace string, role consent.Role, edges string) *rbacv1.RoleBinding {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Binding},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.ClusterRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
	}
	if edges != "" {
		binding.Annotations = map[string]string{edgev1.ForAnnotation: edges}
	}
	return binding
}

// secretsIn are the Secrets of a namespace that carry a token.
func secretsIn(t *testing.T, namespace string) (names []string) {
	t.Helper()
	list := &corev1.SecretList{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(namespace))).To(Succeed())
	for _, secret := range list.Items {
		if secret.Type == corev1.SecretTypeDockerConfigJson {
			names = append(names, secret.Name)
		}
	}
	return names
}

func TestAnInvitationAdmitsOnlyTheEdgeRegistriesThatItNames(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	victim, own := makeNamespace(t).Name, makeNamespace(t).Name
	theirs := prepare(t, newEdge(inProject(victim)))
	createForTest(t, invitation(victim, consent.Project, theirs.Name))
	awaitReady(t, apply(t, theirs))
	before := contents(t, victim)

	mallory := tenantUser(t, "mallory", true, map[string]string{own: "admin"})
	grab := prepare(t, newEdge(inProject(victim), distinctNames("grab"), copyPublishTo(own)))
	does(t, mallory, invitation(own, consent.Secrets, grab.Name))
	does(t, mallory, grab)
	c := awaitReason(t, grab, edgev1.ProjectReady, edgev1.ReasonNotInvited)
	g.Expect(c.Message).To(Equal(`project "` + victim + `": its owner invited the operator by RoleBinding "edge-registry" for ` + theirs.Name +
		`, and not for EdgeRegistry "` + grab.Name + `": run 'oc annotate rolebinding edge-registry -n ` + victim +
		` --overwrite edge.open-horizon.io/for=` + theirs.Name + "," + grab.Name + `', or choose another project`))
	o.pass(t, grab)
	g.Expect(contents(t, victim)).To(Equal(before))
	g.Expect(secretsIn(t, own)).To(BeEmpty())
	g.Expect(o.mintsFor(grab, "grab-publisher")).To(BeZero())
	awaitReady(t, theirs)
}

func TestAnInvitationWithoutANameIsForNobody(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	project := makeNamespace(t).Name
	unnamed := invitation(project, consent.Project, "")
	createForTest(t, unnamed)
	edge := apply(t, newEdge(inProject(project)))
	c := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonNotInvited)
	g.Expect(c.Message).To(ContainSubstring(`RoleBinding "edge-registry", which does not say for which EdgeRegistry: run 'oc annotate rolebinding edge-registry -n ` +
		project + ` --overwrite edge.open-horizon.io/for=` + edge.Name + `'`))
	g.Expect(o.touched(project)).To(BeEmpty())
	edit(t, unnamed, func(b *rbacv1.RoleBinding) {
		b.Annotations = map[string]string{edgev1.ForAnnotation: "other, " + edge.Name}
	})
	heals(t, edge)
}

// Anyone who holds edit in a project can make a service account there with any owner reference.
func TestAServiceAccountThatNamesItsOwnerProvesNothing(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	victim := awaitReady(t, apply(t, newEdge()))
	project := victim.Name
	grab := prepare(t, newEdge(requesting(project), distinctNames("grab")))
	mallory := tenantUser(t, "mallory", true, map[string]string{project: "edit"})
	does(t, mallory, grab)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: project, Name: "grab-publisher", Labels: map[string]string{objects.EdgeLabel: grab.Name},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: edgev1.GroupVersion.String(), Kind: "EdgeRegistry", Name: grab.Name, UID: grab.UID}},
	}}
	does(t, mallory, account)
	o.pass(t, grab)
	awaitReason(t, grab, edgev1.ProjectReady, edgev1.ReasonProjectConflict)
	g.Expect(o.mintsFor(grab, "grab-publisher")).To(BeZero())
	g.Expect(bindingsOf(t, project)).NotTo(HaveKey(bindingName(grab, edgev1.TokenPublisher)))
	awaitReady(t, victim)
}

// bindingsOf are the role bindings of a namespace by name.
func bindingsOf(t *testing.T, namespace string) map[string]rbacv1.RoleRef {
	t.Helper()
	list, found := &rbacv1.RoleBindingList{}, map[string]rbacv1.RoleRef{}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(namespace))).To(Succeed())
	for _, binding := range list.Items {
		found[binding.Name] = binding.RoleRef
	}
	return found
}

// madeAgain is a namespace of a name that is gone, made by somebody who may make namespaces, and invites the operator.
func madeAgain(t *testing.T, name string, role consent.Role, edge string) *corev1.Namespace {
	t.Helper()
	g := NewWithT(t)
	old := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	g.Expect(admin.Delete(t.Context(), old)).To(Succeed())
	gone(t, old)
	squatted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	createForTest(t, squatted)
	does(t, tenantUser(t, "squatter", false, map[string]string{name: "admin"}), invitation(name, role, edge))
	return squatted
}

// A project that the operator requested anew is that of the EdgeRegistry that asked for it. An author of the one before accepts it for
// nobody, and learns whose it is.
func TestAProjectThatWasRequestedForAnotherIsNotAccepted(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	first := awaitReady(t, apply(t, newEdge(func(e *edgev1.EdgeRegistry) {
		e.Spec.OpenShift.Publisher.ServiceAccountName, e.Spec.OpenShift.Puller.ServiceAccountName = "first-publisher", "first-puller"
	})))
	edit(t, first, func(e *edgev1.EdgeRegistry) { e.Spec.Suspend = true })
	awaitReason(t, first, edgev1.Ready, edgev1.ReasonSuspended)
	project := namespaceOf(t, first)
	g.Expect(admin.Delete(t.Context(), project)).To(Succeed())
	gone(t, project)
	second := awaitReady(t, apply(t, newEdge(requesting(project.Name))))
	minted := o.mints(first)

	edit(t, first, func(e *edgev1.EdgeRegistry) {
		e.Spec.Suspend = false
		e.Annotations = map[string]string{edgev1.AcceptAnnotation: project.Name + "/" + string(namespaceOf(t, second).UID)}
	})
	told := awaitReason(t, first, edgev1.ProjectReady, edgev1.ReasonProjectConflict)
	g.Expect(told.Message).To(ContainSubstring(second.Name))
	g.Expect(o.mints(first)).To(Equal(minted))
	g.Expect(isStalled(t, first)).To(BeTrue())
}

func TestANamespaceThatWasMadeAgainGetsNothingUntilItIsAccepted(t *testing.T) {
	for name, tt := range map[string]struct {
		role      consent.Role
		condition string
		reason    string
		spec      func(string) func(*edgev1.EdgeRegistry)
	}{
		"a project that was adopted": {consent.Project, edgev1.ProjectReady, edgev1.ReasonNamespaceReplaced, inProject},
		"a target of copies": {consent.Secrets, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed,
			func(name string) func(*edgev1.EdgeRegistry) { return copyPullTo(name) }},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				o := startOperator(t)
				namespace := makeNamespace(t)
				edge := prepare(t, newEdge(tt.spec(namespace.Name)))
				createForTest(t, invitation(namespace.Name, tt.role, edge.Name))
				awaitReady(t, apply(t, edge))
				if restarted {
					o.stop(t)
				}
				squatted := madeAgain(t, namespace.Name, tt.role, edge.Name)
				if restarted {
					o = startOperator(t)
				}
				asksUntil(t, edge, func(g Gomega) {
					c := condition(t, edge, tt.condition)
					g.Expect(c.Reason).To(Equal(tt.reason))
					g.Expect(c.Message).To(ContainSubstring("was deleted and made again since it was first used (UID " + string(namespace.UID) + " then, " +
						string(squatted.UID) + " now), and gets no token before that is confirmed: if its owner is the right one, run 'kubectl annotate edgeregistry " +
						edge.Name + " --overwrite edge.open-horizon.io/accept=" + namespace.Name + "/" + string(squatted.UID) + "'"))
				})
				o.pass(t, edge)
				g.Expect(secretsIn(t, namespace.Name)).To(BeEmpty())
				g.Expect(isStalled(t, edge)).To(BeTrue())

				annotate(t, edge, edgev1.AcceptAnnotation, "other/x, "+namespace.Name+"/"+string(squatted.UID))
				heals(t, edge)
				g.Expect(secretsIn(t, namespace.Name)).NotTo(BeEmpty())
				g.Expect(recordOf(t, edge).Served).To(HaveKeyWithValue(namespace.Name, squatted.UID))
				annotate(t, edge, edgev1.AcceptAnnotation, "")
				o.pass(t, edge)
				awaitReady(t, edge)
			})
		}
	}
}

// Where the operator is admin for another EdgeRegistry, it could write.
func TestCopiesGoIntoNoProjectThatDidNotInviteThem(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	victim := awaitReady(t, apply(t, newEdge()))
	before := contents(t, victim.Name)
	edge := prepare(t, newEdge(copyPullTo(victim.Name)))
	does(t, tenantUser(t, "mallory", true, nil), edge)
	awaitReason(t, edge, edgev1.SecretsPublished, edgev1.ReasonCopiesFailed)
	g.Expect(failures(copiesOf(t, edge, edgev1.SecretPull))).To(Equal(map[string]string{victim.Name: edgev1.ReasonNotInvited}))
	o.pass(t, edge)
	g.Expect(contents(t, victim.Name)).To(Equal(before))

	// Its invitation to work there for this EdgeRegistry is none for copies.
	project := invitation(victim.Name, consent.Project, edge.Name)
	createForTest(t, project)
	o.pass(t, edge)
	g.Expect(failures(copiesOf(t, edge, edgev1.SecretPull))).To(HaveKey(victim.Name))
	createForTest(t, invitation(victim.Name, consent.Secrets, edge.Name))
	heals(t, edge)
	expectCopy(t, edge, victim.Name, pass.PullSecretName(edge))
}

// A Secret with the EdgeRegistry's label can be as large as Secrets may be.
func TestSecretsOfOthersWithOurLabelAreNotReadWhole(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	mallory := tenantUser(t, "mallory", false, map[string]string{edge.Name: "edit"})
	for range 20 {
		does(t, mallory, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: edge.Name, GenerateName: "large-", Labels: objects.OwnLabels(edge)},
			Data:       map[string][]byte{"x": bytes.Repeat([]byte("x"), 500_000)},
		})
	}
	var received atomic.Int64
	o.intercepting(func(_ ask, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		if err == nil && response.ContentLength > 0 {
			received.Add(response.ContentLength)
		}
		return response, err
	})
	o.pass(t, edge)
	g.Expect(o.wire.matching(func(r string) bool { return strings.Contains(r, "/secrets/large-") })).To(BeEmpty())
	g.Expect(received.Load()).To(BeNumerically("<", 1_000_000), "20 Secrets hold 10 MB")
	awaitReady(t, edge)
}

func TestTargetsThatAreAbsentAreAskedAfterGrowingPauses(t *testing.T) {
	g := NewWithT(t)
	o := directOperator(t)
	var absent []string
	for range 40 {
		absent = append(absent, "absent-"+stamp())
	}
	edge := apply(t, newEdge(copyPullTo(absent...)))
	g.Eventually(func() string {
		o.pass(t, edge)
		return condition(t, edge, edgev1.SecretsPublished).Reason
	}).WithTimeout(soon).WithPolling(often).Should(Equal(edgev1.ReasonCopiesPending))
	asked := func() int {
		return len(o.wire.matching(func(r string) bool { return strings.Contains(r, "/namespaces/absent-") }))
	}
	first := asked()
	start := o.clock.Now()
	for o.clock.Since(start) < time.Hour {
		result, err := makePass(t, o.EdgeRegistryReconciler, edge)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.RequeueAfter).To(BeNumerically(">", 0))
		o.clock.SetTime(o.clock.Now().Add(result.RequeueAfter))
	}
	// After 30 s, 1, 2, 4 and 8 minutes, then each 8: eleven times at most, where it was 120 times.
	g.Expect(asked() - first).To(BeNumerically("<=", 11*first))
	g.Expect(asked() - first).To(BeNumerically(">=", 7*first))

	// A person is answered at once.
	before := asked()
	poke(t, edge)
	o.pass(t, edge)
	g.Expect(asked()).To(Equal(before + first))
}

// A foreground deletion waits for the objects that block it, and whoever owns a namespace can hold what is there.
func TestAFinalizerOnACopyHoldsNoDeletionUp(t *testing.T) {
	startOperator(t, muchLater)
	target := makeTarget(t)
	edge := awaitReady(t, apply(t, newEdge(copyPullTo(target))))
	copied := copyIn(t, target, pass.PullSecretName(edge))
	mallory := tenantUser(t, "mallory", false, map[string]string{target: "admin"})
	NewWithT(t).Eventually(func() error {
		return mallory.Patch(t.Context(), copied, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":["example.test/hold"]}}`)))
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	t.Cleanup(func() {
		_ = admin.Patch(context.Background(), copied, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
	})
	NewWithT(t).Expect(admin.Delete(t.Context(), edge, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
	gone(t, edge.DeepCopy())
}

func TestAPullerThatMayPushGetsNoToken(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	edge := apply(t, newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "edit" }))
	expectHeldUp(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPullerCanPush, true,
		"edge-puller may push to project", "gets no token, since every node would hold it", "system:image-puller")
	o.pass(t, edge)
	g.Expect(o.mintsFor(edge, "edge-puller")).To(BeZero())
	g.Expect(secretsIn(t, edge.Name)).To(BeEmpty())
	editEdge(t, edge, func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Puller.ClusterRole = "system:image-puller" })
	awaitReady(t, edge)
}
