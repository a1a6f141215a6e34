// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what tenants do at random. Which verbs they have says the API server.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// power is one verb for one resource that somebody has in a namespace, for some names if there are any.
type power struct {
	resource, verb string
	names          []string
}

// pocketed is a token that an actor had issued.
type pocketed struct {
	namespace, account string
	token              credential.Token
}

// things are the resources that the operator reads: how one is found, and how one is made to deceive it. A resource that is
// not here and that somebody has a right to write fails the test.
var things = map[string]struct {
	object client.Object
	list   client.ObjectList
	fill   func(*estate, *actor, client.Object)
}{
	"/secrets":                                   {&corev1.Secret{}, &corev1.SecretList{}, (*estate).fillSecret},
	"/serviceaccounts":                           {&corev1.ServiceAccount{}, &corev1.ServiceAccountList{}, (*estate).fillAccount},
	"/serviceaccounts/token":                     {&corev1.ServiceAccount{}, &corev1.ServiceAccountList{}, nil},
	"/namespaces":                                {&corev1.Namespace{}, &corev1.NamespaceList{}, nil},
	"rbac.authorization.k8s.io/rolebindings":     {&rbacv1.RoleBinding{}, &rbacv1.RoleBindingList{}, (*estate).fillBinding},
	"route.openshift.io/routes":                  {&routev1.Route{}, &routev1.RouteList{}, (*estate).fillRoute},
	"route.openshift.io/routes/status":           {&routev1.Route{}, &routev1.RouteList{}, (*estate).fillRoute},
	"project.openshift.io/projects":              {&projectv1.Project{}, &projectv1.ProjectList{}, (*estate).fillProject},
	"project.openshift.io/projectrequests":       {&projectv1.ProjectRequest{}, &projectv1.ProjectList{}, (*estate).fillProject},
	"edge.open-horizon.io/edgeregistries":        {&edgev1.EdgeRegistry{}, &edgev1.EdgeRegistryList{}, (*estate).fillEdge},
	"edge.open-horizon.io/edgeregistries/status": {&edgev1.EdgeRegistry{}, &edgev1.EdgeRegistryList{}, nil},
}

// pick is one of some, at random.
func pick[T any](e *estate, of ...T) T { return of[e.random.IntN(len(of))] }

// chance is true so many times of a hundred.
func (e *estate) chance(percent int) bool { return e.random.IntN(100) < percent }

// act has one of the actors do something that they may. What changes nothing is done less often than it could be.
func (e *estate) act(t *testing.T) {
	t.Helper()
	reads := e.chance(12)
	for range 50 {
		a := pick(e, e.actors...)
		var may []chosen
		for i, namespace := range e.namespaces(t.Context()) {
			for _, p := range e.powersOf(t, a, namespace) {
				elsewhere := p.resource == "project.openshift.io/projectrequests" || strings.HasPrefix(p.resource, "edge.")
				if (i == 0 || !elsewhere) && reads == slices.Contains([]string{"get", "list", "watch"}, p.verb) {
					may = append(may, chosen{p, namespace})
				}
			}
		}
		if len(may) == 0 {
			continue
		}
		// By resource first, then by verb: there are more of some. What few may is done as often as what all may, and what is
		// there is not often destroyed, since little can be done to what is gone.
		may = e.choose(may, func(c chosen) (string, int) { return c.resource, len(e.actors) / len(e.holders[c.resource]) })
		may = e.choose(may, func(c chosen) (string, int) {
			if strings.HasPrefix(c.verb, "delete") {
				return c.verb, 1
			}
			return c.verb, 2
		})
		what := e.possible(t, a, pick(e, may...))
		e.prey = e.anyEdge()
		e.steps++
		e.count(t, a, what)
		return
	}
	t.Fatalf("nobody has a right to anything, %s", e.where())
}

// choose keeps the rights of one kind, which is chosen by the weights of the kinds.
func (e *estate) choose(of []chosen, kind func(chosen) (name string, weight int)) []chosen {
	weights, names := map[string]int{}, []string(nil)
	for _, c := range of {
		name, weight := kind(c)
		weights[name] = weight
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		names = append(names, slices.Repeat([]string{name}, weights[name])...)
	}
	one := pick(e, names...)
	return slices.DeleteFunc(of, func(c chosen) bool { name, _ := kind(c); return name != one })
}

// chosen is a right in a namespace.
type chosen struct {
	power
	in corev1.Namespace
}

