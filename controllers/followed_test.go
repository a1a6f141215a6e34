// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about messages: what each advises is done, and the condition turns soon, though nobody asks for a pass.

import (
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

// patience is how long who followed a message looks at the condition, and a margin for a machine that is busy.
const patience = 30*time.Second + 10*time.Second

// followed is a reason, and how its message is followed.
type followed struct {
	edge              *edgev1.EdgeRegistry
	condition, reason string
	// follow does what the message says.
	follow func(t *testing.T, message string)
}

// commands are those that a message quotes.
var commands = regexp.MustCompile(`'((?:oc|kubectl) [^']*)'`)

// runCommands runs the commands of a message, as an admin of the cluster.
func runCommands(t *testing.T, message string) {
	t.Helper()
	g := NewWithT(t)
	found := commands.FindStringSubmatch(message)
	g.Expect(found).NotTo(BeNil(), message)
	for command := range strings.SplitSeq(found[1], " && ") {
		_, err := control.Kubectl(t.Context(), strings.Fields(command)[1:]...)
		g.Expect(err).NotTo(HaveOccurred(), message)
	}
}

// turns waits for a condition to become True while nobody asks for a pass.
func turns(t *testing.T, edge *edgev1.EdgeRegistry, name string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		found := condition(t, edge, name)
		g.Expect(found.Status).To(Equal(metav1.ConditionTrue), "%s: %s", found.Reason, found.Message)
	}).WithTimeout(patience).WithPolling(often).Should(Succeed())
}

// A project template that gives the requester too little, at each step that finds out.
func TestWhoGrantsTheRightThatIsMissingSeesTheConditionTurn(t *testing.T) {
	o := startOperator(t)
	reader := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "edge-test-reads-" + stamp()},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts", "secrets"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"get", "list", "watch"}},
		},
	}
	createForTest(t, reader)
	stalled := map[*edgev1.EdgeRegistry]string{}
	for role, step := range map[string]string{"view": edgev1.ProjectReady, "edit": edgev1.ProjectReady, reader.Name: edgev1.AccessGranted} {
		withTemplate(t, roleInTemplate(role))
		edge := apply(t, newEdge())
		awaitReason(t, edge, step, edgev1.ReasonRightsMissing)
		stalled[edge] = step
	}
	o.clock.SetTime(o.clock.Now().Add(2 * bindingDelay))
	for edge := range stalled {
		NewWithT(t).Eventually(func() bool { poke(t, edge); return isStalled(t, edge) }).WithTimeout(soon).WithPolling(time.Second).Should(BeTrue())
	}
	for edge, step := range stalled {
		runCommands(t, condition(t, edge, step).Message)
	}
	for edge, step := range stalled {
		turns(t, edge, step)
	}
}

func TestWhoFollowsTheMessageSeesTheConditionTurn(t *testing.T) {
	startOperator(t)
	cases := map[string]followed{
		"an object of another's is deleted": foreignSecret(t),
		"a role is created":                 missingRole(t),
		"the verb bind is given":            roleBeyondAdmin(t),
		"an owner invites the operator": {
			edge:      newEdge(inProject(makeNamespace(t).Name)),
			condition: edgev1.ProjectReady, reason: edgev1.ReasonNotInvited, follow: runCommands,
		},
		"a puller loses the role that pushes": pusher(t),
		"the CA is put in its place":          missingBundle(t),
		"a quota is raised":                   smallQuota(t),
	}
	for name, c := range cases {
		c.edge = apply(t, c.edge)
		cases[name] = c
	}
	for name, c := range cases {
		blocked := awaitReason(t, c.edge, c.condition, c.reason)
		NewWithT(t).Expect(isStalled(t, c.edge)).To(BeTrue(), "%s: who syncs it sees that a person has to act", name)
		c.follow(t, blocked.Message)
	}
	// All are awaited at once: each began to wait before the last was followed.
	NewWithT(t).Eventually(func(g Gomega) {
		for name, c := range cases {
			found := condition(t, c.edge, c.condition)
			g.Expect(found.Status).To(Equal(metav1.ConditionTrue), "%s: %s: %s", name, found.Reason, found.Message)
		}
	}).WithTimeout(patience).WithPolling(often).Should(Succeed())
}

func foreignSecret(t *testing.T) followed {
	project := makeNamespace(t).Name
	invite(t, project)
	var strangers []*corev1.Secret
	for _, name := range []string{"images-to", "images-from"} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: name}}
		createForTest(t, secret)
		strangers = append(strangers, secret)
	}
	edge := newEdge(inProject(project), func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.Name, e.Spec.Secrets.Pull.Name = "images-to", "images-from"
	})
	return followed{edge, edgev1.AccessGranted, edgev1.ReasonConflict, func(t *testing.T, message string) {
		NewWithT(t).Expect(message).To(ContainSubstring(`delete Secret "images-to" and Secret "images-from", or make another EdgeRegistry with another spec.secrets.publish.name and spec.secrets.pull.name`),
			"all that is taken, at once")
		for _, secret := range strangers {
			NewWithT(t).Expect(admin.Delete(t.Context(), secret)).To(Succeed())
		}
	}}
}

