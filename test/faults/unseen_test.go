// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"testing"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// interval is within what time an operator at rest looks by itself, whatever it is not told: that between two
// verifications, which is 30 minutes by default, and what a pass takes. Where it waits for something it looks sooner.
const interval = 31 * time.Minute

var (
	roleAndBack = Role.Then("the first role again", firstRole)
	private     = &Workload{Name: "at rest with a private Route", Prepare: privateRoute, Steps: []func(*Case){nothing}}
	// guest uses a project whose owner invites the operator.
	guest = &Workload{Name: "at rest as a guest", Prepare: inviteProject, Steps: []func(*Case){nothing}}
)

func inviteProject(c *Case) {
	c.must(c.World.Admin.Create(c.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Project()}}), "make the project")
	c.inviteToProject()
}

// theWhole are the effects of making all objects of an EdgeRegistry.
var theWhole = func() []string {
	var effects []string
	for _, p := range parts[:6] {
		effects = append(effects, p.effect("create"))
	}
	return slices.Concat(effects, anotherToken("publisher"), anotherToken("puller"))
}()

// anotherRecord is what an EdgeRegistry of another UID gets besides.
const anotherRecord = "create secrets " + operatorNamespace + "/edgeregistry-UID"

// unseen are pairs of changes of which the second takes back the first, as far as it can be, and what the operator has
// to do for it when it sees neither.
var unseen = []struct {
	what string
	// rest is before the pair, end is what was seen to end as the pair should.
	rest, end *Workload
	do        func(*Case)
	effects   []string
	excused   []string
}{
	{"the role changes and changes back", roleAndBack, roleAndBack, func(c *Case) { anotherRole(c); firstRole(c) }, nil, nil},
	{"the EdgeRegistry is deleted and recreated", Again, Again, replaceEdge,
		append(slices.Clone(theWhole), anotherRecord), deed},
	{"the project is deleted and recreated", guest, guest, replaceProject, theWhole, append(slices.Clone(deed), "S7")},
	{"the CA changes and changes back", private, private, func(c *Case) {
		anotherCA(c)
		c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "a"), c.ca), "change the CA back")
	}, nil, nil},
	{"the host changes and changes back", private, private, func(c *Case) { anotherHost(c); firstHost(c) }, nil, nil},
	{"the Route goes and comes back", private, private, func(c *Case) { declare(c, false); declare(c, true) }, nil, nil},
}

// forsake deletes the EdgeRegistry as somebody who does not wait for the operator.
func forsake(c *Case, how metav1.DeletionPropagation) {
	c.deleted = append(c.deleted, c.Edge.UID)
	c.must(c.World.Admin.Delete(c.ctx, c.Edge, client.PropagationPolicy(how)), "delete the EdgeRegistry")
	// The garbage collector takes its own finalizers off meanwhile.
	c.must(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		c.Reload()
		before := c.Edge.DeepCopy()
		c.Edge.Finalizers = slices.DeleteFunc(c.Edge.Finalizers, func(f string) bool { return strings.HasSuffix(f, "/cleanup") })
		return c.World.Admin.Patch(c.ctx, c.Edge, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}), "take the finalizer off")
	c.await("EdgeRegistry that is gone", func() bool { return !c.Reload() })
}

func replaceEdge(c *Case) {
	forsake(c, metav1.DeletePropagationBackground)
	createAgain(c)
}

func replaceProject(c *Case) {
	deleteProject(c)
	c.awaitNoProject()
	inviteProject(c)
	// Whether its owner is the same as before is for a person to say.
	project := &corev1.Namespace{}
	c.must(c.World.Admin.Get(c.ctx, client.ObjectKey{Name: c.Project()}, project), "read the project")
	c.Edit(func(e *edgev1.EdgeRegistry) {
		metav1.SetMetaDataAnnotation(&e.ObjectMeta, edgev1.AcceptAnnotation, project.Name+"/"+string(project.UID))
	})
}

func (c *Case) awaitNoProject() {
	c.T.Helper()
	c.await("project that is gone", func() bool {
		return apierrors.IsNotFound(c.World.Admin.Get(c.ctx, client.ObjectKey{Name: c.Project()}, &corev1.Namespace{}))
	})
}

// declare has the registry's operator make the private Route, or delete it, and returns when that is done.
func declare(c *Case, yes bool) {
	c.must(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		config := &imageregistryv1.Config{}
		if err := c.World.Admin.Get(c.ctx, client.ObjectKey{Name: "cluster"}, config); err != nil {
			return err
		}
		config.Spec.Routes = slices.DeleteFunc(config.Spec.Routes, func(r imageregistryv1.ImageRegistryConfigRoute) bool { return r.Name == c.route })
		if yes {
			config.Spec.Routes = append(config.Spec.Routes, imageregistryv1.ImageRegistryConfigRoute{Name: c.route, Hostname: hostOf(c.route, "a")})
		}
		return c.World.Admin.Update(c.ctx, config)
	}), "declare the Route")
	c.await("Route as declared", func() bool {
		err := c.World.Admin.Get(c.ctx, client.ObjectKey{Namespace: platform.RegistryNamespace, Name: c.route}, &routev1.Route{})
		return yes == (err == nil)
	})
	if yes {
		c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "a"), c.ca), "set the Route")
	}
}