// possible makes of a right over an object that is not there the right to create one, if there is that.
func (e *estate) possible(t *testing.T, a *actor, c chosen) chosen {
	t.Helper()
	list := things[c.resource].list.DeepCopyObject().(client.ObjectList)
	if !slices.Contains([]string{"update", "patch", "delete", "impersonate"}, c.verb) || e.found(t, c.power, list, c.in.Name) != nil {
		return c
	}
	powers := e.powersOf(t, a, c.in)
	if i := slices.IndexFunc(powers, func(p power) bool { return p.resource == c.resource && p.verb == "create" }); i >= 0 {
		return chosen{powers[i], c.in}
	}
	return c
}

// count uses a right, and counts it.
func (e *estate) count(t *testing.T, a *actor, c chosen) {
	t.Helper()
	what, err := e.exercise(t, a, c.power, c.in)
	key := fmt.Sprintf("%s: %s %s", a.name, c.verb, strings.TrimPrefix(c.resource, "/"))
	outcome := "done"
	if err == nil {
		e.done[key]++
	} else {
		e.refused[key]++
		outcome = "refused"
	}
	e.note("%s %s, %s", key, what, outcome)
	if strings.HasPrefix(c.resource, "rbac.") {
		maps.DeleteFunc(e.powers, func(key string, _ []power) bool { return strings.HasSuffix(key, string(c.in.UID)) })
	}
}

// powersOf are the rights that somebody has in a namespace over what the operator reads, by what the API server says.
func (e *estate) powersOf(t *testing.T, a *actor, namespace corev1.Namespace) []power {
	t.Helper()
	key := a.name + " " + string(namespace.UID)
	if known, found := e.powers[key]; found {
		return known
	}
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace.Name}}
	NewWithT(t).Expect(a.Create(t.Context(), review)).To(Succeed())
	var powers []power
	for _, rule := range review.Status.ResourceRules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				name := group + "/" + resource
				// The verb bind is used by whoever makes a role binding.
				if !e.reads[name] || slices.Equal(rule.Verbs, []string{"bind"}) {
					continue
				}
				if _, known := things[name]; !known {
					t.Fatalf("%s may %v %s, which the operator reads, and nobody here knows how", a.name, rule.Verbs, name)
				}
				if a.roles != nil {
					e.holders[name] = e.holders[name].Union(sets.New(a.name))
				}
				for _, verb := range rule.Verbs {
					powers = append(powers, power{name, verb, rule.ResourceNames})
				}
			}
		}
	}
	e.powers[key] = powers
	return powers
}

// exercise uses a right once, and says on what.
func (e *estate) exercise(t *testing.T, a *actor, p power, in corev1.Namespace) (string, error) {
	t.Helper()
	thing, namespace := things[p.resource], in.Name
	if p.verb == "create" {
		return e.create(t, a, p, namespace)
	}
	where := []client.ListOption{client.InNamespace(namespace)}
	list := thing.list.DeepCopyObject().(client.ObjectList)
	switch p.verb {
	case "list", "watch":
		return "in " + namespace, a.List(t.Context(), list, where...)
	case "deletecollection":
		options := []client.DeleteAllOfOption{client.InNamespace(namespace)}
		if e.chance(70) {
			options = append(options, client.MatchingLabels{objects.EdgeLabel: e.anyEdge().Name})
		}
		return "in " + namespace, a.DeleteAllOf(t.Context(), thing.object.DeepCopyObject().(client.Object), options...)
	}
	object := e.found(t, p, list, namespace)
	if object == nil {
		return "in " + namespace + ", where there is none", nil
	}
	name := namespace + "/" + object.GetName()
	if p.verb == "impersonate" {
		return e.impersonate(t, in, object.GetName())
	}
	before := object.DeepCopyObject().(client.Object)
	if thing.fill != nil {
		thing.fill(e, a, object)
	}
	status := strings.HasSuffix(p.resource, "/status")
	switch p.verb {
	case "get":
		return name, a.Get(t.Context(), client.ObjectKeyFromObject(before), before)
	case "delete":
		return name, a.Delete(t.Context(), before, client.PropagationPolicy(pick(e, metav1.DeletePropagationBackground, metav1.DeletePropagationForeground)))
	case "update":
		if status {
			return name, a.Status().Update(t.Context(), object)
		}
		return name, a.Update(t.Context(), object)
	case "patch":
		if status {
			return name, a.Status().Patch(t.Context(), object, client.MergeFrom(before))
		}
		return name, a.Patch(t.Context(), object, client.MergeFrom(before))
	}
	t.Fatalf("%s may %s %s, and nobody here knows how", a.name, p.verb, p.resource)
	return "", nil
}

