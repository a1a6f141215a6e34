// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// mistakes are changes that the API server admits and that cannot be done. Each is told as a reason, by the name of what is
// wrong.
var mistakes = []struct {
	what, patch string
	// prepare makes what the mistake speaks of; nil for nothing.
	prepare func(*Case)
	reason  string
	names   string
	// partly: what can be done of it is done. Of the others nothing is.
	partly bool
	// mints: another host takes other tokens.
	mints bool
}{
	{what: "copies for a namespace that is not there", patch: `{secrets: {publish: {copyTo: [NAME-copies, NAME-nowhere]}}}`,
		reason: edgev1.ReasonCopiesPending, names: "NAME-nowhere", partly: true},
	{what: "copies where somebody else has the name", patch: `{secrets: {pull: {copyTo: [NAME-copies, NAME-taken]}}}`, prepare: takeName,
		reason: edgev1.ReasonCopiesFailed, names: "NAME-taken", partly: true},
	{what: "copies for the operator's own namespace", patch: `{secrets: {pull: {copyTo: [` + operatorNamespace + `]}}}`,
		reason: edgev1.ReasonCopiesFailed, names: operatorNamespace, partly: true},
	{what: "a role that is not there", patch: `{openshift: {publisher: {clusterRole: no-such-role}}}`,
		reason: edgev1.ReasonRoleMissing, names: "no-such-role"},
	{what: "a role that the operator may not grant", patch: `{openshift: {puller: {clusterRole: cluster-admin}}}`,
		reason: edgev1.ReasonRoleNotGrantable, names: "cluster-admin"},
	{what: "a puller that can push", patch: `{openshift: {puller: {clusterRole: edit}}, verification: {policy: Required}}`,
		reason: edgev1.ReasonPullerCanPush, names: "edge-puller", partly: true},
	{what: "a publisher that cannot push", patch: `{openshift: {publisher: {clusterRole: "system:image-puller"}}, verification: {policy: Required}}`,
		reason: edgev1.ReasonPushDenied, names: "system:image-puller", partly: true},
	{what: "a Route that is not there", patch: `{openshift: {route: no-such-route}}`,
		reason: edgev1.ReasonRouteNotDeclared, names: "no-such-route"},
	{what: "a Route with a certificate for other names", patch: `{openshift: {route: WRONG}}`, prepare: wrongRoute(true),
		reason: edgev1.ReasonNameMismatch, names: "elsewhere.edge.test", partly: true, mints: true},
	{what: "a Route with the certificate of a stranger", patch: `{openshift: {route: WRONG}, trust: {caBundleRef: null}}`, prepare: wrongRoute(false),
		reason: edgev1.ReasonRootMissing, names: "a stranger", partly: true, mints: true},
	{what: "a ConfigMap that is not there", patch: `{trust: {caBundleRef: {name: no-such-configmap, key: x}}}`,
		reason: edgev1.ReasonCABundleMissing, names: "no-such-configmap"},
	{what: "a key that is not there", patch: `{trust: {caBundleRef: {name: NAME-ca, key: no-such-key}}}`,
		reason: edgev1.ReasonCABundleMissing, names: "no-such-key"},
	{what: "a label that a rule of the cluster refuses", patch: `{secrets: {publish: {labels: {team: refused}}}}`, prepare: refuseMarks,
		reason: edgev1.ReasonRequestFailed, names: refusedMark},
	{what: "a label of nodes that a rule of the cluster refuses", patch: `{secrets: {pull: {labels: {team: refused}}}}`, prepare: refuseMarks,
		reason: edgev1.ReasonRequestFailed, names: refusedMark, partly: true},
	{what: "an annotation that a rule of the cluster refuses", patch: `{secrets: {publish: {annotations: {example.com/a: refused}}}}`, prepare: refuseMarks,
		reason: edgev1.ReasonRequestFailed, names: refusedMark},
	{what: "suspended", patch: `{suspend: true}`, reason: edgev1.ReasonSuspended, names: "spec.suspend"},
}

// takeName makes a namespace that invites the operator and has a Secret already where the copy would be.
func takeName(c *Case) {
	namespace := c.Edge.Name + "-taken"
	c.inviteCopiesTo(namespace)
	c.must(c.World.Admin.Create(c.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: c.Edge.Name + "-pull"}}), "take a name")
}

const refusedMark = "no Secret may be marked as refused"

var ruleOfTheCluster sync.Once

