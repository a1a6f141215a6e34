// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

var (
	every      = func(part) bool { return true }
	kinds      = func(kinds ...string) func(part) bool { return func(p part) bool { return p.is(kinds...) } }
	consumed   = kinds("Secret", "copy")
	inPlace    = func(part) []string { return nil }
	whole      = part.whole
	recreated  = func(p part) []string { return []string{p.effect("delete"), p.effect("create")} }
	tokenAgain = part.anotherToken
	unlabelled = func(o client.Object) { o.SetLabels(nil) }
)

// Drifts that are spoken of elsewhere: the first counts only where something depends on the UID. The last is what somebody
// else made in place of the operator's own.
const (
	recreatedAsItWas = "is recreated as it was"
	takenOver        = "is taken over by another manager"
	anothersByNow    = "is another's by now"
)

// drifts are what somebody does to an object of the operator's, and the effects of one pass that mends it.
var drifts = []struct {
	how   string
	to    func(part) bool
	do    func(*Case, part)
	costs func(part) []string
}{
	{"is deleted", every, func(c *Case, p part) { p.remove(c) }, whole},
	{recreatedAsItWas, kinds("binding", "Secret", "copy"), remade(func(client.Object) {}), inPlace},
	{recreatedAsItWas, kinds("bound Secret"), remade(func(client.Object) {}), tokenAgain},
	{recreatedAsItWas, kinds("account"), remade(func(client.Object) {}), func(p part) []string {
		return slices.DeleteFunc(p.whole(), func(effect string) bool { return effect == p.effect("create") })
	}},
	{"loses its labels", every, edited(unlabelled), inPlace},
	{"loses its labels and annotations", every, edited(func(o client.Object) { o.SetLabels(nil); o.SetAnnotations(nil) }), inPlace},
	{"loses its owner", kinds("bound Secret"), edited(dropOwner), tokenAgain},
	{"is deleted, and a finalizer holds it", kinds("bound Secret"), func(c *Case, p part) { p.edit(c, holdBack); p.remove(c) }, tokenAgain},
	{"becomes one of another type", consumed, remade(func(o client.Object) { o.(*corev1.Secret).Type = corev1.SecretTypeOpaque }), recreated},
	{"gets another role", kinds("binding"), remade(func(o client.Object) { o.(*rbacv1.RoleBinding).RoleRef.Name = "view" }), recreated},
	{"loses its subjects", kinds("binding"), edited(func(o client.Object) { o.(*rbacv1.RoleBinding).Subjects = nil }), inPlace},
	{"gets a subject more", kinds("binding"), edited(func(o client.Object) {
		b := o.(*rbacv1.RoleBinding)
		b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "mallory"})
	}), inPlace},
	{"holds garbage", kinds("Secret"), edited(spoil), tokenAgain},
	{"holds garbage", kinds("copy"), edited(spoil), inPlace},
	{"holds garbage for good", kinds("Secret"), edited(spoilForGood), func(p part) []string { return append(recreated(p), p.anotherToken()...) }},
	{"holds garbage for good", kinds("copy"), edited(spoilForGood), recreated},
	{takenOver, every, takeOver, inPlace},
}

func edited(change func(client.Object)) func(*Case, part) {
	return func(c *Case, p part) { p.edit(c, change) }
}

func remade(change func(client.Object)) func(*Case, part) {
	return func(c *Case, p part) { p.remake(c, change) }
}

func spoilForGood(object client.Object) {
	spoil(object)
	object.(*corev1.Secret).Immutable = ptr.To(true)
}

// takeOver has another manager apply other values to some of what the operator says, by force.
func takeOver(c *Case, p part) {
	live := p.read(c)
	gvk, err := c.World.Admin.GroupVersionKindFor(live)
	c.must(err, "name a kind")
	theirs := &unstructured.Unstructured{Object: map[string]any{}}
	theirs.SetGroupVersionKind(gvk)
	theirs.SetNamespace(live.GetNamespace())
	theirs.SetName(live.GetName())
	labels := map[string]string{}
	for key := range live.GetLabels() {
		labels[key] = "theirs"
	}
	delete(labels, added)
	theirs.SetLabels(labels)
	switch o := live.(type) {
	case *rbacv1.RoleBinding:
		theirs.Object["roleRef"] = map[string]any{"apiGroup": o.RoleRef.APIGroup, "kind": o.RoleRef.Kind, "name": o.RoleRef.Name}
		theirs.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": "default", "name": "default"}}
	case *corev1.Secret:
		if p.is("Secret", "copy") {
			theirs.Object["stringData"] = map[string]any{handoff.KeyCA: "theirs"}
		}
	}
	config := client.ApplyConfigurationFromUnstructured(theirs)
	c.must(c.World.Admin.Apply(c.ctx, config, client.FieldOwner("somebody"), client.ForceOwnership), "apply")
}

// field is something in one of the maps of an object.
type field struct {
	name string
	// set gives it another value, or takes it away.
	set func(client.Object, []byte)
}

