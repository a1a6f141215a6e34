// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// installNamed reads a CA by the name that the admin gives it, in the operator's namespace.
var installNamed = &Workload{Name: "install with a CA by name", Prepare: nameCA, Installs: true, Steps: []func(*Case){create}}

func nameCA(c *Case) {
	privateRoute(c)
	c.offerCA("-ca", "root.pem", string(c.ca.RootPEM()))
	c.Edge.Spec.Trust.CABundleRef = &edgev1.CABundleRef{Name: c.Edge.Name + "-ca", Key: "root.pem"}
}

// rightful are the workloads that together use every standing right that single passes can use.
var rightful = append(slices.Clone(Workloads), installNamed)

// idleRights are the standing rights that none of these workloads uses, by the reason.
var idleRights = map[string][]string{
	"single passes have no caches and no watches": {
		"watch namespaces",
		"watch edge.open-horizon.io/edgeregistries",
		"list imageregistry.operator.openshift.io/configs cluster",
		"watch imageregistry.operator.openshift.io/configs cluster",
		"list route.openshift.io/routes in openshift-image-registry",
		"watch route.openshift.io/routes in openshift-image-registry",
		"list configmaps default-ingress-cert in openshift-config-managed",
		"watch configmaps default-ingress-cert in openshift-config-managed",
		"watch configmaps in " + operatorNamespace,
	},
	"their events are text": {"create events.k8s.io/events in default", "patch events.k8s.io/events in default"},
	"they need no lease": {
		"create coordination.k8s.io/leases in " + operatorNamespace,
		"get coordination.k8s.io/leases in " + operatorNamespace,
		"update coordination.k8s.io/leases in " + operatorNamespace,
		"create events in " + operatorNamespace,
	},
	"their registry is OpenShift's":          {"get secrets in edge-registry-credentials", "watch secrets in edge-registry-credentials"},
	"nobody asks for their metrics":          {"create authentication.k8s.io/tokenreviews"},
	"the default route is on from the start": {"patch imageregistry.operator.openshift.io/configs cluster"},
	"a nearer place vouches for each Route":  {"get config.openshift.io/proxies cluster"},
}

// What nobody uses is not to be granted, or is said to be used by others.
func TestEachStandingRightIsUsedByAWorkload(t *testing.T) {
	var idle []string
	for _, rights := range idleRights {
		idle = append(idle, rights...)
	}
	for _, r := range standingRights(t, world) {
		used := slices.ContainsFunc(rightful, func(w *Workload) bool {
			return slices.ContainsFunc(w.Reference(t, world).Calls, r.uses)
		})
		at := slices.Index(idle, r.String())
		if used == (at >= 0) {
			t.Errorf("%s: it is %t that a workload uses it, and %t that the table says that none does", r, used, at >= 0)
		}
		if at >= 0 {
			idle = slices.Delete(idle, at, at+1)
		}
	}
	if len(idle) > 0 {
		t.Errorf("the table has rights that are not shipped, or has them twice: %v", idle)
	}
}

// M: the operator lacks one of the rights that config/ gives it, from when the workload begins, for as long as five passes.
// What is refused is told in the API server's words, what needs no such right is done, and no token is minted in vain. When
// the right is given the same incarnation finishes.
func TestARightThatIsMissingIsToldByNameAndHealsByItself(t *testing.T) {
	const passes = 5
	suite := NewSuite(t, "M", 10)
	rights := standingRights(t, world)
	for _, workload := range rightful {
		reference := workload.Reference(t, world)
		for _, r := range rights {
			if !slices.ContainsFunc(reference.Calls, r.uses) {
				continue
			}
			suite.Run(workload.Name+"/without "+r.String(), func(t *testing.T) {
				c := NewCase(t, world, workload.without(t, world, r, rights))
				var refused atomic.Pointer[Call]
				life := c.NewLife(While(r.uses, func(call *Call, on func() (*http.Response, error)) (*http.Response, error) {
					response, err := on()
					if err == nil && response.StatusCode == http.StatusForbidden {
						refused.Store(call)
					}
					return response, err
				}))
				missed := false
				for range passes {
					call, done := life.passWithout(r, &refused)
					missed = missed || call != nil
					if done && !c.ask() {
						break
					}
				}
				// In a project that it requested the operator is admin, and that covers this one. A target of copies is another's.
				covered := r.String() == "get namespaces" && !workload.Installs && workload != Again && workload != Copies
				if missed == covered {
					t.Errorf("it is %t that something was refused", missed)
				}
				if made, most := len(life.Calls()), 2*passes*len(reference.Calls); made > most {
					t.Errorf("%d passes made %d calls, an undisturbed run makes %d in all", passes, made, len(reference.Calls))
				}
				c.grant(rights)
				life.Run()
				c.Judge(nil)
			})
		}
	}
}

// passWithout makes a pass, and steps the clock to the next. It returns the last call that was refused, or nil, and whether
// the work of this step is done.
func (l *Life) passWithout(r right, refused *atomic.Pointer[Call]) (call *Call, done bool) {
	l.c.T.Helper()
	refused.Store(nil)
	wait, err := l.Pass()
	if call = refused.Load(); call == nil && l.isDone(wait, err) {
		return nil, true
	}
	if call != nil {
		l.c.expectNamed(r, call, err)
	}
	l.expectAnother(wait, err)
	l.c.Clock.SetTime(l.c.Clock.Now().Add(wait))
	return call, false
}

// expectNamed fails unless an error or a condition names the right that a call lacked, and if the status says Ready.
func (c *Case) expectNamed(r right, call *Call, err error) {
	c.T.Helper()
	if reported := fmt.Sprintf("error: %v; %s", err, c.standing()); !strings.Contains(reported, r.refusal()) {
		c.T.Errorf("%s was refused, and nothing says %q: %s", call.Signature, r.refusal(), reported)
	}
	if kind, _, _ := strings.Cut(call.Signature, " #"); c.saysReady(kind) {
		c.T.Errorf("%s was refused, and the operator says that all is well: %s", call.Signature, c.standing())
	}
}