// refuseMarks has the API server refuse each Secret with a label or an annotation of the value refused, as a policy of the
// cluster's owner may. It stays: nothing else has that value.
func refuseMarks(c *Case) {
	ruleOfTheCluster.Do(func() {
		const unmarked = `!has(object.metadata.FIELD) || !object.metadata.FIELD.exists(k, object.metadata.FIELD[k] == "refused")`
		name := metav1.ObjectMeta{Name: "refused-marks"}
		policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: name, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}}}},
			Validations: []admissionv1.Validation{
				{Expression: strings.ReplaceAll(unmarked, "FIELD", "labels"), Message: refusedMark},
				{Expression: strings.ReplaceAll(unmarked, "FIELD", "annotations"), Message: refusedMark},
			},
		}}
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: name, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		}}
		c.must(c.World.Admin.Create(c.ctx, policy), "make a policy")
		c.must(c.World.Admin.Create(c.ctx, binding), "bind a policy")
	})
	c.await("the policy has effect", func() bool {
		marked := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: c.Edge.Name, Labels: map[string]string{"team": "refused"}}}
		return c.World.Admin.Create(c.ctx, marked, client.DryRunAll) != nil
	})
}

// wrongRoute takes another Route, and has it show a certificate of its own CA that is for another host, or one for its host
// of which no place but the wire knows the CA.
func wrongRoute(vouched bool) func(*Case) {
	return func(c *Case) {
		c.wrong = <-c.World.routes
		c.T.Cleanup(func() { c.World.routes <- c.wrong })
		host, ca := hostOf(c.wrong, "a"), platform.NewCA("a stranger")
		chain, beside := ca.Leaf(host), []byte(nil)
		if vouched {
			chain, beside = ca.Leaf("elsewhere.edge.test"), ca.PEM()
		}
		c.must(c.World.Serve(c.ctx, c.wrong, host, chain, beside), "set a Route")
	}
}

// beginnings are the states in which a mistake is made: all fields are at their defaults, or have other values.
var beginnings = []struct {
	what  string
	patch func(topic int) string
}{
	{"all at its default", func(int) string { return `{}` }},
	{"all set", func(topic int) string { return topics[topic].set }},
	{"all set to others", func(topic int) string { return topics[topic].other }},
}

// staged is an EdgeRegistry whose fields are given values.
func staged(what string, patch func(topic int) string) *Workload {
	return &Workload{Name: what, Prepare: stage, Steps: []func(*Case){func(c *Case) {
		for i := range topics {
			c.patchSpec(patch(i))
		}
	}}}
}

// K4: a mistake is told, and costs nobody the token that he has. Once it is taken back, nothing of it is left.
func TestAMistakeThatIsTakenBackLeavesNothing(t *testing.T) {
	const passes = 3
	suite := NewSuite(t, "K4", 6)
	for _, b := range beginnings {
		for _, m := range mistakes {
			suite.Run(b.what+"/"+m.what, func(t *testing.T) {
				c := NewCase(t, world, staged(b.what, b.patch))
				if m.prepare != nil {
					m.prepare(c)
				}
				c.Live(nil)
				before, good := present(c.end(), c.Edge.Generation), c.Edge.DeepCopy()

				life := c.NewLife(nil)
				c.patchSpec(m.patch)
				for range passes {
					_, _ = life.Pass()
				}
				c.expectMistake(m.reason, m.names)
				c.judgeTokens()
				if !m.partly {
					compare(t, "a mistake changed something (- before, + now)", ofObjects(present(c.Snapshot(), 0)), ofObjects(before))
				}

				c.Edit(func(e *edgev1.EdgeRegistry) { e.Spec = good.Spec })
				life.Run()
				compare(t, "the mistake left something (- before it, + now)", present(c.end(), c.Edge.Generation), before)
				for _, role := range []string{"publish", "pull"} {
					if made := life.Effects()["create secrets NAME/NAME-"+role+"-N"]; made > 0 && !m.mints {
						t.Errorf("a mistake cost %d tokens of the %s Secret", made, role)
					}
				}
				c.judgeRun()
			})
		}
	}
}

// expectMistake fails unless Ready says what is wrong.
func (c *Case) expectMistake(reason, name string) {
	c.T.Helper()
	c.Reload()
	name = strings.NewReplacer("NAME", c.Edge.Name).Replace(name)
	ready := meta.FindStatusCondition(c.Edge.Status.Conditions, edgev1.Ready)
	if ready.Status == metav1.ConditionTrue || ready.Reason != reason || !strings.Contains(ready.Message, name) || ready.ObservedGeneration != c.Edge.Generation {
		c.T.Errorf("Ready does not say %s with %q; %s", reason, name, c.standing())
	}
}
