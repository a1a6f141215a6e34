// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tenants who do whatever RBAC lets them, at random: who there is, and how the time goes by. What they do
// is in tenants_acts_test.go and tenants_guises_test.go, and what must not come of it in tenants_oracle_test.go.

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	projectv1 "github.com/openshift/api/project/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
)

// How many acts of tenants there are by default, and with LONG=1.
const (
	tenantSteps     = 150
	tenantStepsLong = 2000
)

// TENANTS_SEED chooses another search, and repeats one that failed; TENANTS_STEPS how long it is.
func TestTenantsAtRandom(t *testing.T) {
	seed, steps := 1, tenantSteps
	if os.Getenv("LONG") != "" {
		steps = tenantStepsLong
	}
	for name, value := range map[string]*int{"TENANTS_SEED": &seed, "TENANTS_STEPS": &steps} {
		if given := os.Getenv(name); given != "" {
			var err error
			*value, err = strconv.Atoi(given)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
		}
	}
	t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { newEstate(t, uint64(seed)).play(steps) })
}

// actor is somebody with rights of their own.
type actor struct {
	client.Client
	name string
	// roles are those that the actor has by namespace. One that is given away comes back after a while.
	roles map[string]string
}

// estate is namespaces with their owners, EdgeRegistries with their authors, and an operator between them.
type estate struct {
	ledger
	t      *testing.T
	o      *operator
	prefix string
	random *rand.Rand
	seed   uint64
	actors []*actor
	// accounts are the service accounts that somebody impersonated.
	accounts map[string]*actor
	// quiet has its project and its copies where no actor has rights, held its project alone, patient waits for namespaces that
	// nobody makes, shared has a project in which somebody has edit, and lines was invited into namespaces of others.
	quiet, held, patient, shared, lines *edgev1.EdgeRegistry
	// grabs are the names that the author may write EdgeRegistries of.
	grabs []string
	// pocket is tokens that actors had issued for service accounts.
	pocket []pocketed
	// reads are the resources that the operator reads or writes in namespaces of others.
	reads  map[string]bool
	powers map[string][]power
	// holders are the actors that have any right over a resource, and prey the EdgeRegistry that an act is about.
	holders map[string]sets.Set[string]
	prey    *edgev1.EdgeRegistry
	// steps, rounds, restarts and contests count; done and refused do by actor, verb and resource.
	steps, rounds, restarts, contests int
	done, refused                     map[string]int
	history                           []string
}

// in is a namespace of the estate by the end of its name.
func (e *estate) in(name string) string { return e.prefix + "-" + name }

func newEstate(t *testing.T, seed uint64) *estate {
	t.Helper()
	keepPlatform(t)
	e := &estate{
		t: t, o: directOperator(t), prefix: "tenants-" + utilrand.String(5), seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		powers: map[string][]power{}, done: map[string]int{}, refused: map[string]int{}, reads: map[string]bool{},
		accounts: map[string]*actor{}, holders: map[string]sets.Set[string]{},
	}
	for i := range 3 {
		e.grabs = append(e.grabs, e.in(fmt.Sprintf("grab-%d", i)))
	}
	for _, grant := range shippedGrants(t) {
		for _, resource := range grant.rule.Resources {
			for _, group := range grant.rule.APIGroups {
				e.reads[group+"/"+resource] = e.reads[group+"/"+resource] || grant.namespace == "" || grant.namespace == anyProject
			}
		}
	}
	// A Route of others can have the registry's host, and a project of others the name that is wanted.
	for _, resource := range []string{"route.openshift.io/routes", "route.openshift.io/routes/status", "project.openshift.io/projects"} {
		e.reads[resource] = true
	}
	e.books, e.minted = map[types.UID]*book{}, map[string]types.UID{}
	e.o.intercepting(e.hear)
	e.people(t)
	e.owners(t)
	return e
}

// people makes the namespaces, and who has rights in which.
func (e *estate) people(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { e.release() })
	for _, name := range []string{"adopted", "routes", "copies", "bystander"} {
		createForTest(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.in(name)}})
	}
	for name, roles := range map[string]map[string]string{
		"project-admin": {"adopted": "admin"}, "edit-holder": {"shared": "edit"}, "route-owner": {"routes": "edit"},
		"namespace-creator": {"target-1": "admin", "target-2": "admin"}, "author": {"own": "admin"},
	} {
		var groups []string
		if name == "namespace-creator" || name == "author" {
			// As who logs in by OAuth may request projects.
			groups = []string{"system:authenticated:oauth"}
		}
		e.actors = append(e.actors, &actor{asUser(t, e.in(name), groups...), name, roles})
	}
	slices.SortFunc(e.actors, func(a, b *actor) int { return strings.Compare(a.name, b.name) })
	request := func(by, name string) {
		does(t, e.actor(by), &projectv1.ProjectRequest{ObjectMeta: metav1.ObjectMeta{Name: e.in(name)}})
	}
	request("namespace-creator", "target-1")
	request("namespace-creator", "target-2")
	request("author", "own")
	e.authorise(t)
}

