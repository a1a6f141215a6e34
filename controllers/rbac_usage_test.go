// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about that each right that the operator ships with is used, and no other, across all steps.

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// judgedInside are rights that no request of their own uses: the API server asks for them while it
// admits another, so they are not in its log. TestWithoutAnyOneRuleSomethingFails shows what they are for.
var judgedInside = []string{"bind clusterroles", "update edgeregistries/finalizers"}

func isJudgedInside(use string) bool {
	return slices.ContainsFunc(judgedInside, func(right string) bool { return strings.Contains(use, right) })
}

// A right that nothing needs is a right that somebody else will find a need for.
func TestEveryRuleThatIsShippedIsUsed(t *testing.T) {
	g := NewWithT(t)
	offset := auditEnd(t)
	setDefaultRoute(t, false)
	supplied := prepare(t, startOtherRegistry(t).external(t, atTheRoute))
	createForTest(t, invitation(supplied.Spec.Secrets.Namespace, consent.Secrets, supplied.Name))
	apply(t, supplied)
	held := newEdge()
	held.Finalizers = []string{objects.CleanupFinalizer}
	apply(t, held)
	run := tryOperator(t, operatorConfig, func(run *trial) {
		// While watches of the platform's objects are down, as when OpenShift rolls its API servers, the
		// operator reads the objects by name.
		run.failing(func(r *http.Request) bool {
			return streamsList(r) || platformObjects.MatchString(r.URL.Path)
		})
	})
	requested := awaitReady(t, apply(t, newEdge(bundleRef(t))))
	target := makeTarget(t)
	invited := awaitReady(t, invitedEdge(t, operatorUser, copyPublishTo(target)))
	run.failing(streamsList)

	awaitReason(t, supplied, edgev1.RegistryTrusted, edgev1.ReasonCredentialMissing)
	provokeRepairs(t, invited)
	provokeCopying(t, invited, target)
	provokeRoleChanges(t, invited)
	provokeSearchForCA(t, invited)
	token := metricsReader(t)
	g.Eventually(func() int { code, _ := run.scrape(t, token); return code }).WithTimeout(soon).Should(Equal(http.StatusOK))
	awaitReady(t, requested)
	g.Expect(admin.Delete(t.Context(), awaitReady(t, held))).To(Succeed())
	gone(t, held.DeepCopy())

	grants := shippedGrants(t)
	g.Expect(len(grants)).To(BeNumerically(">=", 15))
	g.Eventually(func() []string {
		events := auditSince(t, offset, operatorUser)
		var idle []string
		for _, grant := range grants {
			for _, use := range grant.unused(events) {
				if !isJudgedInside(use) {
					idle = append(idle, use)
				}
			}
		}
		return idle
	}).WithTimeout(soon).Should(BeEmpty(), "rights that no request needed")
	// The operator's rights in a project go with the EdgeRegistry, also while a watch there begins again.
	refused := slices.DeleteFunc(run.refusals(), func(request string) bool { return strings.Contains(request, "/namespaces/"+held.Name+"/") })
	g.Expect(refused).To(BeEmpty(), "requests that the shipped rights do not cover")
}

// platformObjects are the collections that the operator keeps a copy of.
var platformObjects = regexp.MustCompile(`/(configs|routes|openshift-config-managed/configmaps)$`)

// streamsList reports a list in the form of a watch, which older API servers do not serve: there the
// operator's informers list.
func streamsList(r *http.Request) bool { return r.URL.Query().Has("sendInitialEvents") }

// provokeRepairs alters and deletes objects of an EdgeRegistry until they are as they were.
func provokeRepairs(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	in := metav1.ObjectMeta{Namespace: openshift.ProjectName(edge)}
	account, binding, secret := &corev1.ServiceAccount{ObjectMeta: in}, &rbacv1.RoleBinding{ObjectMeta: in}, &corev1.Secret{ObjectMeta: in}
	account.Name, binding.Name, secret.Name = "edge-puller", bindingName(edge, edgev1.TokenPuller), pass.PullSecretName(edge)
	// The account twice, so that the second event adds to the first.
	for _, object := range []client.Object{account, account, binding, secret} {
		// Without its label the operator does not list it, and finds it by its name.
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, objects.EdgeLabel))
		g.Expect(admin.Patch(t.Context(), object, patch)).To(Succeed())
		g.Eventually(func(g Gomega) {
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
			g.Expect(object.GetLabels()).To(HaveKeyWithValue(objects.EdgeLabel, edge.Name))
		}).WithTimeout(soon).Should(Succeed(), "%T", object)
	}
	lost := secret.DeepCopy()
	lost.ObjectMeta = metav1.ObjectMeta{
		Namespace: secret.Namespace, Name: boundSecretName(secret.Name, 99), OwnerReferences: secret.OwnerReferences,
		Labels: map[string]string{objects.EdgeLabel: edge.Name, objects.KindLabel: objects.KindBound, objects.RoleLabel: objects.RoleValue(edgev1.TokenPuller)},
	}
	lost.Type, lost.Data = corev1.SecretTypeOpaque, nil
	g.Expect(admin.Create(t.Context(), lost)).To(Succeed())
	g.Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(lost), lost))
	}).WithTimeout(soon).Should(BeTrue(), "a bound Secret that was never published goes")
	awaitReady(t, edge)
}

