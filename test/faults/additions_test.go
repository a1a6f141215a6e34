// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// added is the name of what others add.
const added = "theirs"

// additions are what others may put on an object of the operator's. Each changes nothing on an object that has it.
var additions = []struct {
	what string
	to   func(part) bool
	put  func(*Case, client.Object)
	take func(client.Object)
}{
	{"a label", every,
		func(_ *Case, o client.Object) { o.SetLabels(changed(o.GetLabels(), added, "yes")) },
		func(o client.Object) { o.SetLabels(changed(o.GetLabels(), added, "")) }},
	{"an annotation", every,
		func(_ *Case, o client.Object) { o.SetAnnotations(changed(o.GetAnnotations(), added, " yes\n")) },
		func(o client.Object) { o.SetAnnotations(changed(o.GetAnnotations(), added, "")) }},
	{"a finalizer", every,
		func(_ *Case, o client.Object) { holdBack(o) },
		dropHold},
	{"a second owner", every,
		func(c *Case, o client.Object) {
			theirs := &corev1.Secret{}
			c.must(c.World.Admin.Get(c.ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: "bystander"}, theirs), "read the bystander")
			c.must(controllerutil.SetOwnerReference(theirs, o, c.World.Env.Scheme), "make it an owner")
		},
		func(o client.Object) { o.SetOwnerReferences(o.GetOwnerReferences()[:1]) }},
	{"a key", consumed,
		func(_ *Case, o client.Object) {
			o.(*corev1.Secret).Data = changed(o.(*corev1.Secret).Data, added, []byte{0, 255, '\n'})
		},
		func(o client.Object) { o.(*corev1.Secret).Data = changed(o.(*corev1.Secret).Data, added, nil) }},
	{"what OpenShift puts there", kinds("account"),
		func(_ *Case, o client.Object) {
			a := o.(*corev1.ServiceAccount)
			a.Secrets = []corev1.ObjectReference{{Name: "edge-dockercfg-x7k2p"}}
			a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "edge-dockercfg-x7k2p"}}
			a.AutomountServiceAccountToken = ptr.To(false)
		},
		func(o client.Object) {
			a := o.(*corev1.ServiceAccount)
			a.Secrets, a.ImagePullSecrets, a.AutomountServiceAccountToken = nil, nil, nil
		}},
}

var restingThenRotate = resting.Then("rotate", rotate)

// H3: what others put on an object of the operator's is no drift. It stays as it is when nothing is to be done, when what
// is the operator's beside it is mended, and when the tokens are renewed.
func TestWhatOthersAddStays(t *testing.T) {
	suite := NewSuite(t, "H3", 4)
	for _, p := range parts {
		for _, a := range additions {
			if !a.to(p) {
				continue
			}
			suite.Run(p.what+" gets "+a.what, func(t *testing.T) {
				c := NewCase(t, world, restingThenRotate)
				p.edit(c, func(o client.Object) { a.put(c, o) })
				with := text(c, p.read(c))
				life := c.once()
				expectNoWrite(t, life)
				takeOver(c, p)
				_, _ = life.Pass()
				if mended := text(c, p.read(c)); mended != with {
					t.Errorf("%s is not what it was with %s", p.what, a.what)
				}
				life.Run()
				renewed := p.read(c)
				before := text(c, renewed)
				if a.put(c, renewed); text(c, renewed) != before {
					t.Errorf("after a rotation %s has %s no more", p.what, a.what)
				}
				p.edit(c, a.take)
				c.judgeBack(restingThenRotate, counted(append(anotherToken("publisher"), anotherToken("puller")...)), deed...)
			})
		}
	}
}

// text is an object byte for byte, without its history. It may hold a token, so no test prints it.
func text(c *Case, object client.Object) string {
	c.T.Helper()
	object = object.DeepCopyObject().(client.Object)
	object.SetResourceVersion("")
	object.SetManagedFields(nil)
	content, err := json.Marshal(object)
	c.must(err, "encode an object")
	return string(content)
}