// impersonate uses one right of a service account, as who may edit a namespace may.
func (e *estate) impersonate(t *testing.T, in corev1.Namespace, account string) (string, error) {
	t.Helper()
	const accounts = "system:serviceaccounts"
	as := e.accounts[in.Name+"/"+account]
	if as == nil {
		as = &actor{asUser(t, apiserver.ServiceAccountPrefix+in.Name+":"+account, accounts, accounts+":"+in.Name), in.Name + "/" + account, nil}
		e.accounts[as.name] = as
	}
	powers := slices.DeleteFunc(slices.Clone(e.powersOf(t, as, in)), func(p power) bool { return p.verb == "impersonate" })
	if len(powers) == 0 {
		return as.name + ", which may do nothing", nil
	}
	p := pick(e, powers...)
	what, err := e.exercise(t, as, p, in)
	return as.name + " to " + p.verb + " " + p.resource + " " + what, err
}

// found is an object of a namespace that a right is about, or nil.
func (e *estate) found(t *testing.T, p power, list client.ObjectList, namespace string) client.Object {
	t.Helper()
	switch p.resource {
	case "project.openshift.io/projects":
		return &projectv1.Project{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	case "/namespaces":
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	}
	NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(namespace))).To(Succeed())
	var all []client.Object
	eachOf(list, func(object client.Object) {
		if (len(p.names) == 0 || slices.Contains(p.names, object.GetName())) && !strings.HasPrefix(object.GetName(), "tenant-") {
			all = append(all, object)
		}
	})
	if len(all) == 0 {
		return nil
	}
	return pick(e, all...)
}

func (e *estate) create(t *testing.T, a *actor, p power, namespace string) (string, error) {
	t.Helper()
	if p.resource == "/serviceaccounts/token" {
		return e.requestToken(t, a, namespace)
	}
	object := things[p.resource].object.DeepCopyObject().(client.Object)
	object.SetNamespace(namespace)
	object.SetName(e.nameFor(p.resource))
	if p.resource == "project.openshift.io/projectrequests" || p.resource == "edge.open-horizon.io/edgeregistries" {
		object.SetNamespace("")
	}
	things[p.resource].fill(e, a, object)
	return namespace + "/" + object.GetName(), a.Create(t.Context(), object)
}

// nameFor is a name that the operator may be after.
func (e *estate) nameFor(resource string) string {
	edge := e.prey
	switch resource {
	case "/secrets":
		secret := pick(e, pass.PublishSecretName(edge), pass.PullSecretName(edge))
		return pick(e, secret, fmt.Sprintf("%s-%d", secret, pick(e, 1, 2, 3, 7, 100, lastGeneration)), "secret-"+stamp())
	case "/serviceaccounts":
		return pick(e, edge.Spec.OpenShift.Publisher.ServiceAccountName, edge.Spec.OpenShift.Puller.ServiceAccountName)
	case "rbac.authorization.k8s.io/rolebindings":
		return pick(e, bindingName(edge, edgev1.TokenPublisher), bindingName(edge, edgev1.TokenPuller),
			consent.Project.Binding, consent.Secrets.Binding, "binding-"+stamp())
	case "edge.open-horizon.io/edgeregistries":
		return pick(e, e.grabs...)
	case "project.openshift.io/projectrequests":
		names := []string{e.in("target-1"), e.in("target-2"), e.in("adopted"), e.in("own"), e.in("new")}
		free := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return e.places[name] != "" })
		return pick(e, append(free, pick(e, names...))...)
	default:
		return "thing-" + stamp()
	}
}

// requestToken has a token issued, bound to a Secret if there is one.
func (e *estate) requestToken(t *testing.T, a *actor, namespace string) (string, error) {
	t.Helper()
	accounts, secrets := &corev1.ServiceAccountList{}, &corev1.SecretList{}
	NewWithT(t).Expect(admin.List(t.Context(), accounts, client.InNamespace(namespace))).To(Succeed())
	NewWithT(t).Expect(admin.List(t.Context(), secrets, client.InNamespace(namespace))).To(Succeed())
	if len(accounts.Items) == 0 {
		return "in " + namespace + ", where there is no account", nil
	}
	account := pick(e, accounts.Items...)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64((2160 * time.Hour).Seconds()))}}
	if len(secrets.Items) > 0 && e.chance(80) {
		numbered := slices.DeleteFunc(slices.Clone(secrets.Items), func(s corev1.Secret) bool { return strings.Trim(s.Name[len(s.Name)-1:], "0123456789") != "" })
		secret := pick(e, append(numbered, pick(e, secrets.Items...))...)
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}
	}
	err := a.SubResource("token").Create(t.Context(), &account, request)
	if err == nil {
		e.pocket = append(e.pocket, pocketed{namespace, account.Name, credential.NewToken(request.Status.Token)})
	}
	return namespace + "/" + account.Name, err
}
