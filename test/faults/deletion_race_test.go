// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// meanwhile lets something happen just before a call reaches the API server.
func meanwhile(do func()) Fault {
	return func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
		do()
		return on()
	}
}

// afterwards lets something happen just before the answer to a call arrives.
func afterwards(do func()) Fault {
	return func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		do()
		return response, err
	}
}

// races are what may happen at any moment.
var races = []struct {
	what string
	do   func(*Case)
	// ends: the EdgeRegistry has to go for it, and otherwise to come back to what its workload asks for.
	ends bool
	// inProject: it happens to a project that is there.
	inProject bool
	excused   []string
}{
	{"the EdgeRegistry is deleted", deleteEdge, true, false, nil},
	{"the EdgeRegistry is deleted after its objects", deleteInForeground, true, false, nil},
	{"the EdgeRegistry is deleted and its finalizers are taken off", func(c *Case) { deleteEdge(c); c.unhold() }, true, false, []string{"S14"}},
	{"the finalizers of the EdgeRegistry are taken off", (*Case).unhold, false, false, nil},
	{"the project is deleted", deleteProject, false, true, []string{"S3", "S5", "S7"}},
	{"the project and the EdgeRegistry are deleted", func(c *Case) { deleteProject(c); deleteEdge(c) }, true, true, []string{"S3", "S5", "S7"}},
}

func deleteInForeground(c *Case) {
	c.must(c.World.Admin.Delete(c.ctx, c.Edge, client.PropagationPolicy(metav1.DeletePropagationForeground)), "delete the EdgeRegistry")
	c.deleted = append(c.deleted, c.Edge.UID)
}

// unhold takes the finalizers off the EdgeRegistry, as people do who are in a hurry.
func (c *Case) unhold() {
	c.T.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	c.must(client.IgnoreNotFound(c.World.Admin.Patch(c.ctx, c.Edge.DeepCopy(), patch)), "take the finalizers off")
}

func deleteProject(c *Case) {
	project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Project()}}
	c.must(c.World.Admin.Delete(c.ctx, project), "delete the project")
}

// I: an EdgeRegistry, or its project, is deleted at any moment. The deletion ends and leaves no token that works; who only
// loses the project gets another.
func TestADeletionAtAnyMomentEnds(t *testing.T) {
	suite := NewSuite(t, "I", 12)
	for _, workload := range []*Workload{Install, Rotate} {
		thereIsAProject := !workload.Installs
		for _, call := range workload.Reference(t, world).Calls {
			for _, r := range races {
				if r.inProject && !thereIsAProject {
					continue
				}
				suite.Run(workload.Name+"/"+r.what+" before "+call.Signature, func(t *testing.T) {
					c := NewCase(t, world, workload)
					life := c.NewLife(At(call.Signature, meanwhile(func() { r.do(c) })))
					life.untilFired()
					if r.inProject {
						c.outliveProject(life)
					}
					if r.ends {
						c.outliveEdge(life)
						c.judgeGone(r.excused...)
					} else {
						life.Run()
						c.judgeAlike(workload, r.excused...)
					}
				})
			}
			thereIsAProject = thereIsAProject || strings.HasPrefix(call.Signature, "create project.openshift.io/projectrequests")
		}
	}
	suite.mintRaces(t)
	suite.racesOfDeletion(t)
}

// untilFired makes passes until the plan has met its call.
func (l *Life) untilFired() {
	l.c.T.Helper()
	for pass := 0; l.Fired() == 0; pass++ {
		if pass == l.Patience {
			l.c.T.Fatal("the operator never came to this call")
		}
		_, _ = l.Pass()
	}
}