// fieldsOf are all the labels, annotations and keys of an object: at rest they are all the operator's.
func fieldsOf(object client.Object) []field {
	var fields []field
	for _, key := range slices.Sorted(maps.Keys(object.GetLabels())) {
		fields = append(fields, field{"label " + key, func(o client.Object, value []byte) {
			o.SetLabels(changed(o.GetLabels(), key, string(value)))
		}})
	}
	for _, key := range slices.Sorted(maps.Keys(object.GetAnnotations())) {
		fields = append(fields, field{"annotation " + key, func(o client.Object, value []byte) {
			o.SetAnnotations(changed(o.GetAnnotations(), key, string(value)))
		}})
	}
	if secret, ok := object.(*corev1.Secret); ok {
		for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
			fields = append(fields, field{"key " + key, func(o client.Object, value []byte) {
				o.(*corev1.Secret).Data = changed(o.(*corev1.Secret).Data, key, value)
			}})
		}
	}
	return fields
}

// changed returns a map with another value for a key, and without the key for no value.
func changed[V ~string | ~[]byte](m map[string]V, key string, value V) map[string]V {
	other := map[string]V{key: value}
	maps.Copy(other, m)
	if other[key] = value; len(value) == 0 {
		delete(other, key)
	}
	return other
}

// dear are the fields that hold a token. All else of a Secret is known from elsewhere.
func dear(p part, f field) bool {
	return p.is("Secret") && slices.Contains([]string{handoff.KeyDockerConfigJSON, handoff.KeyToken}, strings.TrimPrefix(f.name, "key "))
}

// obstacles are what the operator may not mend, what it says of them, with which reason if it is the copy, and how
// somebody takes them away.
var obstacles = []struct {
	how    string
	do     func(*Case, part)
	says   []string
	copies string
	clear  func(*Case, part)
}{
	{"loses its owner", edited(dropOwner),
		[]string{"does not belong to this EdgeRegistry"}, edgev1.ReasonCopiesFailed, func(c *Case, p part) { p.remove(c) }},
	{anothersByNow, remade(strip),
		[]string{"does not belong to this EdgeRegistry"}, edgev1.ReasonCopiesFailed, func(c *Case, p part) { p.remove(c) }},
	{"is deleted, and a finalizer holds it", func(c *Case, p part) { p.edit(c, holdBack); p.remove(c) },
		[]string{"is being deleted", "edge.test/hold"}, edgev1.ReasonCopiesPending, edited(dropHold)},
}

// H1: whatever is done to an object of the operator's, one pass mends it, or a condition says what is in the way until
// it is not.
func TestDriftIsMendedInOnePassOrTold(t *testing.T) {
	suite := NewSuite(t, "H1", 9)
	mends := func(name string, p part, do func(*Case, part), effects []string) {
		suite.Run(name, func(t *testing.T) {
			c := NewCase(t, world, resting)
			do(c, p)
			life := c.once()
			compare(t, "one pass did not mend it (- it was, + now)", now(ofObjects(c.Snapshot())), now(ofObjects(resting.Reference(t, world).State)))
			life.Run()
			excused := deed
			if p.is("bound Secret") {
				// Another Secret of the name was never that of a published token.
				excused = append(slices.Clone(deed), "S1")
			}
			c.judgeBack(resting, counted(effects), excused...)
		})
	}
	example := NewCase(t, world, resting)
	for _, p := range parts {
		for _, d := range drifts {
			if d.to(p) {
				mends(p.what+" "+d.how, p, d.do, d.costs(p))
			}
		}
		for _, f := range fieldsOf(p.read(example)) {
			costs := []string(nil)
			if dear(p, f) {
				costs = p.anotherToken()
			}
			mends(p.what+": "+f.name+" is altered", p, edited(func(o client.Object) { f.set(o, garbage(strings.TrimPrefix(f.name, "key "))) }), costs)
			if f.name == "key "+corev1.DockerConfigJsonKey {
				// The API server does not let it go.
				continue
			}
			if p.is("bound Secret") {
				// A bound Secret without a lifetime counts as one of the lifetime in the spec.
				costs = nil
			}
			mends(p.what+": "+f.name+" is taken away", p, edited(func(o client.Object) { f.set(o, nil) }), costs)
		}
		if p.is("bound Secret") {
			continue
		}
		for _, o := range obstacles {
			suite.Run(p.what+" "+o.how, func(t *testing.T) {
				c := NewCase(t, world, resting)
				o.do(c, p)
				life := c.once()
				says := append([]string{p.key(c).Name, p.key(c).Namespace}, o.says...)
				reason := edgev1.ReasonConflict
				if p.is("copy") {
					reason = o.copies
				}
				c.expectTold(reason, says...)
				expectNoWrite(t, life)
				o.clear(c, p)
				life.Run()
				c.judgeBack(resting, counted(p.whole()), deed...)
			})
		}
	}
}
