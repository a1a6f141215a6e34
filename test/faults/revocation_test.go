// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// longLived has tokens that do not expire.
var longLived = &Workload{Name: "tokens that do not expire", Prepare: func(c *Case) {
	c.Edge.Spec.OpenShift.Publisher.Token.Type, c.Edge.Spec.OpenShift.Puller.Token.Type = "LongLived", "LongLived"
}, Steps: []func(*Case){func(*Case) {}}}

// revocations are how a token dies before its time.
var revocations = []struct {
	what     string
	workload *Workload
	do       func(*Case)
}{
	{"the EdgeRegistry is deleted", NoOp, deleteEdge},
	{"the EdgeRegistry is deleted with its project", &Workload{Name: "to go", Prepare: dropProject, Steps: NoOp.Steps}, deleteEdge},
	{"the EdgeRegistry is deleted and its objects are to stay", NoOp, deleteAlone},
	{"the EdgeRegistry with tokens that do not expire is deleted", longLived, deleteEdge},
	{"the EdgeRegistry with tokens that do not expire is deleted and its objects are to stay", longLived, deleteAlone},
	{"the bound Secret is deleted", NoOp, deleteBoundSecret},
	{"the Secret of a token that does not expire is deleted", longLived, deleteBoundSecret},
	{"the service account is deleted", NoOp, deleteAccount},
}

func deleteBoundSecret(c *Case) {
	parts[slices.IndexFunc(parts, func(p part) bool { return p.what == "the puller's bound Secret" })].remove(c)
}

// deleteAlone deletes the EdgeRegistry with --cascade=orphan: nobody but the operator takes the tokens away.
func deleteAlone(c *Case) {
	c.must(c.World.Admin.Delete(c.ctx, c.Edge, client.PropagationPolicy(metav1.DeletePropagationOrphan)), "delete the EdgeRegistry")
	c.deleted = append(c.deleted, c.Edge.UID)
}

// What the operator or an admin revokes the API server refuses, once it has forgotten that it took it: it remembers that for
// ten seconds. Everywhere else a token counts as dead when its bound Secret is gone.
func TestWhatIsRevokedIsRefused(t *testing.T) {
	suite := NewSuite(t, "S14", 1)
	for _, r := range revocations {
		suite.Run(r.what, func(t *testing.T) {
			c := NewCase(t, world, r.workload)
			c.Live(nil)
			token, _ := handoff.Token(c.secret("pull").Data)
			if !world.accepts(t.Context(), token) {
				t.Fatal("the API server does not take the token that is published")
			}
			r.do(c)
			c.Live(nil)
			c.await("refusal of the token", func() bool { return !world.accepts(t.Context(), token) })
			c.judgeUse()
		})
	}
}