// provokeCopying alters a copy until it is as it was, then has it removed.
func provokeCopying(t *testing.T, edge *edgev1.EdgeRegistry, target string) {
	t.Helper()
	g := NewWithT(t)
	name := pass.PublishSecretName(edge)
	edit(t, copyIn(t, target, name), func(s *corev1.Secret) { s.Labels = nil })
	g.Eventually(func() map[string]string { return copyIn(t, target, name).Labels }).WithTimeout(soon).Should(HaveKey(objects.EdgeLabel))
	edit(t, edge, copyPublishTo())
	g.Eventually(func() bool { return noCopyIn(t, target, name) }).WithTimeout(soon).Should(BeTrue())
}

// provokeRoleChanges has both accounts bound to each role that an invited operator may hand on.
func provokeRoleChanges(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	bound := []string{}
	for _, grant := range shippedGrants(t) {
		if grant.role == consent.Project.ClusterRole && slices.Contains(grant.rule.Verbs, "bind") {
			bound = grant.rule.ResourceNames
		}
	}
	g.Expect(bound).NotTo(BeEmpty())
	for _, role := range bound {
		login := edgev1.TokenPublisher
		before := reload(t, edge).DeepCopy()
		if strings.Contains(role, "pull") || strings.Contains(role, "view") {
			login = edgev1.TokenPuller
			edge.Spec.OpenShift.Puller.ClusterRole = role
		} else {
			edge.Spec.OpenShift.Publisher.ClusterRole = role
		}
		g.Expect(admin.Patch(t.Context(), edge, client.MergeFrom(before))).To(Succeed())
		g.Eventually(func(g Gomega) {
			binding := &rbacv1.RoleBinding{}
			g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: bindingName(edge, login)}, binding)).To(Succeed())
			g.Expect(binding.RoleRef.Name).To(Equal(role))
		}).WithTimeout(soon).Should(Succeed())
	}
}

// provokeSearchForCA hides the router's CA, so that the operator looks for it as far as it may.
func provokeSearchForCA(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	openShift.Router.SetPublished(platform.NewCA("another").PEM())
	t.Cleanup(openShift.Router.RenewLeaf)
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(condition(t, edge, edgev1.RegistryTrusted).Reason).To(Equal(edgev1.ReasonChainUntrusted))
	}).WithTimeout(soon).Should(Succeed())
	openShift.Router.RenewLeaf()
}

// shortfall is what happens to an operator that lacks one rule.
type shortfall struct {
	// reason and message of Ready: the message names the call that was refused.
	reason, message string
	// remedy is what the message has a person do, where it can be said.
	remedy string
	// refused is a request that the API server refuses, as the log shows it.
	refused string
	// prepare turns a knob before the operator starts, and spec says what the EdgeRegistry asks for.
	prepare func(*testing.T)
	spec    func(*testing.T) func(*edgev1.EdgeRegistry)
	// check says what else does not work.
	check func(*testing.T, *trial, *edgev1.EdgeRegistry)
}

const (
	cannot    = "cannot get resource "
	reinstall = "apply config/default again"
)

