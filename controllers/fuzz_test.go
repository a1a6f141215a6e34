// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about Reconcile as a whole, by inputs that nobody would write.

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// FuzzReconcile has the operator look at objects that somebody altered at random, in whatever the
// API server lets people alter, and in its own status. It has to come to rest: Ready, with tokens
// that work, or with a condition that names what is in the way. `go test -fuzz FuzzReconcile
// ./controllers` goes on from what runs with the tests.
func FuzzReconcile(f *testing.F) {
	for _, seed := range []string{
		"", "\x00\x00\x01", "\x01\x02\x03\x04\x05", "\x02\x01\x09\x02\x02\x08\x03\x01\x07",
		"\x05\x00\x00\x05\x01\x01\x05\x02\x02", "\x06\x00\x01\x06\x01\x02\x06\x02\x03\x06\x03\x04",
		"\x00\x03\x00\x01\x03\x00\x02\x03\x00\x03\x03\x00", "\x02\x00\x04\x02\x01\x05\x02\x02\x06\x02\x03\x07",
		"\x03\x00\x01\x04\x01\x02\x00\x02\x03\x05\x00\x04\x06\x01\x05",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g := NewWithT(t)
		sent := &wire{}
		r := newDirect(t, clock.RealClock{}, sent.wrap)
		edge := apply(t, newEdge())
		g.Expect(settle(t, r, edge)).To(Succeed())
		g.Expect(condition(t, edge, edgev1.Ready).Status).To(Equal(metav1.ConditionTrue))

		d := &dice{data: data}
		for range 12 {
			if len(d.data) > 0 {
				vandalize(t, d, edge)
			}
		}
		g.Expect(settle(t, r, edge)).To(Succeed())

		ready := condition(t, edge, edgev1.Ready)
		g.Expect(edge.Status.ObservedGeneration).To(Equal(edge.Generation))
		if ready.Status != metav1.ConditionTrue {
			g.Expect(ready.Reason).To(Equal(edgev1.ReasonConflict), ready.Message)
			return
		}
		for _, name := range []string{edge.Name + "-publish", edge.Name + "-pull"} {
			g.Expect(works(t, tokenOf(secretOf(t, edge, name)))).To(BeTrue(), "the token in %s works", name)
		}
		before := sent.writes()
		g.Expect(settle(t, r, edge)).To(Succeed())
		g.Expect(sent.writes()).To(Equal(before), "nothing is left to do")
	})
}

// settle makes passes until one has nothing to come back for soon, and returns the error of the last.
func settle(t *testing.T, r *EdgeRegistryReconciler, edge *edgev1.EdgeRegistry) error {
	t.Helper()
	var last error
	done := func() bool {
		result, err := makePass(t, r, edge)
		last = err
		return err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > 20*time.Second)
	}
	NewWithT(t).Eventually(done).WithTimeout(soon).WithPolling(often).Should(BeTrue(), func() string {
		return fmt.Sprintf("the operator comes to rest: %v, %+v", last, condition(t, edge, edgev1.Ready))
	})
	return last
}

// dice makes choices of bytes; without any left, always the first one.
type dice struct{ data []byte }

func (d *dice) roll(sides int) int {
	if len(d.data) == 0 {
		return 0
	}
	first := d.data[0]
	d.data = d.data[1:]
	return int(first) % sides
}

// text is a value that a person, a tool or an attacker may leave in a field.
func (d *dice) text() string {
	values := []string{
		"", "x", "-1", "99999999999999999999", "0", "true", "null", "{}", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
		"2026-02-30T00:00:00Z", "P1D", "0s", "-5h", "87600h", "3e9h", "a.b.c", "..", "../../etc", "a\nb", "\x00", "ü", strings.Repeat("A", 300),
		"default-route.example.com", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	}
	n := d.roll(len(values) + 4)
	if n < len(values) {
		return values[n]
	}
	n = min(d.roll(32), len(d.data))
	raw := d.data[:n]
	d.data = d.data[n:]
	return string(raw)
}