func missingRole(t *testing.T) followed {
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "edge-test-later-" + stamp()},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"image.openshift.io"}, Resources: []string{"imagestreams/layers"}, Verbs: []string{"get", "update"}}},
	}
	edge := newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = role.Name })
	return followed{edge, edgev1.AccessGranted, edgev1.ReasonRoleMissing, func(t *testing.T, _ string) { createForTest(t, role) }}
}

func roleBeyondAdmin(t *testing.T) followed {
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "edge-test-beyond-" + stamp()},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"image.openshift.io"}, Resources: []string{"imagestreams/layers"}, Verbs: []string{"get", "update"}},
			{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}},
		},
	}
	createForTest(t, role)
	edge := newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = role.Name })
	return followed{edge, edgev1.AccessGranted, edgev1.ReasonRoleNotGrantable, runCommands}
}

func pusher(t *testing.T) followed {
	project := makeNamespace(t).Name
	invite(t, project)
	tooMuch := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "too-much"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: project, Name: "edge-puller"}},
	}
	createForTest(t, tooMuch)
	return followed{newEdge(inProject(project)), edgev1.CredentialsIssued, edgev1.ReasonPullerCanPush, func(t *testing.T, _ string) {
		NewWithT(t).Expect(admin.Delete(t.Context(), tooMuch)).To(Succeed())
	}}
}

func missingBundle(t *testing.T) followed {
	name := "edge-test-later-" + stamp()
	edge := newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: name} })
	return followed{edge, edgev1.RegistryTrusted, edgev1.ReasonCABundleMissing, func(t *testing.T, message string) {
		g := NewWithT(t)
		where := regexp.MustCompile(`ConfigMap ([^/ ]+)/([^, ]+), key ([^ ]+)`).FindStringSubmatch(message)
		g.Expect(where).To(HaveLen(4), message)
		createForTest(t, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: where[1], Name: where[2]},
			Data:       map[string]string{where[3]: string(openShift.Router.CA().PEM())},
		})
	}}
}

func smallQuota(t *testing.T) followed {
	project := makeNamespace(t).Name
	invite(t, project)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: secretsQuota("0")},
	}
	createForTest(t, quota)
	counted(t, quota, secretsQuota("0"), secretsQuota("0"), "exceeded quota")
	return followed{newEdge(inProject(project)), edgev1.CredentialsIssued, edgev1.ReasonQuotaExceeded, func(t *testing.T, message string) {
		NewWithT(t).Expect(message).To(ContainSubstring("raise it, or delete what it counts there"))
		counted(t, quota, secretsQuota("9"), secretsQuota("0"), "")
	}}
}

// The command that accepts a namespace is the one in the message, and nobody asks for a pass.
func TestWhoAcceptsANamespaceSeesTheConditionTurn(t *testing.T) {
	startOperator(t)
	project := makeNamespace(t).Name
	edge := prepare(t, newEdge(inProject(project)))
	createForTest(t, invitation(project, consent.Project, edge.Name))
	awaitReady(t, apply(t, edge))
	madeAgain(t, project, consent.Project, edge.Name)
	blocked := awaitReason(t, edge, edgev1.ProjectReady, edgev1.ReasonNamespaceReplaced)
	runCommands(t, blocked.Message)
	turns(t, edge, edgev1.ProjectReady)
}

func TestWhoMakesTheProjectThatIsAbsentSeesTheConditionTurn(t *testing.T) {
	startOperator(t)
	edge := newEdge(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Project.Policy = edgev1.ProjectAdopt })
	blocked := awaitReason(t, apply(t, edge), edgev1.ProjectReady, edgev1.ReasonProjectAbsent)
	createForTest(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: openshift.ProjectName(edge)}})
	runCommands(t, blocked.Message)
	turns(t, edge, edgev1.ProjectReady)
}

// One that finds its project taken learns at once what else stands in its way.
func TestATakenProjectTellsAllThatIsTakenAtOnce(t *testing.T) {
	g := NewWithT(t)
	startOperator(t)
	first := awaitReady(t, apply(t, newEdge()))
	second := apply(t, newEdge(requesting(first.Name)))
	c := awaitReason(t, second, edgev1.ProjectReady, edgev1.ReasonProjectConflict)
	g.Expect(c.Message).To(ContainSubstring("EdgeRegistry " + first.Name + " has the same accounts there: to share the project, make another EdgeRegistry with another " +
		"spec.openshift.publisher.serviceAccountName and spec.openshift.puller.serviceAccountName"))

	invite(t, first.Name, second.Name)
	third := apply(t, newEdge(inProject(first.Name)))
	c = awaitReason(t, third, edgev1.AccessGranted, edgev1.ReasonConflict)
	for _, part := range []string{`ServiceAccount "edge-publisher" and ServiceAccount "edge-puller" belong to EdgeRegistry "` + first.Name + `" and not to this one`,
		"another spec.openshift.publisher.serviceAccountName and spec.openshift.puller.serviceAccountName"} {
		g.Expect(c.Message).To(ContainSubstring(part))
	}
	awaitReady(t, apply(t, newEdge(inProject(first.Name), distinctNames("next"))))
}