var shortfalls = map[string]shortfall{
	"edgeregistries of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonPending, refused: `GET /apis/edge.open-horizon.io/v1alpha1/edgeregistries`},
	"edgeregistries/status of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonPending, refused: `PATCH /apis/edge.open-horizon.io/v1alpha1/edgeregistries/.*/status`},
	"edgeregistries/finalizers of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonRequestFailed, message: "cannot set blockOwnerDeletion", remedy: reinstall},
	"namespaces of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"namespaces"`, remedy: reinstall},
	"proxies of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"proxies"`,
		prepare: func(t *testing.T) {
			openShift.Router.SetPublished(platform.NewCA("another").PEM())
			t.Cleanup(openShift.Router.RenewLeaf)
		}},
	"configs of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"configs"`},
	"projectrequests of edge-registry-manager-role in the cluster": {
		reason: edgev1.ReasonProjectRequestDenied, message: `cannot create resource "projectrequests"`},
	"configmaps of edge-registry-manager-role in edge-registry-system": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"configmaps" in API group "" in the namespace "edge-registry-system"`, spec: bundleRef},
	"configmaps of edge-registry-manager-role in openshift-config-managed": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"configmaps" in API group "" in the namespace "openshift-config-managed"`},
	"routes of edge-registry-manager-role in openshift-image-registry": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"routes"`},
	"events of edge-registry-manager-role in default": {
		reason: edgev1.ReasonReady, refused: `POST /apis/events.k8s.io/v1/namespaces/default/events`,
		check: func(t *testing.T, _ *trial, edge *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(eventsOf(t, edge)).To(BeEmpty())
		}},
	"leases of edge-registry-leader-election in edge-registry-system": {
		reason: edgev1.ReasonPending, refused: `GET /apis/coordination.k8s.io/v1/namespaces/edge-registry-system/leases/`,
		check: func(t *testing.T, run *trial, _ *edgev1.EdgeRegistry) {
			NewWithT(t).Expect(run.elected).NotTo(BeClosed())
		}},
	"events of edge-registry-leader-election in edge-registry-system": {
		reason: edgev1.ReasonReady, refused: `POST /api/v1/namespaces/edge-registry-system/events`},
	"tokenreviews of edge-registry-metrics-auth in the cluster": {
		reason: edgev1.ReasonReady, refused: `POST /apis/authentication.k8s.io/v1/tokenreviews`, check: noMetrics},
	"subjectaccessreviews of edge-registry-metrics-auth in the cluster": {
		reason: edgev1.ReasonRequestFailed, message: `cannot create resource "subjectaccessreviews"`,
		refused: `POST /apis/authorization.k8s.io/v1/subjectaccessreviews`, check: noMetrics},
	"secrets of edge-registry-manager-role in edge-registry-system": {
		reason: edgev1.ReasonRequestFailed, message: `cannot create resource "secrets" in API group "" in the namespace "edge-registry-system"`,
		remedy: reinstall},
	"secrets of edge-registry-manager-role in edge-registry-credentials": {
		reason: edgev1.ReasonRequestFailed, message: cannot + `"secrets" in API group "" in the namespace "edge-registry-credentials"`,
		spec: func(t *testing.T) func(*edgev1.EdgeRegistry) {
			return func(e *edgev1.EdgeRegistry) { *e = *startOtherRegistry(t).external(t, atTheRoute) }
		},
		check: func(t *testing.T, _ *trial, edge *edgev1.EdgeRegistry) { inviteWhoAsks(t, edge) }},
	"serviceaccounts of edge-registry-project in *": {
		reason: edgev1.ReasonNotInvited, message: "--clusterrole=edge-registry-project", refused: `GET /api/v1/namespaces/.*/serviceaccounts`},
	"serviceaccounts/token of edge-registry-project in *": {
		reason: edgev1.ReasonRightsMissing, message: `cannot create resource "serviceaccounts/token"`},
	"secrets of edge-registry-project in *": {
		reason: edgev1.ReasonNotInvited, message: "--clusterrole=edge-registry-project", refused: `GET /api/v1/namespaces/.*/secrets`},
	"rolebindings of edge-registry-project in *": {
		reason: edgev1.ReasonNotInvited, message: "--clusterrole=edge-registry-project", refused: `GET /apis/rbac.authorization.k8s.io/v1/namespaces/.*/rolebindings`},
	"clusterroles of edge-registry-project in *": {
		reason: edgev1.ReasonRoleNotGrantable, message: `may not grant ClusterRole "edit"`},
	"secrets of edge-registry-secrets in *": {
		reason: edgev1.ReasonCopiesFailed, message: "--clusterrole=edge-registry-secrets", refused: `POST /api/v1/namespaces/.*/secrets`,
		spec: func(t *testing.T) func(*edgev1.EdgeRegistry) { return copyPublishTo(makeTarget(t)) }},
	"rolebindings of edge-registry-secrets in *": {
		reason: edgev1.ReasonCopiesFailed, message: "--clusterrole=edge-registry-secrets",
		refused: `GET /apis/rbac.authorization.k8s.io/v1/namespaces/.*/rolebindings`,
		spec:    func(t *testing.T) func(*edgev1.EdgeRegistry) { return copyPublishTo(makeTarget(t)) }},
}

// atTheRoute has the registry be one that only a supplied CA verifies, so that the supplied Secrets are looked for.
func atTheRoute(e *edgev1.EdgeRegistry) { e.Spec.External.Host = openShift.Host() }

// inviteWhoAsks invites the account that the condition NamespaceReady names to the namespace of an EdgeRegistry's Secrets.
func inviteWhoAsks(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	if len(bindingsOf(t, edge.Spec.Secrets.Namespace)) > 0 {
		return // It did so before.
	}
	var account []string
	g.Eventually(func() []string {
		account = regexp.MustCompile(`--serviceaccount=([a-z0-9-]+):([a-z0-9-]+) `).FindStringSubmatch(condition(t, edge, edgev1.NamespaceReady).Message)
		return account
	}).WithTimeout(soon).WithPolling(often).Should(HaveLen(3))
	binding := invitation(edge.Spec.Secrets.Namespace, consent.Secrets, edge.Name)
	binding.Subjects[0].Namespace, binding.Subjects[0].Name = account[1], account[2]
	createForTest(t, binding)
	poke(t, edge)
}

// noMetrics scrapes as somebody who may, until the operator has asked whether they may.
func noMetrics(t *testing.T, run *trial, _ *edgev1.EdgeRegistry) {
	t.Helper()
	g := NewWithT(t)
	token := metricsReader(t)
	g.Eventually(func() int { code, _ := run.scrape(t, token); return code }).WithTimeout(soon).Should(BeNumerically(">=", 400))
}

func TestWithoutAnyOneRuleSomethingFails(t *testing.T) {
	grants := shippedGrants(t)
	for i, grant := range grants {
		t.Run(grant.String(), func(t *testing.T) {
			g := NewWithT(t)
			want, known := shortfalls[grant.String()]
			g.Expect(known).To(BeTrue(), "say what fails without this rule")
			cfg, mods := operatorConfig, []func(*edgev1.EdgeRegistry){}
			if want.prepare != nil {
				want.prepare(t)
			}
			if want.spec != nil {
				mods = append(mods, want.spec(t))
			}
			var edge *edgev1.EdgeRegistry
			if grant.namespace == anyProject {
				weaken(t, grant)
				edge = invitedEdge(t, operatorUser, mods...)
			} else {
				cfg = accountWith(t, fmt.Sprintf("without-rule-%d", i), grants, i)
				edge = apply(t, newEdge(mods...))
			}
			run := tryOperator(t, cfg)
			if want.check != nil {
				want.check(t, run, edge)
			}
			g.Eventually(func(g Gomega) {
				ready := condition(t, edge, edgev1.Ready)
				g.Expect(ready.Reason).To(Equal(want.reason), ready.Message)
				g.Expect(ready.Message).To(And(ContainSubstring(want.message), ContainSubstring(want.remedy)))
				if want.refused != "" {
					g.Expect(run.refusals()).To(ContainElement(MatchRegexp(want.refused)))
				}
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			if want.check != nil {
				want.check(t, run, edge)
			}
		})
	}
	g := NewWithT(t)
	g.Expect(shortfalls).To(HaveLen(len(grants)), "a rule that is shipped no more is in the table")
}

// weaken takes a rule out of the role of an invitation until the test ends.
func weaken(t *testing.T, grant grant) {
	t.Helper()
	g := NewWithT(t)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: grant.role}}
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(role), role)).To(Succeed())
	whole := role.DeepCopy()
	t.Cleanup(func() {
		g.Expect(admin.Get(context.Background(), client.ObjectKeyFromObject(role), role)).To(Succeed())
		role.Rules = whole.Rules
		g.Expect(admin.Update(context.Background(), role)).To(Succeed())
	})
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Equal(rule.Resources, grant.rule.Resources) && slices.Equal(rule.Verbs, grant.rule.Verbs)
	})
	g.Expect(role.Rules).To(HaveLen(len(whole.Rules) - 1))
	g.Expect(admin.Update(t.Context(), role)).To(Succeed())
}

// With the account's own rights, that the API server enforces blockOwnerDeletion is what makes the
// right over finalizers needed, and the status reports the platform's refusal.
func TestOwnerReferencesAreEnforced(t *testing.T) {
	g := NewWithT(t)
	c := asOperator(t)
	g.Expect(mayOperator(t, c, authorizationv1.ResourceAttributes{
		Verb: "update", Group: "edge.open-horizon.io", Resource: "edgeregistries", Subresource: "finalizers",
	})).To(BeTrue())
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	account := &corev1.ServiceAccount{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: openshift.ProjectName(edge), Name: "edge-puller"}, account)).To(Succeed())
	g.Expect(account.OwnerReferences).To(HaveLen(1))
	g.Expect(account.OwnerReferences[0].BlockOwnerDeletion).To(HaveValue(BeTrue()))
}