// back is the state in the end as far as it has to be that of another run: without the past of tokens, and without the
// right that an operator which was not there did not give up.
func back(state []string) []string {
	return slices.DeleteFunc(now(state), func(line string) bool {
		return strings.Contains(line, `"metadata":{"name":"admin"`)
	})
}

func (c *Case) judgeUnseen(end *Workload, effects map[string]int, excused []string) {
	c.T.Helper()
	compare(c.T, "the state is not that of one who saw it (- seen, + now)", back(c.end()), back(end.Reference(c.T, c.World).State))
	c.judge(&Reference{Effects: effects}, &Allowance{Excused: excused})
}

// before is a case at rest before what is done to it.
func (w *Workload) before(t *testing.T) *Case {
	t.Helper()
	return NewCase(t, world, &Workload{Name: w.Name, Prepare: w.Prepare, Steps: []func(*Case){nothing}})
}

// D1: what happened cannot be seen any more when the operator looks, or nobody told it. It ends where one does that saw it.
func TestWhatWasUndoneUnseenIsMendedAllTheSame(t *testing.T) {
	suite := NewSuite(t, "D1", 2)
	for _, u := range unseen {
		suite.Run("between two passes "+u.what, func(t *testing.T) {
			c := u.rest.before(t)
			u.do(c)
			c.Live(nil)
			c.judgeUnseen(u.end, counted(u.effects), u.excused)
		})
		suite.Run("untold "+u.what, func(t *testing.T) {
			c := u.rest.before(t)
			c.untold(u.do, u.end)
			c.judgeUnseen(u.end, counted(u.effects), u.excused)
		})
	}
	for _, p := range parts {
		suite.Run("untold "+p.what+" is recreated as it was", func(t *testing.T) {
			c := resting.before(t)
			c.untold(func(c *Case) { p.remake(c, func(client.Object) {}) }, resting)
			effects, excused := []string(nil), deed
			switch {
			case p.is("bound Secret"):
				effects, excused = p.anotherToken(), append(slices.Clone(deed), "S1")
			case p.is("account"):
				effects = slices.DeleteFunc(p.whole(), func(effect string) bool { return effect == p.effect("create") })
			}
			c.judgeUnseen(resting, counted(effects), excused)
		})
	}
	suite.Run("between two passes the EdgeRegistry is deleted as an orphan's parent and recreated", func(t *testing.T) {
		c := Again.before(t)
		forsake(c, metav1.DeletePropagationOrphan)
		createAgain(c)
		life := c.once()
		c.expectTold(edgev1.ReasonConflict, "exist and do not belong to this EdgeRegistry")
		expectNoWrite(t, life)
		for _, object := range c.objects() {
			if slices.Contains(c.deleted, types.UID(object.GetLabels()[uidLabel])) {
				c.must(c.World.Admin.Delete(c.ctx, object), "delete what was left")
			}
		}
		life.Run()
		c.judgeUnseen(Again, counted(append(slices.Clone(theWhole), anotherRecord)), deed)
	})
}

// untold does something of which an incarnation at rest gets no event, and has it look by its own schedule.
func (c *Case) untold(do func(*Case), end *Workload) {
	c.T.Helper()
	var until uint64
	over := NewGate()
	c.T.Cleanup(over.Open)
	stream := c.NewStream(func(e Event) bool {
		if e.Signature == "" {
			return true
		}
		over.Wait()
		return e.At > until
	})
	m := c.NewManager(stream.Plan)
	m.Watching()
	stream.Arm()
	do(c)
	until = c.revision()
	over.Open()
	want := back(end.Reference(c.T, c.World).State)
	m.WorkBySchedule(interval, m.Look, func() bool { return slices.Equal(back(c.Snapshot()), want) })
	m.Stop()
}

// D2: one event of a watch is lost. At the latest when the operator next looks by itself, all is as it should be. Of an
// EdgeRegistry that it was never told of nobody can expect that: it waits for another event about it.
func TestALostEventIsMadeUpForByTheNextLook(t *testing.T) {
	suite := NewSuite(t, "D2", 8)
	tell(t, Workloads)
	for _, workload := range Workloads {
		for _, signature := range workload.events(t, "") {
			if strings.HasPrefix(signature, "added edge.open-horizon.io/edgeregistries ") {
				continue
			}
			suite.Run(workload.Name+"/"+signature+" is lost", func(t *testing.T) {
				c := NewCase(t, world, workload.later(t, world, nothing))
				lost := NewGate()
				lost.Open()
				stream := c.NewStream(func(e Event) bool {
					if e.Signature == signature {
						lost.Wait()
						return false
					}
					return true
				})
				m := c.NewManager(stream.Plan)
				m.Watching()
				stream.Arm()
				reference := workload.Reference(t, world)
				look := func() {
					m.Look()
					select {
					case <-lost.Reached:
						stream.End("routes")
					default:
						// A watch that begins again brings the event as part of a list.
					}
				}
				m.WorkBySchedule(interval, look, func() bool { return slices.Equal(c.Snapshot(), reference.State) })
				c.await("event", lost.HasReached)
				m.Stop()
				c.Judge(nil)
			})
		}
	}
}
