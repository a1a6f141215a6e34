// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// installInvited makes an EdgeRegistry for a project that was there before.
var installInvited = &Workload{Name: "install where invited", Prepare: inviteAll, Installs: true, Steps: []func(*Case){create}}

func inviteAll(c *Case) {
	beginWithCopies(c)
	project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Project()}}
	c.must(c.World.Admin.Create(c.ctx, project), "make the project")
	c.inviteToProject()
	c.bystander(project.Name)
}

// strangers are what may be where the operator wants to put a part. model is an EdgeRegistry with all parts.
var strangers = []struct {
	what string
	make func(c *Case, p part, model *Case)
	// carries: it carries the UID of the EdgeRegistry, in a label.
	carries bool
}{
	{"the same", func(c *Case, p part, model *Case) { c.put(p, p.like(c, model)) }, true},
	{"the same on its way out", func(c *Case, p part, model *Case) {
		object := p.like(c, model)
		holdBack(object)
		c.put(p, object)
		p.remove(c)
	}, true},
	{"something else", func(c *Case, p part, _ *Case) {
		object := p.empty.DeepCopyObject().(client.Object)
		object.SetNamespace(p.key(c).Namespace)
		object.SetName(p.key(c).Name)
		if binding, ok := object.(*rbacv1.RoleBinding); ok {
			binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
		}
		c.put(p, object)
	}, false},
	{"another EdgeRegistry's", func(c *Case, p part, model *Case) {
		object := p.like(c, model)
		owned := p.read(model)
		object.SetOwnerReferences(owned.GetOwnerReferences())
		object.SetLabels(owned.GetLabels())
		c.put(p, object)
	}, false},
}

// like is a part as it is in another case, as if it were made for this one, but without an owner.
func (p part) like(c, model *Case) client.Object {
	c.T.Helper()
	object := p.read(model)
	object.SetResourceVersion("")
	object.SetManagedFields(nil)
	object.SetUID("")
	dropOwner(object)
	content, err := json.Marshal(object)
	c.must(err, "encode "+p.what)
	content = []byte(strings.NewReplacer(model.Edge.Name, c.Edge.Name, string(model.Edge.UID), string(c.Edge.UID)).Replace(string(content)))
	same := p.empty.DeepCopyObject().(client.Object)
	c.must(json.Unmarshal(content, same), "decode "+p.what)
	return same
}

func (c *Case) put(p part, object client.Object) {
	c.T.Helper()
	c.must(c.World.Admin.Create(c.ctx, object), "make a stranger in place of "+p.what)
}

// H4: what is there before, and is not the EdgeRegistry's, is not touched. The operator says what is in its way, goes on
// when it is gone, and leaves without it.
func TestWhatWasThereBeforeIsNotAdopted(t *testing.T) {
	const passes = 3
	suite := NewSuite(t, "H4", 4)
	model := NewCase(t, world, resting)
	for _, p := range parts {
		for _, s := range strangers {
			met := func(t *testing.T) (*Case, *Life, client.Object) {
				c := NewCase(t, world, &Workload{Name: s.what, Prepare: inviteAll, Installs: true, Steps: []func(*Case){
					func(c *Case) { c.Create(); s.make(c, p, model) },
				}})
				stranger := p.read(c)
				life := c.NewLife(nil)
				for range passes {
					_, _ = life.Pass()
					c.expectInTheWay(p, life)
				}
				return c, life, stranger
			}
			untouched := func(c *Case, stranger client.Object) {
				if p.read(c).GetResourceVersion() != stranger.GetResourceVersion() {
					c.T.Errorf("%s was touched", stranger.GetName())
				}
			}
			suite.Run(p.what+" meets "+s.what, func(t *testing.T) {
				c, life, stranger := met(t)
				untouched(c, stranger)
				if p.edit(c, dropHold); stranger.GetDeletionTimestamp() == nil {
					p.remove(c)
				}
				life.Run()
				c.judgeBack(installInvited, installInvited.Reference(t, world).Effects, "S1", "S5", "S12", "S13")
			})
			if s.carries {
				continue
			}
			suite.Run(p.what+" meets "+s.what+", and the EdgeRegistry goes", func(t *testing.T) {
				c, life, stranger := met(t)
				deleteEdge(c)
				life.Run()
				untouched(c, stranger)
			})
		}
	}
}

// expectInTheWay fails unless the operator reports the stranger. It skips a bound Secret's number that is taken.
func (c *Case) expectInTheWay(p part, life *Life) {
	c.T.Helper()
	key, reason := p.key(c), edgev1.ReasonConflict
	switch {
	case p.is("bound Secret"):
		return
	case p.is("copy"):
		reason = edgev1.ReasonCopiesFailed
	default:
		expectNoWrite(c.T, life)
	}
	c.expectTold(reason, key.Name, key.Namespace, "belong")
}