func (e *estate) actor(name string) *actor {
	return e.actors[slices.IndexFunc(e.actors, func(a *actor) bool { return a.name == name })]
}

// asUser is a client with the rights of a user.
func asUser(t *testing.T, name string, groups ...string) client.Client {
	t.Helper()
	cfg := rest.CopyConfig(control.Admin)
	cfg.Impersonate.UserName, cfg.Impersonate.Groups = name, append(groups, "system:authenticated")
	user, err := client.New(cfg, client.Options{Scheme: control.Scheme})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return user
}

// authorise gives the author the shipped role, but for the objects of other authors: whoever may write them is their author.
func (e *estate) authorise(t *testing.T) {
	t.Helper()
	shipped := &rbacv1.ClusterRole{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Name: "edge-registry-editor"}, shipped)).To(Succeed())
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: e.in("author")}}
	for _, rule := range shipped.Rules {
		anybodys, own := rule.DeepCopy(), rule.DeepCopy()
		named := func(verb string) bool { return slices.Contains([]string{"update", "patch", "delete"}, verb) }
		anybodys.Verbs = slices.DeleteFunc(anybodys.Verbs, func(verb string) bool { return named(verb) || verb == "deletecollection" })
		own.Verbs = slices.DeleteFunc(own.Verbs, func(verb string) bool { return !named(verb) })
		own.ResourceNames = e.grabs
		role.Rules = append(role.Rules, *anybodys)
		if len(own.Verbs) > 0 {
			role.Rules = append(role.Rules, *own)
		}
	}
	createForTest(t, role)
	createForTest(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: e.in("author")},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: e.in("author")}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	})
}

// owners are those whose EdgeRegistries are to stay as they are: they invite the operator for them, and for no others.
func (e *estate) owners(t *testing.T) {
	t.Helper()
	named := func(name string, mods ...func(*edgev1.EdgeRegistry)) *edgev1.EdgeRegistry {
		edge := newEdge(mods...)
		edge.Name, edge.GenerateName = e.in(name), ""
		// It accepted a namespace once that has nothing to do with those that it uses.
		edge.Annotations = map[string]string{edgev1.AcceptAnnotation: e.in("bystander") + "/00000000-0000-4000-8000-000000000000"}
		return edge
	}
	createForTest(t, invitation(e.in("copies"), consent.Secrets, e.in("quiet")))
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.in("bystander"), Name: e.in("quiet-pull")}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: e.in("bystander"), Name: "edge-publisher"}},
	} {
		createForTest(t, object)
	}
	e.quiet = named("quiet", copyPullTo(e.in("copies")))
	e.held = named("held", copyPullTo(e.in("target-1")))
	e.patient = named("patient", copyPullTo(e.in("absent-0"), e.in("absent-1"), e.in("absent-2")))
	e.shared = named("shared")
	e.lines = named("lines", inProject(e.in("adopted")), copyPublishTo(e.in("target-1")), copyPullTo(e.in("target-1"), e.in("target-2")))
	for _, edge := range append(e.victims(), e.patient) {
		apply(t, edge)
	}
	NewWithT(t).Eventually(func(g Gomega) {
		e.restore(t)
		poke(t, e.held)
		poke(t, e.lines)
		e.round(t)
		for _, edge := range e.victims() {
			ready := condition(t, edge, edgev1.Ready)
			g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), "%s: %s: %s", edge.Name, ready.Reason, ready.Message)
		}
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	e.settled = true
	// The author has one that works, to begin with.
	does(t, e.actor("author"), newEdge(func(grab *edgev1.EdgeRegistry) { grab.Name, grab.GenerateName = e.grabs[0], "" }))
}

// victims are the EdgeRegistries whose authors harm nobody.
func (e *estate) victims() []*edgev1.EdgeRegistry {
	return []*edgev1.EdgeRegistry{e.quiet, e.held, e.shared, e.lines}
}

// play lets the tenants act, a few at a time, and the operator answer.
func (e *estate) play(steps int) {
	t := e.t
	begun := time.Now()
	for e.steps < steps {
		for range 1 + e.random.IntN(3) {
			e.act(t)
		}
		e.meanwhile(t)
		e.round(t)
		e.expectNoHarm(t)
		if e.rounds%5 == 0 {
			e.restore(t)
		}
		if e.random.IntN(8) == 0 && e.hostIsWanted(t) {
			e.contest(t)
		}
	}
	e.end(t)
	e.tell(t, time.Since(begun))
}