// mintRaces delete what a token depends on, or what is to carry it, around its mint.
func (s *Suite) mintRaces(t *testing.T) {
	for _, role := range []string{"publisher", "puller"} {
		for what, do := range map[string]func(*Case){
			"the bound Secret is deleted":     func(c *Case) { c.deleteNewestBoundSecret(role) },
			"the published Secret is deleted": func(c *Case) { c.deletePublished(role) },
		} {
			for _, workload := range []*Workload{Install, Rotate} {
				if workload.Installs && strings.Contains(what, "published") {
					continue
				}
				for when, fault := range map[string]func(func()) Fault{"before": meanwhile, "after": afterwards} {
					s.Run(workload.Name+"/"+what+" "+when+" the mint for the "+role, func(t *testing.T) {
						c := NewCase(t, world, workload)
						mint := "create serviceaccounts/token NAME/edge-" + role + " #1"
						life := c.NewLife(At(mint, fault(func() { do(c) })))
						life.untilFired()
						// A successor that the registry refused is followed by another after an interval.
						c.Clock.SetTime(c.Clock.Now().Add(c.Edge.Spec.Verification.Interval.Duration))
						life.Run()
						c.judgeAlike(workload, "S5")
					})
				}
			}
		}
	}
}

// deleteNewestBoundSecret deletes the bound Secret that a mint is about, which is not marked as published yet.
func (c *Case) deleteNewestBoundSecret(role string) {
	for _, object := range c.objects() {
		if isBoundSecret(object) && object.GetLabels()[roleLabel] == role && object.GetAnnotations()[credentialIDAnnotation] == "" {
			c.must(c.World.Admin.Delete(c.ctx, object), "delete the bound Secret")
		}
	}
}

func (c *Case) deletePublished(role string) {
	for _, object := range c.objects() {
		if kind := object.GetLabels()[kindLabel]; role == "publisher" && kind == "publish" || role == "puller" && kind == "pull" {
			c.must(c.World.Admin.Delete(c.ctx, object), "delete the Secret of consumers")
		}
	}
}

// outliveProject makes passes until the project is gone, or another is in its place. Meanwhile the operator waits: it does
// not ask a person to act.
func (c *Case) outliveProject(life *Life) {
	c.T.Helper()
	first := types.UID("")
	c.await("end of the project", func() bool {
		project := &corev1.Namespace{}
		err := c.World.Admin.Get(c.ctx, client.ObjectKey{Name: c.Project()}, project)
		if apierrors.IsNotFound(err) || (first != "" && project.UID != first) {
			return true
		}
		c.must(err, "read the project")
		first = project.UID
		_, _ = life.Pass()
		if c.Reload() && meta.IsStatusConditionTrue(c.Edge.Status.Conditions, edgev1.Stalled) {
			c.T.Errorf("stalled by a project that is being deleted; %s", c.standing())
		}
		c.pause(20 * often)
		return false
	})
}

// outliveEdge makes passes until the EdgeRegistry is gone: the cluster may have a part in that.
func (c *Case) outliveEdge(life *Life) {
	c.T.Helper()
	c.await("end of the EdgeRegistry", func() bool {
		wait, _ := life.Pass()
		c.Clock.SetTime(c.Clock.Now().Add(wait))
		return !c.Reload()
	})
	_, _ = life.Pass()
}

// judgeGone holds a case to the end of its EdgeRegistry.
func (c *Case) judgeGone(excused ...string) {
	c.T.Helper()
	c.expectNothingOf(c.Edge)
	c.judgeRun(excused...)
}

// judgeAlike holds a case to the end state of its workload, whatever it took.
func (c *Case) judgeAlike(workload *Workload, excused ...string) {
	c.T.Helper()
	compare(c.T, "the state is another (- undisturbed, + now)", now(c.end()), now(workload.Reference(c.T, c.World).State))
	const most = 4
	for _, wire := range c.disturbed() {
		if minted := len(wire.Issued()); minted > 2*most {
			c.T.Errorf("%d tokens were minted", minted)
		}
	}
	c.judgeRun(excused...)
}

// judgeRun is the judgement but for the end state and the number of effects.
func (c *Case) judgeRun(excused ...string) {
	c.T.Helper()
	c.judgeQuiet()
	c.judgeHistory(excused)
	c.judgeLedger()
	c.judgeUse()
	c.judgeRequests()
	c.judgeLeaks()
}
