// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// resting is an EdgeRegistry with an object of each kind that the operator makes, and nothing to do.
var resting = &Workload{Name: "at rest", Prepare: beginWithCopies, Steps: []func(*Case){func(*Case) {}}}

// part is one of the objects of an EdgeRegistry.
type part struct {
	what string
	// resource, namespace and name are as in a signature, role is whose token it has to do with.
	resource, namespace, name, role string
	// empty is an object of its kind.
	empty client.Object
}

// parts are the nine objects that are there at rest.
var parts = []part{
	{"the publisher's account", "serviceaccounts", "NAME", "edge-publisher", "publisher", &corev1.ServiceAccount{}},
	{"the puller's account", "serviceaccounts", "NAME", "edge-puller", "puller", &corev1.ServiceAccount{}},
	{"the publisher's binding", "rbac.authorization.k8s.io/rolebindings", "NAME", "NAME-publisher", "publisher", &rbacv1.RoleBinding{}},
	{"the puller's binding", "rbac.authorization.k8s.io/rolebindings", "NAME", "NAME-puller", "puller", &rbacv1.RoleBinding{}},
	{"the publish Secret", "secrets", "NAME", "NAME-publish", "publisher", &corev1.Secret{}},
	{"the pull Secret", "secrets", "NAME", "NAME-pull", "puller", &corev1.Secret{}},
	{"the publisher's bound Secret", "secrets", "NAME", "NAME-publish-1", "publisher", &corev1.Secret{}},
	{"the puller's bound Secret", "secrets", "NAME", "NAME-pull-1", "puller", &corev1.Secret{}},
	{"the copy", "secrets", "NAME-copies", "NAME-publish", "publisher", &corev1.Secret{}},
}

// is reports one of some kinds of parts, by what stands after their role: a Secret that consumers read is of the kind
// "Secret", one that a token is bound to of the kind "bound Secret".
func (p part) is(kinds ...string) bool {
	if _, kind, found := strings.Cut(p.what, "'s "); found {
		return slices.Contains(kinds, kind)
	}
	return slices.Contains(kinds, p.what[strings.LastIndex(p.what, " ")+1:])
}

// key is where the part is in a case.
func (p part) key(c *Case) client.ObjectKey {
	named := strings.NewReplacer("NAME", c.Edge.Name)
	return client.ObjectKey{Namespace: named.Replace(p.namespace), Name: named.Replace(p.name)}
}

// read returns the part as it is.
func (p part) read(c *Case) client.Object {
	c.T.Helper()
	object := p.empty.DeepCopyObject().(client.Object)
	c.must(c.World.Admin.Get(c.ctx, p.key(c), object), "read "+p.what)
	return object
}

// edit changes the part as an admin who does not care whose it is.
func (p part) edit(c *Case, change func(client.Object)) {
	c.T.Helper()
	object := p.read(c)
	before := object.DeepCopyObject().(client.Object)
	change(object)
	c.must(c.World.Admin.Patch(c.ctx, object, client.MergeFrom(before)), "edit "+p.what)
}

// remove deletes the part.
func (p part) remove(c *Case) {
	c.T.Helper()
	c.must(c.World.Admin.Delete(c.ctx, p.read(c)), "delete "+p.what)
}

// remake puts another in the place of the part, which is it but for a change.
func (p part) remake(c *Case, change func(client.Object)) {
	c.T.Helper()
	object := p.read(c)
	c.must(c.World.Admin.Delete(c.ctx, object), "delete "+p.what)
	object.SetUID("")
	object.SetResourceVersion("")
	change(object)
	c.must(c.World.Admin.Create(c.ctx, object), "make another of "+p.what)
}

// effect is what the wire calls something that is done to the part.
func (p part) effect(verb string) string {
	name := p.name
	if p.is("bound Secret") {
		name = strings.TrimSuffix(name, "1") + "N"
	}
	return verb + " " + p.resource + " " + p.namespace + "/" + name
}

// anotherToken are the effects of a token more for a role.
func anotherToken(role string) []string {
	secret := map[string]string{"publisher": "publish", "puller": "pull"}[role]
	return []string{"create secrets NAME/NAME-" + secret + "-N", "create serviceaccounts/token NAME/edge-" + role}
}

// anotherToken are the effects of a token more for the role of the part.
func (p part) anotherToken() []string { return anotherToken(p.role) }