// pick chooses one of the operator's own names, or any text.
func (d *dice) pick(names []string) string {
	if n := d.roll(len(names) + 1); n < len(names) {
		return names[n]
	}
	return d.text()
}

var (
	ourLabels      = []string{objects.ManagedByLabel, objects.EdgeLabel, objects.UIDLabel, objects.RoleLabel, objects.KindLabel}
	ourAnnotations = []string{
		objects.GenerationAnnotation, objects.BoundUIDAnnotation, objects.CredentialIDAnnotation, objects.AccountUIDAnnotation, objects.IssuedAtAnnotation, objects.ExpiresAtAnnotation,
		objects.LifetimeAnnotation, objects.CauseAnnotation, objects.RotationAnnotation, edgev1.RotateAnnotation,
	}
	ourKeys = []string{
		handoff.KeyHost, handoff.KeyCA, handoff.KeyUser, handoff.KeyToken, handoff.KeyDockerConfigJSON, handoff.KeyPassword,
	}
)

// vandalize alters one object of the operator's, as far as the API server lets it.
func vandalize(t *testing.T, d *dice, edge *edgev1.EdgeRegistry) {
	t.Helper()
	if d.roll(6) == 5 {
		vandalizeStatus(t, d, edge)
		return
	}
	objects := objectsOf(t, edge)
	object := objects[d.roll(len(objects))]
	change := map[string]any{}
	switch d.roll(5) {
	case 0:
		if !strings.HasPrefix(fmt.Sprintf("%T", object), "*v1alpha1") {
			_ = admin.Delete(t.Context(), object)
		}
		return
	case 1:
		change["metadata"] = map[string]any{"labels": map[string]any{d.pick(ourLabels): d.text()}}
	case 2:
		change["metadata"] = map[string]any{"annotations": map[string]any{d.pick(ourAnnotations): d.text()}}
	case 3:
		change["metadata"] = map[string]any{"ownerReferences": nil}
	case 4:
		change["data"] = map[string]any{d.pick(ourKeys): []byte(d.text())}
	}
	patch(t, object, change)
}

// vandalizeStatus has the operator read a status that it did not write.
func vandalizeStatus(t *testing.T, d *dice, edge *edgev1.EdgeRegistry) {
	t.Helper()
	status := map[string]any{}
	for range 1 + d.roll(3) {
		switch d.roll(6) {
		case 0:
			status["host"] = d.text()
		case 1:
			status["conditions"] = nil
		case 2:
			status["credentials"] = []any{map[string]any{"role": "Puller", "generation": d.roll(256), "current": d.roll(2) == 0, "credentialID": d.text()}}
		case 3:
			status["ca"] = map[string]any{"subject": d.text(), "sha256": d.text(), "notAfter": "1970-01-01T00:00:00Z", "source": d.text()}
		case 4:
			status["verifiedAt"] = "9999-12-31T23:59:59Z"
		case 5:
			status["lastHandledRotation"], status["observedGeneration"] = d.text(), d.roll(256)
		}
	}
	content, err := json.Marshal(map[string]any{"status": status})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_ = admin.Status().Patch(t.Context(), edge.DeepCopy(), client.RawPatch(types.MergePatchType, content))
}

// objectsOf are the EdgeRegistry and all that the operator made for it, in a stable order.
func objectsOf(t *testing.T, edge *edgev1.EdgeRegistry) []client.Object {
	t.Helper()
	found := []client.Object{edge.DeepCopy()}
	for _, kind := range watchedKinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		NewWithT(t).Expect(admin.List(t.Context(), list, client.InNamespace(openshift.ProjectName(edge)), client.MatchingLabels{objects.UIDLabel: string(edge.UID)})).To(Succeed())
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kind.GroupVersion().WithKind(strings.TrimSuffix(kind.Kind, "List")))
			found = append(found, &list.Items[i])
		}
	}
	return found
}

// patch merges a change into an object unless the API server refuses it.
func patch(t *testing.T, object client.Object, change map[string]any) {
	t.Helper()
	content, err := json.Marshal(change)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_ = admin.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, content))
}
