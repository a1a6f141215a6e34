// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// Case is one EdgeRegistry with a workload and what disturbs it.
type Case struct {
	T        *testing.T
	World    *World
	Workload *Workload
	// Edge is the EdgeRegistry as it was last read.
	Edge *edgev1.EdgeRegistry
	// Clock is the operator's. The direct driver steps it to when the operator wants to look again.
	Clock *clocktesting.FakePassiveClock
	// Told is all text that the operator wrote where no token belongs: logs, errors, events.
	Told *Text

	ctx context.Context
	// account is the operator's, in its namespace, and operator how lives authenticate as it.
	account  string
	operator *rest.Config
	lives    []*Wire
	// begun is how many lives ended before the workload began.
	begun int
	// step is the next step of the workload.
	step    int
	deleted []types.UID
	// route and ca are those of a private Route, and wrong is a Route that no node could use.
	route, wrong string
	ca           *platform.CA
	// elsewhere is the registry of a case that is not about the cluster's own; nil for that.
	elsewhere *Elsewhere
}

// NewCase makes an EdgeRegistry that is ready for the workload, by an undisturbed life, and asks for the first step.
func NewCase(t *testing.T, world *World, workload *Workload) *Case {
	t.Helper()
	name := fmt.Sprintf("case-%04d", world.cases.Add(1))
	c := &Case{
		T: t, World: world, Workload: workload, ctx: t.Context(), Told: &Text{},
		account: operatorAccount, operator: world.Operator,
		Clock: clocktesting.NewFakePassiveClock(time.Now()),
		Edge: &edgev1.EdgeRegistry{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}},
		},
	}
	for _, page := range c.pages() {
		world.journal.follow(page)
		t.Cleanup(func() { world.journal.forget(page) })
	}
	t.Cleanup(c.remove)
	if workload.Prepare != nil {
		workload.Prepare(c)
	}
	if !workload.Installs {
		c.Create()
		c.step = len(workload.Steps)
		c.Live(nil)
		c.step = 0
		c.bystander(c.Project())
		// Rights in a project that is younger than a minute may yet come, so the operator waits for them.
		c.Clock.SetTime(c.Clock.Now().Add(2 * time.Minute))
		// What happened so far is nobody's fault.
		c.begun = len(c.lives)
	}
	c.ask()
	return c
}

// ask asks for the next step, and reports whether there was one.
func (c *Case) ask() bool {
	if c.step == len(c.Workload.Steps) {
		return false
	}
	c.step++
	c.Workload.Steps[c.step-1](c)
	return true
}

// Project is the namespace that the EdgeRegistry uses.
func (c *Case) Project() string { return c.Edge.Name }

// copies is a namespace for copies, and moreCopies another.
func (c *Case) copies() string     { return c.Edge.Name + "-copies" }
func (c *Case) moreCopies() string { return c.Edge.Name + "-copies-too" }

func (c *Case) pages() []string { return []string{c.Project(), c.copies(), c.moreCopies()} }

func (c *Case) must(err error, what string) {
	c.T.Helper()
	if err != nil {
		c.T.Fatalf("cannot %s: %v", what, err)
	}
}

// Create makes the EdgeRegistry, or makes it again.
func (c *Case) Create() {
	c.T.Helper()
	c.Edge = &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: c.Edge.Name}, Spec: c.Edge.Spec}
	c.must(c.World.Admin.Create(c.ctx, c.Edge), "make the EdgeRegistry")
}

// Edit changes the EdgeRegistry as its admin, whatever others write to it meanwhile.
func (c *Case) Edit(change func(*edgev1.EdgeRegistry)) {
	c.T.Helper()
	c.Reload()
	before := c.Edge.DeepCopy()
	change(c.Edge)
	c.must(c.World.Admin.Patch(c.ctx, c.Edge, client.MergeFrom(before)), "edit the EdgeRegistry")
}

// Reload reads the EdgeRegistry, and reports whether it is there.
func (c *Case) Reload() bool {
	c.T.Helper()
	live := &edgev1.EdgeRegistry{}
	err := c.World.Admin.Get(c.ctx, client.ObjectKeyFromObject(c.Edge), live)
	if apierrors.IsNotFound(err) {
		return false
	}
	c.must(err, "read the EdgeRegistry")
	c.Edge = live
	return true
}

// atRest reports whether the EdgeRegistry is what the last step asked for, by its status: Ready, or gone if it is to go.
func (c *Case) atRest() bool {
	c.T.Helper()
	if !c.Reload() {
		return true
	}
	return c.Edge.DeletionTimestamp.IsZero() &&
		meta.IsStatusConditionTrue(c.Edge.Status.Conditions, edgev1.Ready) &&
		c.Edge.Status.ObservedGeneration == c.Edge.Generation &&
		c.Edge.Status.LastHandledRotation == c.Edge.Annotations[edgev1.RotateAnnotation] &&
		c.Edge.Status.LastHandledRevocation == c.Edge.Annotations[edgev1.RevokeAnnotation]
}

// bystander puts somebody else's Secret beside those of the operator: nothing may happen to it.
func (c *Case) bystander(namespace string) {
	c.T.Helper()
	c.must(c.World.Admin.Create(c.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bystander"},
		StringData: map[string]string{"whose": "somebody else's"},
	}), "make a bystander")
}

// remove takes the EdgeRegistry away, whatever state it is in. Garbage collection does the rest.
func (c *Case) remove() {
	ctx := context.WithoutCancel(c.ctx)
	_ = c.World.Admin.Delete(ctx, c.Edge)
	_ = c.World.Admin.Patch(ctx, c.Edge, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
}

// awaitCollected waits until the cluster has taken what an EdgeRegistry that is gone left behind: its objects, and its
// project if that is to go.
func (c *Case) awaitCollected() {
	c.T.Helper()
	for _, uid := range c.deleted {
		c.await("garbage collection", func() bool {
			project := &corev1.Namespace{}
			if c.World.Admin.Get(c.ctx, client.ObjectKey{Name: c.Project()}, project) == nil && !project.DeletionTimestamp.IsZero() {
				return false
			}
			for _, object := range c.objects() {
				for _, owner := range object.GetOwnerReferences() {
					if owner.UID == uid {
						return false
					}
				}
			}
			return true
		})
	}
}

// await polls for something that others do.
func (c *Case) await(what string, done func() bool) {
	c.T.Helper()
	c.awaitWithin(soon, what, done)
}

func (c *Case) awaitWithin(bound time.Duration, what string, done func() bool) {
	c.T.Helper()
	for deadline := time.Now().Add(bound); !done(); {
		if time.Now().After(deadline) {
			c.T.Fatalf("no %s within %s; %s", what, bound, c.standing())
		}
		c.pause(often)
	}
}

// pause lets the control plane do something.
func (c *Case) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// Text collects what is written.
type Text struct {
	mu   sync.Mutex
	text strings.Builder
}

// Println writes a line.
func (t *Text) Println(line ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintln(&t.text, line...)
}

// Write implements io.Writer.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// String is all that was written.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
