// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	routev1 "github.com/openshift/api/route/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// watches are those that the operator makes, and for each something that it alone tells of.
var watches = []struct {
	resource  string
	namespace func(*Case) string
	workload  *Workload
	tells     func(*Case, []byte) bool
	// alone: what happens, happens to all EdgeRegistries.
	alone bool
}{
	{"edgeregistries", nowhere, idle(nil, anotherRole), nil, false},
	{"configs", nowhere, unsteady(idle(nil, switchRouteOff)), nil, true},
	{"routes", registryNamespace, idle(privateRoute, anotherHost), ofItsRoute, false},
	{"configmaps", managedNamespace, idle(nil, anotherRouterCA), nil, true},
	{"secrets", (*Case).Project, idle(nil, alterSecret), nil, false},
	{"serviceaccounts", (*Case).Project, idle(nil, deleteAccount), nil, false},
	{"rolebindings", (*Case).Project, idle(nil, deleteBinding), nil, false},
	{"secrets", (*Case).copies, idle(beginWithCopies, deleteCopy), nil, false},
}

// breaks are how a watch breaks at that very moment.
var breaks = []struct {
	how     string
	does    Break
	refused Fault
	// lives: the stream stays open, and only its end brings the news.
	lives bool
}{
	{"is closed", Closed, nil, false},
	{"is torn in the middle of an event", Torn, nil, false},
	{"says 410 Gone", Expired, nil, false},
	{"brings bookmarks only", OnlyBookmarks, nil, true},
	{"is open and silent", Silent, nil, true},
	{"is closed and 403 when made again", Closed, Refuse(http.StatusForbidden, metav1.StatusReasonForbidden, "not now", -1), false},
	{"is closed and 503 when made again", Closed, Refuse(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "not now", -1), false},
}

// E: a watch breaks when it would tell of something. The operator comes to know of it anyway, does what it would
// have done, and does not press the API server. How long a silent stream is believed is bounded by what each watch asks
// for, and by the end that the operator itself puts to it; here the stream ends as it then does.
func TestABrokenWatchHidesNothing(t *testing.T) {
	suite := NewSuite(t, "E", 10)
	for _, w := range watches {
		w.workload.Name = w.resource + " of " + w.namespace(nameless)
		for _, b := range breaks {
			run := suite.Run
			if w.alone {
				run = suite.RunAlone
			}
			run(w.workload.Name+"/"+b.how, func(t *testing.T) {
				// What happens in a run of the reference may be seen by all.
				w.workload.Reference(t, world)
				c := NewCase(t, world, w.workload)
				fragile := &Fragile{Break: b.does, Refused: b.refused, Is: func(call *Call) bool {
					return call.Resource == w.resource && call.Namespace == w.namespace(c)
				}}
				if w.tells != nil {
					fragile.Tells = func(event []byte) bool { return w.tells(c, event) }
				}
				m := c.NewManager(fragile.Plan)
				c.await("watch", fragile.IsOpen)
				c.awaitSilence(m.Wire)
				fragile.Arm()
				c.ask()
				c.await("end of the watch", fragile.IsBroken)
				if b.lives {
					c.awaitSilence(m.Wire)
					fragile.End()
				}
				m.Work()
				c.awaitSilence(m.Wire)
				c.judgeWatches(m.Wire, fragile)
				m.Stop()
				c.Judge(nil)
			})
		}
	}
}

// idle is a workload of which the operator is at rest for a while before something happens.
func idle(prepare func(*Case), happens func(*Case)) *Workload {
	return &Workload{Prepare: prepare, Steps: []func(*Case){func(*Case) {}, happens}}
}

// unsteady is a workload that others have a part in.
func unsteady(w *Workload) *Workload {
	w.Unsteady = true
	return w
}

// awaitSilence waits until an incarnation has nothing to say to the API server.
func (c *Case) awaitSilence(life *Wire) {
	c.T.Helper()
	c.await("silence of the operator", func() bool {
		before := len(life.Calls())
		c.pause(50 * often)
		return len(life.Calls()) == before
	})
}

// judgeWatches holds the watches to their bounds: each ends some time, and none is asked for again and again.
func (c *Case) judgeWatches(life *Wire, fragile *Fragile) {
	c.T.Helper()
	const (
		longest = 10 * time.Minute
		grace   = time.Minute
		atOnce  = 4
		pace    = 500 * time.Millisecond
	)
	for _, call := range life.Calls() {
		if call.Verb != "watch" {
			continue
		}
		query, err := url.ParseQuery(call.query)
		c.must(err, "read what a watch asks for")
		asked, _ := strconv.Atoi(query.Get("timeoutSeconds"))
		lasts := time.Duration(asked) * time.Second
		if lasts <= 0 || lasts > longest || call.Lasts <= 0 || call.Lasts > lasts+grace {
			c.T.Errorf("%s is asked for %s and ended after %s", call.Signature, lasts, call.Lasts)
		}
	}
	if asked, since := fragile.Asked(); asked > atOnce+int(since/pace) {
		c.T.Errorf("%d lists and watches within %s", asked, since)
	}
}

var nameless = &Case{Edge: &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "NAME"}}}

func nowhere(*Case) string           { return "" }
func registryNamespace(*Case) string { return platform.RegistryNamespace }
func managedNamespace(*Case) string  { return platform.ManagedNamespace }

func ofItsRoute(c *Case, event []byte) bool {
	return bytes.Contains(event, []byte(`"name":"`+c.route+`"`))
}

// switchRouteOff has somebody withdraw the default Route, and waits until the registry's operator has deleted it.
func switchRouteOff(c *Case) {
	key := client.ObjectKey{Namespace: platform.RegistryNamespace, Name: "default-route"}
	before := &routev1.Route{}
	c.must(c.World.Admin.Get(c.ctx, key, before), "read the Route")
	config := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
	off := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"defaultRoute":false}}`))
	c.must(c.World.Admin.Patch(c.ctx, config, off), "switch the Route off")
	c.await("end of the Route", func() bool {
		route := &routev1.Route{}
		err := c.World.Admin.Get(c.ctx, key, route)
		return err != nil || route.UID != before.UID
	})
}

// anotherRouterCA has the router change over to another CA, and waits until that is published.
func anotherRouterCA(c *Case) {
	ca := c.World.OpenShift.Router.RotateCA()
	c.await("ConfigMap with the CA of the router", func() bool {
		published := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: platform.ManagedNamespace, Name: "default-ingress-cert"}
		c.must(c.World.Admin.Get(c.ctx, key, published), "read the CA of the router")
		return bytes.Contains([]byte(published.Data["ca-bundle.crt"]), ca.PEM())
	})
}

func alterSecret(c *Case) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Project(), Name: c.Edge.Name + "-pull"}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"`+handoff.KeyImagePrefix+`":"bm93aGVyZQ=="}}`))
	c.must(c.World.Admin.Patch(c.ctx, secret, patch), "alter the Secret")
}

func deleteBinding(c *Case) {
	for _, binding := range c.bindingsOf("puller") {
		c.must(c.World.Admin.Delete(c.ctx, binding), "delete the role binding")
	}
}

func (c *Case) bindingsOf(role string) []client.Object {
	c.T.Helper()
	return slices.DeleteFunc(c.objects(), func(object client.Object) bool {
		_, ok := object.(*rbacv1.RoleBinding)
		return !ok || object.GetLabels()[roleLabel] != role
	})
}

func deleteCopy(c *Case) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.copies(), Name: c.Edge.Name + "-publish"}}
	c.must(c.World.Admin.Delete(c.ctx, secret), "delete the copy")
}