// whole are the effects of making the part where there is none, with what depends on it.
func (p part) whole() []string {
	switch {
	case p.is("account"):
		return append(p.anotherToken(), p.effect("create"), strings.Replace(p.anotherToken()[0], "create", "delete", 1))
	case p.is("Secret"):
		return append(p.anotherToken(), p.effect("create"))
	case p.is("bound Secret"):
		return p.anotherToken()
	default:
		return []string{p.effect("create")}
	}
}

// past is what tells two states apart whose tokens were minted at other times or for other causes.
var past = regexp.MustCompile(`"edge.open-horizon.io/token-cause":"\w*",|"credentials":\[[^]]*\],?`)

// now is a state without its past: bound Secrets are there as long as tokens may be in use. The bystander is watched by an
// invariant.
func now(state []string) []string {
	var lines []string
	for _, line := range state {
		if !strings.Contains(line, `"edge.open-horizon.io/secret":"anchor"`) && !strings.Contains(line, `"name":"bystander"`) {
			lines = append(lines, past.ReplaceAllString(line, ""))
		}
	}
	return lines
}

// ofObjects is the part of a state that is not about the EdgeRegistry itself.
func ofObjects(state []string) []string {
	return slices.DeleteFunc(slices.Clone(state), func(line string) bool { return strings.HasPrefix(line, "*v1alpha1.") })
}

// judgeBack holds a case to the state of a workload that was left, and to what it took to get back there.
func (c *Case) judgeBack(to *Workload, effects map[string]int, excused ...string) {
	c.T.Helper()
	compare(c.T, "the state is not what it was (- it was, + now)", now(c.end()), now(to.Reference(c.T, c.World).State))
	c.judge(&Reference{Effects: effects}, &Allowance{Excused: excused})
}

func counted(effects []string) map[string]int {
	counts := map[string]int{}
	for _, effect := range effects {
		counts[effect]++
	}
	return counts
}

// deed are the invariants that whoever alters the operator's objects breaks himself. What the operator did is judged by
// its requests.
var deed = []string{"S2", "S3", "S4", "S5", "S11", "S12", "S13", "S15"}

// expectTold fails unless Ready says what is in the operator's way.
func (c *Case) expectTold(reason string, parts ...string) {
	c.T.Helper()
	if !c.Reload() {
		c.T.Fatal("the EdgeRegistry is gone")
	}
	ready := meta.FindStatusCondition(c.Edge.Status.Conditions, edgev1.Ready)
	missing := func(part string) bool { return ready == nil || !strings.Contains(ready.Message, part) }
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != reason || slices.ContainsFunc(parts, missing) {
		c.T.Errorf("not Ready=False %s with %q; %s", reason, parts, c.standing())
	}
}

// once makes one pass, without waiting for anything.
func (c *Case) once() *Life {
	c.T.Helper()
	life := c.NewLife(nil)
	_, _ = life.Pass()
	return life
}

// expectNoWrite fails if an incarnation wrote any object in the project or in the namespace for copies.
func expectNoWrite(t *testing.T, life *Life) {
	t.Helper()
	for effect := range life.Effects() {
		if strings.Contains(effect, " NAME/") || strings.Contains(effect, " NAME-copies/") {
			t.Errorf("the operator did %q", effect)
		}
	}
}

// dropOwner takes the owner off an object.
func dropOwner(object client.Object) { object.SetOwnerReferences(nil) }

// strip takes off all by which the operator knows an object of its own.
func strip(object client.Object) {
	dropOwner(object)
	object.SetLabels(nil)
	object.SetAnnotations(nil)
}

func holdBack(object client.Object) { controllerutil.AddFinalizer(object, "edge.test/hold") }

func dropHold(object client.Object) { controllerutil.RemoveFinalizer(object, "edge.test/hold") }

// spoil replaces everything that a Secret holds by something of its form.
func spoil(object client.Object) {
	secret := object.(*corev1.Secret)
	for key := range maps.Clone(secret.Data) {
		secret.Data[key] = garbage(key)
	}
}

// garbage is what no consumer can use, in a form that the API server admits for a key.
func garbage(key string) []byte {
	if key == corev1.DockerConfigJsonKey {
		return []byte(`{"auths":{}}`)
	}
	return []byte("altered")
}
