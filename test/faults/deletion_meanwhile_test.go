// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// interferences are what may happen in the middle of a deletion.
var interferences = []struct {
	what string
	do   func(*Case)
	// inProject: it happens to a project that is there.
	inProject bool
	// again: there is another EdgeRegistry of the name afterwards, which has to get what it asks for.
	again bool
	// of are the workloads in which it can happen.
	of      []*Workload
	excused []string
}{
	{"the project is deleted", loseProject, true, false, []*Workload{Delete, Gone}, []string{"S3", "S5", "S7"}},
	{"the project is deleted and gone", func(c *Case) { loseProject(c); c.awaitNoProject() }, true, false, []*Workload{Delete, Gone}, []string{"S3", "S5", "S7"}},
	{"the finalizers are taken off", (*Case).unhold, false, false, []*Workload{Delete, Gone}, nil},
	{"a bound Secret is deleted", losing("the puller's bound Secret"), false, false, []*Workload{Delete, Gone}, nil},
	{"a Secret of consumers is deleted", losing("the publish Secret"), false, false, []*Workload{Delete, Gone}, nil},
	{"a service account is deleted", losing("the puller's account"), false, false, []*Workload{Delete, Gone}, nil},
	{"a copy is deleted", losing("the copy"), false, false, []*Workload{Delete}, nil},
	{"the EdgeRegistry is recreated", replace, false, true, []*Workload{Delete}, nil},
}

// losing deletes a part, if the operator has not done so before.
func losing(what string) func(*Case) {
	return func(c *Case) {
		p := parts[slices.IndexFunc(parts, func(p part) bool { return p.what == what })]
		object := p.empty.DeepCopyObject().(client.Object)
		object.SetNamespace(p.key(c).Namespace)
		object.SetName(p.key(c).Name)
		c.must(client.IgnoreNotFound(c.World.Admin.Delete(c.ctx, object)), "delete "+p.what)
	}
}

// loseProject deletes the project, if the operator has not done so before.
func loseProject(c *Case) {
	project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Project()}}
	c.must(client.IgnoreNotFound(c.World.Admin.Delete(c.ctx, project)), "delete the project")
}

// replace takes the finalizers off, and makes another EdgeRegistry of the name when the first one's objects are gone.
func replace(c *Case) {
	c.unhold()
	createAgain(c)
}

// racesOfDeletion has something happen before each call of a deletion. It ends anyway, and leaves no token.
func (s *Suite) racesOfDeletion(t *testing.T) {
	for _, i := range interferences {
		for _, workload := range i.of {
			for _, call := range workload.Reference(t, world).Calls {
				s.Run(workload.Name+"/"+i.what+" before "+call.Signature, func(t *testing.T) {
					c := NewCase(t, world, workload)
					was := c.Edge.DeepCopy()
					life := c.NewLife(At(call.Signature, meanwhile(func() { i.do(c) })))
					life.untilFired()
					if i.inProject {
						c.outliveProject(life)
					}
					if !i.again {
						c.outliveEdge(life)
						c.judgeGone(i.excused...)
						return
					}
					life.Run()
					c.expectNothingOf(was)
					c.judgeRun(i.excused...)
				})
			}
		}
	}
}

// expectNothingOf fails if an EdgeRegistry has left an object.
func (c *Case) expectNothingOf(edge *edgev1.EdgeRegistry) {
	c.T.Helper()
	c.awaitCollected()
	for _, object := range c.objects() {
		if object.GetLabels()[uidLabel] == string(edge.UID) {
			c.T.Errorf("%T %s is left", object, object.GetName())
		}
	}
}
