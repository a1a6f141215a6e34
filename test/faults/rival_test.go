// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	// atOnce is how many repairs of an object the operator makes without a pause, and again how long it then waits.
	atOnce = 10
	again  = 5 * time.Minute
)

// rivalry is a fight of the operator with somebody who undoes each repair.
type rivalry struct {
	*Case
	life *Life
	// undo is what the rival does, and repairs how often the operator has answered.
	undo    func()
	repairs int
}

// pass has the operator make a pass, and the rival answer it if the operator has repaired it.
func (r *rivalry) pass() {
	r.T.Helper()
	before := writesTo(r.life)
	_, _ = r.life.Pass()
	if writesTo(r.life) != before {
		r.repairs++
		r.undo()
	}
}

// fight has the operator look again and again at the same moment, and holds it to a number of repairs.
func (r *rivalry) fight(repairs int) {
	r.T.Helper()
	r.repairs = 0
	for range repairs + 5 {
		r.pass()
	}
	if r.repairs != repairs {
		r.T.Fatalf("%d repairs at the same moment, not %d; %s", r.repairs, repairs, r.standing())
	}
}

// writesTo counts what an incarnation did to objects in the namespaces of a case.
func writesTo(life *Life) int {
	sum := 0
	for effect, count := range life.Effects() {
		if strings.Contains(effect, " NAME/") || strings.Contains(effect, " NAME-copies/") {
			sum += count
		}
	}
	return sum
}

// latest gives a bound Secret the name that it has by now.
func (p part) latest(c *Case) part {
	if p.is("bound Secret") && c.Reload() {
		for _, secret := range c.Edge.Status.Secrets {
			if stem, _, _ := strings.Cut(p.name, "-1"); strings.EqualFold("NAME-"+string(secret.Role), stem) {
				p.name = fmt.Sprintf("%s-%d", stem, secret.Generation)
			}
		}
	}
	return p
}

// H2: somebody who undoes each repair is answered ten times and then every five minutes, is told of, and loses once he
// stops.
func TestARivalIsNotAnsweredWithoutEnd(t *testing.T) {
	suite := NewSuite(t, "H2", 10)
	for _, p := range parts {
		for _, d := range drifts {
			if !d.to(p) || (d.how == recreatedAsItWas && len(d.costs(p)) == 0) {
				continue
			}
			suite.Run(p.what+" "+d.how, func(t *testing.T) {
				c := NewCase(t, world, resting)
				r := &rivalry{Case: c, life: c.NewLife(nil), undo: func() { d.do(c, p.latest(c)) }}
				r.undo()
				r.fight(atOnce)
				c.expectContested(p)
				if d.how == takenOver && !p.is("account") {
					c.expectContested(p, `by "somebody"`)
				}
				c.Clock.SetTime(c.Clock.Now().Add(again))
				r.fight(1)
				c.expectContested(p)
				c.Clock.SetTime(c.Clock.Now().Add(again))
				r.life.Run()
				c.judgeBack(resting, counted(slices.Repeat(d.costs(p), atOnce+2)), append(slices.Clone(deed), "S1")...)
			})
		}
		if !p.is("bound Secret") {
			suite.Run(p.what+" is deleted under the eyes of a manager", func(t *testing.T) { fightAManager(t, p) })
		}
	}
	suite.Run("the project is deleted", fightForTheProject)
}

// fightAManager has a part deleted as soon as it is there, whose events bring the passes, until the operator says that this
// is contested.
func fightAManager(t *testing.T, p part) {
	c := NewCase(t, world, resting)
	c.NewManager(nil).Watching()
	deleted := 0
	c.await("pause of the repairs", func() bool {
		object := p.empty.DeepCopyObject().(client.Object)
		object.SetNamespace(p.key(c).Namespace)
		object.SetName(p.key(c).Name)
		if c.World.Admin.Delete(c.ctx, object) == nil {
			deleted++
		}
		return strings.Contains(c.standing(), fmt.Sprintf("after the operator repaired it %d times", atOnce))
	})
	if deleted != atOnce+1 {
		t.Errorf("it was made again %d times, and not %d", deleted-1, atOnce)
	}
	c.expectContested(p)
}

// expectContested fails unless Ready tells of a rival over a part.
func (c *Case) expectContested(p part, says ...string) {
	c.T.Helper()
	key, reason := p.latest(c).key(c), edgev1.ReasonContested
	switch {
	case p.is("copy"):
		reason = edgev1.ReasonCopiesFailed
	case p.is("bound Secret", "Secret"):
		// What is told is that the token is lost each time, or the object that carries it.
		key.Name = ""
	}
	c.expectTold(reason, append(says, key.Name, key.Namespace, fmt.Sprintf("%d times", atOnce))...)
}

// fightForTheProject has the project deleted each time that the operator has made it, until it does not any more.
func fightForTheProject(t *testing.T) {
	c := NewCase(t, world, resting)
	life := c.NewLife(nil)
	requested := func() int { return life.Effects()["create project.openshift.io/projectrequests NAME"] }
	for before := -1; requested() != before; {
		before = requested()
		deleteProject(c)
		c.awaitNoProject()
		_, _ = life.Pass()
		if requested() > atOnce {
			t.Fatalf("the project was requested %d times", requested())
		}
	}
	c.expectTold(edgev1.ReasonContested, c.Project(), "was deleted again")
	c.Clock.SetTime(c.Clock.Now().Add(again))
	life.Run()
}
