// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// Workload is something that the operator is asked to do.
type Workload struct {
	Name string
	// Prepare sets the stage, and changes the smallest spec, before the EdgeRegistry is made; nil for neither.
	Prepare func(*Case)
	// Steps ask for the work. The next one comes when the operator is at rest after the previous one. The EdgeRegistry is
	// Ready before the first, unless that makes it.
	Steps []func(*Case)
	// Installs: the first step makes the EdgeRegistry.
	Installs bool
	// Unsteady: how often the operator asks depends on how long others take.
	Unsteady bool

	known known
}

// The workloads.
var (
	Install = &Workload{Name: "install", Installs: true, Steps: []func(*Case){create}}
	NoOp    = &Workload{Name: "no-op", Steps: []func(*Case){func(*Case) {}}}
	Rotate  = &Workload{Name: "rotate", Steps: []func(*Case){rotate}}
	Revoke  = &Workload{Name: "revoke", Steps: []func(*Case){revoke}}
	Role    = &Workload{Name: "another role", Steps: []func(*Case){anotherRole}}
	Copies  = &Workload{Name: "copies made and taken back", Prepare: inviteCopies, Steps: []func(*Case){copyTo, copyNowhere}}
	CA      = &Workload{Name: "another CA", Prepare: privateRoute, Steps: []func(*Case){anotherCA}}
	Host    = &Workload{Name: "another host", Prepare: privateRoute, Steps: []func(*Case){anotherHost}}
	Account = &Workload{Name: "a new service account", Steps: []func(*Case){deleteAccount}}
	Delete  = &Workload{Name: "delete", Prepare: beginWithCopies, Steps: []func(*Case){deleteEdge}}
	Gone    = &Workload{Name: "delete with the project", Prepare: dropProject, Steps: []func(*Case){deleteEdge}}
	Again   = &Workload{Name: "delete and recreate", Steps: []func(*Case){deleteEdge, createAgain}}
)

// Workloads are all of them.
var Workloads = []*Workload{Install, NoOp, Rotate, Revoke, Role, Copies, CA, Host, Account, Delete, Gone, Again}

// Then is a workload with a further step.
func (w *Workload) Then(name string, step func(*Case)) *Workload {
	return &Workload{
		Name: w.Name + ", then " + name, Prepare: w.Prepare, Installs: w.Installs,
		Steps: append(slices.Clone(w.Steps), step),
	}
}

func create(c *Case) { c.Create() }

func rotate(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) {
		metav1.SetMetaDataAnnotation(&e.ObjectMeta, edgev1.RotateAnnotation, "now")
	})
}

// revoke has the token that nodes hold end.
func revoke(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) {
		metav1.SetMetaDataAnnotation(&e.ObjectMeta, edgev1.RevokeAnnotation, "Puller/1")
	})
}

func anotherRole(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) { e.Spec.OpenShift.Publisher.ClusterRole = "system:image-builder" })
}

// inviteCopies makes a namespace whose owner invites the operator.
func inviteCopies(c *Case) { c.inviteCopiesTo(c.copies()) }

func (c *Case) inviteCopiesTo(namespace string) {
	c.T.Helper()
	target := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	c.must(c.World.Admin.Create(c.ctx, target), "make the namespace for copies")
	c.must(c.World.Invite(c.ctx, c.account, target.Name, "edge-registry-secrets", c.Edge.Name), "invite")
	c.bystander(target.Name)
}

func beginWithCopies(c *Case) {
	inviteCopies(c)
	c.Edge.Spec.Secrets.Publish.CopyTo = []string{c.copies()}
}

func beginWithAllCopies(c *Case) {
	inviteCopies(c)
	c.Edge.Spec.Secrets.Publish.CopyTo, c.Edge.Spec.Secrets.Pull.CopyTo = []string{c.copies()}, []string{c.copies()}
}

func dropProject(c *Case) { c.Edge.Spec.DeletionPolicy = edgev1.DeletionDelete }

func copyTo(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) {
		e.Spec.Secrets.Publish.CopyTo, e.Spec.Secrets.Pull.CopyTo = []string{c.copies()}, []string{c.copies()}
	})
}

func copyNowhere(c *Case) {
	c.Edit(func(e *edgev1.EdgeRegistry) { e.Spec.Secrets.Publish.CopyTo, e.Spec.Secrets.Pull.CopyTo = nil, nil })
}

// privateRoute takes a Route that no other case uses meanwhile, with a CA of its own.
func privateRoute(c *Case) {
	route := <-c.World.routes
	c.T.Cleanup(func() { c.World.routes <- route })
	c.route, c.ca = route, platform.NewCA("the first CA")
	c.Edge.Spec.OpenShift.Route = route
	c.must(c.World.SetRoute(c.ctx, route, hostOf(route, "a"), c.ca), "set the Route")
}

func anotherCA(c *Case) {
	c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "a"), platform.NewCA("the second CA")), "change the CA")
}

func anotherHost(c *Case) {
	c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "b"), c.ca), "change the host")
}

func deleteAccount(c *Case) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.Project(), Name: "edge-puller"}}
	c.must(c.World.Admin.Delete(c.ctx, account), "delete the service account")
}

func deleteEdge(c *Case) {
	c.must(c.World.Admin.Delete(c.ctx, c.Edge), "delete the EdgeRegistry")
	c.deleted = append(c.deleted, c.Edge.UID)
}

// createAgain makes the EdgeRegistry again, with the same name and for the same project, whose owner invites it.
func createAgain(c *Case) {
	c.awaitCollected()
	c.inviteToProject()
	c.Create()
}

// inviteToProject has the EdgeRegistry use a project that is there, whose owner invites the operator for it.
func (c *Case) inviteToProject() {
	c.T.Helper()
	c.Edge.Spec.OpenShift.Project.Policy = edgev1.ProjectAdopt
	c.must(c.World.Invite(c.ctx, c.account, c.Project(), "edge-registry-project", c.Edge.Name), "invite")
}
